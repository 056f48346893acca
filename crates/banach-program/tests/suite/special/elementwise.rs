//! Elementwise primitives on every pair of special values, in whole vectors and in parts of vectors.

use super::{Differences, Nearness, PRECISIONS, integers, program, special, tensor};
use banach_program::{
    Bilinear, Binary, Comparison, Elementwise, Kind, Logic, Primitive, Span, Structure, Type, Unary, Value,
};
use burn::tensor::{DType, FloatDType, IntDType};

/// Columns of a row that no vector of any level fills.
const PART: usize = 3;

/// Runs elementwise lines on dense operands, which fill vectors, and on slices of rows, which do not.
fn compare(
    differences: &mut Differences,
    primitive: &Primitive,
    operands: &[Vec<f64>],
    precision: FloatDType,
    nearness: Nearness,
) {
    let count = operands[0].len();
    let dense: Vec<Value> = operands.iter().map(|numbers| tensor(numbers, &[count], precision)).collect();
    differences.primitive(primitive.clone(), &dense, nearness);
    let rows = count.div_ceil(PART);
    let padded: Vec<Value> = operands
        .iter()
        .map(|numbers| {
            let at = |row: usize, column: usize| numbers[(row * PART + column.min(PART - 1)) % count];
            let numbers: Vec<f64> =
                (0..rows).flat_map(|row| (0..=PART).map(move |column| at(row, column))).collect();
            tensor(&numbers, &[rows, PART + 1], precision)
        })
        .collect();
    let types: Vec<Type> = padded.iter().map(Value::ty).collect();
    let spans = vec![Span { start: 0, end: rows, step: 1 }, Span { start: 0, end: PART, step: 1 }];
    let sliced = program(&types, |builder, inputs| {
        let slice = Structure::Slice(spans);
        let parts: Vec<_> = inputs.iter().map(|input| builder.structure(slice.clone(), *input)).collect();
        vec![builder.push(primitive.clone(), &parts)]
    });
    differences.native(&format!("{primitive} in parts"), &sliced, &padded, nearness);
}

/// Every pair of special values.
fn pairs(precision: FloatDType) -> [Vec<f64>; 2] {
    let special = special(precision);
    let first = special.iter().flat_map(|a| special.iter().map(move |_| *a)).collect();
    let second = special.iter().flat_map(|_| special.iter().copied()).collect();
    [first, second]
}

#[test]
fn functions_of_one_number() {
    use Nearness::{Exact, Ulps};
    let functions = [
        (Unary::Abs, Exact),
        (Unary::Acos, Ulps(4.0)),
        (Unary::Acosh, Ulps(4.0)),
        (Unary::Asin, Ulps(4.0)),
        (Unary::Asinh, Ulps(4.0)),
        (Unary::Atan, Ulps(4.0)),
        (Unary::Atanh, Ulps(4.0)),
        (Unary::Ceil, Exact),
        (Unary::Cos, Ulps(4.0)),
        (Unary::Cosh, Ulps(4.0)),
        (Unary::Erf, Ulps(8.0)),
        (Unary::Exp, Ulps(4.0)),
        (Unary::Floor, Exact),
        (Unary::Log, Ulps(4.0)),
        (Unary::Log1p, Ulps(4.0)),
        (Unary::LogSigmoid, Ulps(8.0)),
        (Unary::Reciprocal, Exact),
        (Unary::Relu, Exact),
        // Burn rounds -0.5 to 0, the engine to -0 as IEEE 754 says.
        (Unary::Round, Nearness::Value),
        (Unary::Sigmoid, Ulps(8.0)),
        (Unary::Sign, Exact),
        (Unary::Sin, Ulps(4.0)),
        (Unary::Sinh, Ulps(4.0)),
        (Unary::Sqrt, Exact),
        (Unary::Tan, Ulps(4.0)),
        (Unary::Tanh, Ulps(8.0)),
        (Unary::Trunc, Exact),
    ];
    let mut differences = Differences::default();
    for precision in PRECISIONS {
        let values: Vec<f64> = special(precision).repeat(3);
        for (function, nearness) in functions {
            compare(
                &mut differences,
                &Elementwise::Unary(function).into(),
                std::slice::from_ref(&values),
                precision,
                nearness,
            );
        }
    }
    differences.none();
}

#[test]
fn numbers_as_parameters() {
    let mut differences = Differences::default();
    for precision in PRECISIONS {
        let values: Vec<f64> = special(precision).repeat(3);
        let mut check = |function: Elementwise, nearness: Nearness| {
            compare(&mut differences, &function.into(), std::slice::from_ref(&values), precision, nearness);
        };
        check(Elementwise::Detach, Nearness::Exact);
        let parameters = [0.0, -0.0, 1.0, -1.0, 0.1, -2.5, 1e300, f64::INFINITY, f64::NEG_INFINITY, f64::NAN];
        for parameter in parameters {
            check(Elementwise::Scale(parameter), Nearness::Exact);
            check(Elementwise::Offset(parameter), Nearness::Exact);
            for comparison in COMPARISONS {
                check(Elementwise::CompareScalar(comparison, parameter), Nearness::Exact);
            }
        }
        for exponent in [0.0, 1.0, 2.0, 3.0, 4.0, 5.0, 64.0, -1.0, -2.0, -3.0, 0.5, -0.5, 1.7, -1.7] {
            check(Elementwise::Power(exponent), Nearness::Ulps(4.0));
        }
    }
    differences.none();
}

const COMPARISONS: [Comparison; 6] = [
    Comparison::Equal,
    Comparison::NotEqual,
    Comparison::Greater,
    Comparison::GreaterEqual,
    Comparison::Less,
    Comparison::LessEqual,
];

#[test]
fn functions_and_comparisons_of_two_numbers() {
    let mut differences = Differences::default();
    for precision in PRECISIONS {
        let pairs = pairs(precision);
        let mut check = |primitive: Primitive, nearness: Nearness| {
            compare(&mut differences, &primitive, &pairs, precision, nearness);
        };
        for function in [Binary::Add, Binary::Subtract, Binary::Divide, Binary::Remainder] {
            check(Elementwise::Binary(function).into(), Nearness::Exact);
        }
        check(Primitive::Bilinear(Bilinear::Multiply), Nearness::Exact);
        check(Elementwise::Binary(Binary::Power).into(), Nearness::Ulps(4.0));
        check(Elementwise::Binary(Binary::Atan2).into(), Nearness::Ulps(4.0));
        for comparison in COMPARISONS {
            check(Elementwise::Compare(comparison).into(), Nearness::Exact);
        }
    }
    differences.none();
}

#[test]
fn masks_and_what_they_choose() {
    let mut differences = Differences::default();
    for precision in PRECISIONS {
        let [a, b] = pairs(precision);
        let operands = [&a, &b].map(|numbers| tensor(numbers, &[numbers.len()], precision));
        let types = operands.each_ref().map(Value::ty);
        let masked = program(&types, |builder, inputs| {
            let (less, equal) = (
                builder.push(Elementwise::Compare(Comparison::Less), inputs),
                builder.push(Elementwise::Compare(Comparison::Equal), inputs),
            );
            let truth = builder.cast(inputs[0], Kind::Bool);
            let [and, or, xor] = [Logic::And, Logic::Or, Logic::Xor]
                .map(|logic| builder.push(Elementwise::Logic(logic), &[less, truth]));
            vec![
                and,
                or,
                xor,
                builder.push(Elementwise::Not, &[equal]),
                builder.push(Elementwise::Choose, &[less, inputs[0], inputs[1]]),
                builder.push(Elementwise::Choose, &[less, equal, truth]),
                builder.push(Elementwise::Erase, &[less, inputs[1]]),
                builder.push(Elementwise::Erase, &[equal, truth]),
                builder.cast(truth, Kind::Float(precision)),
                builder.cast(less, Kind::Int(IntDType::I64)),
            ]
        });
        differences.native("masks", &masked, &operands, Nearness::Exact);
    }
    differences.none();
}

#[test]
fn casts_between_kinds() {
    let widths = [
        (IntDType::I64, DType::I64),
        (IntDType::I32, DType::I32),
        (IntDType::I16, DType::I16),
        (IntDType::I8, DType::I8),
        (IntDType::U32, DType::U32),
        (IntDType::U16, DType::U16),
        (IntDType::U8, DType::U8),
    ];
    let mut differences = Differences::default();
    for precision in PRECISIONS {
        let values = special(precision);
        let x = tensor(&values, &[values.len()], precision);
        for (to, _) in widths {
            let types = [x.ty()];
            // What is compared and cast on is the number the narrow kind holds.
            let cast = program(&types, |builder, inputs| {
                let whole = builder.cast(inputs[0], Kind::Int(to));
                let above = builder.compare(Comparison::Greater, whole, 100.0);
                let back = builder.cast(whole, Kind::Float(precision));
                let truth = builder.cast(whole, Kind::Bool);
                vec![whole, above, back, truth]
            });
            differences.native(&format!("cast to {to:?}"), &cast, std::slice::from_ref(&x), Nearness::Exact);
            for (from, dtype) in widths {
                let wide = [0, 1, 100, 127].map(|x: i64| x);
                let given = [x.clone(), integers(&wide, &[4], dtype)];
                let types = given.each_ref().map(Value::ty);
                let narrowed = program(&types, |builder, inputs| {
                    let whole = builder.cast(inputs[1], Kind::Int(to));
                    let of_real = builder.cast(inputs[0], Kind::Int(from));
                    let narrow = builder.cast(of_real, Kind::Int(to));
                    let small = builder.compare(Comparison::Less, narrow, 3.0);
                    vec![whole, narrow, small, builder.cast(narrow, Kind::Float(precision))]
                });
                let case = format!("cast {from:?} to {to:?}");
                differences.native(&case, &narrowed, &given, Nearness::Exact);
            }
        }
    }
    differences.none();
}
