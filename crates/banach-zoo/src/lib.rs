//! Fixed-point problems with known answers.
//!
//! Every [`Problem`] is a map `g(x, z)` on rows together with a start, an input `z`, and, where they exist, the fixed
//! point `x̂` and the derivative of `sum(x̂)` in `z`. Some have no answer on purpose: they say what a solver must survive.
//!
//! | file | problems |
//! | :-- | :-- |
//! | [`scalar`] | one unknown a row: cosine, exponential, tanh, square and cube roots, Kepler's equation |
//! | [`affine`] | `x = M x + b`: non-symmetric, symmetric in 200 unknowns, large, slow, of mixed speed, an implicit heat step |
//! | [`crossed`] | equations in which every unknown stands in another one's place |
//! | [`network`] | a layer of neurons that feeds itself |
//! | [`trouble`] | rotation, expansion, slope one, singular `I - J`, two answers, no answer, not-a-number |
//!
//! ```
//! use banach_zoo::named;
//! use burn::tensor::{DType, Device};
//!
//! let problem = named("cosine").expect("the zoo has a cosine");
//! let device = Device::flex();
//! let z = problem.z(&device, DType::F64);
//! let mut x = problem.x0(&device, DType::F64);
//! for _ in 0..100 {
//!     x = problem.update(&x, &z);
//! }
//! let found: f64 = x.into_scalar();
//! assert!((found - 0.7390851332151607).abs() < 1e-12);
//! ```

pub mod affine;
pub mod crossed;
mod exact;
pub mod network;
mod problem;
pub mod scalar;
pub mod trouble;

pub use problem::{Problem, Table};

/// Every problem of the zoo, the tame ones first.
pub fn all() -> Vec<Problem> {
    [scalar::all(), affine::all(), crossed::all(), network::all(), trouble::all()].concat()
}

/// The problem of this name, if there is one.
pub fn named(name: &str) -> Option<Problem> {
    all().into_iter().find(|problem| problem.name == name)
}
