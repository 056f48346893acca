//! Every primitive: values, tangents and cotangents, and values at NaN, infinities and zeros.

use crate::kinds;
use crate::{device, largest_difference};
use banach_program::{
    Bilinear, Binary, Builder, Comparison, Constant, Elementwise, Index, Kind, Literal, Logic, Pool,
    Primitive, Program, Span, Structure, Type, Unary, Value, Window, evaluate_on, jvp, vjp,
};
use burn::tensor::{DType, Device, FloatDType, IntDType, Tensor, TensorData};
use std::collections::BTreeSet;

/// Rounding of single precision in a few operations, and what a device's functions lose beside it.
const ROUNDING: f64 = 2e-5;

const INTEGER: Kind = Kind::Int(IntDType::I64);

/// A primitive with the types of its operands.
struct Case {
    primitive: Primitive,
    operands: Vec<Type>,
    /// Added to floats, which are between -1 and 1; integers are below it.
    above: f64,
}

fn case(primitive: impl Into<Primitive>, operands: &[(&[usize], Kind)], above: f64) -> Case {
    let operands = operands.iter().map(|(shape, kind)| Type::new(*shape, *kind)).collect();
    Case { primitive: primitive.into(), operands, above }
}

const FLOAT: Kind = Kind::Float(FloatDType::F32);
const TABLE: &[usize] = &[3, 5];

/// Functions of one number with what keeps their operands in their domain.
const UNARY: [(Unary, f64); 27] = [
    (Unary::Abs, 0.0),
    (Unary::Acos, 0.0),
    (Unary::Acosh, 2.2),
    (Unary::Asin, 0.0),
    (Unary::Asinh, 0.0),
    (Unary::Atan, 0.0),
    (Unary::Atanh, 0.0),
    (Unary::Ceil, 0.0),
    (Unary::Cos, 0.0),
    (Unary::Cosh, 0.0),
    (Unary::Erf, 0.0),
    (Unary::Exp, 0.0),
    (Unary::Floor, 0.0),
    (Unary::Log, 1.5),
    (Unary::Log1p, 1.5),
    (Unary::LogSigmoid, 0.0),
    (Unary::Reciprocal, 1.5),
    (Unary::Relu, 0.0),
    (Unary::Round, 0.0),
    (Unary::Sigmoid, 0.0),
    (Unary::Sign, 0.0),
    (Unary::Sin, 0.0),
    (Unary::Sinh, 0.0),
    (Unary::Sqrt, 1.5),
    (Unary::Tan, 0.0),
    (Unary::Tanh, 0.0),
    (Unary::Trunc, 0.0),
];

const BINARY: [Binary; 6] =
    [Binary::Add, Binary::Subtract, Binary::Divide, Binary::Power, Binary::Remainder, Binary::Atan2];

const COMPARISONS: [Comparison; 6] = [
    Comparison::Equal,
    Comparison::NotEqual,
    Comparison::Greater,
    Comparison::GreaterEqual,
    Comparison::Less,
    Comparison::LessEqual,
];

fn elementwise() -> Vec<Case> {
    let one = |function: Elementwise, above: f64| case(function, &[(TABLE, FLOAT)], above);
    let two = |function: Elementwise, above: f64| case(function, &[(TABLE, FLOAT), (TABLE, FLOAT)], above);
    let masks = |function: Elementwise, count: usize| case(function, &vec![(TABLE, Kind::Bool); count], 0.0);
    let mut cases: Vec<Case> =
        UNARY.iter().map(|(function, above)| one(Elementwise::Unary(*function), *above)).collect();
    cases.extend(BINARY.map(|function| two(Elementwise::Binary(function), 2.0)));
    cases.extend(COMPARISONS.map(|comparison| two(Elementwise::Compare(comparison), 0.0)));
    cases.extend(COMPARISONS.map(|comparison| one(Elementwise::CompareScalar(comparison, 0.1), 0.0)));
    cases.extend(COMPARISONS.map(|comparison| {
        case(Elementwise::Compare(comparison), &[(TABLE, INTEGER), (TABLE, INTEGER)], 4.0)
    }));
    cases.extend([Logic::And, Logic::Or, Logic::Xor].map(|logic| masks(Elementwise::Logic(logic), 2)));
    cases.extend([1.7, -2.0, 3.0, 0.5].map(|exponent| one(Elementwise::Power(exponent), 2.0)));
    cases.extend(
        [Elementwise::Scale(-1.0), Elementwise::Scale(2.5), Elementwise::Offset(0.3), Elementwise::Detach]
            .map(|function| one(function, 0.0)),
    );
    cases.extend([
        masks(Elementwise::Not, 1),
        case(Elementwise::Choose, &[(TABLE, Kind::Bool), (TABLE, FLOAT), (TABLE, FLOAT)], 0.0),
        case(Elementwise::Erase, &[(TABLE, Kind::Bool), (TABLE, FLOAT)], 0.0),
        one(Elementwise::Cast(INTEGER), 3.0),
        one(Elementwise::Cast(Kind::Bool), 0.0),
        case(Elementwise::Cast(FLOAT), &[(TABLE, INTEGER)], 9.0),
        case(Elementwise::Cast(FLOAT), &[(TABLE, Kind::Bool)], 0.0),
        case(Elementwise::Cast(INTEGER), &[(TABLE, Kind::Bool)], 0.0),
        case(Elementwise::Binary(Binary::Add), &[(TABLE, INTEGER), (TABLE, INTEGER)], 9.0),
        case(Elementwise::Scale(3.0), &[(TABLE, INTEGER)], 9.0),
    ]);
    cases
}

fn others() -> Vec<Case> {
    let (cube, images): (&[usize], &[usize]) = (&[2, 3, 4], &[2, 4, 5, 6]);
    let structure = |structure: Structure| case(Primitive::Structure(structure), &[(cube, FLOAT)], 0.0);
    let span = |start, end, step| Span { start, end, step };
    let pair = |form: Bilinear, a: &[usize], b: &[usize]| {
        case(Primitive::Bilinear(form), &[(a, FLOAT), (b, FLOAT)], 0.0)
    };
    let window = Window { stride: [2, 1], padding: [1, 1], dilation: [1, 1], groups: 2 };
    let index = |index: Index, x: &[usize], at: &[usize], below: f64| {
        case(Primitive::Index(index), &[(x, FLOAT), (at, INTEGER)], below)
    };
    let pool = |padding, ceil| Pool { kernel: [3, 2], stride: [2, 2], padding, dilation: [1, 1], ceil };
    let mut cases = vec![
        case(
            Primitive::Constant(Constant { ty: Type::new(TABLE, FLOAT), literal: Literal::Full(0.7) }),
            &[],
            0.0,
        ),
        pair(Bilinear::Multiply, TABLE, TABLE),
        pair(Bilinear::AbsorbingProduct, TABLE, TABLE),
        pair(Bilinear::Matmul([false, false]), &[3, 5], &[5, 4]),
        pair(Bilinear::Matmul([true, false]), &[2, 5, 3], &[2, 5, 4]),
        pair(Bilinear::Matmul([false, true]), &[40, 70], &[33, 70]),
        pair(Bilinear::Matmul([true, true]), &[5, 3], &[4, 5]),
        pair(Bilinear::Convolution(window), images, &[6, 2, 3, 3]),
        pair(Bilinear::ConvolutionInput(window, [5, 6]), &[2, 6, 3, 6], &[6, 2, 3, 3]),
        pair(Bilinear::ConvolutionWeight(window, [3, 3]), images, &[2, 6, 3, 6]),
        structure(Structure::Reshape(vec![6, 4])),
        structure(Structure::Permute(vec![2, 0, 1])),
        structure(Structure::Sum(vec![0, 2])),
        structure(Structure::Slice(vec![span(0, 2, 1), span(1, 3, 1), span(0, 4, 2)])),
        structure(Structure::Place(vec![3, 3, 9], vec![span(1, 3, 1), span(0, 3, 1), span(1, 9, 2)])),
        structure(Structure::Flip(vec![0, 2])),
        case(Primitive::Structure(Structure::Broadcast(vec![3, 4])), &[(&[3, 1], FLOAT)], 0.0),
        case(Primitive::Structure(Structure::Reshape(vec![4, 6])), &[(cube, INTEGER)], 9.0),
        case(Primitive::Structure(Structure::Flip(vec![1])), &[(cube, Kind::Bool)], 0.0),
        index(Index::Gather(1), &[3, 4], &[3, 2], 4.0),
        index(Index::GatherTransposed(1, vec![3, 4]), &[3, 6], &[3, 6], 4.0),
        index(Index::Select(0), &[4, 3], &[5], 4.0),
        index(Index::SelectTransposed(0, vec![4, 3]), &[5, 3], &[5], 4.0),
        case(Primitive::Index(Index::Gather(1)), &[(&[3, 4], INTEGER), (&[3, 2], INTEGER)], 4.0),
        case(Primitive::Index(Index::Gather(1)), &[(&[3, 4], Kind::Bool), (&[3, 2], INTEGER)], 4.0),
        case(Primitive::Concat(1), &[(&[3, 2], FLOAT), (&[3, 5], FLOAT)], 0.0),
        case(Primitive::MaxPoolIndices(pool([0, 0], false)), &[(images, FLOAT)], 0.0),
        case(Primitive::MaxPoolIndices(pool([1, 1], true)), &[(images, FLOAT)], 0.0),
    ];
    for largest in [true, false] {
        cases.push(case(Primitive::Extreme { axis: 1, largest }, &[(cube, FLOAT)], 0.0));
        cases.push(case(Primitive::ArgExtreme { axis: 2, largest }, &[(cube, FLOAT)], 0.0));
    }
    cases
}

/// The primitive alone.
fn program(case: &Case) -> Program {
    let mut builder = Builder::new();
    let inputs: Vec<_> = case.operands.iter().map(|ty| builder.input(ty.clone())).collect();
    let result = builder.push(case.primitive.clone(), &inputs);
    builder.finish(vec![result])
}

/// The same numbers on every device, in every kind.
fn values(types: &[Type], seed: f64, above: f64, device: &Device) -> Vec<Value> {
    let value = |(at, ty): (usize, &Type)| {
        let number = |i: usize| ((i as f64 + 1.0) * 0.754_877 + seed + 0.37 * at as f64).fract() * 2.0 - 1.0;
        let numbers = (0..ty.len()).map(number);
        moved(
            ty,
            numbers
                .map(|x| if ty.kind.is_float() { x + above } else { (x + 1.0) * 0.5 * above.max(2.0) })
                .collect(),
            device,
        )
    };
    types.iter().enumerate().map(value).collect()
}

fn moved(ty: &Type, numbers: Vec<f64>, device: &Device) -> Value {
    let count = numbers.len();
    let value = match ty.kind {
        Kind::Float(precision) => Value::from(Tensor::<1>::from_data(
            TensorData::new(numbers, [count]),
            (device, DType::from(precision)),
        )),
        Kind::Int(precision) => {
            let numbers: Vec<i64> = numbers.iter().map(|x| x.floor() as i64).collect();
            Value::from(Tensor::<1, burn::tensor::Int>::from_data(
                TensorData::new(numbers, [count]),
                (device, DType::from(precision)),
            ))
        }
        Kind::Bool => {
            let truths: Vec<bool> = numbers.iter().map(|x| *x > 1.0).collect();
            Value::from(Tensor::<1, burn::tensor::Bool>::from_data(TensorData::new(truths, [count]), device))
        }
    };
    value.reshaped(&ty.shape)
}

fn numbers(values: &[Value]) -> Vec<f64> {
    values.iter().flat_map(|value| value.clone().into_data().iter::<f64>().collect::<Vec<_>>()).collect()
}

/// Evaluates a program on the processor and on the device, from the same numbers. Returns the largest difference, or the
/// error of the device.
fn difference(program: &Program, seed: f64, above: f64) -> Result<f64, String> {
    let types: Vec<Type> = program.input_types().cloned().collect();
    let at = |device: &Device| evaluate_on(program, values(&types, seed, above, device), device);
    let expected = numbers(&at(&Device::flex()).unwrap());
    let code = || at(&device()).map(|found| numbers(&found));
    let found = banach_program::panics_as_errors(&types, code).and_then(|found| found);
    found.map(|found| largest_difference(&found, &expected)).map_err(|error| error.to_string())
}

#[test]
fn every_primitive_agrees_with_the_processor_in_value_and_derivatives() {
    let (mut wrong, mut seen) = (Vec::new(), BTreeSet::new());
    for case in elementwise().into_iter().chain(others()) {
        let program = program(&case);
        let which: Vec<usize> =
            (0..case.operands.len()).filter(|at| case.operands[*at].kind.is_float()).collect();
        let mut programs = vec![("value", program.clone())];
        if !which.is_empty() && program.output_types().all(|ty| ty.kind.is_float()) {
            programs.extend([("tangent", jvp(&program, &which)), ("cotangent", vjp(&program, &which))]);
        }
        seen.extend(kinds::name(&case.primitive));
        for (what, program) in programs {
            match difference(&program, 0.123, case.above) {
                Ok(apart) if apart <= allowed(&case.primitive) => {}
                Ok(apart) => wrong.push(format!("{:?}, {what}: off by {apart:e}", case.primitive)),
                Err(error) => wrong.push(format!("{:?}, {what}: {error}", case.primitive)),
            }
        }
    }
    let left_out: Vec<&str> = kinds::ALL.iter().copied().filter(|name| !seen.contains(name)).collect();
    assert!(left_out.is_empty(), "not compared: {left_out:?}");
    assert!(wrong.is_empty(), "{} of the programs are wrong:\n{}", wrong.len(), wrong.join("\n"));
}

/// The largest difference in a function. WGSL allows a coarse arcsine and arccosine.
fn allowed(primitive: &Primitive) -> f64 {
    match primitive {
        Primitive::Elementwise(Elementwise::Unary(Unary::Asin | Unary::Acos)) => 1e-3,
        _ => ROUNDING,
    }
}

/// Whether WGSL leaves open what a function is at these operands.
fn is_open(primitive: &Primitive, operands: &[f64]) -> bool {
    let Primitive::Elementwise(function) = primitive else { return false };
    let (x, y) = (operands[0], operands.get(1).copied().unwrap_or(0.0));
    match function {
        Elementwise::Unary(Unary::Atan | Unary::Sigmoid) | Elementwise::Cast(Kind::Int(_)) => x.is_nan(),
        Elementwise::Unary(Unary::LogSigmoid) => x == f64::NEG_INFINITY,
        Elementwise::Binary(Binary::Power) => x == 0.0 || !x.is_finite() || !y.is_finite(),
        Elementwise::Binary(Binary::Remainder) => y.is_infinite(),
        Elementwise::Binary(Binary::Atan2) => x.is_nan() || y.is_nan() || x == 0.0 && y == 0.0,
        Elementwise::Power(_) => !x.is_finite(),
        _ => false,
    }
}

/// Numbers at which functions differ between devices, if anywhere.
const SPECIAL: [f64; 12] =
    [f64::NAN, f64::INFINITY, f64::NEG_INFINITY, 0.0, -0.0, 1.0, -1.0, 2.5, -2.5, 1e-30, 100.0, -100.0];

#[test]
fn functions_agree_with_the_processor_at_numbers_that_are_not_finite() {
    let mut wrong = Vec::new();
    for case in elementwise().into_iter().filter(|case| case.operands.iter().all(|ty| ty.kind.is_float())) {
        let program = program(&case);
        let types: Vec<Type> =
            program.input_types().map(|ty| Type::new([SPECIAL.len().pow(2)], ty.kind)).collect();
        let mut builder = Builder::new();
        let inputs: Vec<_> = types.iter().map(|ty| builder.input(ty.clone())).collect();
        let result = builder.push(case.primitive.clone(), &inputs);
        let program = builder.finish(vec![result]);
        let count = SPECIAL.len();
        let pairs = [
            (0..count * count).map(|k| SPECIAL[k / count]).collect::<Vec<_>>(),
            (0..count * count).map(|k| SPECIAL[k % count]).collect(),
        ];
        let at = |device: &Device| {
            let inputs = types.iter().zip(&pairs).map(|(ty, numbers)| moved(ty, numbers.clone(), device));
            numbers(&evaluate_on(&program, inputs.collect(), device).unwrap())
        };
        let (found, expected) = (at(&device()), at(&Device::flex()));
        for (k, (a, b)) in found.iter().zip(&expected).enumerate() {
            let apart = largest_difference(&[*a], &[*b]);
            let operands: Vec<f64> = pairs.iter().take(types.len()).map(|numbers| numbers[k]).collect();
            if apart > allowed(&case.primitive) && !is_open(&case.primitive, &operands) {
                let line = format!("{:?} of {operands:?} is {a}, expected {b}", case.primitive);
                if !wrong.contains(&line) {
                    wrong.push(line);
                }
            }
        }
    }
    assert!(wrong.is_empty(), "{} numbers differ:\n{}", wrong.len(), wrong.join("\n"));
}
