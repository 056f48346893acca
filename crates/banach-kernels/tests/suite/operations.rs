//! Every operation against the standard library, on numbers and edge cases.

use crate::meaning::{Generator, meaning, same};
use banach_kernels::{Binary, Chain, Comparison, Input, Level, Operation, Output, Real, Step, Unary};

const UNARY: [Unary; 27] = [
    Unary::Abs,
    Unary::Acos,
    Unary::Acosh,
    Unary::Asin,
    Unary::Asinh,
    Unary::Atan,
    Unary::Atanh,
    Unary::Ceil,
    Unary::Cos,
    Unary::Cosh,
    Unary::Erf,
    Unary::Exp,
    Unary::Floor,
    Unary::Log,
    Unary::Log1p,
    Unary::LogSigmoid,
    Unary::Reciprocal,
    Unary::Relu,
    Unary::Round,
    Unary::Sigmoid,
    Unary::Sign,
    Unary::Sin,
    Unary::Sinh,
    Unary::Sqrt,
    Unary::Tan,
    Unary::Tanh,
    Unary::Trunc,
];

/// Every operation alone, on numbers and edges; in single precision against rounded results in double
/// precision.
fn operations<T: Real>(relative: f64) {
    let mut generator = Generator(1);
    let comparisons =
        [Comparison::Equal, Comparison::NotEqual, Comparison::Greater, Comparison::GreaterEqual];
    let comparisons = comparisons.into_iter().chain([Comparison::Less, Comparison::LessEqual]);
    let binary = [Binary::Add, Binary::Subtract, Binary::Multiply, Binary::Divide, Binary::Power];
    let binary = binary.into_iter().chain([Binary::AbsorbingProduct, Binary::Remainder, Binary::Atan2]);
    let mut operations: Vec<Operation> = UNARY.into_iter().map(Operation::Unary).collect();
    operations.extend(binary.map(Operation::Binary));
    operations.extend(comparisons.clone().map(Operation::Compare));
    operations.extend(comparisons.map(|comparison| Operation::CompareScalar(comparison, 0.5)));
    operations.extend([-2.0, -1.0, 0.0, 0.5, 1.0, 2.0, 3.0, 4.0, 5.0, -0.5, 1.5].map(Operation::Power));
    operations.extend([Operation::Scale(-1.25), Operation::Offset(0.75), Operation::Constant(0.3)]);
    operations.extend([Operation::Copy, Operation::And, Operation::Or, Operation::Xor, Operation::Not]);
    operations.extend([Operation::Choose, Operation::Erase]);
    let truth: Vec<f64> = (0..203).map(|_| generator.below(2) as f64).collect();
    let numbers: [Vec<f64>; 3] =
        [0, 1, 2].map(|_| (0..203).map(|_| T::from_f64(generator.number()).to_f64()).collect());
    for operation in operations {
        let [mut a, mut b, c] = numbers.clone();
        if matches!(operation, Operation::And | Operation::Or | Operation::Xor | Operation::Not) {
            (a, b) = (truth.clone(), truth.iter().rev().copied().collect());
        } else if matches!(operation, Operation::Choose | Operation::Erase) {
            a = truth.clone();
        }
        let operands: Vec<usize> = (0..operation.arity()).collect();
        let chain = Chain::<T>::new(3, &[Step::new(operation, &operands, 3)], &[3]).expect("a chain");
        let data = [&a, &b, &c].map(|x| x.iter().map(|&x| T::from_f64(x)).collect::<Vec<T>>());
        for level in Level::all() {
            let mut y = vec![T::ZERO; a.len()];
            let inputs = [0, 1, 2].map(|input| Input::rows(&data[input], a.len()));
            chain.run(level, 1, a.len(), &inputs, &mut [Output::rows(&mut y, a.len())]);
            for (i, y) in y.iter().enumerate() {
                let expected = T::from_f64(meaning(operation, [a[i], b[i], c[i]])).to_f64();
                let y = y.to_f64();
                let close = same(y, expected, relative);
                assert!(close, "{operation:?}({}, {}, {}) at {level}: {y}, not {expected}", a[i], b[i], c[i]);
            }
        }
    }
}

#[test]
fn every_operation_has_its_meaning() {
    operations::<f64>(1e-15);
    // The standard library's inverse hyperbolic functions lose a few bits in single precision.
    operations::<f32>(4e-6);
}

/// Every pair of zeros, infinities, NaN and ordinary numbers.
fn absorbing<T: Real>() {
    let edges = [0.0, -0.0, 1.5, -2.0, f64::INFINITY, f64::NEG_INFINITY, f64::NAN];
    let pairs: Vec<(f64, f64)> = edges.iter().flat_map(|&a| edges.iter().map(move |&b| (a, b))).collect();
    let [a, b]: [Vec<T>; 2] = [
        pairs.iter().map(|pair| T::from_f64(pair.0)).collect(),
        pairs.iter().map(|pair| T::from_f64(pair.1)).collect(),
    ];
    let steps = [Step::new(Operation::Binary(Binary::AbsorbingProduct), &[0, 1], 2)];
    let chain = Chain::<T>::new(2, &steps, &[2]).expect("a chain");
    for level in Level::all() {
        let mut y = vec![T::ONE; pairs.len()];
        let inputs = [Input::rows(&a, a.len()), Input::rows(&b, b.len())];
        chain.run(level, 1, pairs.len(), &inputs, &mut [Output::rows(&mut y, pairs.len())]);
        for ((a, b), y) in pairs.iter().zip(y) {
            let expected = if *a == 0.0 || *b == 0.0 { 0.0 } else { a * b };
            assert!(same(y.to_f64(), expected, 0.0), "{a} {b} at {level}: {y}, not {expected}");
        }
    }
}

#[test]
fn zero_absorbs_infinities_and_nan() {
    absorbing::<f32>();
    absorbing::<f64>();
}
