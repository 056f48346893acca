//! A tensor program as data: trace it, print it, linearize it, transpose it, run it.
//!
//! A fixed-point layer applies the same map and the same derivative many times at one point. A tape that is
//! consumed by one backward pass cannot do that, so the map is traced **once** into a [`Program`], a short list
//! of equations over a closed set of [`Primitive`]s, and everything else is done to the program:
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

mod custom;
mod error;
mod evaluate;
mod folding;
mod hoist;
mod linear;
mod linearize;
mod lower;
mod native;
mod operations;
mod precision;
mod primitive;
mod print;
mod program;
mod resize;
mod rows;
mod shape;
mod simplify;
mod slope;
mod tensors;
mod trace;
mod transpose;
mod value;
mod verify;

pub use custom::{Custom, CustomLinear, Door};
pub use error::Error;
pub use evaluate::{evaluate, evaluate_on};
pub use hoist::{Hoisted, hoist};
pub use linear::{LinearEquation, LinearProgram};
pub use linearize::{Linearization, Linearizer, jvp, linearize, vjp};
pub use native::{ConvolutionMethod, Machine, Operand, Packed, Target, Unsuitable, Workspace};
pub use operations::{operations, operations_of};
pub use precision::in_precision;
pub use primitive::{
    Bilinear, Binary, Comparison, Constant, Index, Kind, Linear, Literal, Logic, Pool, Primitive, Side, Span,
    Structure, Type, Unary, Window,
};
pub use program::{Builder, Equation, Program, Var};
pub use resize::with_rows;
pub use rows::{Rows, rows};
pub use simplify::simplify;
pub use tensors::Tensors;
pub use trace::{record, trace};
pub use transpose::transpose;
pub use value::{Host, Number, Owned, Value};
pub use verify::verify;
