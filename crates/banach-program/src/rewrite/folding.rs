//! What is the result of a line whose operands are known numbers?

#![allow(clippy::wildcard_enum_match_arm, reason = "what is not folded stays a line")]

use crate::language::primitive::{Bilinear, Binary, Comparison, Kind, Primitive, Structure, Type, Unary};

/// The type and number of a line whose operands, the first of the type given, hold one number everywhere.
pub(crate) fn folded(primitive: &Primitive, ty: Type, numbers: &[f64]) -> Option<(Type, f64)> {
    let first = *numbers.first()?;
    let shape = |structure: &Structure| {
        crate::language::shape::result_type(&Primitive::Structure(structure.clone()), &[&ty]).ok()
    };
    let (ty, number) = match primitive {
        Primitive::Scale(factor) if ty.kind.is_float() => (ty, first * factor),
        Primitive::Offset(number) if ty.kind.is_float() => (ty, first + number),
        Primitive::Unary(function) => (ty, on_number(*function, first)?),
        Primitive::Binary(Binary::Add) if ty.kind.is_float() => (ty, first + numbers[1]),
        Primitive::Binary(Binary::Subtract) if ty.kind.is_float() => (ty, first - numbers[1]),
        Primitive::Binary(Binary::Divide) if ty.kind.is_float() => (ty, first / numbers[1]),
        Primitive::Bilinear(Bilinear::Multiply) if ty.kind.is_float() => (ty, first * numbers[1]),
        Primitive::Cast(kind) if kind.is_float() => (Type::new(ty.shape, *kind), first),
        Primitive::CompareScalar(comparison, number) if ty.kind.is_float() => {
            (Type::new(ty.shape, Kind::Bool), f64::from(u8::from(holds(*comparison, first, *number))))
        }
        Primitive::Not => (ty, 1.0 - first),
        Primitive::Structure(Structure::Sum(axes)) => {
            let count: usize = axes.iter().map(|&axis| ty.shape[axis]).product();
            (shape(&Structure::Sum(axes.clone()))?, first * count as f64)
        }
        Primitive::Structure(structure @ Structure::Place(..)) if first == 0.0 => (shape(structure)?, 0.0),
        Primitive::Structure(Structure::Place(..)) => return None,
        Primitive::Structure(structure) => (shape(structure)?, first),
        _ => return None,
    };
    Some((ty, number))
}

fn holds(comparison: Comparison, a: f64, b: f64) -> bool {
    match comparison {
        Comparison::Equal => a == b,
        Comparison::NotEqual => a != b,
        Comparison::Greater => a > b,
        Comparison::GreaterEqual => a >= b,
        Comparison::Less => a < b,
        Comparison::LessEqual => a <= b,
    }
}

/// Functions whose value on a known number is the same on every device.
fn on_number(function: Unary, x: f64) -> Option<f64> {
    match function {
        Unary::Abs => Some(x.abs()),
        Unary::Exp => Some(x.exp()),
        Unary::Log => Some(x.ln()),
        Unary::Reciprocal => Some(1.0 / x),
        Unary::Relu => Some(x.max(0.0)),
        Unary::Sqrt => Some(x.sqrt()),
        Unary::Detach => Some(x),
        _ => None,
    }
}
