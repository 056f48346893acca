//! The traces and statistics that clones of a layer share.

use crate::calculus::implicit::FixedPointOp;
use crate::settings::journal::Journal;
use crate::tracing::auxiliary::TracedOutputs;
use crate::tracing::cache::{Bytes, Cache, Signature};
use crate::tracing::release::Release;
use crate::tracing::traced::TracedUpdate;
use std::fmt::{Debug, Formatter};
use std::sync::{Arc, OnceLock};

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
    /// The auxiliary outputs, compared with Burn off the tape and on it.
    pub(crate) outputs: [OnceLock<TracedOutputs>; 2],
}

impl TracedLayer {
    pub(crate) fn new(update: TracedUpdate, fixed_point: FixedPointOp) -> Self {
        TracedLayer { update, fixed_point: Arc::new(fixed_point), outputs: Default::default() }
    }
}

impl Bytes for TracedLayer {
    fn bytes(&self) -> usize {
        let outputs: usize = self.outputs.iter().map(Bytes::bytes).sum();
        self.update.bytes() + self.fixed_point.bytes() + outputs
    }
}

impl Debug for Shared {
    /// A printed model does not print its programs.
    fn fmt(&self, f: &mut Formatter<'_>) -> std::fmt::Result {
        f.write_str("Shared")
    }
}
