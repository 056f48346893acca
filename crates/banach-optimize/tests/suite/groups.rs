//! Rows that are solved side by side: alone and in a batch to the bit, and rows that end otherwise than the rest.

use crate::random_programs::{Batch, points};
use crate::reference::{Random, numbers};
use banach_optimize::{QuadraticProgram, Termination};
use burn::tensor::Tensor;

/// Points, gradients of all data, and how every row ended after how many steps.
type Solved = (Vec<f64>, Vec<Vec<f64>>, Vec<(Termination, usize)>);

/// The points of a batch, and the gradients of Σ w [x, λ, ν] in all its data, where every row has the weights w.
fn solved(batch: &Batch, weights: &[f64]) -> Solved {
    let values = batch.values(true);
    let solution = QuadraticProgram::default().solve(batch.problem(&values)).unwrap();
    let report = &solution.report;
    let ended = report.terminations.iter().copied().zip(report.steps.iter().copied()).collect();
    let point = points(&solution);
    let width = point.dims()[1];
    let weights = crate::reference::plain::<2>(&weights[..width], [1, width]).autodiff();
    let gradients = (point.clone() * weights).sum().backward();
    let of = |value: &banach::program::Value| {
        value.gradient(&gradients).unwrap().into_data().iter().collect::<Vec<f64>>()
    };
    (numbers(&point), values.iter().map(of).collect(), ended)
}

/// Some rows of a batch without shared data.
fn chosen(batch: &Batch, rows: &[usize]) -> Batch {
    let mut part = batch.clone();
    part.rows = rows.len();
    for data in &mut part.data {
        let len = data.len() / batch.rows;
        *data = rows.iter().flat_map(|row| data[row * len..(row + 1) * len].to_vec()).collect();
    }
    part
}

/// A batch of small programs without shared data, and rows of every length of solve.
fn unshared(random: &mut Random, rows: usize) -> Batch {
    loop {
        let batch = Batch::random(random, rows);
        let small = batch.m <= batch.n && batch.m > 1;
        if small && !batch.shared.contains(&true) {
            return batch;
        }
    }
}

#[test]
fn a_row_has_the_same_bits_alone_and_in_any_batch() {
    let mut random = Random::new(21);
    for _ in 0..4 {
        let (rows, weights) = (19, random.normals(40));
        let batch = unshared(&mut random, rows);
        let (together, gradients, ended) = solved(&batch, &weights);
        let steps: Vec<usize> = ended.iter().map(|(_, steps)| *steps).collect();
        assert!(steps.iter().min() < steps.iter().max(), "all rows take {steps:?} steps");
        for subset in [vec![0], vec![7], vec![18], vec![3, 16, 2], (4..17).collect()] {
            let (part, of_part, ended_part) = solved(&chosen(&batch, &subset), &weights);
            for (at, &row) in subset.iter().enumerate() {
                let width = together.len() / rows;
                assert_eq!(part[at * width..(at + 1) * width], together[row * width..(row + 1) * width]);
                assert_eq!(ended_part[at], ended[row]);
                for (of_part, all) in of_part.iter().zip(&gradients) {
                    let len = all.len() / rows;
                    assert_eq!(of_part[at * len..(at + 1) * len], all[row * len..(row + 1) * len]);
                }
            }
        }
    }
}

#[test]
fn rows_that_fail_leave_their_group_as_it_is() {
    let mut random = Random::new(22);
    let (rows, weights) = (8, random.normals(40));
    let sound = unshared(&mut random, rows);
    let (expected, gradients, ended) = solved(&sound, &weights);
    let mut batch = sound.clone();
    let (n, m) = (batch.n, batch.m);
    // An indefinite Q, a NaN, an unbounded row by Q = 0, and two inequalities that exclude one another.
    batch.data[0][n * n] = -5.0;
    batch.data[1][3 * n] = f64::NAN;
    batch.data[0][4 * n * n..5 * n * n].fill(0.0);
    let g = 6 * m * n;
    for j in 0..n {
        batch.data[2][g + n + j] = -batch.data[2][g + j];
    }
    batch.data[3][6 * m + 1] = -batch.data[3][6 * m] - 1.0;
    let (points, of_failed, terminations) = solved(&batch, &weights);
    let width = points.len() / rows;
    assert_eq!(terminations[1].0, Termination::NotConvex);
    assert_eq!(terminations[3].0, Termination::NonFinite);
    assert!(terminations[4].0 != Termination::Optimal, "{terminations:?}");
    assert_eq!(terminations[6].0, Termination::Infeasible);
    for row in [0, 2, 5, 7] {
        assert_eq!(terminations[row], ended[row]);
        assert_eq!(points[row * width..(row + 1) * width], expected[row * width..(row + 1) * width]);
    }
    for (found, expected) in of_failed.iter().zip(&gradients) {
        let len = expected.len() / rows;
        for row in [0, 2, 5, 7] {
            assert_eq!(found[row * len..(row + 1) * len], expected[row * len..(row + 1) * len]);
        }
        for row in [1, 3, 6] {
            assert!(found[row * len..(row + 1) * len].iter().all(|gradient| *gradient == 0.0));
        }
    }
}

#[test]
fn solutions_and_gradients_outlive_later_solves_and_can_be_changed() {
    let mut random = Random::new(23);
    let (rows, weights) = (11, random.normals(40));
    let batches: Vec<Batch> = (0..3).map(|_| unshared(&mut random, rows)).collect();
    let of = |batch: &Batch| {
        let values = batch.values(true);
        let solution = QuadraticProgram::default().solve(batch.problem(&values)).unwrap();
        let point = points(&solution);
        let width = point.dims()[1];
        let weights = crate::reference::plain::<2>(&weights[..width], [1, width]).autodiff();
        let gradients = (point * weights).sum().backward();
        values[1].gradient(&gradients).unwrap().try_into_tensor::<2>().unwrap()
    };
    let expected: Vec<Vec<f64>> = batches.iter().map(|batch| numbers(&of(batch))).collect();
    // Gradients are dropped in between, so their memory is used again for those that follow.
    let kept: Vec<Tensor<2>> = batches.iter().map(of).collect();
    let changed: Vec<Tensor<2>> = batches.iter().map(|batch| of(batch).mul_scalar(2.0)).collect();
    batches.iter().for_each(|batch| drop(of(batch)));
    for ((kept, changed), expected) in kept.iter().zip(&changed).zip(&expected) {
        assert_eq!(&numbers(kept), expected);
        let twice: Vec<f64> = expected.iter().map(|number| 2.0 * number).collect();
        assert_eq!(numbers(changed), twice);
    }
}
