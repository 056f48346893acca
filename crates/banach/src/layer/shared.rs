//! The traces, statistics and printed form of a layer.

use crate::layer::fixed_point::FixedPoint;
use crate::settings::journal::Journal;
use crate::tracing::cache::{Cache, Signature};
use crate::tracing::release::Release;
use crate::tracing::traced::TracedUpdate;
use burn::module::{Content, Module, ModuleDisplay};
use std::fmt::{Debug, Formatter};
use std::sync::Arc;

/// The traces and statistics that clones of a layer share.
#[derive(Default)]
pub(crate) struct Shared {
    pub(crate) traced: Cache<Signature, TracedUpdate>,
    pub(crate) journal: Arc<Journal>,
    pub(crate) release: Release,
}

impl Debug for Shared {
    /// A printed model does not print its programs.
    fn fmt(&self, f: &mut Formatter<'_>) -> std::fmt::Result {
        f.write_str("Shared")
    }
}

impl<M: Module> Debug for FixedPoint<M> {
    fn fmt(&self, f: &mut Formatter<'_>) -> std::fmt::Result {
        let mut layer = f.debug_struct("FixedPoint");
        layer.field("update", self.update()).field("config", self.config()).finish()
    }
}

impl<M: Module + ModuleDisplay> ModuleDisplay for FixedPoint<M> {
    fn custom_content(&self, content: Content) -> Option<Content> {
        content.add("update", self.update()).add_debug_attribute("config", self.config()).optional()
    }
}

impl<M: Module> FixedPoint<M> {
    /// Forgets the traces of this layer and its clones: the next call traces the update again.
    ///
    /// A trace holds every number that the update reads from elsewhere, a plain field or a shared counter say, as it was at
    /// the first call with these shapes. After such a number has changed, forget the traces; better, pass the number in as
    /// a part of z.
    pub fn forget_traces(&self) {
        self.shared.traced.clear();
    }

    /// An estimate of the bytes that the traces of this layer and its clones take, compiled programs and their workspaces
    /// included; [`trace_memory`](crate::FixedPointConfig::trace_memory) bounds it.
    pub fn trace_bytes(&self) -> usize {
        self.shared.traced.bytes()
    }
}
