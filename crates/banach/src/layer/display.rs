//! The printed form of a layer.

use crate::layer::fixed_point::FixedPoint;
use burn::module::{Content, Module, ModuleDisplay};
use std::fmt::{Debug, Formatter};

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
