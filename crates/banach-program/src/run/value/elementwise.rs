//! Values of elementwise primitives.

use crate::language::primitive::{Binary, Comparison, Logic, Unary};
use crate::language::tensor_type::{Constant, Kind, Literal};
use crate::language::value::Value;
use burn::backend::ops::{ActivationOps, BoolTensorOps, FloatTensorOps, IntTensorOps};
use burn::backend::{Dispatch, Scalar};
use burn::tensor::FloatDType;

impl Value {
    pub(crate) fn unary(self, function: Unary) -> Self {
        let float = self.ty().kind.is_float();
        let x = self.0;
        Value(match function {
            Unary::Abs if !float => Dispatch::int_abs(x),
            Unary::Abs => Dispatch::float_abs(x),
            Unary::Acos => Dispatch::float_acos(x),
            Unary::Acosh => Dispatch::float_acosh(x),
            Unary::Asin => Dispatch::float_asin(x),
            Unary::Asinh => Dispatch::float_asinh(x),
            Unary::Atan => Dispatch::float_atan(x),
            Unary::Atanh => Dispatch::float_atanh(x),
            Unary::Ceil => Dispatch::float_ceil(x),
            Unary::Cos => Dispatch::float_cos(x),
            Unary::Cosh => Dispatch::float_cosh(x),
            Unary::Erf => Dispatch::float_erf(x),
            Unary::Exp => Dispatch::float_exp(x),
            Unary::Floor => Dispatch::float_floor(x),
            Unary::Log => Dispatch::float_log(x),
            Unary::Log1p => Dispatch::float_log1p(x),
            Unary::LogSigmoid => Dispatch::log_sigmoid(x),
            Unary::Reciprocal => Dispatch::float_recip(x),
            Unary::Relu => Dispatch::relu(x),
            Unary::Round => Dispatch::float_round(x),
            Unary::Sigmoid => Dispatch::sigmoid(x),
            Unary::Sign if !float => Dispatch::int_sign(x),
            Unary::Sign => Dispatch::float_sign(x),
            Unary::Sin => Dispatch::float_sin(x),
            Unary::Sinh => Dispatch::float_sinh(x),
            Unary::Sqrt => Dispatch::float_sqrt(x),
            Unary::Tan => Dispatch::float_tan(x),
            Unary::Tanh => Dispatch::float_tanh(x),
            Unary::Trunc => Dispatch::float_trunc(x),
        })
    }

    pub(crate) fn binary(self, function: Binary, other: Value) -> Self {
        let float = self.ty().kind.is_float();
        let (a, b) = (self.0, other.0);
        Value(match (function, float) {
            (Binary::Add, true) => Dispatch::float_add(a, b),
            (Binary::Add, false) => Dispatch::int_add(a, b),
            (Binary::Subtract, true) => Dispatch::float_sub(a, b),
            (Binary::Subtract, false) => Dispatch::int_sub(a, b),
            (Binary::Divide, true) => Dispatch::float_div(a, b),
            (Binary::Divide, false) => Dispatch::int_div(a, b),
            (Binary::Power, true) => Dispatch::float_powf(a, b),
            (Binary::Power, false) => Dispatch::int_powi(a, b),
            (Binary::Remainder, true) => Dispatch::float_remainder(a, b),
            (Binary::Remainder, false) => Dispatch::int_remainder(a, b),
            (Binary::Atan2, _) => Dispatch::float_atan2(a, b),
        })
    }

    pub(crate) fn detach(self) -> Self {
        Value(Dispatch::float_detach(self.0))
    }

    pub(crate) fn scale(self, factor: f64) -> Self {
        Value(match self.ty().kind {
            Kind::Float(_) if factor == -1.0 => Dispatch::float_neg(self.0),
            Kind::Float(_) => Dispatch::float_mul_scalar(self.0, Scalar::Float(factor)),
            Kind::Int(_) | Kind::Bool => Dispatch::int_mul_scalar(self.0, Scalar::Int(factor as i64)),
        })
    }

    pub(crate) fn offset(self, number: f64) -> Self {
        Value(match self.ty().kind {
            Kind::Float(_) => Dispatch::float_add_scalar(self.0, Scalar::Float(number)),
            Kind::Int(_) | Kind::Bool => Dispatch::int_add_scalar(self.0, Scalar::Int(number as i64)),
        })
    }

    pub(crate) fn power(self, exponent: f64) -> Self {
        let integers = exponent.fract() == 0.0 && exponent.abs() < 64.0;
        Value(if !self.ty().kind.is_float() {
            Dispatch::int_powi_scalar(self.0, Scalar::Int(exponent as i64))
        } else if integers {
            Dispatch::float_powi_scalar(self.0, Scalar::Int(exponent as i64))
        } else {
            Dispatch::float_powf_scalar(self.0, Scalar::Float(exponent))
        })
    }

    pub(crate) fn compare(self, comparison: Comparison, other: Value) -> Self {
        let (kind, dtype) = (self.ty().kind, self.device().settings().bool_dtype);
        if comparison == Comparison::NotEqual && kind.is_float() && self.is_elsewhere() {
            // By wgpu no number differs from NaN.
            return self.compare(Comparison::Equal, other).not();
        }
        let (a, b) = (self.0, other.0);
        Value(match (comparison, kind) {
            (Comparison::Equal, Kind::Float(_)) => Dispatch::float_equal(a, b, dtype),
            (Comparison::NotEqual, Kind::Float(_)) => Dispatch::float_not_equal(a, b, dtype),
            (Comparison::Greater, Kind::Float(_)) => Dispatch::float_greater(a, b, dtype),
            (Comparison::GreaterEqual, Kind::Float(_)) => Dispatch::float_greater_equal(a, b, dtype),
            (Comparison::Less, Kind::Float(_)) => Dispatch::float_lower(a, b, dtype),
            (Comparison::LessEqual, Kind::Float(_)) => Dispatch::float_lower_equal(a, b, dtype),
            (Comparison::Equal, Kind::Int(_)) => Dispatch::int_equal(a, b, dtype),
            (Comparison::NotEqual, Kind::Int(_)) => Dispatch::int_not_equal(a, b, dtype),
            (Comparison::Greater, _) => Dispatch::int_greater(a, b, dtype),
            (Comparison::GreaterEqual, _) => Dispatch::int_greater_equal(a, b, dtype),
            (Comparison::Less, _) => Dispatch::int_lower(a, b, dtype),
            (Comparison::LessEqual, _) => Dispatch::int_lower_equal(a, b, dtype),
            (Comparison::Equal, Kind::Bool) => Dispatch::bool_equal(a, b),
            (Comparison::NotEqual, Kind::Bool) => Dispatch::bool_not_equal(a, b),
        })
    }

    pub(crate) fn compare_scalar(self, comparison: Comparison, number: f64) -> Self {
        let (kind, dtype) = (self.ty().kind, self.device().settings().bool_dtype);
        let Kind::Float(_) = kind else {
            let full = Constant { ty: self.ty(), literal: Literal::Full(number) };
            let other = Value::constant(&full, &self.device());
            return self.compare(comparison, other);
        };
        if comparison == Comparison::NotEqual && self.is_elsewhere() {
            return self.compare_scalar(Comparison::Equal, number).not();
        }
        let (x, number) = (self.0, Scalar::Float(number));
        Value(match comparison {
            Comparison::Equal => Dispatch::float_equal_elem(x, number, dtype),
            Comparison::NotEqual => Dispatch::float_not_equal_elem(x, number, dtype),
            Comparison::Greater => Dispatch::float_greater_elem(x, number, dtype),
            Comparison::GreaterEqual => Dispatch::float_greater_equal_elem(x, number, dtype),
            Comparison::Less => Dispatch::float_lower_elem(x, number, dtype),
            Comparison::LessEqual => Dispatch::float_lower_equal_elem(x, number, dtype),
        })
    }

    pub(crate) fn logic(self, logic: Logic, other: Value) -> Self {
        Value(match logic {
            Logic::And => Dispatch::bool_and(self.0, other.0),
            Logic::Or => Dispatch::bool_or(self.0, other.0),
            Logic::Xor => Dispatch::bool_xor(self.0, other.0),
        })
    }

    pub(crate) fn not(self) -> Self {
        Value(Dispatch::bool_not(self.0))
    }

    /// `yes` where this mask is true, `no` elsewhere.
    pub(crate) fn choose(self, yes: Value, no: Value) -> Self {
        Value(match no.ty().kind {
            Kind::Float(_) => Dispatch::float_mask_where(no.0, self.0, yes.0),
            Kind::Int(_) => Dispatch::int_mask_where(no.0, self.0, yes.0),
            Kind::Bool => Dispatch::bool_mask_where(no.0, self.0, yes.0),
        })
    }

    /// x with zeros where this mask is true.
    pub(crate) fn erase(self, x: Value) -> Self {
        Value(match x.ty().kind {
            Kind::Float(_) => Dispatch::float_mask_fill(x.0, self.0, Scalar::Float(0.0)),
            Kind::Int(_) => Dispatch::int_mask_fill(x.0, self.0, Scalar::Int(0)),
            Kind::Bool => Dispatch::bool_mask_fill(x.0, self.0, Scalar::Bool(false)),
        })
    }

    /// Converts floats to another precision; integers and truth values are unchanged.
    #[must_use]
    pub fn in_precision(self, precision: FloatDType) -> Self {
        let kind = self.ty().kind.in_precision(precision);
        if kind == self.ty().kind { self } else { self.cast(kind) }
    }

    pub(crate) fn cast(self, kind: Kind) -> Self {
        let settings = self.device().settings();
        Value(match (self.ty().kind, kind) {
            (Kind::Float(_), Kind::Float(dtype)) => Dispatch::float_cast(self.0, dtype),
            (Kind::Float(_), Kind::Int(dtype)) => Dispatch::float_into_int(self.0, dtype),
            (Kind::Int(_), Kind::Float(dtype)) => Dispatch::int_into_float(self.0, dtype),
            (Kind::Int(_), Kind::Int(dtype)) => Dispatch::int_cast(self.0, dtype),
            (Kind::Bool, Kind::Float(dtype)) => Dispatch::bool_into_float(self.0, dtype),
            (Kind::Bool, Kind::Int(dtype)) => Dispatch::bool_into_int(self.0, dtype),
            (Kind::Float(_), Kind::Bool) => return self.compare_scalar(Comparison::NotEqual, 0.0),
            (Kind::Int(_), Kind::Bool) => {
                Dispatch::int_not_equal_elem(self.0, Scalar::Int(0), settings.bool_dtype)
            }
            (Kind::Bool, Kind::Bool) => self.0,
        })
    }
}
