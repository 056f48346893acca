//! Operations of a chain.

/// Unary functions.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
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
    /// Rounds to the nearest integer, ties to even.
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

/// Binary functions.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Binary {
    /// a + b
    Add,
    /// a - b
    Subtract,
    /// a b
    Multiply,
    /// a b, and 0 where a or b is 0, even if the other is infinite or NaN.
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
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
#[allow(missing_docs, reason = "the names are the comparisons' own")]
pub enum Comparison {
    Equal,
    NotEqual,
    Greater,
    GreaterEqual,
    Less,
    LessEqual,
}

impl Comparison {
    /// Whether the comparison holds for two numbers of any kind.
    pub fn holds<N: PartialOrd>(self, a: N, b: N) -> bool {
        match self {
            Self::Equal => a == b,
            Self::NotEqual => a != b,
            Self::Greater => a > b,
            Self::GreaterEqual => a >= b,
            Self::Less => a < b,
            Self::LessEqual => a <= b,
        }
    }
}

/// The operation of a step. Truth values are 0 and 1.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Operation {
    /// A unary function.
    Unary(Unary),
    /// A binary function.
    Binary(Binary),
    /// Multiplication by a constant.
    Scale(f64),
    /// Addition of a constant.
    Offset(f64),
    /// A constant power.
    Power(f64),
    /// A comparison of two operands.
    Compare(Comparison),
    /// A comparison with a constant.
    CompareScalar(Comparison, f64),
    /// Logical and.
    And,
    /// Logical or.
    Or,
    /// Exclusive or.
    Xor,
    /// Logical negation.
    Not,
    /// `(mask, yes, no)`: yes where the mask is true.
    Choose,
    /// `(mask, x)`: 0 where the mask is true, else x.
    Erase,
    /// The operand itself.
    Copy,
    /// A constant, without operands.
    Constant(f64),
}

impl Operation {
    /// Returns the number of operands.
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

/// One operation on registers. Registers `0..inputs` of a chain hold its inputs, until a step overwrites
/// them.
#[derive(Clone, Debug, PartialEq)]
pub struct Step {
    /// The operation.
    pub operation: Operation,
    /// The registers of the operands.
    pub operands: Vec<usize>,
    /// The register of the result.
    pub result: usize,
}

impl Step {
    /// Creates a step.
    pub fn new(operation: Operation, operands: &[usize], result: usize) -> Self {
        Step { operation, operands: operands.to_vec(), result }
    }
}
