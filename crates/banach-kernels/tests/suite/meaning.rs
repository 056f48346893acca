//! Scalar definitions of the operations, and arguments to test them on.

use banach_kernels::{Binary, Comparison, Operation, Unary};

/// Numbers that look random, the same every time.
pub(crate) struct Generator(pub(crate) u64);

impl Generator {
    pub(crate) fn below(&mut self, bound: usize) -> usize {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        ((self.0 >> 33) as usize) % bound
    }

    pub(crate) fn number(&mut self) -> f64 {
        match self.below(40) {
            0 => f64::NAN,
            1 => f64::INFINITY,
            2 => -0.0,
            3 => f64::NEG_INFINITY,
            _ => self.below(2001) as f64 / 500.0 - 2.0,
        }
    }
}

/// The meaning of functions of one number.
fn unary(function: Unary, x: f64) -> f64 {
    match function {
        Unary::Abs => x.abs(),
        Unary::Acos => x.acos(),
        Unary::Acosh => x.acosh(),
        Unary::Asin => x.asin(),
        Unary::Asinh => x.asinh(),
        Unary::Atan => x.atan(),
        Unary::Atanh => x.atanh(),
        Unary::Ceil => x.ceil(),
        Unary::Cos => x.cos(),
        Unary::Cosh => x.cosh(),
        Unary::Erf => libm::erf(x),
        Unary::Exp => x.exp(),
        Unary::Floor => x.floor(),
        Unary::Log => x.ln(),
        Unary::Log1p => x.ln_1p(),
        Unary::LogSigmoid if x < 0.0 => x - x.exp().ln_1p(),
        Unary::LogSigmoid => -(-x).exp().ln_1p(),
        Unary::Reciprocal => 1.0 / x,
        Unary::Relu if x <= 0.0 => 0.0,
        Unary::Relu => x,
        Unary::Round => x.round_ties_even(),
        Unary::Sigmoid if x < 0.0 => x.exp() / (1.0 + x.exp()),
        Unary::Sigmoid => 1.0 / (1.0 + (-x).exp()),
        Unary::Sign if x.is_nan() || x == 0.0 => 0.0,
        Unary::Sign => x.signum(),
        Unary::Sin => x.sin(),
        Unary::Sinh => x.sinh(),
        Unary::Sqrt => x.sqrt(),
        Unary::Tan => x.tan(),
        Unary::Tanh => x.tanh(),
        Unary::Trunc => x.trunc(),
    }
}

fn compare(comparison: Comparison, a: f64, b: f64) -> f64 {
    f64::from(u8::from(match comparison {
        Comparison::Equal => a == b,
        Comparison::NotEqual => a != b,
        Comparison::Greater => a > b,
        Comparison::GreaterEqual => a >= b,
        Comparison::Less => a < b,
        Comparison::LessEqual => a <= b,
    }))
}

/// The meaning of every operation.
pub(crate) fn meaning(operation: Operation, [a, b, c]: [f64; 3]) -> f64 {
    match operation {
        Operation::Unary(function) => unary(function, a),
        Operation::Binary(Binary::Add) => a + b,
        Operation::Binary(Binary::Subtract) => a - b,
        Operation::Binary(Binary::Multiply) => a * b,
        Operation::Binary(Binary::AbsorbingProduct) if a == 0.0 || b == 0.0 => 0.0,
        Operation::Binary(Binary::AbsorbingProduct) => a * b,
        Operation::Binary(Binary::Divide) => a / b,
        Operation::Binary(Binary::Power) => a.powf(b),
        Operation::Binary(Binary::Remainder) => {
            let rest = a % b;
            if rest != 0.0 && (rest < 0.0) != (b < 0.0) { rest + b } else { rest }
        }
        Operation::Binary(Binary::Atan2) => a.atan2(b),
        Operation::Scale(factor) => a * factor,
        Operation::Offset(number) => a + number,
        Operation::Power(exponent) => a.powf(exponent),
        Operation::Compare(comparison) => compare(comparison, a, b),
        Operation::CompareScalar(comparison, number) => compare(comparison, a, number),
        Operation::And => a * b,
        Operation::Or => a.max(b),
        Operation::Xor => (a - b).abs(),
        Operation::Not => 1.0 - a,
        Operation::Choose => [c, b][usize::from(a != 0.0)],
        Operation::Erase => [b, 0.0][usize::from(a != 0.0)],
        Operation::Copy => a,
        Operation::Constant(number) => number,
    }
}

pub(crate) fn same(a: f64, b: f64, relative: f64) -> bool {
    a == b || a.is_nan() && b.is_nan() || (a - b).abs() <= relative * a.abs().max(b.abs())
}
