//! Differentiation of programs: tangents and cotangents.

pub(crate) mod branch;
pub(crate) mod linearize;
pub(crate) mod modes;
pub(crate) mod range;
pub(crate) mod slope;
pub(crate) mod transpose;
