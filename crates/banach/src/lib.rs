//! Differentiable fixed points for Burn: you write an update `g`, Banach finds `x = g(x, z; θ)` and gives exact
//! gradients, in memory that does not grow with the number of iterations.
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
//! How it works: `g` is traced once into a small program; the program is solved for `x = g(x)`; its derivative at the
//! solution is linearized once, and the backward pass solves `c = Jᵀ c + v` with it: again a fixed point
//! (Jeon, Lee and Choi, "Differentiable Forward and Backward Fixed-Point Iteration Layers", eq. 9 to 11).
//!
//! | question | place |
//! | :-- | :-- |
//! | What do I write? | [`Update`] |
//! | How do I hold a tensor fixed inside it? | [`detached`] |
//! | What do I put into my network? | [`FixedPoint`], made by [`FixedPointConfig`] |
//! | What does a solve do step by step? | [`FixedPoint::solve_observed`] |
//! | Did it converge? | [`Solution`], [`Report`], [`Statistics`] |
//! | How good is a solution, and how good its gradient? | [`Certificate`] |
//! | Are my gradients right? | [`check`] |
//! | Which solvers are there? | [`solve`] |
//! | What can be set? | [`FixedPointConfig`], [`Gradient`], [`Precision`], [`Engine`] |
//! | How do I differentiate to any order? | [`Function`] |
//! | How do I put in an energy? | [`GradientDescent`], [`Energy`] |
//! | How do I train fast? | [`Objective`], [`clip_gradients`], [`AdamConfig`] |
//! | Where does a solve begin that is not the first? | [`WarmStarts`], [`FixedPoint::start_loss`], [`FixedPoint::solve_from`] |
//! | How does my update become a contraction? | [`regularize`] |
//! | What does my update look like as a program? | [`FixedPoint::program`], [`program`] |

mod calculus;
mod energy;
mod engine;
mod error;
mod layer;
pub mod regularize;
mod settings;
mod tracing;
mod training;
mod verify;

pub use banach_program as program;
pub use banach_solve as solve;

pub use calculus::attached::attach;
pub use calculus::function::Function;
pub use energy::gradient_descent::{Energy, GradientDescent, GradientDescentConfig};
pub use energy::projection::Projection;
pub use error::Error;
pub use layer::fixed_point::FixedPoint;
pub use layer::memory::WarmStatistics;
pub use layer::observed::Step;
pub use layer::warm::WarmStarts;
pub use settings::configuration::{Convolution, Engine, FixedPointConfig, OnFailure};
pub use settings::gradient::Gradient;
pub use settings::precision::Precision;
pub use settings::report::{AdjointReport, Report, Solution, Statistics};
pub use tracing::detached::detached;
pub use tracing::update::Update;
pub use training::adam::{Adam, AdamConfig};
pub use training::clipping::clip_gradients;
pub use training::objective::{Compiled, Objective};
pub use verify::certificate::{Certificate, Road, RowCertificate};
pub use verify::{certificate, check};
