//! Quadratic programs: interior-point solves, active-set finishes, derivatives, and the layer.

mod active_set;
mod batch;
mod certificate;
mod curvature;
mod equality;
mod group;
mod interior_point;
mod layout;
mod newton;
mod operation;
pub(crate) mod problem;
pub(crate) mod program;
mod row;
pub(crate) mod settings;
mod solve;
mod tangent;
