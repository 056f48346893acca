//! Steps of deferred solvers as kernels, on devices that CubeCL compiles for.
//!
//! A step of Anderson acceleration takes some sixty operations on tensors, most of them on a few numbers of every row. As
//! kernels it takes three launches: the newest differences with their products, the least-squares problems, the mixture.

mod differences;
mod elimination;
mod mixture;
mod operations;
mod sizes;
mod sums;

pub(crate) use elimination::Elimination;
pub(crate) use operations::{
    DifferencesOf, LARGEST_WINDOW, Ring, differences, eliminated, fit, mixed, sizes, wait,
};
