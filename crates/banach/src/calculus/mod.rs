//! The implicit function theorem: fixed points and linear solves as differentiable operations.

pub(crate) mod attach;
pub(crate) mod attached;
pub(crate) mod backward;
mod forward;
pub(crate) mod function;
pub(crate) mod implicit;
pub(crate) mod known_rows;
pub(crate) mod pullback;
pub(crate) mod resolvent;
pub(crate) mod sound_rows;
pub(crate) mod substitution;
mod tape;
