//! Problems that break a careless solver.

use crate::affine::{identity, times_constant};
use crate::scalar::column;
use crate::{Problem, Table, exact};
use burn::tensor::Tensor;
use std::f64::consts::{FRAC_PI_2, FRAC_PI_4, PI};

/// Every problem of this file.
pub fn all() -> Vec<Problem> {
    vec![
        rotation(),
        expanding_row(),
        expanding_rows(),
        neutral(),
        two_answers(),
        not_a_number(),
        no_answer(),
        flip(),
        many_answers(),
        touching(),
        late_not_a_number(),
        blow_up(),
    ]
}

/// Rotation about the centre `z` in seven planes: every eigenvalue of `J` lies on the unit circle.
pub fn rotation() -> Problem {
    let centre: Vec<f64> = (1..=14).map(f64::from).collect();
    Problem {
        name: "rotation",
        about: "x = z + R (x - z): seven planes turn about a centre, plain iteration goes round for ever",
        start: Table::new(1, vec![0.0; 14]),
        input: Table::new(1, centre.clone()),
        map: |x, z| times_constant(x - z.clone(), 14, turn) + z,
        answer: Some(centre),
        derivative: Some(vec![1.0; 14]),
        contracts: false,
    }
}

/// `x = z - 1.7 sin(x)`, three unknowns in one row: slopes near -1.7, so plain iteration moves away.
pub fn expanding_row() -> Problem {
    Problem {
        name: "expanding_row",
        about: "x = z - 1.7 sin(x), three unknowns in one row: expands at the answer",
        ..expanding(1)
    }
}

/// `x = z - 1.7 sin(x)`, the same three unknowns in three rows.
pub fn expanding_rows() -> Problem {
    Problem {
        name: "expanding_rows",
        about: "x = z - 1.7 sin(x), one unknown in each of three rows: expands at the answer",
        ..expanding(3)
    }
}

fn expanding(rows: usize) -> Problem {
    let input = vec![0.3, -0.2, 0.1];
    let value = |x: f64, z: f64| (x + 1.7 * x.sin() - z, 1.0 + 1.7 * x.cos());
    let answer: Vec<f64> = input.iter().map(|&z| exact::root(|x| value(x, z), 0.0)).collect();
    Problem {
        name: "expanding",
        about: "x = z - 1.7 sin(x)",
        start: Table::new(rows, vec![0.0; 3]),
        input: Table::new(rows, input),
        map: |x, z| z - x.sin().mul_scalar(1.7),
        derivative: Some(answer.iter().map(|x| 1.0 / (1.0 + 1.7 * x.cos())).collect()),
        answer: Some(answer),
        contracts: false,
    }
}

/// `x = cos(x) + z` at `z = 0` and `z = π/2`: in the second row the slope at the answer is exactly -1.
pub fn neutral() -> Problem {
    let answer = vec![0.7390851332151607, FRAC_PI_2];
    Problem {
        name: "neutral",
        about: "x = cos(x) + z: in the second row the slope is -1, plain iteration creeps",
        start: Table::new(2, vec![0.3, FRAC_PI_4]),
        input: Table::new(2, vec![0.0, FRAC_PI_2]),
        map: |x, z| x.cos() + z,
        derivative: Some(answer.iter().map(|x| 1.0 / (1.0 + x.sin())).collect()),
        answer: Some(answer),
        contracts: false,
    }
}

/// `x = tanh(2 x + z)` from both sides: the start decides which answer is found.
pub fn two_answers() -> Problem {
    let value = |x: f64| {
        let image = f64::tanh(2.0 * x + 0.1);
        (x - image, 1.0 - 2.0 * (1.0 - image * image))
    };
    let answer = vec![exact::root(value, -1.0), exact::root(value, 1.0)];
    let slope = |x: &f64| (1.0 - x * x) / (1.0 - 2.0 * (1.0 - x * x));
    Problem {
        name: "two_answers",
        about: "x = tanh(2 x + z): two stable answers, the start decides",
        start: Table::new(2, vec![-1.0, 1.0]),
        input: Table::new(2, vec![0.1; 2]),
        map: |x, z| (x.mul_scalar(2.0) + z).tanh(),
        derivative: Some(answer.iter().map(slope).collect()),
        answer: Some(answer),
        contracts: true,
    }
}

/// `x = x/2 + 1 + sqrt(z - x)/100`: the middle row walks past its `z` and becomes NaN, the others converge.
pub fn not_a_number() -> Problem {
    // With s = sqrt(z - x), the fixed point solves s²/2 + s/100 + 1 - z/2 = 0.
    let answer = |z: f64| z - (f64::sqrt(0.01 * 0.01 - 2.0 * (1.0 - z / 2.0)) - 0.01).powi(2);
    Problem {
        name: "not_a_number",
        about: "x = x/2 + 1 + sqrt(z - x)/100: the middle row is NaN after a few good steps",
        start: Table::new(3, vec![0.0; 3]),
        input: Table::new(3, vec![10.0, 1.9, 20.0]),
        map: |x, z| x.clone().mul_scalar(0.5).add_scalar(1.0) + (z - x).sqrt().mul_scalar(0.01),
        answer: Some(vec![answer(10.0), f64::NAN, answer(20.0)]),
        derivative: None,
        contracts: false,
    }
}

/// `x = x + z` with `z = 1`: no fixed point, and the residual never changes.
pub fn no_answer() -> Problem {
    Problem {
        name: "no_answer",
        about: "x = x + z: no fixed point, the residual stays at one",
        start: Table::new(1, vec![0.0]),
        input: Table::new(1, vec![1.0]),
        map: |x, z| x + z,
        answer: None,
        derivative: None,
        contracts: false,
    }
}

/// `x = 1` below `z`, `0` from there on, with `z = 1/2`: bounded, and without a fixed point.
pub fn flip() -> Problem {
    Problem {
        name: "flip",
        about: "x = 1 where x < z, else 0: bounded and without a fixed point",
        start: Table::new(1, vec![0.2]),
        input: Table::new(1, vec![0.5]),
        map: |x, z| x.zeros_like().mask_where(x.clone().lower(z), x.ones_like()),
        answer: None,
        derivative: None,
        contracts: false,
    }
}

/// The mean of two unknowns plus a push across it: a line of answers, `I - J` is singular.
pub fn many_answers() -> Problem {
    Problem {
        name: "many_answers",
        about: "x = mean(x) + z with sum(z) = 0: a line of answers, I - J is singular",
        start: Table::new(1, vec![3.0, 0.0]),
        input: Table::new(1, vec![0.5, -0.5]),
        map: |x, z| (column(&x, 0) + column(&x, 1)).mul_scalar(0.5) + z,
        answer: None,
        derivative: None,
        contracts: false,
    }
}

/// `x = x + (x - z)² / 4` from below: the answer `z` is where the parabola touches, and there `I - J` is zero.
pub fn touching() -> Problem {
    Problem {
        name: "touching",
        about: "x = x + (x - z)²/4: I - J is singular at the only answer, which moves with z; plain iteration creeps",
        start: Table::new(1, vec![0.0]),
        input: Table::new(1, vec![1.0]),
        map: |x, z| {
            let off = x.clone() - z;
            x + off.clone() * off.mul_scalar(0.25)
        },
        answer: Some(vec![1.0]),
        derivative: None,
        contracts: false,
    }
}

/// `x = log(x) + z`: in the second row the logarithm has nothing left to stand on after a few good steps.
pub fn late_not_a_number() -> Problem {
    // Above one, x - log(x) grows; the first row's answer is above one.
    let answer = exact::root(|x| (x - x.ln() - 2.0, 1.0 - 1.0 / x), 3.0);
    Problem {
        name: "late_not_a_number",
        about: "x = log(x) + z: the second row has no answer, and falls below zero after good steps",
        start: Table::new(2, vec![2.0; 2]),
        input: Table::new(2, vec![2.0, 0.9]),
        map: |x, z| x.log() + z,
        answer: Some(vec![answer, f64::NAN]),
        derivative: None,
        contracts: false,
    }
}

/// A nonlinear heat equation whose step is far too long: plain iteration explodes within a few steps.
pub fn blow_up() -> Problem {
    Problem {
        name: "blow_up",
        about: "a nonlinear heat step on 100 points, far too long: plain iteration explodes",
        start: Table::new(1, vec![1.0; 100]),
        input: Table::new(1, vec![1.0]),
        map: |y, z| {
            let sum = y.clone().narrow(1, 0, 98) + y.clone().narrow(1, 1, 98) + y.clone().narrow(1, 2, 98);
            let end = y.clone().narrow(1, 0, 1).zeros_like();
            let flow = Tensor::cat(vec![end.clone(), sum.mul_scalar(99.0 / 2.0), end], 1);
            let positions = (0..100).map(|k| (-1.0 + 2.0 * f64::from(k) / 99.0).powi(2)).collect();
            let initial = crate::affine::constant(&y, [1, 100], positions);
            initial + ((y.neg().add_scalar(1.0)) * flow + z).mul_scalar(0.5)
        },
        answer: None,
        derivative: None,
        contracts: false,
    }
}

/// The rotation by seven angles, in planes (0, 1), (2, 3), ...
fn turn(i: usize, j: usize) -> f64 {
    let angle = PI / [2.0, 3.0, 4.0, 5.0, 6.0, 1.27, 1.73][i / 2];
    match (i / 2 == j / 2, i % 2, j % 2) {
        (false, _, _) => 0.0,
        (true, 0, 1) => -angle.sin(),
        (true, 1, 0) => angle.sin(),
        (true, _, _) => angle.cos() * identity(i, j),
    }
}
