//! Constant folding of equations whose operands are uniform constants.
//!
//! A number is folded only where the run would find the same number: every step is rounded to the precision
//! of its line. Sums, products, quotients and roots of two numbers of single precision, computed in double
//! precision and rounded, are those of single precision (S. A. Figueroa, When is double rounding innocuous?,
//! 1995). Functions that devices round differently are not folded.

#![allow(clippy::wildcard_enum_match_arm, reason = "what is not folded stays a line")]

use crate::language::primitive::{Bilinear, Binary, Elementwise, Primitive, Structure, Unary};
use crate::language::tensor_type::{Kind, Type};
use burn::tensor::FloatDType;

/// The type and number of a line whose operands, the first of the type given, hold one number everywhere.
pub(crate) fn folded(primitive: &Primitive, ty: Type, numbers: &[f64]) -> Option<(Type, f64)> {
    let float = ty.kind.is_float();
    let numbers: Vec<f64> = numbers.iter().map(|&number| rounded(ty.kind, number)).collect::<Option<_>>()?;
    let first = *numbers.first()?;
    let shape = |structure: &Structure| {
        crate::language::shape::result_type(&Primitive::Structure(structure.clone()), &[&ty]).ok()
    };
    let round = |number: f64| rounded(ty.kind, number);
    let (ty, number) = match primitive {
        Primitive::Elementwise(function) => return elementwise(*function, &ty, &numbers),
        Primitive::Bilinear(Bilinear::Multiply) if float => (ty.clone(), round(first * numbers[1])?),
        Primitive::Structure(Structure::Sum(axes)) => {
            let count: usize = axes.iter().map(|&axis| ty.shape[axis]).product();
            (shape(&Structure::Sum(axes.clone()))?, repeated(ty.kind, first, count)?)
        }
        Primitive::Structure(structure @ Structure::Place(..))
            if first == 0.0 && first.is_sign_positive() =>
        {
            (shape(structure)?, 0.0)
        }
        Primitive::Structure(Structure::Place(..)) => return None,
        Primitive::Structure(structure) => (shape(structure)?, first),
        _ => return None,
    };
    Some((ty, number))
}

fn elementwise(function: Elementwise, ty: &Type, numbers: &[f64]) -> Option<(Type, f64)> {
    let float = ty.kind.is_float();
    let of_kind = |kind: Kind| Type::new(ty.shape.clone(), kind);
    let round = |number: f64| rounded(ty.kind, number);
    let first = numbers[0];
    let number = match function {
        Elementwise::Scale(factor) if float => first * round(factor)?,
        Elementwise::Offset(number) if float => first + round(number)?,
        Elementwise::Unary(function) => on_number(function, first)?,
        Elementwise::Binary(Binary::Add) if float => first + numbers[1],
        Elementwise::Binary(Binary::Subtract) if float => first - numbers[1],
        Elementwise::Binary(Binary::Divide) if float => first / numbers[1],
        Elementwise::Cast(kind) if kind.is_float() => return Some((of_kind(kind), rounded(kind, first)?)),
        Elementwise::CompareScalar(comparison, number) if float => {
            let holds = comparison.holds(first, round(number)?);
            return Some((of_kind(Kind::Bool), f64::from(u8::from(holds))));
        }
        Elementwise::Not => 1.0 - first,
        Elementwise::Detach => first,
        _ => return None,
    };
    Some((ty.clone(), round(number)?))
}

/// The number as tensors of a kind hold it; none for precisions that are not folded.
fn rounded(kind: Kind, number: f64) -> Option<f64> {
    match kind {
        Kind::Float(FloatDType::F32) => Some(f64::from(number as f32)),
        Kind::Float(FloatDType::F64) | Kind::Int(_) | Kind::Bool => Some(number),
        Kind::Float(FloatDType::F16 | FloatDType::BF16 | FloatDType::Flex32) => None,
    }
}

/// The sum of equal numbers, if no order of summation rounds: all partial sums are multiples of the number's
/// last bit that the precision holds.
fn repeated(kind: Kind, number: f64, count: usize) -> Option<f64> {
    let digits = match kind {
        Kind::Float(FloatDType::F32) => 24,
        Kind::Float(_) => 53,
        Kind::Int(_) | Kind::Bool => return Some(number * count as f64),
    };
    if number == 0.0 {
        return Some(0.0);
    }
    let significand = (number.to_bits() & ((1 << 52) - 1)) | (1 << 52);
    let odd = significand >> significand.trailing_zeros();
    let exact = number.is_normal() && odd.checked_mul(count as u64).is_some_and(|sum| sum < 1 << digits);
    let sum = number * count as f64;
    (exact && sum.abs() < f64::from(f32::MAX)).then_some(sum)
}

/// Functions whose value on a known number is the same on every device.
fn on_number(function: Unary, x: f64) -> Option<f64> {
    match function {
        Unary::Abs => Some(x.abs()),
        Unary::Exp if x == 0.0 => Some(1.0),
        Unary::Log if x == 1.0 => Some(0.0),
        Unary::Reciprocal => Some(1.0 / x),
        Unary::Relu => Some(if x <= 0.0 { 0.0 } else { x }),
        Unary::Sqrt => Some(x.sqrt()),
        _ => None,
    }
}
