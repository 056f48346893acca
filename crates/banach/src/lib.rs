//! Differentiable fixed points for Burn: for an update `g`, Banach solves `x = g(x, z; θ)` and computes exact gradients, in
//! memory that does not grow with the number of iterations.
//!
//! ```
//! use banach::{FixedPoint, FixedPointConfig, Update};
//! use burn::module::Module;
//! use burn::nn::{Linear, LinearConfig};
//! use burn::tensor::{Device, Tensor};
//!
//! /// x = tanh(x W + z U + b)
//! #[derive(Module, Debug)]
//! struct Cell {
//!     state: Linear,
//!     input: Linear,
//! }
//!
//! impl Update for Cell {
//!     type State = Tensor<2>;
//!     type Input = Tensor<2>;
//!
//!     fn start(&self, z: &Tensor<2>) -> Tensor<2> {
//!         Tensor::zeros([z.dims()[0], 8], &z.device())
//!     }
//!
//!     fn update(&self, x: Tensor<2>, z: Tensor<2>) -> Tensor<2> {
//!         (self.state.forward(x) * 0.3 + self.input.forward(z)).tanh()
//!     }
//! }
//!
//! let device = Device::flex().autodiff();
//! let cell = Cell {
//!     state: LinearConfig::new(8, 8).with_bias(false).init(&device),
//!     input: LinearConfig::new(4, 8).init(&device),
//! };
//! let layer: FixedPoint<Cell> = FixedPointConfig::new().init(cell)?;
//!
//! let z = Tensor::<2>::ones([16, 4], &device);
//! let solution = layer.solve(z)?;
//! println!("{}", solution.report().explain());
//! let gradients = solution.into_value().powi_scalar(2).mean().backward();
//! assert!(layer.update().input.weight.grad(&gradients).is_some());
//! # Ok::<(), banach::Error>(())
//! ```
//!
//! `g` is traced once into a small program, which is solved for `x = g(x)`. The program is linearized once at the solution,
//! and the backward pass solves `c = Jᵀ c + v`: a fixed point again (Jeon, Lee and Choi, "Differentiable Forward and Backward
//! Fixed-Point Iteration Layers", eq. 9 to 11).
//!
//! | purpose | items |
//! | :-- | :-- |
//! | the update that users write | a closure in [`FixedPoint::from_fn`], or an [`Update`] |
//! | tensors held fixed inside an update | [`detached`] |
//! | the layer, a module of a network | [`FixedPoint`], created by [`FixedPointConfig`] |
//! | settings | [`FixedPointConfig`], [`Gradient`], [`Precision`], [`Engine`] |
//! | solvers | [`solve`] |
//! | convergence of a solve | [`Solution`], [`Report`], [`Statistics`] |
//! | iterates of a solve, step by step | [`FixedPoint::solve_observed`] |
//! | error bounds of a solution and its gradient | [`Certificate`] |
//! | checks of gradients | [`check`] |
//! | derivatives of any order | [`Function`] |
//! | roots of equations F(x, z; θ) = 0 | [`FixedPoint::from_equation`], or an [`Equation`] in a [`Root`]; [`Function::root`] |
//! | stationary points of energies, on a convex set | [`FixedPoint::from_energy`], or an [`Energy`] in a [`GradientDescent`]; [`Projection`] |
//! | solutions from elsewhere | [`FixedPoint::solution_at`]; [`attach`] for values with a pullback of their own |
//! | solvers of your own | [`UserSolver`](solve::UserSolver), [`UserLinearSolver`](solve::UserLinearSolver) |
//! | outputs beside the state | [`Auxiliary`], [`FixedPoint::outputs`] |
//! | energies that are convex in the state | [`InputConvex`] |
//! | entropy-regularised minimisers on the unit box | [`EntropicDescent`], [`BundleEntropy`] |
//! | inference of a fixed number of learned steps | [`Unrolled`] |
//! | fast training | [`Objective`], [`clip_gradients`], [`AdamConfig`] |
//! | training on several devices | [`Replicas`] |
//! | warm and learned starts | [`WarmStarts`], [`FixedPoint::start_loss`], [`FixedPoint::solve_from`] |
//! | contracting updates | [`regularize`] |
//! | the traced program of an update | [`FixedPoint::program`], [`program`] |

mod calculus;
mod energy;
mod engine;
mod equation;
mod error;
mod layer;
pub mod regularize;
#[cfg(feature = "remote")]
pub mod remote;
mod settings;
mod tracing;
mod training;
mod verify;

pub use banach_program as program;
pub use banach_solve as solve;

pub use calculus::attached::attach;
pub use calculus::function::Function;
pub use energy::bundle::{BundleEntropy, BundleEntropyConfig, BundleSolution};
pub use energy::energy_fn::EnergyFn;
pub use energy::entropic::EntropicDescent;
pub use energy::gradient_descent::{Energy, GradientDescent, GradientDescentConfig};
pub use energy::input_convex::{Bend, InputConvex, InputConvexConfig};
pub use energy::projection::Projection;
pub use energy::unrolled::{Unrolled, UnrolledConfig};
pub use equation::equation_fn::EquationFn;
pub use equation::root::{Equation, Root};
pub use error::Error;
pub use layer::fixed_point::FixedPoint;
pub use layer::sample_cache::WarmStatistics;
pub use layer::step::Step;
pub use layer::warm::WarmStarts;
pub use settings::configuration::{Convolution, Engine, FixedPointConfig, OnFailure};
pub use settings::gradient::Gradient;
pub use settings::precision::Precision;
pub use settings::report::{AdjointReport, Report, Solution, Statistics};
pub use tracing::auxiliary::Auxiliary;
pub use tracing::detached::detached;
pub use tracing::update::Update;
pub use tracing::update_fn::UpdateFn;
pub use training::adam::{Adam, AdamConfig};
pub use training::clipping::clip_gradients;
pub use training::compiled::Compiled;
pub use training::objective::Objective;
pub use training::replicas::Replicas;
pub use verify::certificate::{BoundMethod, Certificate, Ground, RowCertificate};
pub use verify::{certificate, check};
