//! Program transformations.

pub(crate) mod folding;
pub(crate) mod hoist;
pub(crate) mod operations;
pub(crate) mod precision;
pub(crate) mod resize;
pub(crate) mod rows;
pub(crate) mod simplify;
