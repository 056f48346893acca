//! Every primitive by name: a new one that the tests of devices leave out does not compile.

use banach_program::{Bilinear, Binary, Comparison, Elementwise, Index, Logic, Primitive, Structure, Unary};

macro_rules! kinds {
    ($($name:ident: $pattern:pat,)*) => {
        /// The names of all primitives that programs hold without the help of another crate.
        pub(crate) const ALL: &[&str] = &[$(stringify!($name)),*];

        /// The name of a primitive; `None` for one that another crate defines.
        pub(crate) fn name(primitive: &Primitive) -> Option<&'static str> {
            use {Comparison as C, Elementwise::*};
            match primitive {
                $($pattern => Some(stringify!($name)),)*
                Primitive::Custom(_) => None,
            }
        }
    };
}

kinds! {
    Constant: Primitive::Constant(_),
    Abs: Primitive::Elementwise(Unary(self::Unary::Abs)),
    Acos: Primitive::Elementwise(Unary(self::Unary::Acos)),
    Acosh: Primitive::Elementwise(Unary(self::Unary::Acosh)),
    Asin: Primitive::Elementwise(Unary(self::Unary::Asin)),
    Asinh: Primitive::Elementwise(Unary(self::Unary::Asinh)),
    Atan: Primitive::Elementwise(Unary(self::Unary::Atan)),
    Atanh: Primitive::Elementwise(Unary(self::Unary::Atanh)),
    Ceil: Primitive::Elementwise(Unary(self::Unary::Ceil)),
    Cos: Primitive::Elementwise(Unary(self::Unary::Cos)),
    Cosh: Primitive::Elementwise(Unary(self::Unary::Cosh)),
    Erf: Primitive::Elementwise(Unary(self::Unary::Erf)),
    Exp: Primitive::Elementwise(Unary(self::Unary::Exp)),
    Floor: Primitive::Elementwise(Unary(self::Unary::Floor)),
    Log: Primitive::Elementwise(Unary(self::Unary::Log)),
    Log1p: Primitive::Elementwise(Unary(self::Unary::Log1p)),
    LogSigmoid: Primitive::Elementwise(Unary(self::Unary::LogSigmoid)),
    Reciprocal: Primitive::Elementwise(Unary(self::Unary::Reciprocal)),
    Relu: Primitive::Elementwise(Unary(self::Unary::Relu)),
    Round: Primitive::Elementwise(Unary(self::Unary::Round)),
    Sigmoid: Primitive::Elementwise(Unary(self::Unary::Sigmoid)),
    Sign: Primitive::Elementwise(Unary(self::Unary::Sign)),
    Sin: Primitive::Elementwise(Unary(self::Unary::Sin)),
    Sinh: Primitive::Elementwise(Unary(self::Unary::Sinh)),
    Sqrt: Primitive::Elementwise(Unary(self::Unary::Sqrt)),
    Tan: Primitive::Elementwise(Unary(self::Unary::Tan)),
    Tanh: Primitive::Elementwise(Unary(self::Unary::Tanh)),
    Trunc: Primitive::Elementwise(Unary(self::Unary::Trunc)),
    Add: Primitive::Elementwise(Binary(self::Binary::Add)),
    Subtract: Primitive::Elementwise(Binary(self::Binary::Subtract)),
    Divide: Primitive::Elementwise(Binary(self::Binary::Divide)),
    Power: Primitive::Elementwise(Binary(self::Binary::Power)),
    Remainder: Primitive::Elementwise(Binary(self::Binary::Remainder)),
    Atan2: Primitive::Elementwise(Binary(self::Binary::Atan2)),
    Scale: Primitive::Elementwise(Scale(_)),
    Offset: Primitive::Elementwise(Offset(_)),
    PowerOfNumber: Primitive::Elementwise(Power(_)),
    Detach: Primitive::Elementwise(Detach),
    Equal: Primitive::Elementwise(Compare(C::Equal)),
    NotEqual: Primitive::Elementwise(Compare(C::NotEqual)),
    Greater: Primitive::Elementwise(Compare(C::Greater)),
    GreaterEqual: Primitive::Elementwise(Compare(C::GreaterEqual)),
    Less: Primitive::Elementwise(Compare(C::Less)),
    LessEqual: Primitive::Elementwise(Compare(C::LessEqual)),
    EqualNumber: Primitive::Elementwise(CompareScalar(C::Equal, _)),
    NotEqualNumber: Primitive::Elementwise(CompareScalar(C::NotEqual, _)),
    GreaterNumber: Primitive::Elementwise(CompareScalar(C::Greater, _)),
    GreaterEqualNumber: Primitive::Elementwise(CompareScalar(C::GreaterEqual, _)),
    LessNumber: Primitive::Elementwise(CompareScalar(C::Less, _)),
    LessEqualNumber: Primitive::Elementwise(CompareScalar(C::LessEqual, _)),
    And: Primitive::Elementwise(Logic(self::Logic::And)),
    Or: Primitive::Elementwise(Logic(self::Logic::Or)),
    Xor: Primitive::Elementwise(Logic(self::Logic::Xor)),
    Not: Primitive::Elementwise(Not),
    Choose: Primitive::Elementwise(Choose),
    Erase: Primitive::Elementwise(Erase),
    Cast: Primitive::Elementwise(Cast(_)),
    Multiply: Primitive::Bilinear(Bilinear::Multiply),
    AbsorbingProduct: Primitive::Bilinear(Bilinear::AbsorbingProduct),
    Matmul: Primitive::Bilinear(Bilinear::Matmul(_)),
    Convolution: Primitive::Bilinear(Bilinear::Convolution(_)),
    ConvolutionInput: Primitive::Bilinear(Bilinear::ConvolutionInput(..)),
    ConvolutionWeight: Primitive::Bilinear(Bilinear::ConvolutionWeight(..)),
    Reshape: Primitive::Structure(Structure::Reshape(_)),
    Permute: Primitive::Structure(Structure::Permute(_)),
    Broadcast: Primitive::Structure(Structure::Broadcast(_)),
    Sum: Primitive::Structure(Structure::Sum(_)),
    Slice: Primitive::Structure(Structure::Slice(_)),
    Place: Primitive::Structure(Structure::Place(..)),
    Flip: Primitive::Structure(Structure::Flip(_)),
    Gather: Primitive::Index(Index::Gather(_)),
    GatherTransposed: Primitive::Index(Index::GatherTransposed(..)),
    Select: Primitive::Index(Index::Select(_)),
    SelectTransposed: Primitive::Index(Index::SelectTransposed(..)),
    Concat: Primitive::Concat(_),
    Extreme: Primitive::Extreme { .. },
    ArgExtreme: Primitive::ArgExtreme { .. },
    MaxPoolIndices: Primitive::MaxPoolIndices(_),
}
