//! Kinds of numbers, tensor types and constant tensors.

use burn::tensor::{DType, FloatDType, IntDType, TensorData};
use std::sync::Arc;

/// The kind of number a tensor holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[cfg_attr(feature = "remote", derive(serde::Serialize, serde::Deserialize))]
pub enum Kind {
    /// Floating point: the only kind that has derivatives.
    Float(FloatDType),
    /// Integers: positions and counts.
    Int(IntDType),
    /// Truth values: masks.
    Bool,
}

impl Kind {
    /// Whether tensors of this kind have derivatives.
    pub fn is_float(self) -> bool {
        matches!(self, Kind::Float(_))
    }

    /// Floats of the precision given for floats, the same kind for others.
    pub(crate) fn in_precision(self, precision: FloatDType) -> Self {
        if self.is_float() { Kind::Float(precision) } else { self }
    }
}

impl From<DType> for Kind {
    fn from(dtype: DType) -> Self {
        if dtype.is_float() {
            Kind::Float(dtype.into())
        } else if dtype.is_bool() {
            Kind::Bool
        } else {
            Kind::Int(dtype.into())
        }
    }
}

/// The shape and kind of a tensor.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
#[cfg_attr(feature = "remote", derive(serde::Serialize, serde::Deserialize))]
pub struct Type {
    /// The size along every axis.
    pub shape: Vec<usize>,
    /// The kind of number.
    pub kind: Kind,
}

impl Type {
    /// Creates a type from a shape and a kind.
    pub fn new(shape: impl Into<Vec<usize>>, kind: Kind) -> Self {
        Type { shape: shape.into(), kind }
    }

    /// Single precision of the given shape.
    pub fn f32(shape: impl Into<Vec<usize>>) -> Self {
        Type::new(shape, Kind::Float(FloatDType::F32))
    }

    /// Double precision of the given shape.
    pub fn f64(shape: impl Into<Vec<usize>>) -> Self {
        Type::new(shape, Kind::Float(FloatDType::F64))
    }

    /// The number of elements.
    pub fn len(&self) -> usize {
        self.shape.iter().product()
    }

    /// Whether there are no elements.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Returns the type with another shape.
    pub(crate) fn with_shape(&self, shape: impl Into<Vec<usize>>) -> Self {
        Type::new(shape, self.kind)
    }
}

/// Elements of a constant.
#[derive(Clone, Debug, PartialEq)]
#[cfg_attr(feature = "remote", derive(serde::Serialize, serde::Deserialize))]
pub enum Literal {
    /// One number for all elements; booleans are 0 and 1.
    Full(f64),
    /// One number per element.
    Data(Arc<TensorData>),
}

/// A constant tensor.
#[derive(Clone, Debug, PartialEq)]
#[cfg_attr(feature = "remote", derive(serde::Serialize, serde::Deserialize))]
pub struct Constant {
    /// Returns the shape and kind.
    pub ty: Type,
    /// Its numbers.
    pub literal: Literal,
}
