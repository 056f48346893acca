//! Tangents and cotangents of programs.

pub(crate) mod linearize;
pub(crate) mod slope;
pub(crate) mod transpose;
