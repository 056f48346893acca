//! Projections onto convex cones, with their derivatives.

pub(crate) mod cone;
mod exponential;
mod second_order;
mod semidefinite;
