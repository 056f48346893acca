//! The traces and statistics that clones of a layer share.

use crate::calculus::implicit::FixedPointOp;
use crate::settings::journal::Journal;
use crate::tracing::cache::{Bytes, Cache, Signature};
use crate::tracing::release::Release;
use crate::tracing::traced::TracedUpdate;
use std::fmt::{Debug, Formatter};
use std::sync::Arc;

/// The traces and statistics that clones of a layer share.
#[derive(Default)]
pub(crate) struct Shared {
    pub(crate) traced: Cache<Signature, TracedLayer>,
    pub(crate) journal: Arc<Journal>,
    pub(crate) release: Release,
}

/// A traced update and its fixed point, for one set of shapes.
pub(crate) struct TracedLayer {
    pub(crate) update: TracedUpdate,
    /// The fixed point of the update in the flat state.
    pub(crate) fixed_point: Arc<FixedPointOp>,
}

impl Bytes for TracedLayer {
    fn bytes(&self) -> usize {
        self.update.bytes() + self.fixed_point.bytes()
    }
}

impl Debug for Shared {
    /// A printed model does not print its programs.
    fn fmt(&self, f: &mut Formatter<'_>) -> std::fmt::Result {
        f.write_str("Shared")
    }
}
