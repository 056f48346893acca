//! Derivatives of expressions by dual numbers, along the branches that are taken.

use crate::expression::{COLUMNS, Expression, Function, OfRow, Pair, Test};

impl Expression {
    /// Values and derivatives of a row, computed with values of the precision of the run.
    pub(crate) fn dual(&self, inputs: &[Row; 2], run: &mut Run) -> Row {
        let row = match self {
            Expression::Input(at) => inputs[*at],
            Expression::Of(function, a) => {
                let a = a.dual(inputs, run);
                std::array::from_fn(|i| {
                    let (value, slope) = function.value_and_slope(a[i].value, run.single);
                    let saturated = function.saturates() && run.finite_inputs;
                    run.product(value, slope, a[i], saturated)
                })
            }
            Expression::OfTwo(pair, a, b) => {
                let (a, b) = (a.dual(inputs, run), b.dual(inputs, run));
                std::array::from_fn(|i| pair.dual(a[i], b[i], run))
            }
            Expression::Row(function, a) => {
                let a = a.dual(inputs, run);
                // Norms square their numbers.
                let squares = a.iter().map(|a| a.value * a.value).sum::<f64>();
                if matches!(function, OfRow::Norm | OfRow::Normal) {
                    run.largest = run.largest.max(squares);
                }
                function.dual(a, run)
            }
            Expression::Branch(test, [condition, yes, no]) => {
                let [condition, yes, no] = [condition, yes, no].map(|part| part.dual(inputs, run));
                std::array::from_fn(|i| {
                    let taken = match test {
                        Test::Above(number) => condition[i].value > *number,
                        Test::Number => !condition[i].value.is_nan(),
                        Test::Below(number) => condition[i].value < run.rounded(*number),
                    };
                    if taken { yes[i] } else { no[i] }
                })
            }
        };
        row.map(|dual| {
            let value = run.rounded(dual.value);
            run.largest = run.largest.max(value.abs()).max(dual.tangent.abs());
            Dual { value, ..dual }
        })
    }
}

#[derive(Clone, Copy, Debug)]
pub(crate) struct Dual {
    pub(crate) value: f64,
    pub(crate) tangent: f64,
    /// Whether the moving elements reach this number along slopes other than zero.
    pub(crate) moves: bool,
}

pub(crate) type Row = [Dual; COLUMNS];

/// How a row is computed.
pub(crate) struct Run {
    pub(crate) single: bool,
    pub(crate) finite_inputs: bool,
    /// The largest number on the way.
    pub(crate) largest: f64,
}

impl Run {
    fn rounded(&self, x: f64) -> f64 {
        if self.single { f64::from(x as f32) } else { x }
    }

    /// A value with the tangent of one of its operands. What does not move has tangent zero, whatever the
    /// slope; a slope that is zero ends an infinite tangent only where a function has saturated. Tangents
    /// that cancel before an infinite slope have no product by the chain rule.
    fn product(&mut self, value: f64, slope: f64, of: Dual, saturated: bool) -> Dual {
        let moves = of.moves && slope != 0.0;
        let tangent = match (moves, of.moves) {
            (false, false) => 0.0,
            (false, true) if saturated => 0.0,
            (_, _) => slope * of.tangent,
        };
        // Reverse mode multiplies slopes in the other order.
        self.largest = self.largest.max(tangent.abs());
        if of.moves && slope.is_finite() {
            self.largest = self.largest.max(slope.abs());
        }
        Dual { value, tangent, moves }
    }
}

impl Function {
    fn saturates(self) -> bool {
        use Function::*;
        matches!(self, Tanh | Sigmoid | Erf | Clamp | HardSigmoid)
    }

    #[allow(clippy::too_many_lines, reason = "a table")]
    fn value_and_slope(self, x: f64, single: bool) -> (f64, f64) {
        let sigmoid = |x: f64| if x < 0.0 { x.exp() / (1.0 + x.exp()) } else { 1.0 / (1.0 + (-x).exp()) };
        match self {
            Function::Exp => (x.exp(), x.exp()),
            Function::Log => (x.ln(), 1.0 / x),
            Function::Log1p => (x.ln_1p(), 1.0 / (1.0 + x)),
            Function::Sqrt => (x.sqrt(), 0.5 / x.sqrt()),
            Function::Square => (x * x, 2.0 * x),
            Function::Cube => (x.powi(3), 3.0 * x * x),
            Function::Power(0.0) => (1.0, 0.0),
            Function::Power(exponent) => (x.powf(exponent), exponent * x.powf(exponent - 1.0)),
            Function::Recip => (1.0 / x, -1.0 / x / x),
            Function::Tanh => (x.tanh(), (1.0 - x.tanh()) * (1.0 + x.tanh())),
            Function::Sigmoid => (sigmoid(x), sigmoid(x) * sigmoid(-x)),
            Function::Relu => (if x <= 0.0 { 0.0 } else { x }, if x <= 0.0 { 0.0 } else { 1.0 }),
            Function::Elu if x <= 0.0 => (x.exp() - 1.0, x.exp()),
            Function::Elu => (x, 1.0),
            Function::Selu => {
                let (alpha, gamma) = (1.6732632423543772, 1.0507009873554805);
                if x >= 0.0 {
                    (gamma * x, gamma)
                } else {
                    (alpha * gamma * (x.exp() - 1.0), alpha * gamma * x.exp())
                }
            }
            Function::Gelu => {
                let gate = 0.5 * (1.0 + libm::erf(x / 2f64.sqrt()));
                let bell = (-x * x / 2.0).exp() / (2.0 * std::f64::consts::PI).sqrt();
                (x * gate, if bell == 0.0 { gate } else { gate + x * bell })
            }
            Function::Softplus => {
                let limit = if single { 20f64.min(88.0) } else { 20.0 };
                if x > limit { (x, 1.0) } else { (x.exp().ln_1p(), sigmoid(x)) }
            }
            Function::LogSigmoid => (x.min(0.0) - (-x.abs()).exp().ln_1p(), sigmoid(-x)),
            Function::HardSigmoid => {
                let inside = 0.2 * x + 0.5;
                let slope = if (0.0..=1.0).contains(&inside) { 0.2 } else { 0.0 };
                (inside.clamp(0.0, 1.0), if x.is_nan() { x } else { slope })
            }
            Function::Leaky => {
                if x > 0.0 {
                    (x, 1.0)
                } else {
                    (0.1 * x, 0.1)
                }
            }
            Function::Abs => (x.abs(), if x == 0.0 { 0.0 } else { x.signum() }),
            Function::Sin => (x.sin(), x.cos()),
            Function::Atan => (x.atan(), 1.0 / (1.0 + x * x)),
            Function::Asinh => (x.signum() * x.abs().asinh(), 1.0 / 1f64.hypot(x)),
            Function::Acosh => (x.acosh(), 1.0 / (x - 1.0).sqrt() / (x + 1.0).sqrt()),
            Function::Atanh => (x.atanh(), 1.0 / (1.0 - x) / (1.0 + x)),
            Function::Asin => (x.asin(), 1.0 / ((1.0 - x) * (1.0 + x)).sqrt()),
            Function::Erf => (libm::erf(x), std::f64::consts::FRAC_2_SQRT_PI * (-x * x).exp()),
            Function::Clamp => {
                let slope = if x.is_nan() { x } else { f64::from(u8::from((-0.5..=0.5).contains(&x))) };
                (x.clamp(-0.5, 0.5), slope)
            }
            Function::Scale(factor) => (factor * x, factor),
            Function::Offset(number) => (x + number, 1.0),
        }
    }
}

impl Pair {
    fn dual(self, a: Dual, b: Dual, run: &mut Run) -> Dual {
        let (x, y) = (a.value, b.value);
        let (value, left, right) = match self {
            Pair::Add => (x + y, 1.0, 1.0),
            Pair::Subtract => (x - y, 1.0, -1.0),
            Pair::Multiply => (x * y, y, x),
            Pair::Divide => (x / y, 1.0 / y, -x / y / y),
            Pair::Power => {
                let lower = x.powf(y - 1.0);
                run.largest = run.largest.max(if a.moves { lower.abs() } else { 0.0 });
                let left = if y == 0.0 { 0.0 } else { y * lower };
                let right = if x == 0.0 && y >= 0.0 { 0.0 } else { x.powf(y) * x.ln() };
                (x.powf(y), left, right)
            }
            Pair::Atan2 => {
                let size = x.hypot(y);
                (x.atan2(y), y / size / size, -x / size / size)
            }
            Pair::Hypot => {
                let size = x.hypot(y);
                if size == 0.0 { (0.0, 0.0, 0.0) } else { (size, x / size, y / size) }
            }
            Pair::Larger => return if x < y { b } else { a },
        };
        let (left, right) = (run.product(value, left, a, false), run.product(value, right, b, false));
        Dual { value, tangent: left.tangent + right.tangent, moves: left.moves || right.moves }
    }
}

/// A product in which zero absorbs.
fn times(slope: f64, tangent: f64) -> f64 {
    if slope == 0.0 || tangent == 0.0 { 0.0 } else { slope * tangent }
}

impl OfRow {
    fn dual(self, a: Row, run: &mut Run) -> Row {
        let count = COLUMNS as f64;
        let sum = |of: &dyn Fn(Dual) -> f64| a.iter().map(|&a| of(a)).sum::<f64>();
        let moves = a.iter().any(|a| a.moves);
        let same = |value: f64, tangent: f64| [Dual { value, tangent, moves }; COLUMNS];
        match self {
            OfRow::Softmax | OfRow::LogSoftmax => {
                let largest = a.iter().fold(f64::NEG_INFINITY, |largest, a| largest.max(a.value));
                let whole = if a.iter().any(|a| a.value.is_nan()) { f64::NAN } else { largest };
                let weights = a.map(|a| (a.value - whole).exp());
                let total: f64 = weights.iter().sum();
                let mean: f64 =
                    (0..COLUMNS).map(|i| run.product(0.0, weights[i] / total, a[i], true).tangent).sum();
                std::array::from_fn(|i| {
                    let weight = weights[i] / total;
                    let change = a[i].tangent - mean;
                    if matches!(self, OfRow::LogSoftmax) {
                        return Dual { value: a[i].value - whole - total.ln(), tangent: change, moves };
                    }
                    Dual { value: weight, tangent: times(weight, change), moves }
                })
            }
            OfRow::Normal => {
                let mean = sum(&|a| a.value) / count;
                let change = sum(&|a| a.tangent) / count;
                let centred = a.map(|a| (a.value - mean, a.tangent - change));
                let deviation = (centred.iter().map(|c| c.0 * c.0).sum::<f64>() / count + 1e-5).sqrt();
                let normal = centred.map(|c| c.0 / deviation);
                let inner = (0..COLUMNS).map(|i| times(normal[i], centred[i].1)).sum::<f64>() / count;
                std::array::from_fn(|i| Dual {
                    value: normal[i],
                    tangent: (centred[i].1 - times(normal[i], inner)) / deviation,
                    moves,
                })
            }
            OfRow::Norm => {
                let norm = sum(&|a| a.value * a.value).sqrt();
                same(norm, sum(&|a| times(a.value / norm, a.tangent)))
            }
            OfRow::Mean => same(sum(&|a| a.value) / count, sum(&|a| a.tangent) / count),
            OfRow::Largest | OfRow::Smallest => {
                let sign = if matches!(self, OfRow::Largest) { 1.0 } else { -1.0 };
                let best = a.iter().map(|a| sign * a.value).fold(f64::NEG_INFINITY, f64::max);
                let value = if a.iter().any(|a| a.value.is_nan()) { f64::NAN } else { sign * best };
                let mut ties = a.iter().filter(|a| sign * a.value == best);
                // Which of several largest elements is taken is the engine's choice.
                let tangent = ties.next().map_or(f64::NAN, |first| first.tangent);
                let single = ties.all(|tie| tie.tangent == tangent);
                same(value, if single { tangent } else { f64::NAN })
            }
        }
    }
}
