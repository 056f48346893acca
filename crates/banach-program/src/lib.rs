//! Tensor programs as data: traced, printed, linearized, transposed and run.
//!
//! A fixed-point layer applies the same map and the same derivative many times at one point. A tape that is
//! consumed by one backward pass cannot do that, so the map is traced **once** into a [`Program`], a short
//! list of equations over a closed set of [`Primitive`]s, and everything else is done to the program:
//!
//! - [`trace()`] records a closure over ordinary Burn tensors;
//! - [`linearize()`] gives the value and the derivative `J` as a [`LinearProgram`];
//! - [`transpose()`] turns `J` into `Jᵀ`; it accepts linear programs only, so it cannot fail;
//! - [`hoist()`] splits off what a loop computes only once;
//! - [`evaluate()`] runs a program on any Burn device.
//!
//! ```
//! use banach_program::{Type, evaluate, linearize, trace, transpose};
//! use burn::tensor::{Device, Tensor};
//!
//! let shape = [Type::f32([2, 3])];
//! let program = trace(&Device::flex(), &shape, |inputs| {
//!     let x: Tensor<2> = inputs[0].clone().try_into_tensor()?;
//!     Ok(vec![x.tanh().into()])
//! })?;
//! println!("{program}");
//! let derivative = linearize(&program, &[0]);
//! println!("{}", transpose(&derivative.tangent));
//! let x = Tensor::<2>::ones([2, 3], &Device::flex());
//! assert_eq!(evaluate(&program, vec![x.into()])?.len(), 1);
//! # Ok::<(), banach_program::Error>(())
//! ```

mod derive;
mod error;
mod language;
mod panics;
mod rewrite;
mod run;
mod trace;

pub use derive::linearize::{Linearization, linearize};
pub use derive::modes::{jvp, vjp};
pub use derive::transpose::transpose;
pub use error::{Error, Unsuitable};
pub use language::builder::Builder;
pub use language::custom::{Custom, CustomLinear, CustomOp, TangentBuilder};
pub use language::geometry::{Pool, Span, Window};
pub use language::linear::{LinearEquation, LinearProgram};
pub use language::primitive::{
    Bilinear, Binary, Comparison, Elementwise, Index, Linear, Logic, Primitive, Side, Structure, Unary,
};
pub use language::program::{Equation, Program, Var};
pub use language::tensor_type::{Constant, Kind, Literal, Type};
pub use language::value::Value;
pub use language::verify::verify;
pub use panics::{panics_as_errors, panics_as_messages};
pub use rewrite::hoist::{Hoisted, hoist};
pub use rewrite::operations::{operations, operations_of};
pub use rewrite::precision::in_precision;
pub use rewrite::resize::with_rows;
pub use rewrite::rows::{RowDependence, row_dependence};
pub use rewrite::simplify::simplify;
pub use run::evaluate::{evaluate, evaluate_on};
pub use run::native::{
    ConvolutionMethod, Level, Machine, Packed, Workspace, convolution_method, on_all_cores,
    parallel_operations,
};
pub use run::operand::{Operand, Target};
pub use run::value::host::{Host, Owned};
pub use run::value::number::Number;
#[cfg(feature = "remote")]
pub use run::value::remote::{call_remote, with_operation};
pub use trace::outputs::Outputs;
pub use trace::record::{record, trace};
pub use trace::tensors::Tensors;
