//! Solvers of `x = g(x)` that need values of `g` alone, each a memory and a step.

mod anderson;
mod broyden;
mod picard;
mod squarem;

pub use anderson::{Anderson, AndersonMemory};
pub use broyden::{Broyden, BroydenMemory, BroydenUpdate};
pub use picard::{Picard, PicardMemory};
pub use squarem::{Squarem, SquaremMemory};
