//! Accuracy of the vector functions, in units in the last place.

use crate::precise::Precise;
use banach_kernels::{Chain, Input, Level, Operation, Output, Real, Step, Unary};

/// Functions computed in vectors, and the errors allowed in units in the last place, in double and single
/// precision.
// The reference of erf is `libm`'s, which itself is wrong by up to one unit.
const FUNCTIONS: [(Unary, f64, f64); 7] = [
    (Unary::Erf, 3.0, 4.0),
    (Unary::Exp, 2.0, 4.0),
    (Unary::Tanh, 2.0, 4.0),
    (Unary::Sigmoid, 2.0, 4.0),
    (Unary::Log, 2.0, 4.0),
    (Unary::Log1p, 2.0, 4.0),
    (Unary::LogSigmoid, 2.0, 4.0),
];

fn computed<T: Real>(level: Level, function: Unary, x: &[T]) -> Vec<T> {
    let steps = [Step::new(Operation::Unary(function), &[0], 1)];
    let chain = Chain::<T>::new(1, &steps, &[1]).expect("a chain");
    let mut y = vec![T::ZERO; x.len()];
    let mut outputs = [Output::rows(&mut y, x.len())];
    chain.run(level, 1, x.len(), &[Input::rows(x, x.len())], &mut outputs);
    y
}

/// The exact value, except where it is no finite number.
#[allow(clippy::wildcard_enum_match_arm, reason = "the others are not computed in vectors")]
fn exact(function: Unary, x: f64) -> Precise {
    let one = Precise::from(1.0);
    match function {
        Unary::Exp => Precise::from(x).exp(),
        Unary::Tanh => {
            let grown = Precise::from(2.0 * x.abs()).expm1();
            grown.over(grown.plus(Precise::from(2.0))).times(Precise::from(x.signum()))
        }
        Unary::Sigmoid if x < 0.0 => {
            let small = Precise::from(x).exp();
            small.over(small.plus(one))
        }
        Unary::Sigmoid => one.over(Precise::from(-x).exp().plus(one)),
        Unary::Erf => Precise::from(libm::erf(x)),
        Unary::Log => Precise::from(x).log(),
        Unary::Log1p => Precise::from(x).log1p(),
        Unary::LogSigmoid => {
            let small = Precise::from(-x.abs()).exp().log1p();
            Precise::from(x.min(0.0)).plus(small.times(Precise::from(-1.0)))
        }
        _ => panic!("{function:?} is not computed in vectors"),
    }
}

/// What the standard library computes.
#[allow(clippy::wildcard_enum_match_arm, reason = "the others are not computed in vectors")]
fn standard(function: Unary, x: f64) -> f64 {
    match function {
        Unary::Exp => x.exp(),
        Unary::Tanh => x.tanh(),
        Unary::Sigmoid if x < 0.0 => x.exp() / (1.0 + x.exp()),
        Unary::Sigmoid => 1.0 / (1.0 + (-x).exp()),
        Unary::Erf => libm::erf(x),
        Unary::Log => x.ln(),
        Unary::Log1p => x.ln_1p(),
        Unary::LogSigmoid => x.min(0.0) - (-x.abs()).exp().ln_1p(),
        _ => panic!("{function:?} is not computed in vectors"),
    }
}

/// Points over the whole range, evenly, by magnitude and near what is special.
fn points() -> Vec<f64> {
    let mut points = Vec::new();
    for step in 0..12_000 {
        let fraction = f64::from(step) / 12_000.0;
        let even = -60.0 + 120.0 * fraction;
        let size = 2f64.powf(-1070.0 + 2093.0 * fraction);
        let single = 2f64.powf(-148.0 + 275.0 * fraction);
        let all =
            [even, even / 9.0, even / 60.0, even * 2.0, even * 13.0, even * 1e-3 - 1.0, even * 1e-3 + 1.0];
        points.extend(all);
        points.extend([size, -size, single, -single]);
    }
    points
}

/// The distance between neighbouring numbers at x.
fn spacing(x: f64, digits: i32, least: f64) -> f64 {
    let x = x.abs().max(least);
    let exponent = (x.to_bits() >> 52) as i32 - 1023;
    2f64.powi(exponent).max(f64::MIN_POSITIVE) * 2f64.powi(1 - digits)
}

#[test]
fn errors_are_within_bounds() {
    let points = points();
    for (function, double, single) in FUNCTIONS {
        let rounded: Vec<f32> = points.iter().map(|&x| x as f32).collect();
        let widened: Vec<f64> = rounded.iter().map(|&x| f64::from(x)).collect();
        let (in_double, in_single) = (references(function, &points), references(function, &widened));
        for level in Level::all() {
            let y = computed(level, function, &points);
            let error = largest_error(&points, &y, &in_double, 53, f64::MIN_POSITIVE, f64::MAX);
            assert!(error.0 <= double, "{function:?} at {level} in double precision: {error:?}");
            let y: Vec<f64> = computed(level, function, &rounded).iter().map(|&y| f64::from(y)).collect();
            let least = f64::from(f32::MIN_POSITIVE);
            let other = largest_error(&widened, &y, &in_single, 24, least, f64::from(f32::MAX));
            assert!(other.0 <= single, "{function:?} at {level} in single precision: {other:?}");
        }
    }
}

fn references(function: Unary, points: &[f64]) -> Vec<Precise> {
    let reference = |&x: &f64| match standard(function, x) {
        y if y.is_finite() && y != 0.0 => exact(function, x),
        y => Precise::from(y),
    };
    points.iter().map(reference).collect()
}

/// The largest error in units in the last place, and where.
fn largest_error(x: &[f64], y: &[f64], exact: &[Precise], digits: i32, least: f64, most: f64) -> (f64, f64) {
    let mut worst = (0.0, 0.0);
    for ((&x, &y), exact) in x.iter().zip(y).zip(exact) {
        let near = exact.high;
        let error = if near.is_nan() {
            f64::from(u8::from(!y.is_nan())) * 1e9
        } else if near.abs() > most || y.is_infinite() {
            f64::from(u8::from(y != near && !(y.is_infinite() && near.abs() >= most * (1.0 - 1e-7)))) * 1e9
        } else {
            exact.plus(Precise::from(-y)).high.abs() / spacing(near, digits, least)
        };
        if error > worst.0 || error.is_nan() {
            worst = (error, x);
        }
    }
    worst
}

fn edges<T: Real>() {
    let edges =
        [0.0, -0.0, f64::INFINITY, f64::NEG_INFINITY, f64::NAN, 1e30, -1e30, -1.0, 1.0].map(T::from_f64);
    for level in Level::all() {
        for (function, ..) in FUNCTIONS {
            let y = computed(level, function, &edges);
            for (x, y) in edges.iter().zip(&y) {
                let (x, y) = (x.to_f64(), y.to_f64());
                let expected = T::from_f64(standard(function, x)).to_f64();
                let close = (y - expected).abs() <= 4.0 * T::EPSILON * expected.abs();
                let equal = y == expected || y.is_nan() && expected.is_nan();
                assert!(close || equal, "{function:?}({x}) at {level}: {y}, not {expected}");
                if matches!(function, Unary::Erf | Unary::Tanh | Unary::Log1p) && x == 0.0 {
                    assert_eq!(y.is_sign_negative(), x.is_sign_negative(), "the sign of zero");
                }
            }
        }
    }
}

#[test]
fn edges_are_those_of_the_standard_library() {
    edges::<f32>();
    edges::<f64>();
}
