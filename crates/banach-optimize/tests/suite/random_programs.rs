//! Random quadratic programs: optimality conditions, and gradients of all data against central differences.

use crate::reference::{Random, assert_close, cases, numbers, plain};
use banach::program::Value;
use banach_optimize::{
    QuadraticProblem, QuadraticProgram, QuadraticSettings, QuadraticSolution, Termination,
};
use burn::tensor::Tensor;

const STEP: f64 = 1e-5;

/// The data of a batch, each tensor shared by all rows or not.
#[derive(Clone)]
pub(crate) struct Batch {
    pub(crate) rows: usize,
    pub(crate) n: usize,
    pub(crate) m: usize,
    pub(crate) p: usize,
    /// Q, q, G, h, A, b
    pub(crate) data: Vec<Vec<f64>>,
    pub(crate) shared: Vec<bool>,
}

impl Batch {
    pub(crate) fn random(random: &mut Random, rows: usize) -> Self {
        let n = 1 + random.below(8);
        let (m, p) = (random.below(10), random.below(n.min(3)));
        let shared: Vec<bool> = (0..6).map(|_| random.below(3) == 0).collect();
        let count = |at: usize| if shared[at] { 1 } else { rows };
        let mut hessian = vec![];
        for _ in 0..count(0) {
            // Of full rank, or positive semidefinite beside a small ridge.
            let rank = if random.below(4) == 0 { n.div_ceil(2) } else { n };
            let half = random.normals(n * rank);
            let ridge = if rank < n { 0.05 } else { 0.1 };
            for at in 0..n * n {
                let (i, j) = (at / n, at % n);
                let sum: f64 = (0..rank).map(|k| half[i * rank + k] * half[j * rank + k]).sum();
                hessian.push(sum / n as f64 + if i == j { ridge } else { 0.0 });
            }
        }
        let linear = random.normals(count(1) * n);
        let g = random.normals(count(2) * m * n);
        let a = random.normals(count(4) * p * n);
        // Feasible at a point that all rows share.
        let x = random.normals(n);
        let image = |matrix: &[f64], height: usize, row: usize, at: usize| -> f64 {
            let first = if matrix.len() == height * n { at * n } else { (row * height + at) * n };
            (0..n).map(|j| matrix[first + j] * x[j]).sum()
        };
        // A shared bound fits all rows if it fits the largest image.
        let mut h = vec![];
        for row in 0..count(3) {
            for at in 0..m {
                let all = if shared[3] { 0..rows } else { row..row + 1 };
                let largest = all.map(|row| image(&g, m, row, at)).fold(f64::NEG_INFINITY, f64::max);
                h.push(largest + random.normal().abs());
            }
        }
        let mut shared = shared;
        shared[5] &= shared[4];
        let count_b = if shared[5] { 1 } else { rows };
        let b = (0..count_b * p).map(|at| image(&a, p, at / p, at % p)).collect();
        Batch { rows, n, m, p, data: vec![hessian, linear, g, h, a, b], shared }
    }

    /// The data as tensors, on the tape or not.
    pub(crate) fn values(&self, tape: bool) -> Vec<Value> {
        let Batch { n, m, p, .. } = *self;
        let shapes = [vec![n, n], vec![n], vec![m, n], vec![m], vec![p, n], vec![p]];
        let there = |at: &usize| *at < 2 || (*at < 4 && m > 0) || (*at >= 4 && p > 0);
        (0..6)
            .filter(there)
            .map(|at| {
                let mut shape = shapes[at].clone();
                if !self.shared[at] {
                    shape.insert(0, self.rows);
                }
                let value = Value::from(plain::<1>(&self.data[at], [self.data[at].len()])).reshaped(&shape);
                if tape { value.leaf(true) } else { value }
            })
            .collect()
    }

    pub(crate) fn problem(&self, values: &[Value]) -> QuadraticProblem {
        let mut problem = QuadraticProblem::new(values[0].clone(), values[1].clone());
        let mut next = 2;
        if self.m > 0 {
            problem = problem.with_inequalities(values[2].clone(), values[3].clone());
            next = 4;
        }
        if self.p > 0 {
            problem = problem.with_equalities(values[next].clone(), values[next + 1].clone());
        }
        problem
    }

    pub(crate) fn moved(&self, directions: &[Vec<f64>], step: f64) -> Self {
        let mut moved = self.clone();
        for (data, direction) in moved.data.iter_mut().zip(directions) {
            data.iter_mut().zip(direction).for_each(|(x, t)| *x += step * t);
        }
        moved
    }
}

/// x, λ and ν side by side.
pub(crate) fn points(solution: &QuadraticSolution) -> Tensor<2> {
    let parts =
        [Some(solution.x.clone()), solution.inequality_duals.clone(), solution.equality_duals.clone()];
    Tensor::cat(parts.into_iter().flatten().collect(), 1)
}

/// The multipliers that are positive, which are those of the active constraints.
fn active(solution: &QuadraticSolution) -> Vec<bool> {
    solution
        .inequality_duals
        .as_ref()
        .map_or_else(Vec::new, |duals| numbers(duals).iter().map(|dual| *dual > 0.0).collect())
}

#[test]
fn gradients_of_random_quadratic_programs_are_those_of_central_differences() {
    let (rows, mut random) = (5, Random::new(11));
    let program = QuadraticProgram::default();
    let (mut compared, mut total, mut rough) = (0, 0, 0);
    while total < cases(150) {
        let batch = Batch::random(&mut random, rows);
        let values = batch.values(true);
        let solution = program.solve(batch.problem(&values)).unwrap();
        assert!(solution.report.solved(), "{}", solution.report.explain());
        assert!(solution.report.errors.iter().all(|error| *error < 1e-9), "{:?}", solution.report);
        total += rows;
        rough += solution.report.terminations.iter().filter(|ended| **ended != Termination::Optimal).count();
        let point = points(&solution);
        let width = point.dims()[1];
        let weights = random.normals(rows * width);
        let loss = |point: Tensor<2>| (point.without_autodiff() * plain(&weights, [rows, width])).sum();
        let gradients = (point.clone() * plain::<2>(&weights, [rows, width]).autodiff()).sum().backward();
        // Of Q the symmetric part counts.
        let directions: Vec<Vec<f64>> = batch.data.iter().map(|data| random.normals(data.len())).collect();
        let kept: Vec<&Vec<f64>> = directions.iter().filter(|direction| !direction.is_empty()).collect();
        let along: f64 = values
            .iter()
            .zip(kept)
            .map(|(value, direction)| {
                let gradient = value.gradient(&gradients).unwrap();
                let gradient: Vec<f64> = gradient.into_data().iter().collect();
                gradient.iter().zip(direction).map(|(g, t)| g * t).sum::<f64>()
            })
            .sum();
        let at = |step: f64| {
            let moved = batch.moved(&directions, step);
            program.solve(moved.problem(&moved.values(false))).unwrap()
        };
        let (ahead, behind) = (at(STEP), at(-STEP));
        if active(&ahead) != active(&solution) || active(&behind) != active(&solution) {
            continue;
        }
        compared += rows;
        let difference: f64 =
            (loss(points(&ahead)) - loss(points(&behind))).into_scalar::<f64>() / (2.0 * STEP);
        let scale = along.abs().max(weights.len() as f64);
        assert!(
            (along - difference).abs() <= 1e-6 * scale,
            "{along} and {difference} for n {} m {} p {} shared {:?}",
            batch.n,
            batch.m,
            batch.p,
            batch.shared
        );
    }
    assert!(compared * 10 >= total * 9, "{compared} of {total} rows were compared");
    assert!(rough * 20 <= total, "{rough} of {total} rows are not differentiable");
}

#[test]
fn a_semidefinite_objective_over_a_box_satisfies_the_optimality_conditions() {
    let mut random = Random::new(5);
    let (rows, n) = (20, 6);
    let half = random.normals(rows * n * 2);
    let hessian: Vec<f64> = (0..rows * n * n)
        .map(|at| {
            let (row, i, j) = (at / (n * n), at / n % n, at % n);
            let half = &half[row * n * 2..];
            half[i * 2] * half[j * 2] + half[i * 2 + 1] * half[j * 2 + 1]
        })
        .collect();
    let linear = random.normals(rows * n);
    let mut g = vec![0.0; 2 * n * n];
    (0..n).for_each(|i| (g[i * n + i], g[(n + i) * n + i]) = (1.0, -1.0));
    let problem = QuadraticProblem::new(plain::<3>(&hessian, [rows, n, n]), plain::<2>(&linear, [rows, n]))
        .with_inequalities(plain::<2>(&g, [2 * n, n]), plain::<1>(&vec![1.0; 2 * n], [2 * n]));
    let solution = QuadraticProgram::default().solve(problem).unwrap();
    assert!(solution.report.differentiable(), "{}", solution.report.explain());
    let (x, lambda) = (numbers(&solution.x), numbers(&solution.inequality_duals.unwrap()));
    for row in 0..rows {
        let (x, lambda) = (&x[row * n..(row + 1) * n], &lambda[row * 2 * n..(row + 1) * 2 * n]);
        for i in 0..n {
            let q = &hessian[(row * n + i) * n..(row * n + i + 1) * n];
            let slope: f64 = q.iter().zip(x).map(|(q, x)| q * x).sum();
            let stationarity = slope + linear[row * n + i] + lambda[i] - lambda[n + i];
            assert!(stationarity.abs() < 1e-11, "row {row}: {stationarity}");
            assert!(x[i].abs() <= 1.0 + 1e-12 && lambda[i] * lambda[n + i] == 0.0);
            assert!(lambda[i] >= 0.0 && lambda[i] * (1.0 - x[i]) < 1e-11);
            assert!(lambda[n + i] >= 0.0 && lambda[n + i] * (1.0 + x[i]) < 1e-11);
        }
    }
}

#[test]
fn rows_are_solved_as_if_alone_and_in_single_precision_as_in_double() {
    let mut random = Random::new(3);
    for _ in 0..10 {
        let batch = Batch::random(&mut random, 4);
        let program = QuadraticProgram::default();
        let together = numbers(&points(&program.solve(batch.problem(&batch.values(false))).unwrap()));
        let width = together.len() / 4;
        for row in 0..4 {
            let mut alone = batch.clone();
            alone.rows = 1;
            for (data, shared) in alone.data.iter_mut().zip(&alone.shared) {
                if !shared && !data.is_empty() {
                    let len = data.len() / 4;
                    *data = data[row * len..(row + 1) * len].to_vec();
                }
            }
            let solution = program.solve(alone.problem(&alone.values(false))).unwrap();
            let expected = &together[row * width..(row + 1) * width];
            assert_close(&numbers(&points(&solution)), expected, 1e-10, "a row alone");
        }
    }
    let q = Tensor::<2>::from_data([[2.0f32, 0.5], [0.5, 1.0]], &burn::tensor::Device::flex());
    let linear = Tensor::<1>::from_data([-1.0f32, -1.0], &burn::tensor::Device::flex());
    let g = Tensor::<2>::from_data([[1.0f32, 1.0]], &burn::tensor::Device::flex());
    let h = Tensor::<1>::from_data([0.5f32], &burn::tensor::Device::flex());
    let problem = QuadraticProblem::new(q, linear).with_inequalities(g, h);
    let solution = QuadraticProgram::default().solve(problem).unwrap();
    assert_close(&numbers(&solution.x), &[0.125, 0.375], 1e-7, "x in single precision");
}

#[test]
fn samples_whose_active_set_has_not_changed_take_no_step() {
    let mut random = Random::new(8);
    let batch = Batch::random(&mut random, 6);
    let program = QuadraticProgram::new(QuadraticSettings::new().with_tolerance(1e-9)).unwrap();
    let ids: Vec<u64> = (10..16).collect();
    let solve = |batch: &Batch| program.solve_samples(batch.problem(&batch.values(false)), &ids).unwrap();
    let first = solve(&batch);
    assert!(first.report.steps.iter().any(|steps| *steps > 0) || batch.m == 0);
    let directions: Vec<Vec<f64>> = batch.data.iter().map(|data| random.normals(data.len())).collect();
    let second = solve(&batch.moved(&directions, 1e-9));
    assert_eq!(second.report.steps, [0; 6]);
    assert_close(&numbers(&points(&second)), &numbers(&points(&first)), 1e-6, "points");
    program.forget_samples();
    assert_eq!(solve(&batch).report.steps, first.report.steps);
}
