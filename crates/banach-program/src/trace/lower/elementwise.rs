//! Lowering of Burn's elementwise operations and activations.

use super::{Lowered, Lowering, number};
use crate::language::primitive::{Binary, Comparison, Elementwise, Primitive, Unary};
use crate::language::program::Var;
use burn::backend::ir::{
    ActivationOperationIr, BinaryOpIr, FloatOperationIr, NumericOperationIr, ScalarOpIr, UnaryOpIr,
};

impl Lowering {
    pub(super) fn numeric(&mut self, op: &NumericOperationIr) -> Lowered {
        use NumericOperationIr as Op;
        match op {
            Op::Add(op) => self.binary(op, Elementwise::Binary(Binary::Add)),
            Op::Sub(op) => self.binary(op, Elementwise::Binary(Binary::Subtract)),
            Op::Div(op) => self.binary(op, Elementwise::Binary(Binary::Divide)),
            Op::Rem(op) => self.binary(op, Elementwise::Binary(Binary::Remainder)),
            Op::Mul(op) => {
                self.binary(op, Primitive::Bilinear(crate::language::primitive::Bilinear::Multiply))
            }
            Op::AddScalar(op) => self.with_scalar(op, Elementwise::Offset(number(op.rhs))),
            Op::SubScalar(op) => self.with_scalar(op, Elementwise::Offset(-number(op.rhs))),
            Op::MulScalar(op) => self.with_scalar(op, Elementwise::Scale(number(op.rhs))),
            Op::DivScalar(op) => self.against_scalar(op, Binary::Divide),
            Op::RemScalar(op) => self.against_scalar(op, Binary::Remainder),
            Op::Powi(op) => {
                let (a, b) = self.pair(&op.lhs, &op.rhs, &op.out)?;
                let kind = self.builder.type_of(a).kind;
                let b = self.builder.cast(b, kind);
                let result = self.builder.push(Elementwise::Binary(Binary::Power), &[a, b]);
                self.define(&op.out, result)
            }
            Op::PowiScalar(op) => self.power(op),
            Op::Abs(op) => self.function(op, Unary::Abs),
            Op::Sign(op) => self.function(op, Unary::Sign),
            Op::Neg(op) => {
                let x = self.operand(&op.input)?;
                let result = self.builder.scale(x, -1.0);
                self.define(&op.out, result)
            }
            Op::Full(op) => {
                let result = self.full(&op.out, number(op.value));
                self.define(&op.out, result)
            }
            Op::Clamp(op) => {
                let x = self.operand(&op.tensor)?;
                let x = self.bounded(x, Comparison::Less, number(op.min));
                let result = self.bounded(x, Comparison::Greater, number(op.max));
                self.define(&op.out, result)
            }
            Op::ClampMin(op) => self.clamp(op, Comparison::Less),
            Op::ClampMax(op) => self.clamp(op, Comparison::Greater),
            Op::Greater(op) => self.binary(op, Elementwise::Compare(Comparison::Greater)),
            Op::GreaterEqual(op) => self.binary(op, Elementwise::Compare(Comparison::GreaterEqual)),
            Op::Lower(op) => self.binary(op, Elementwise::Compare(Comparison::Less)),
            Op::LowerEqual(op) => self.binary(op, Elementwise::Compare(Comparison::LessEqual)),
            Op::GreaterElem(op) => self.compare(op, Comparison::Greater),
            Op::GreaterEqualElem(op) => self.compare(op, Comparison::GreaterEqual),
            Op::LowerElem(op) => self.compare(op, Comparison::Less),
            Op::LowerEqualElem(op) => self.compare(op, Comparison::LessEqual),
            other => self.reduction(other),
        }
    }

    pub(super) fn float(&mut self, op: &FloatOperationIr) -> Lowered {
        use FloatOperationIr as Op;
        match op {
            Op::Exp(op) => self.function(op, Unary::Exp),
            Op::Log(op) => self.function(op, Unary::Log),
            Op::Log1p(op) => self.function(op, Unary::Log1p),
            Op::Erf(op) => self.function(op, Unary::Erf),
            Op::Sqrt(op) => self.function(op, Unary::Sqrt),
            Op::Cos(op) => self.function(op, Unary::Cos),
            Op::Cosh(op) => self.function(op, Unary::Cosh),
            Op::Sin(op) => self.function(op, Unary::Sin),
            Op::Sinh(op) => self.function(op, Unary::Sinh),
            Op::Tan(op) => self.function(op, Unary::Tan),
            Op::Tanh(op) => self.function(op, Unary::Tanh),
            Op::ArcCos(op) => self.function(op, Unary::Acos),
            Op::ArcCosh(op) => self.function(op, Unary::Acosh),
            Op::ArcSin(op) => self.function(op, Unary::Asin),
            Op::ArcSinh(op) => self.function(op, Unary::Asinh),
            Op::ArcTan(op) => self.function(op, Unary::Atan),
            Op::ArcTanh(op) => self.function(op, Unary::Atanh),
            Op::ArcTan2(op) => self.binary(op, Elementwise::Binary(Binary::Atan2)),
            Op::Round(op) => self.function(op, Unary::Round),
            Op::Floor(op) => self.function(op, Unary::Floor),
            Op::Ceil(op) => self.function(op, Unary::Ceil),
            Op::Trunc(op) => self.function(op, Unary::Trunc),
            Op::Recip(op) => self.function(op, Unary::Reciprocal),
            Op::Powf(op) => self.binary(op, Elementwise::Binary(Binary::Power)),
            Op::PowfScalar(op) => self.power(op),
            Op::Hypot(op) => self.hypotenuse(op),
            Op::Matmul(op) => {
                let (a, b) = (self.operand(&op.lhs)?, self.operand(&op.rhs)?);
                let result = self.product(a, b);
                self.define(&op.out, result)
            }
            Op::IsNan(op) => {
                let x = self.operand(&op.input)?;
                let result = self.builder.push(Elementwise::Compare(Comparison::NotEqual), &[x, x]);
                self.define(&op.out, result)
            }
            Op::IsInf(op) => {
                let x = self.operand(&op.input)?;
                let size = self.builder.unary(Unary::Abs, x);
                let result = self.builder.compare(Comparison::Equal, size, f64::INFINITY);
                self.define(&op.out, result)
            }
            Op::IntoInt(op) => self.cast(&op.input, &op.out),
            Op::Random(_) => self.unsupported(
                op,
                "an update must be a function: draw the random numbers outside and pass them as an input (dropout \
                 included)",
            ),
            Op::Cross(_) => self.unsupported(op, "write the cross product with slices and products"),
            Op::Quantize(_) | Op::Dequantize(_) => {
                self.unsupported(op, "dequantize the weights before the update is traced")
            }
            Op::GridSample2d(_) => {
                self.unsupported(op, "sample with `interpolate`, or with `gather` at computed positions")
            }
        }
    }

    pub(super) fn activation(&mut self, op: &ActivationOperationIr) -> Lowered {
        use ActivationOperationIr as Op;
        match op {
            Op::Relu(op) => self.function(op, Unary::Relu),
            Op::Sigmoid(op) => self.function(op, Unary::Sigmoid),
            Op::LogSigmoid(op) => self.function(op, Unary::LogSigmoid),
            Op::Gelu(op) => {
                let x = self.operand(&op.input)?;
                let scaled = self.builder.scale(x, std::f64::consts::FRAC_1_SQRT_2);
                let erf = self.builder.unary(Unary::Erf, scaled);
                let gate = self.builder.offset(erf, 1.0);
                let product = self.builder.multiply(x, gate);
                let result = self.builder.scale(product, 0.5);
                self.define(&op.out, result)
            }
            Op::LeakyRelu(op) => {
                let x = self.operand(&op.lhs)?;
                let positive = self.builder.compare(Comparison::Greater, x, 0.0);
                let leak = self.builder.scale(x, number(op.rhs));
                let result = self.builder.choose(positive, x, leak);
                self.define(&op.out, result)
            }
            Op::PRelu(op) => {
                let (x, slope) = self.pair(&op.lhs, &op.rhs, &op.out)?;
                let positive = self.builder.compare(Comparison::Greater, x, 0.0);
                let leak = self.builder.multiply(slope, x);
                let result = self.builder.choose(positive, x, leak);
                self.define(&op.out, result)
            }
            Op::HardSigmoid(op) => {
                let x = self.operand(&op.tensor)?;
                let x = self.builder.scale(x, number(op.alpha));
                let x = self.builder.offset(x, number(op.beta));
                let x = self.bounded(x, Comparison::Less, 0.0);
                let result = self.bounded(x, Comparison::Greater, 1.0);
                self.define(&op.out, result)
            }
            Op::Softmax(op) => self.normalised(&op.input, &op.out, op.axis, 1.0, false),
            Op::Softmin(op) => self.normalised(&op.input, &op.out, op.axis, -1.0, false),
            Op::LogSoftmax(op) => self.normalised(&op.input, &op.out, op.axis, 1.0, true),
            Op::ReluBackward(_)
            | Op::GeluBackward(_)
            | Op::SigmoidBackward(_)
            | Op::LogSigmoidBackward(_) => {
                self.unsupported(op, "leave derivatives to this crate; record the function itself")
            }
        }
    }

    fn function(&mut self, op: &UnaryOpIr, function: Unary) -> Lowered {
        let x = self.operand(&op.input)?;
        let result = self.builder.unary(function, x);
        self.define(&op.out, result)
    }

    fn binary(&mut self, op: &BinaryOpIr, primitive: impl Into<Primitive>) -> Lowered {
        let (a, b) = self.pair(&op.lhs, &op.rhs, &op.out)?;
        let result = self.builder.push(primitive, &[a, b]);
        self.define(&op.out, result)
    }

    fn with_scalar(&mut self, op: &ScalarOpIr, function: Elementwise) -> Lowered {
        let x = self.operand(&op.lhs)?;
        let result = self.builder.push(function, &[x]);
        self.define(&op.out, result)
    }

    fn against_scalar(&mut self, op: &ScalarOpIr, function: Binary) -> Lowered {
        let x = self.operand(&op.lhs)?;
        let scalar = self.full(&op.out, number(op.rhs));
        let result = self.builder.push(Elementwise::Binary(function), &[x, scalar]);
        self.define(&op.out, result)
    }

    fn compare(&mut self, op: &ScalarOpIr, comparison: Comparison) -> Lowered {
        self.with_scalar(op, Elementwise::CompareScalar(comparison, number(op.rhs)))
    }

    fn power(&mut self, op: &ScalarOpIr) -> Lowered {
        self.with_scalar(op, Elementwise::Power(number(op.rhs)))
    }

    fn clamp(&mut self, op: &ScalarOpIr, beyond: Comparison) -> Lowered {
        let x = self.operand(&op.lhs)?;
        let result = self.bounded(x, beyond, number(op.rhs));
        self.define(&op.out, result)
    }

    /// The bound where x is beyond it; NaN stays NaN.
    fn bounded(&mut self, x: Var, beyond: Comparison, bound: f64) -> Var {
        let mask = self.builder.compare(beyond, x, bound);
        let ty = self.builder.type_of(x).clone();
        let bound = self.builder.full(ty, bound);
        self.builder.choose(mask, bound, x)
    }

    /// s √((a/s)² + (b/s)²) for the larger s of |a| and |b|, so that squares stay in range.
    fn hypotenuse(&mut self, op: &BinaryOpIr) -> Lowered {
        let (a, b) = self.pair(&op.lhs, &op.rhs, &op.out)?;
        let scale = self.builder.magnitude(a, b);
        let (a, b) = (self.builder.divide(a, scale), self.builder.divide(b, scale));
        let (aa, bb) = (self.builder.multiply(a, a), self.builder.multiply(b, b));
        let square = self.builder.add(aa, bb);
        let root = self.builder.unary(Unary::Sqrt, square);
        let result = self.builder.multiply(root, scale);
        self.define(&op.out, result)
    }
}
