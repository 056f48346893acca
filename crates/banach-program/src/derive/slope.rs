//! Derivatives of unary functions.

use crate::language::builder::Builder;
use crate::language::primitive::Unary;
use crate::language::program::Var;

/// Appends the derivative of a unary function at x, where its value is y; `None` if it is zero everywhere.
#[allow(clippy::too_many_lines, reason = "one exhaustive table of short lines")]
pub(crate) fn slope(b: &mut Builder, function: Unary, x: Var, y: Var) -> Option<Var> {
    Some(match function {
        Unary::Abs => b.unary(Unary::Sign, x),
        Unary::Cos => {
            let sine = b.unary(Unary::Sin, x);
            b.scale(sine, -1.0)
        }
        Unary::Cosh => b.unary(Unary::Sinh, x),
        Unary::Erf => {
            let square = b.multiply(x, x);
            let negative = b.scale(square, -1.0);
            let bell = b.unary(Unary::Exp, negative);
            b.scale(bell, std::f64::consts::FRAC_2_SQRT_PI)
        }
        Unary::Exp => y,
        Unary::Log => over(b, x),
        Unary::Log1p => {
            let below = b.offset(x, 1.0);
            over(b, below)
        }
        Unary::LogSigmoid => {
            let negative = b.scale(x, -1.0);
            b.unary(Unary::Sigmoid, negative)
        }
        Unary::Reciprocal => {
            let square = b.multiply(y, y);
            b.scale(square, -1.0)
        }
        Unary::Sigmoid => {
            let square = b.multiply(y, y);
            b.subtract(y, square)
        }
        Unary::Sin => b.unary(Unary::Cos, x),
        Unary::Sinh => b.unary(Unary::Cosh, x),
        Unary::Sqrt => {
            let inverse = b.unary(Unary::Reciprocal, y);
            b.scale(inverse, 0.5)
        }
        Unary::Tan => one_plus(b, y, 1.0),
        Unary::Tanh => one_plus(b, y, -1.0),
        Unary::Acos => {
            let inside = one_less_square(b, x);
            let slope = over_root(b, inside);
            b.scale(slope, -1.0)
        }
        Unary::Acosh => {
            // √(x - 1) √(x + 1) stays in range where x² does not.
            let (below, above) = (b.offset(x, -1.0), b.offset(x, 1.0));
            let (below, above) = (over_root(b, below), over_root(b, above));
            b.multiply(below, above)
        }
        Unary::Asin => {
            let inside = one_less_square(b, x);
            over_root(b, inside)
        }
        Unary::Asinh => {
            // (1/s) / √((1/s)² + (x/s)²) for the larger s of 1 and |x| stays in range where x² does not.
            let ty = b.type_of(x).clone();
            let one = b.full(ty, 1.0);
            let scale = b.magnitude(x, one);
            let (unit, x) = (over(b, scale), b.divide(x, scale));
            let (square, unit_square) = (b.multiply(x, x), b.multiply(unit, unit));
            let inside = b.add(square, unit_square);
            let slope = over_root(b, inside);
            b.multiply(unit, slope)
        }
        Unary::Atan => {
            let below = one_plus(b, x, 1.0);
            over(b, below)
        }
        Unary::Atanh => {
            let below = one_less_square(b, x);
            over(b, below)
        }
        Unary::Ceil | Unary::Floor | Unary::Round | Unary::Sign | Unary::Trunc | Unary::Relu => return None,
    })
}

/// 1 + sign x²
fn one_plus(b: &mut Builder, x: Var, sign: f64) -> Var {
    let square = b.multiply(x, x);
    let square = b.scale(square, sign);
    b.offset(square, 1.0)
}

/// 1 - x² as (1 - x) (1 + x), which keeps its digits near 1.
fn one_less_square(b: &mut Builder, x: Var) -> Var {
    let negative = b.scale(x, -1.0);
    let (below, above) = (b.offset(negative, 1.0), b.offset(x, 1.0));
    b.multiply(below, above)
}

/// 1 / x
fn over(b: &mut Builder, x: Var) -> Var {
    b.unary(Unary::Reciprocal, x)
}

/// 1 / √x
fn over_root(b: &mut Builder, x: Var) -> Var {
    let root = b.unary(Unary::Sqrt, x);
    over(b, root)
}
