//! The implicit function theorem: fixed points and linear solves as differentiable operations.

pub(crate) mod attach;
pub(crate) mod attached;
mod backward;
mod forward;
pub(crate) mod function;
mod given;
pub(crate) mod implicit;
mod pullback;
pub(crate) mod resolvent;
mod row_choice;
pub(crate) mod shine;
pub(crate) mod sound_outputs;
pub(crate) mod sound_rows;
pub(crate) mod substitution;
pub(crate) mod tape;
