//! Solvers of fixed points and linear systems on batched rows, with an outcome for every row.
//!
//! The state is a matrix `[rows, n]` in which every row is its own problem. [`fixed_point`] solves `x = g(x)` for a
//! [`Map`] `g`; [`solve_linear`] solves `(I - A) c = v` for a linear map `A` known only by application. Nothing here
//! differentiates (a [`Smooth`] map brings its derivative, for [`fixed_point_smooth`]), and a numerical failure is a value ([`Outcome`]), not an error.
//!
//! ```
//! use banach_solve::{Settings, fixed_point};
//! use burn::tensor::{DType, Device, Tensor};
//!
//! // Two rows: x = cos(x) from two places.
//! let device = Device::flex();
//! let x0 = Tensor::<2>::from_data([[0.0], [1.0]], (&device, DType::F64));
//! let solution = fixed_point(&|x: &Tensor<2>| x.clone().cos(), &x0, &Settings::default())?;
//!
//! assert!(solution.converged());
//! assert!(solution.statistics.evaluations < 10);
//! let x: Vec<f64> = solution.into_converged()?.into_data().iter::<f64>().collect();
//! assert!((x[0] - 0.7390851332151607).abs() < 1e-4);
//! # Ok::<(), banach_solve::Error>(())
//! ```
//!
//! | question | file |
//! | :-- | :-- |
//! | What is iterated? | [`Map`] and [`Smooth`] in `map` |
//! | On what? | [`Rows`] in `rows`: tensors (`tensor`), or a [`Matrix`] in memory (`matrix`, `storage`) |
//! | When is it converged, and when is enough enough? | [`Tolerance`] with its [`Norm`], [`Budget`], [`Patience`] in `tolerance` |
//! | What can be set? | [`Settings`] in `settings` |
//! | What came out? | [`Solution`], [`Outcome`], [`Statistics`] in `solution`, [`Switch`] in `switch` |
//! | And where one solve goes on where another has ended? | [`Solution::continuing`] in `continued` |
//! | How is its course written down? | [`Record::csv`] in `trace` |
//! | Who watches? | [`Observe`] in `observe` |
//! | How is that said in words? | [`Solution::explain`] in `explain`, with [`advice`] from a table of solvers and outcomes |
//! | How fast did it converge? | [`Statistics::rates`], from the private `rate` |
//! | Who decides about each row? | the private `ledger`, called by the loop in `iterate`; `growth` where states grow, `descent` where energies fall |
//! | How does the state move? | [`Picard`], [`Anderson`], [`Broyden`], [`Squarem`], [`Auto`] and [`Newton`] in `fixed_point`; [`Handover`] from one to the other |
//! | How are linear systems solved? | [`Neumann`], [`Gmres`], [`Bicgstab`], [`ConjugateGradient`] and [`Dense`] in `linear` |
//! | And by choice only nearly? | [`Truncated`] and [`LinearSolver::Identity`] in `linear` |
//! | How large is a linear map? | [`spectral_radius`] and [`spectral_norm`] in `spectrum` |
//! | What is impossible? | [`Error`] in `error` |

mod advice;
mod continued;
mod descent;
mod error;
mod explain;
mod fixed_point;
mod growth;
mod iterate;
mod ledger;
mod linear;
mod map;
mod matrix;
mod observe;
mod present;
mod rate;
mod rows;
mod settings;
mod solution;
mod solver_kind;
mod spectrum;
mod storage;
mod switch;
mod tensor;
mod tolerance;
mod trace;

pub use advice::{Course, advice};
pub use error::Error;
pub use fixed_point::{
    Anderson, AndersonMemory, Auto, AutoMemory, Broyden, BroydenMemory, BroydenUpdate, FixedPointSolver,
    Forcing, Handover, Newton, NewtonInner, Picard, PicardMemory, Solver, Squarem, SquaremMemory, Visit,
    fixed_point, fixed_point_observed, fixed_point_remembered, fixed_point_smooth,
    fixed_point_smooth_observed, fixed_point_with,
};
pub use linear::{
    Bicgstab, ConjugateGradient, Dense, Gmres, LinearSolver, Neumann, Truncated, solve_linear,
    solve_linear_from, solve_linear_observed,
};
pub use map::{Map, Smooth};
pub use matrix::Matrix;
pub use observe::{Observe, Progress, Unobserved};
pub use rows::Rows;
pub use settings::Settings;
pub use solution::{Outcome, Record, Solution, Statistics};
pub use solver_kind::SolverKind;
pub use spectrum::{Arnoldi, Magnitude, spectral_norm, spectral_radius};
pub use storage::Number;
pub use switch::{Method, Reason, Switch};
pub use tolerance::{Budget, Norm, Patience, Tolerance};
