//! Checks of gradients and certificates of solutions.

pub mod certificate;
pub mod check;
