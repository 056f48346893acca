//! Operations of a chain: functions of the numbers at one position.

/// Functions of one number.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[allow(missing_docs, reason = "the names are the functions' own")]
pub enum Unary {
    Abs,
    Acos,
    Acosh,
    Asin,
    Asinh,
    Atan,
    Atanh,
    Ceil,
    Cos,
    Cosh,
    Erf,
    Exp,
    Floor,
    Log,
    Log1p,
    LogSigmoid,
    Reciprocal,
    Relu,
    /// To the nearest whole number, halves to the even one.
    Round,
    Sigmoid,
    /// 0 at 0 and at NaN.
    Sign,
    Sin,
    Sinh,
    Sqrt,
    Tan,
    Tanh,
    Trunc,
}

/// Functions of two numbers.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Binary {
    /// a + b
    Add,
    /// a - b
    Subtract,
    /// a b
    Multiply,
    /// a b, and 0 where a or b is 0 though the other be infinite or NaN.
    AbsorbingProduct,
    /// a / b
    Divide,
    /// a to the power b
    Power,
    /// a - b floor(a / b)
    Remainder,
    /// The angle of the point (b, a).
    Atan2,
}

/// Comparisons of two numbers; with NaN, only `NotEqual` holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[allow(missing_docs, reason = "the names are the comparisons' own")]
pub enum Comparison {
    Equal,
    NotEqual,
    Greater,
    GreaterEqual,
    Less,
    LessEqual,
}

/// What a step computes. Truth values are 0 and 1.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Operation {
    /// A function of one number.
    Unary(Unary),
    /// A function of two numbers.
    Binary(Binary),
    /// Times a number.
    Scale(f64),
    /// Plus a number.
    Offset(f64),
    /// To the power of a number.
    Power(f64),
    /// A comparison of two numbers, giving a truth value.
    Compare(Comparison),
    /// A comparison with a number, giving a truth value.
    CompareScalar(Comparison, f64),
    /// Whether both truth values are true.
    And,
    /// Whether one of two truth values is true.
    Or,
    /// Whether exactly one of two truth values is true.
    Xor,
    /// The other truth value.
    Not,
    /// `(mask, yes, no)`: yes where the mask is true.
    Choose,
    /// `(mask, x)`: 0 where the mask is true, else x.
    Erase,
    /// The operand itself.
    Copy,
    /// A number, without operands.
    Constant(f64),
}

impl Operation {
    /// The number of operands.
    pub fn arity(self) -> usize {
        match self {
            Operation::Constant(_) => 0,
            Operation::Unary(_)
            | Operation::Scale(_)
            | Operation::Offset(_)
            | Operation::Power(_)
            | Operation::CompareScalar(..)
            | Operation::Not
            | Operation::Copy => 1,
            Operation::Binary(_)
            | Operation::Compare(_)
            | Operation::And
            | Operation::Or
            | Operation::Xor
            | Operation::Erase => 2,
            Operation::Choose => 3,
        }
    }
}

/// One operation on registers. Registers `0..inputs` of a chain hold its inputs, until a step overwrites them.
#[derive(Clone, Debug, PartialEq)]
pub struct Step {
    /// What to compute.
    pub operation: Operation,
    /// The registers to read, as many as the operation has operands.
    pub operands: Vec<usize>,
    /// The register to write.
    pub result: usize,
}

impl Step {
    /// An operation on some registers, its result in another.
    pub fn new(operation: Operation, operands: &[usize], result: usize) -> Self {
        Step { operation, operands: operands.to_vec(), result }
    }
}
