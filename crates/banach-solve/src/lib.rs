//! Solvers of fixed points and linear systems on batched rows, with an outcome for every row.
//!
//! The state is a matrix `[rows, n]` in which every row is its own problem. [`fixed_point`] solves `x = g(x)`
//! for a [`Map`] `g`; [`solve_linear`] solves `(I - A) c = v` for a linear map `A` known only by application.
//! Nothing here differentiates (a [`Smooth`] map brings its derivative, for [`fixed_point_smooth`]), and a
//! numerical failure is a value ([`Outcome`]), not an error.
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
//! | room | contents |
//! | :-- | :-- |
//! | `map` | [`Map`], perhaps with an energy, and [`Smooth`] maps with a derivative |
//! | `state` | row arithmetic, [`Rows`], on tensors and on a [`Matrix`] in memory |
//! | `tolerance`, `settings` | [`Tolerance`] with its [`Norm`], [`Budget`], [`Patience`]; [`Settings`] |
//! | `outcome`, `error` | the [`Outcome`] of a row; impossible requests, [`Error`] |
//! | `report` | [`Solution`], [`Statistics`], traces ([`Record`]), changes of method ([`Switch`]), [`advice`] |
//! | `observe` | observers of a solve, [`Observe`] |
//! | `growth`, `descent`, `ledger` | the stopping rules, row by row, where states grow and energies fall |
//! | `active_map`, `solver`, `iterate` | the rows left in the batch, the interface [`Solver`], the loop |
//! | `user_defined` | solvers that users define, [`UserSolver`] and [`UserLinearSolver`], as settings |
//! | `derivative_free` | [`Picard`], [`Anderson`], [`Broyden`], [`Squarem`] |
//! | `linear` | [`Neumann`], [`Gmres`], [`Bicgstab`], [`ConjugateGradient`], [`Dense`], [`Truncated`] |
//! | `fixed_point` | [`Newton`], [`Auto`], the [`Handover`] from Auto to Newton, [`fixed_point()`] |
//! | `deferred` | solves on a device that the host looks at every few steps, [`fixed_point_deferred`] |
//! | `conversion` | every solver as a member of its enumeration |
//! | `spectrum` | [`spectral_radius`] and [`spectral_norm`] of linear maps |

mod active_map;
mod conversion;
mod deferred;
mod derivative_free;
mod descent;
mod error;
mod fixed_point;
mod growth;
mod iterate;
#[cfg(feature = "kernels")]
mod kernels;
mod ledger;
mod linear;
mod map;
mod observe;
mod outcome;
mod report;
mod settings;
mod solver;
mod spectrum;
mod state;
mod tolerance;
mod user_defined;

pub use deferred::{fixed_point_deferred, solve_linear_deferred};
pub use derivative_free::{
    Anderson, AndersonMemory, Broyden, BroydenMemory, BroydenUpdate, Picard, PicardMemory, Squarem,
    SquaremMemory,
};
pub use error::Error;
pub use fixed_point::{
    Auto, AutoMemory, FixedPointProblem, FixedPointSolver, Forcing, Handover, Newton, NewtonInner,
    UserSolver, fixed_point, fixed_point_observed, fixed_point_remembered, fixed_point_smooth,
    fixed_point_smooth_observed, fixed_point_with,
};
pub use linear::{
    Bicgstab, ConjugateGradient, Dense, Gmres, LinearProblem, LinearSolver, Neumann, Truncated,
    UserLinearSolver, solve_linear, solve_linear_from, solve_linear_observed,
};
pub use map::{Map, Smooth};
pub use observe::{Observe, Progress, Unobserved};
pub use outcome::Outcome;
pub use report::{
    Method, Reason, Record, ResidualTrend, Solution, SolverKind, Statistics, Switch, Transfers, advice,
};
pub use settings::Settings;
pub use solver::{Iterate, Solver};
pub use spectrum::{Arnoldi, Magnitude, spectral_norm, spectral_radius};
pub use state::{Matrix, Number, Rows};
pub use tolerance::{Budget, Norm, Patience, Tolerance};
pub use user_defined::UserDefined;
