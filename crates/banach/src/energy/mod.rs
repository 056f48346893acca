//! Minimisers of learnable energies as fixed points.

pub(crate) mod gradient_descent;
pub(crate) mod projection;
