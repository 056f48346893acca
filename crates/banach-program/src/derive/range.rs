//! Range analysis: bounds of values, which show that some slopes are finite.
//!
//! The analysis assumes that inputs are finite and that sums and products of matrices do not overflow. It
//! assumes nothing of functions that leave the finite numbers at ordinary arguments: exponentials,
//! logarithms, roots, quotients, powers and products of two unbounded numbers.

use crate::language::primitive::{Bilinear, Binary, Elementwise, Index, Primitive, Structure, Unary};
use crate::language::program::{Equation, Program, Var};
use crate::language::tensor_type::{Constant, Kind, Literal, Type};
use burn::tensor::FloatDType;
use std::f64::consts::{FRAC_PI_2, PI};

/// The bound of a number that is finite and otherwise unknown.
const LARGE: f64 = f64::MAX;

/// Bounds of a value that is not NaN, and whether it may be NaN.
#[derive(Clone, Copy, Debug, PartialEq)]
struct Range {
    low: f64,
    high: f64,
    nan: bool,
    /// The axis along which the largest element is exactly `high`.
    peak: Option<usize>,
}

const FINITE: Range = Range::between(-LARGE, LARGE);
const ANY: Range = Range { low: f64::NEG_INFINITY, high: f64::INFINITY, nan: true, peak: None };

/// Bounds of the variables of a program that is still being written.
#[derive(Debug, Default)]
pub(crate) struct Ranges {
    known: Vec<Range>,
    lines: usize,
    source: Vec<Option<usize>>,
}

impl Ranges {
    /// Whether a variable is finite wherever the inputs are.
    pub(crate) fn is_finite(&mut self, program: &Program, var: Var) -> bool {
        self.known.resize(program.variables(), FINITE);
        self.source.resize(program.variables(), None);
        for (line, equation) in program.equations().iter().enumerate().skip(self.lines) {
            let limit = limit(program.type_of(equation.result));
            self.known[equation.result.0] = self.range(program, equation).within(limit);
            self.source[equation.result.0] = Some(line);
        }
        self.lines = program.equations().len();
        let range = self.known[var.0];
        !range.nan && range.low.is_finite() && range.high.is_finite()
    }

    fn range(&self, program: &Program, equation: &Equation) -> Range {
        let at = |position: usize| self.known[equation.operands[position].0];
        let hull = |ranges: &[Var]| {
            let mut ranges = ranges.iter().map(|var| self.known[var.0]);
            let first = ranges.next().unwrap_or(FINITE);
            ranges.fold(first, Range::or)
        };
        match &equation.primitive {
            Primitive::Constant(constant) => of_constant(constant),
            Primitive::Elementwise(function) => self.elementwise(program, equation, *function),
            Primitive::Bilinear(Bilinear::Multiply) if equation.operands[0] == equation.operands[1] => {
                at(0).unary(Unary::Abs).times(at(0).unary(Unary::Abs))
            }
            Primitive::Bilinear(Bilinear::Multiply | Bilinear::AbsorbingProduct) => at(0).times(at(1)),
            Primitive::Bilinear(_) => {
                if at(0).is_finite() && at(1).is_finite() {
                    FINITE
                } else {
                    ANY
                }
            }
            Primitive::Structure(Structure::Sum(axes)) => {
                let shape = &program.type_of(equation.operands[0]).shape;
                at(0).summed(axes, axes.iter().map(|&axis| shape[axis] as f64).product())
            }
            Primitive::Structure(Structure::Place(..)) => at(0).or(Range::between(0.0, 0.0)),
            Primitive::Structure(_) | Primitive::Index(Index::Gather(_) | Index::Select(_)) => {
                Range { peak: None, ..at(0) }
            }
            Primitive::Index(Index::GatherTransposed(..) | Index::SelectTransposed(..)) => {
                if at(0).is_finite() { FINITE } else { ANY }
            }
            Primitive::Concat(_) => Range { peak: None, ..hull(&equation.operands) },
            Primitive::Extreme { .. } => Range { peak: None, ..at(0) },
            Primitive::ArgExtreme { .. } | Primitive::MaxPoolIndices(_) | Primitive::Custom(_) => FINITE,
        }
    }

    fn elementwise(&self, program: &Program, equation: &Equation, function: Elementwise) -> Range {
        let at = |position: usize| self.known[equation.operands[position].0];
        match function {
            Elementwise::Unary(function) => at(0).unary(function),
            Elementwise::Binary(Binary::Add) => at(0).plus(at(1)),
            Elementwise::Binary(Binary::Subtract) => {
                let shifted = self.less_largest(program, equation);
                shifted.unwrap_or_else(|| at(0).plus(at(1).times(Range::between(-1.0, -1.0))))
            }
            Elementwise::Binary(Binary::Divide) => at(0).times(at(1).unary(Unary::Reciprocal)),
            Elementwise::Binary(Binary::Power | Binary::Remainder) => ANY,
            Elementwise::Binary(Binary::Atan2) => {
                Range { nan: at(0).nan || at(1).nan, ..Range::between(-PI, PI) }
            }
            Elementwise::Scale(factor) => at(0).times(Range::between(factor, factor)),
            Elementwise::Offset(number) => at(0).plus(Range::between(number, number)),
            Elementwise::Power(exponent) => at(0).power(exponent),
            Elementwise::Compare(_)
            | Elementwise::CompareScalar(..)
            | Elementwise::Logic(_)
            | Elementwise::Not => Range::between(0.0, 1.0),
            Elementwise::Choose => at(1).or(at(2)),
            Elementwise::Erase => at(1).or(Range::between(0.0, 0.0)),
            Elementwise::Detach | Elementwise::Cast(_) => at(0),
        }
    }

    /// `x - max(x)`, as in the softmax: at most 0, and 0 at the largest element.
    fn less_largest(&self, program: &Program, equation: &Equation) -> Option<Range> {
        let line = |var: Var| self.source[var.0].map(|line| &program.equations()[line]);
        let x = equation.operands[0];
        let mut shift = line(equation.operands[1])?;
        loop {
            shift = match &shift.primitive {
                Primitive::Structure(Structure::Broadcast(_))
                | Primitive::Elementwise(Elementwise::Detach) => line(shift.operands[0])?,
                // The largest is replaced where it is -∞, which a finite x never is.
                Primitive::Elementwise(Elementwise::Choose) => line(shift.operands[2])?,
                Primitive::Extreme { axis, largest: true } if shift.operands[0] == x => {
                    let finite = self.known[x.0].is_finite();
                    let range = Range { peak: Some(*axis), ..Range::between(-LARGE, 0.0) };
                    return finite.then_some(range);
                }
                Primitive::Constant(_)
                | Primitive::Elementwise(_)
                | Primitive::Bilinear(_)
                | Primitive::Structure(_)
                | Primitive::Index(_)
                | Primitive::Concat(_)
                | Primitive::Extreme { .. }
                | Primitive::ArgExtreme { .. }
                | Primitive::MaxPoolIndices(_)
                | Primitive::Custom(_) => return None,
            };
        }
    }
}

impl Range {
    const fn between(low: f64, high: f64) -> Self {
        Range { low, high, nan: false, peak: None }
    }

    fn is_finite(self) -> bool {
        !self.nan && self.low.is_finite() && self.high.is_finite()
    }

    /// The values of either range.
    fn or(self, other: Self) -> Self {
        let (low, high) = (self.low.min(other.low), self.high.max(other.high));
        Range { low, high, nan: self.nan || other.nan, peak: None }
    }

    /// Known bounds beyond the largest number of a precision are infinite.
    fn within(self, limit: f64) -> Self {
        let bound = |x: f64| if x.abs() > limit && x.abs() < LARGE { f64::INFINITY.copysign(x) } else { x };
        Range { low: bound(self.low), high: bound(self.high), ..self }
    }

    fn plus(self, other: Self) -> Self {
        let opposite = |a: f64, b: f64| a == f64::INFINITY && b == f64::NEG_INFINITY;
        let nan = opposite(self.high, other.low) || opposite(other.high, self.low);
        let sum = |a: f64, b: f64| {
            let sum = a + b;
            if a.is_finite() && b.is_finite() { sum.clamp(-LARGE, LARGE) } else { sum }
        };
        let (low, high) = (sum(self.low, other.low), sum(self.high, other.high));
        if low.is_nan() || high.is_nan() {
            return ANY;
        }
        Range { low, high, nan: nan || self.nan || other.nan, peak: None }
    }

    fn times(self, other: Self) -> Self {
        let zero = |range: Self| range.low <= 0.0 && range.high >= 0.0;
        let infinite = |range: Self| range.low.is_infinite() || range.high.is_infinite();
        let nan = (zero(self) && infinite(other)) || (zero(other) && infinite(self));
        let product = |a: f64, b: f64| match (a.abs() == LARGE, b.abs() == LARGE) {
            _ if a == 0.0 || b == 0.0 => 0.0,
            (true, false) if b.is_finite() => LARGE.copysign(a) * b.signum(),
            (false, true) if a.is_finite() => LARGE.copysign(b) * a.signum(),
            (_, _) => a * b,
        };
        let corners = [
            product(self.low, other.low),
            product(self.low, other.high),
            product(self.high, other.low),
            product(self.high, other.high),
        ];
        let low = corners.iter().copied().fold(f64::INFINITY, f64::min);
        let high = corners.iter().copied().fold(f64::NEG_INFINITY, f64::max);
        Range { low, high, nan: nan || self.nan || other.nan, peak: None }
    }

    fn summed(self, axes: &[usize], count: f64) -> Self {
        let sum = |x: f64| if x.abs() == LARGE { x } else { x * count };
        let opposite = self.low == f64::NEG_INFINITY && self.high == f64::INFINITY;
        let low = if self.peak.is_some_and(|axis| axes == [axis]) && self.low >= 0.0 {
            self.high
        } else {
            sum(self.low)
        };
        Range { low, high: sum(self.high), nan: self.nan || opposite, peak: None }
    }

    fn power(self, exponent: f64) -> Self {
        let whole = exponent.fract() == 0.0;
        if exponent == 0.0 {
            return Range::between(1.0, 1.0);
        }
        let raised = |x: f64| if x == LARGE && exponent <= 1.0 { LARGE } else { x.powf(exponent) };
        if exponent > 0.0 && self.low >= 0.0 {
            return Range { low: raised(self.low), high: raised(self.high), peak: None, ..self };
        }
        if exponent < 0.0 && self.low > 0.0 {
            let (low, high) = (self.high.powf(exponent), self.low.powf(exponent));
            return Range { low, high, peak: None, ..self };
        }
        if exponent > 0.0 && whole {
            let size = raised(self.low.abs().max(self.high.abs()));
            return Range { low: -size, high: size, peak: None, ..self };
        }
        ANY
    }

    fn unary(self, function: Unary) -> Self {
        let Range { low, high, nan, .. } = self;
        let range = |low: f64, high: f64| Range { low, high, nan, peak: None };
        let outside = |from: f64, to: f64| low < from || high > to;
        let monotone = |function: fn(f64) -> f64| range(function(low), function(high));
        match function {
            Unary::Abs => {
                let size = low.abs().max(high.abs());
                range(if low > 0.0 || high < 0.0 { low.abs().min(high.abs()) } else { 0.0 }, size)
            }
            Unary::Acos => Range { nan: nan || outside(-1.0, 1.0), ..range(0.0, PI) },
            Unary::Asin => Range { nan: nan || outside(-1.0, 1.0), ..range(-FRAC_PI_2, FRAC_PI_2) },
            Unary::Acosh => Range { nan: nan || low < 1.0, ..range(0.0, high.max(0.0)) },
            Unary::Asinh => range(low.min(0.0), high.max(0.0)),
            Unary::Atan => range(-FRAC_PI_2, FRAC_PI_2),
            Unary::Atanh if outside(-0.999, 0.999) => ANY,
            Unary::Atanh => monotone(f64::atanh),
            Unary::Ceil | Unary::Floor | Unary::Round | Unary::Trunc => range(low - 1.0, high + 1.0),
            Unary::Cos | Unary::Sin => {
                let infinite = low.is_infinite() || high.is_infinite();
                Range { nan: nan || infinite, ..range(-1.0, 1.0) }
            }
            Unary::Cosh => range(1.0, low.abs().max(high.abs()).cosh()),
            Unary::Erf | Unary::Tanh | Unary::Sign => range(-1.0, 1.0),
            Unary::Exp => Range { peak: self.peak, ..monotone(f64::exp) },
            Unary::Log => Range { nan: nan || low < 0.0, ..range(low.max(0.0).ln(), high.max(0.0).ln()) },
            Unary::Log1p => {
                let above = |x: f64| x.max(-1.0).ln_1p();
                Range { nan: nan || low < -1.0, ..range(above(low), above(high)) }
            }
            Unary::LogSigmoid => range(low.min(0.0) - 1.0, 0.0),
            Unary::Reciprocal if low > 0.0 || high < 0.0 => range(high.recip(), low.recip()),
            Unary::Reciprocal => range(f64::NEG_INFINITY, f64::INFINITY),
            Unary::Relu => range(low.max(0.0), high.max(0.0)),
            Unary::Sigmoid => range(0.0, 1.0),
            Unary::Sinh => monotone(f64::sinh),
            Unary::Sqrt => {
                let root = |x: f64| if x == LARGE { x } else { x.max(0.0).sqrt() };
                Range { nan: nan || low < 0.0, ..range(root(low), root(high)) }
            }
            // No number lies closer to a pole than this bound says, in any precision.
            Unary::Tan if low.is_finite() && high.is_finite() => range(-1e17, 1e17),
            Unary::Tan => ANY,
        }
    }
}

fn of_constant(constant: &Constant) -> Range {
    match &constant.literal {
        Literal::Full(number) if number.is_nan() => ANY,
        Literal::Full(number) => Range::between(*number, *number),
        Literal::Data(data) if constant.ty.kind.is_float() => {
            let mut range = Range::between(f64::INFINITY, f64::NEG_INFINITY);
            for number in data.iter::<f64>() {
                range.nan |= number.is_nan();
                (range.low, range.high) = (range.low.min(number), range.high.max(number));
            }
            range
        }
        Literal::Data(_) => FINITE,
    }
}

/// The largest number of a precision.
fn limit(ty: &Type) -> f64 {
    match ty.kind {
        Kind::Float(FloatDType::F64) | Kind::Int(_) | Kind::Bool => LARGE,
        Kind::Float(FloatDType::F32 | FloatDType::BF16) => 3.38e38,
        Kind::Float(FloatDType::F16 | FloatDType::Flex32) => 65504.0,
    }
}
