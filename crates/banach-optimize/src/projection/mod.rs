//! Projections onto convex cones, with their derivatives.

pub(crate) mod cone;
pub(crate) mod curvature;
mod exponential;
mod second_order;
mod semidefinite;
