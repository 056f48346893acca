//! The printed form of a layer.

use crate::layer::fixed_point::FixedPoint;
use crate::tracing::fingerprint::is_printing;
use burn::module::{Content, Module, ModuleDisplay};
use std::fmt::{Debug, Formatter};

impl<M: Module> Debug for FixedPoint<M> {
    fn fmt(&self, f: &mut Formatter<'_>) -> std::fmt::Result {
        let mut layer = f.debug_struct("FixedPoint");
        let config: &dyn Debug = if is_printing() { &self.settings } else { self.config() };
        layer.field("update", self.update()).field("config", config).finish()
    }
}

impl<M: Module + ModuleDisplay> ModuleDisplay for FixedPoint<M> {
    fn custom_content(&self, content: Content) -> Option<Content> {
        content.add("update", self.update()).add_debug_attribute("config", self.config()).optional()
    }
}
