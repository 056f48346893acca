//! Random expressions of branches, powers, roots, norms and activations.

use crate::harness::Numbers;
use burn::tensor::{Tensor, activation as act};

/// The numbers of a row.
pub(crate) const COLUMNS: usize = 3;

/// Functions of one number with known slopes.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Function {
    Exp,
    Log,
    Log1p,
    Sqrt,
    Square,
    Cube,
    Power(f64),
    Recip,
    Tanh,
    Sigmoid,
    Relu,
    Elu,
    Selu,
    Gelu,
    Softplus,
    LogSigmoid,
    HardSigmoid,
    Leaky,
    Abs,
    Sin,
    Atan,
    Asinh,
    Acosh,
    Atanh,
    Asin,
    Erf,
    Clamp,
    Scale(f64),
    Offset(f64),
}

const FUNCTIONS: [Function; 34] = {
    use Function::*;
    [
        Exp,
        Exp,
        Log,
        Log1p,
        Sqrt,
        Sqrt,
        Square,
        Cube,
        Power(0.5),
        Power(-1.5),
        Power(0.0),
        Recip,
        Tanh,
        Tanh,
        Sigmoid,
        Relu,
        Elu,
        Selu,
        Gelu,
        Softplus,
        LogSigmoid,
        HardSigmoid,
        Leaky,
        Abs,
        Sin,
        Atan,
        Asinh,
        Acosh,
        Atanh,
        Asin,
        Erf,
        Clamp,
        Scale(-0.5),
        Offset(1.0),
    ]
};

/// Functions of two numbers.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Pair {
    Add,
    Subtract,
    Multiply,
    Divide,
    Power,
    Atan2,
    Hypot,
    Larger,
}

/// Functions of a row.
#[derive(Clone, Copy, Debug)]
pub(crate) enum OfRow {
    Softmax,
    LogSoftmax,
    Normal,
    Norm,
    Mean,
    Largest,
    Smallest,
}

/// When the first branch is taken.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Test {
    Above(f64),
    Number,
    Below(f64),
}

/// An expression of the inputs x (0) and z (1).
#[derive(Clone, Debug)]
pub(crate) enum Expression {
    Input(usize),
    Of(Function, Box<Expression>),
    OfTwo(Pair, Box<Expression>, Box<Expression>),
    Row(OfRow, Box<Expression>),
    Branch(Test, [Box<Expression>; 3]),
}

pub(crate) fn below(stream: &mut Numbers, count: usize) -> usize {
    (((stream.next() + 1.0) / 2.0 * count as f64) as usize).min(count - 1)
}

impl Expression {
    pub(crate) fn random(stream: &mut Numbers, depth: usize) -> Self {
        let next = |stream: &mut Numbers| Box::new(Expression::random(stream, depth - 1));
        if depth == 0 {
            return Expression::Input(below(stream, 2));
        }
        match below(stream, 12) {
            0..=4 => Expression::Of(FUNCTIONS[below(stream, FUNCTIONS.len())], next(stream)),
            5..=7 => {
                use Pair::*;
                let pairs = [Add, Subtract, Multiply, Multiply, Divide, Power, Atan2, Hypot, Larger];
                Expression::OfTwo(pairs[below(stream, pairs.len())], next(stream), next(stream))
            }
            8 => {
                use OfRow::*;
                let rows = [Softmax, LogSoftmax, Normal, Norm, Mean, Largest, Smallest];
                Expression::Row(rows[below(stream, rows.len())], next(stream))
            }
            _ => {
                let tests = [Test::Above(0.0), Test::Above(50.0), Test::Number, Test::Below(1e-3)];
                let test = tests[below(stream, tests.len())];
                Expression::Branch(test, [next(stream), next(stream), next(stream)])
            }
        }
    }

    /// The expression on Burn tensors of shape `[rows, COLUMNS]`.
    pub(crate) fn build(&self, inputs: &[Tensor<2>; 2]) -> Tensor<2> {
        match self {
            Expression::Input(at) => inputs[*at].clone(),
            Expression::Of(function, a) => function.build(a.build(inputs)),
            Expression::OfTwo(pair, a, b) => {
                let (a, b) = (a.build(inputs), b.build(inputs));
                match pair {
                    Pair::Add => a + b,
                    Pair::Subtract => a - b,
                    Pair::Multiply => a * b,
                    Pair::Divide => a / b,
                    Pair::Power => a.powf(b),
                    Pair::Atan2 => a.atan2(b),
                    Pair::Hypot => a.hypot(b),
                    Pair::Larger => a.max_pair(b),
                }
            }
            Expression::Row(function, a) => {
                let a = a.build(inputs);
                let shape = a.dims();
                match function {
                    OfRow::Softmax => act::softmax(a, 1),
                    OfRow::LogSoftmax => act::log_softmax(a, 1),
                    OfRow::Normal => {
                        let centred = a.clone() - a.mean_dim(1);
                        centred.clone() / (centred.square().mean_dim(1) + 1e-5).sqrt()
                    }
                    OfRow::Norm => a.square().sum_dim(1).sqrt().expand(shape),
                    OfRow::Mean => a.mean_dim(1).expand(shape),
                    OfRow::Largest => a.max_dim(1).expand(shape),
                    OfRow::Smallest => a.min_dim(1).expand(shape),
                }
            }
            Expression::Branch(test, [condition, yes, no]) => {
                let condition = condition.build(inputs);
                let mask = match test {
                    Test::Above(number) => condition.greater_elem(*number),
                    Test::Number => condition.clone().equal(condition),
                    Test::Below(number) => condition.lower_elem(*number),
                };
                no.build(inputs).mask_where(mask, yes.build(inputs))
            }
        }
    }
}

impl Function {
    fn build(self, x: Tensor<2>) -> Tensor<2> {
        match self {
            Function::Exp => x.exp(),
            Function::Log => x.log(),
            Function::Log1p => x.log1p(),
            Function::Sqrt => x.sqrt(),
            Function::Square => x.square(),
            Function::Cube => x.powi_scalar(3),
            Function::Power(exponent) => x.powf_scalar(exponent),
            Function::Recip => x.recip(),
            Function::Tanh => x.tanh(),
            Function::Sigmoid => act::sigmoid(x),
            Function::Relu => act::relu(x),
            Function::Elu => act::elu(x, 1.0),
            Function::Selu => act::selu(x),
            Function::Gelu => act::gelu(x),
            Function::Softplus => act::softplus(x, 1.0),
            Function::LogSigmoid => act::log_sigmoid(x),
            Function::HardSigmoid => act::hard_sigmoid(x, 0.2, 0.5),
            Function::Leaky => act::leaky_relu(x, 0.1),
            Function::Abs => x.abs(),
            Function::Sin => x.sin(),
            Function::Atan => x.atan(),
            Function::Asinh => x.asinh(),
            Function::Acosh => x.acosh(),
            Function::Atanh => x.atanh(),
            Function::Asin => x.asin(),
            Function::Erf => x.erf(),
            Function::Clamp => x.clamp(-0.5, 0.5),
            Function::Scale(factor) => x * factor,
            Function::Offset(number) => x + number,
        }
    }
}
