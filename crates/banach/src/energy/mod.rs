//! Minimisers of learnable energies: fixed points, unrolled steps, and the bundle entropy method.

pub(crate) mod bundle;
mod cuts;
pub(crate) mod energy_fn;
pub(crate) mod entropic;
pub(crate) mod gradient_descent;
pub(crate) mod input_convex;
mod nearest;
pub(crate) mod projection;
pub(crate) mod unrolled;
