//! Minimisers of learnable energies as fixed points.

pub(crate) mod energy_fn;
pub(crate) mod gradient_descent;
mod nearest;
pub(crate) mod projection;
