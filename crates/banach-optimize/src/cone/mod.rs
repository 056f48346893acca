//! Cone programs: solves, Newton's finish, derivatives, and the layer.

mod curvature;
mod interior;
mod layout;
mod newton;
mod operation;
pub(crate) mod problem;
pub(crate) mod program;
mod pullback;
mod resolvent;
mod row;
pub(crate) mod settings;
mod solve;
mod splitting;
mod system;
