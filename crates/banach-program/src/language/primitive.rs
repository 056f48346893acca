//! The closed set of primitives.
//!
//! The set is closed under differentiation: tangents and cotangents of primitives consist of primitives, so
//! derivatives are differentiated like any other program.

use crate::language::custom::{Custom, CustomLinear, CustomOp};
use crate::language::geometry::{Pool, Span, Window};
use crate::language::tensor_type::{Constant, Kind};
use burn::tensor::FloatDType;

/// Functions of one number, and comparisons of two, as the kernels compute them.
pub use banach_kernels::{Comparison, Unary};

/// Functions of two numbers, applied to every pair of elements of two tensors of one shape.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[cfg_attr(feature = "remote", derive(serde::Serialize, serde::Deserialize))]
pub enum Binary {
    /// a + b
    Add,
    /// a - b
    Subtract,
    /// a / b
    Divide,
    /// a to the power b
    Power,
    /// a - b floor(a / b)
    Remainder,
    /// The angle of the point (b, a).
    Atan2,
}

/// Functions of two truth values.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[cfg_attr(feature = "remote", derive(serde::Serialize, serde::Deserialize))]
#[allow(missing_docs, reason = "the names are the functions' own")]
pub enum Logic {
    And,
    Or,
    Xor,
}

/// Functions linear in each of two operands. Convolution, its input gradient and its weight gradient are one
/// trilinear form seen from three sides, so the set is closed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[cfg_attr(feature = "remote", derive(serde::Serialize, serde::Deserialize))]
pub enum Bilinear {
    /// Element by element.
    Multiply,
    /// Element by element with zero absorbing: 0 where either operand is 0, also where the other is infinite
    /// or NaN.
    ///
    /// Derivatives multiply by slopes that may not be finite with this product. A tangent or cotangent that
    /// is exactly zero, as behind a branch that was not taken, stays zero. The product is associative for
    /// infinite factors too, so that forward and reverse mode agree on every path.
    AbsorbingProduct,
    /// `[.., m, k] [.., k, n] -> [.., m, n]`, the leading axes equal, after turning (exchanging the last two
    /// axes of) the operands marked.
    Matmul([bool; 2]),
    /// `(x, weight) -> y`.
    Convolution(Window),
    /// `(y, weight) -> x`, of the spatial size given: the transposed convolution.
    ConvolutionInput(Window, [usize; 2]),
    /// `(x, y) -> weight`, of the spatial size given.
    ConvolutionWeight(Window, [usize; 2]),
}

/// Linear maps that only move, copy or add elements.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
#[cfg_attr(feature = "remote", derive(serde::Serialize, serde::Deserialize))]
pub enum Structure {
    /// The elements in another shape, in row-major order.
    Reshape(Vec<usize>),
    /// Axis `i` of the result is axis `axes[i]` of the operand.
    Permute(Vec<usize>),
    /// Axes of size 1 repeated to the shape given.
    Broadcast(Vec<usize>),
    /// Sums over the axes given, which stay with size 1.
    Sum(Vec<usize>),
    /// The elements at the spans.
    Slice(Vec<Span>),
    /// Zeros of the shape given with the operand at the spans.
    Place(Vec<usize>, Vec<Span>),
    /// The axes given reversed.
    Flip(Vec<usize>),
}

/// Linear maps that move elements to positions given by an integer operand.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
#[cfg_attr(feature = "remote", derive(serde::Serialize, serde::Deserialize))]
pub enum Index {
    /// `out[i][j] = x[index[i][j]][j]` along the axis.
    Gather(usize),
    /// The transpose of `Gather`: adds into zeros of the shape given.
    GatherTransposed(usize, Vec<usize>),
    /// Whole slices along the axis, at the positions of a list.
    Select(usize),
    /// The transpose of `Select`: adds into zeros of the shape given.
    SelectTransposed(usize, Vec<usize>),
}

/// Functions applied at every position of their operands, which have one shape.
#[derive(Clone, Copy, Debug, PartialEq)]
#[cfg_attr(feature = "remote", derive(serde::Serialize, serde::Deserialize))]
pub enum Elementwise {
    /// A function of one number.
    Unary(Unary),
    /// A function of two numbers.
    Binary(Binary),
    /// Times a number.
    Scale(f64),
    /// Plus a number.
    Offset(f64),
    /// To the power of a number.
    Power(f64),
    /// The identity with derivative zero.
    Detach,
    /// A comparison of two tensors.
    Compare(Comparison),
    /// A comparison with a number.
    CompareScalar(Comparison, f64),
    /// A function of two masks.
    Logic(Logic),
    /// Negation of a mask.
    Not,
    /// `(mask, yes, no)`.
    Choose,
    /// `(mask, x)`: x with zeros where the mask is true.
    Erase,
    /// Conversion to another kind of number.
    Cast(Kind),
}

impl Elementwise {
    /// Returns the number of operands.
    pub fn arity(&self) -> usize {
        match self {
            Elementwise::Unary(_)
            | Elementwise::Scale(_)
            | Elementwise::Offset(_)
            | Elementwise::Power(_)
            | Elementwise::Detach
            | Elementwise::CompareScalar(..)
            | Elementwise::Not
            | Elementwise::Cast(_) => 1,
            Elementwise::Binary(_) | Elementwise::Compare(_) | Elementwise::Logic(_) | Elementwise::Erase => {
                2
            }
            Elementwise::Choose => 3,
        }
    }
}

/// An operation of an equation.
#[derive(Clone, Debug, PartialEq)]
#[cfg_attr(feature = "remote", derive(serde::Serialize, serde::Deserialize))]
pub enum Primitive {
    /// A constant tensor.
    Constant(Constant),
    /// A function applied at every position.
    Elementwise(Elementwise),
    /// A function linear in each of two operands.
    Bilinear(Bilinear),
    /// Moves, copies or adds elements.
    Structure(Structure),
    /// Moves elements to positions given by the second operand.
    Index(Index),
    /// All operands side by side along an axis.
    Concat(usize),
    /// The largest (or smallest) element along an axis, which stays with size 1.
    Extreme {
        /// The axis.
        axis: usize,
        /// Largest or smallest.
        largest: bool,
    },
    /// The position of the largest (or smallest) element along an axis, which stays with size 1.
    ArgExtreme {
        /// The axis.
        axis: usize,
        /// Largest or smallest.
        largest: bool,
    },
    /// `[b, c, h, w] -> [b, c, h', w']`: the position in `h w` of each window's largest element.
    MaxPoolIndices(Pool),
    /// A primitive defined by another crate, which stays in its process.
    #[cfg_attr(feature = "remote", serde(skip))]
    Custom(CustomOp<dyn Custom>),
}

impl From<Elementwise> for Primitive {
    fn from(function: Elementwise) -> Self {
        Primitive::Elementwise(function)
    }
}

impl Primitive {
    /// Returns whether every element of the result depends only on the operands' elements at its position.
    pub(crate) fn is_elementwise(&self) -> bool {
        matches!(
            self,
            Primitive::Elementwise(_) | Primitive::Bilinear(Bilinear::Multiply | Bilinear::AbsorbingProduct)
        )
    }
}

/// Which operand of a bilinear function varies.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Side {
    /// The first.
    Left,
    /// The second.
    Right,
}

/// An operation of a linear equation. Residuals are values of the primal program.
#[derive(Clone, Debug, PartialEq)]
pub enum Linear {
    /// The sum of two operands.
    Add,
    /// Times a number.
    Scale(f64),
    /// Another precision.
    Cast(FloatDType),
    /// Zero where the residual mask is true.
    Erase,
    /// Moves, copies or adds elements.
    Structure(Structure),
    /// Moves elements to the positions of the residual.
    Index(Index),
    /// All operands side by side along an axis.
    Concat(usize),
    /// A bilinear function whose other operand is the residual.
    Partial(Bilinear, Side),
    /// A linear map defined by another crate.
    Custom(CustomOp<dyn CustomLinear>),
}

impl Linear {
    /// Returns the operation as a primitive, with operands and residuals in the order of the primitive.
    pub(crate) fn primitive<V: Copy>(&self, operands: &[V], residuals: &[V]) -> (Primitive, Vec<V>) {
        let together = |first: &[V], second: &[V]| first.iter().chain(second).copied().collect();
        match self {
            Linear::Add => (Elementwise::Binary(Binary::Add).into(), operands.to_vec()),
            Linear::Scale(factor) => (Elementwise::Scale(*factor).into(), operands.to_vec()),
            Linear::Cast(dtype) => (Elementwise::Cast(Kind::Float(*dtype)).into(), operands.to_vec()),
            Linear::Erase => (Elementwise::Erase.into(), together(residuals, operands)),
            Linear::Structure(structure) => (Primitive::Structure(structure.clone()), operands.to_vec()),
            Linear::Index(index) => (Primitive::Index(index.clone()), together(operands, residuals)),
            Linear::Concat(axis) => (Primitive::Concat(*axis), operands.to_vec()),
            Linear::Custom(map) => {
                (Primitive::Custom(CustomOp(map.0.primitive())), together(operands, residuals))
            }
            Linear::Partial(form, Side::Left) => (Primitive::Bilinear(*form), together(operands, residuals)),
            Linear::Partial(form, Side::Right) => (Primitive::Bilinear(*form), together(residuals, operands)),
        }
    }
}
