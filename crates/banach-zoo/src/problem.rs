//! A problem of the zoo.

use burn::tensor::{DType, Device, Tensor, TensorData};

/// Numbers in rows, row after row, in double precision.
#[derive(Debug, Clone, PartialEq)]
pub struct Table {
    /// How many rows.
    pub rows: usize,
    /// How many numbers in a row.
    pub columns: usize,
    /// The numbers, `rows * columns` of them.
    pub values: Vec<f64>,
}

impl Table {
    /// A table of `rows` rows; the numbers must fill them evenly.
    pub fn new(rows: usize, values: Vec<f64>) -> Self {
        assert!(
            rows > 0 && values.len().is_multiple_of(rows),
            "found {} values, expected a multiple of {rows} rows",
            values.len()
        );
        Self { rows, columns: values.len() / rows, values }
    }

    /// The numbers as a tensor `[rows, columns]`.
    pub fn tensor(&self, device: &Device, dtype: DType) -> Tensor<2> {
        Tensor::from_data(TensorData::new(self.values.clone(), [self.rows, self.columns]), (device, dtype))
    }
}

/// A map `g(x, z)`, a place to start, and what is known about `x̂ = g(x̂, z)`.
#[derive(Debug, Clone)]
pub struct Problem {
    /// A short name, unique in the zoo.
    pub name: &'static str,
    /// What it is and why it is here, in one line.
    pub about: &'static str,
    /// The start `x0`, `[rows, n]`; every row is its own problem.
    pub start: Table,
    /// The input `z`, `[rows, m]`.
    pub input: Table,
    /// The update `g(x, z)`: ordinary tensor operations, the same ones at every call.
    pub map: fn(Tensor<2>, Tensor<2>) -> Tensor<2>,
    /// `x̂`, `rows * n` numbers, with NaN in rows that have none; absent where it is not known or not unique.
    pub answer: Option<Vec<f64>>,
    /// `d sum(x̂) / dz`, `rows * m` numbers; absent where it does not exist or is not known.
    pub derivative: Option<Vec<f64>>,
    /// Whether `x ← g(x, z)` from the start converges in every row, at least linearly.
    pub contracts: bool,
}

impl Problem {
    /// The start as a tensor `[rows, n]`.
    pub fn x0(&self, device: &Device, dtype: DType) -> Tensor<2> {
        self.start.tensor(device, dtype)
    }

    /// The input as a tensor `[rows, m]`.
    pub fn z(&self, device: &Device, dtype: DType) -> Tensor<2> {
        self.input.tensor(device, dtype)
    }

    /// `g(x, z)`, `[rows, n]`.
    pub fn update(&self, x: &Tensor<2>, z: &Tensor<2>) -> Tensor<2> {
        (self.map)(x.clone(), z.clone())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{all, exact};
    use std::collections::HashSet;

    /// `g(x, z)` in double precision on the host.
    fn apply(problem: &Problem, x: &[f64], z: &[f64]) -> Vec<f64> {
        let device = Device::flex();
        let x = Table::new(problem.start.rows, x.to_vec()).tensor(&device, DType::F64);
        let z = Table::new(problem.input.rows, z.to_vec()).tensor(&device, DType::F64);
        problem.update(&x, &z).into_data().iter::<f64>().collect()
    }

    /// Newton from a point near the answer, with a Jacobian by differences: it needs no contraction.
    fn solve_near(problem: &Problem, near: &[f64], z: &[f64]) -> Vec<f64> {
        let (rows, n) = (problem.start.rows, problem.start.columns);
        let mut x = near.to_vec();
        for _ in 0..6 {
            let gx = apply(problem, &x, z);
            let columns: Vec<Vec<f64>> = (0..n)
                .map(|column| {
                    let step = 1e-6;
                    let moved = |sign: f64| {
                        let mut x = x.clone();
                        (0..rows).for_each(|row| x[row * n + column] += sign * step);
                        apply(problem, &x, z)
                    };
                    moved(1.0).iter().zip(moved(-1.0)).map(|(up, down)| (up - down) / (2.0 * step)).collect()
                })
                .collect();
            for row in 0..rows {
                let matrix = |i: usize, j: usize| f64::from(u8::from(i == j)) - columns[j][row * n + i];
                let residual: Vec<f64> = (0..n).map(|i| gx[row * n + i] - x[row * n + i]).collect();
                let step = exact::linear(n, matrix, &residual);
                (0..n).for_each(|i| x[row * n + i] += step[i]);
            }
        }
        x
    }

    #[test]
    fn names_are_unique_and_shapes_fit() {
        let mut names = HashSet::new();
        for problem in all() {
            assert!(names.insert(problem.name), "{} twice", problem.name);
            assert_eq!(problem.start.rows, problem.input.rows, "{}", problem.name);
            for (known, table) in [(&problem.answer, &problem.start), (&problem.derivative, &problem.input)] {
                if let Some(known) = known {
                    assert_eq!(known.len(), table.values.len(), "{}", problem.name);
                }
            }
            let image = apply(&problem, &problem.start.values, &problem.input.values);
            assert_eq!(image.len(), problem.start.values.len(), "{}", problem.name);
        }
    }

    #[test]
    fn every_answer_is_a_fixed_point() {
        for problem in all() {
            let Some(answer) = &problem.answer else { continue };
            let image = apply(&problem, answer, &problem.input.values);
            for (x, gx) in answer.iter().zip(image).filter(|(x, _)| !x.is_nan()) {
                assert!((x - gx).abs() <= 1e-13 * (1.0 + x.abs()), "{}: {x} maps to {gx}", problem.name);
            }
        }
    }

    #[test]
    fn every_derivative_agrees_with_central_differences() {
        let mut checked = 0;
        for problem in all() {
            let (Some(answer), Some(derivative)) = (&problem.answer, &problem.derivative) else { continue };
            let (rows, n, m) = (problem.start.rows, problem.start.columns, problem.input.columns);
            // Each column takes two dense solves: of many, some must do.
            for column in (0..m).step_by(m.div_ceil(20)) {
                let step = 1e-5;
                let sums = |sign: f64| {
                    let mut z = problem.input.values.clone();
                    (0..rows).for_each(|row| z[row * m + column] += sign * step);
                    let x = solve_near(&problem, answer, &z);
                    x.chunks(n).map(|row| row.iter().sum::<f64>()).collect::<Vec<_>>()
                };
                let (up, down) = (sums(1.0), sums(-1.0));
                for row in 0..rows {
                    let found = derivative[row * m + column];
                    let expected = (up[row] - down[row]) / (2.0 * step);
                    let off = (found - expected).abs() / (1.0 + expected.abs());
                    assert!(
                        off < 1e-7,
                        "{} row {row} column {column}: {found} against {expected}",
                        problem.name
                    );
                    checked += 1;
                }
            }
        }
        assert!(checked > 100, "only {checked} derivatives were checked");
    }

    #[test]
    fn contracting_problems_converge_by_plain_iteration() {
        for problem in all().iter().filter(|problem| problem.contracts) {
            let mut x = problem.start.values.clone();
            for _ in 0..40_000 {
                let next = apply(problem, &x, &problem.input.values);
                let moved = x.iter().zip(&next).map(|(x, next)| (x - next).abs()).fold(0.0, f64::max);
                x = next;
                if moved < 1e-15 {
                    break;
                }
            }
            let answer = problem.answer.as_ref().expect("a contraction has an answer");
            for (x, answer) in x.iter().zip(answer) {
                assert!((x - answer).abs() < 1e-11, "{}: {x} against {answer}", problem.name);
            }
        }
    }

    #[test]
    fn golden_values_are_reproduced() {
        let golden = [
            ("cosine", 0.7390851332151607),
            ("exponential", 0.5671432904097838),
            ("tanh", 0.6295653155617341),
            ("square_root", std::f64::consts::SQRT_2),
            ("neutral", 0.7390851332151607),
            ("expanding_row", 0.11125553198435913),
        ];
        for (name, value) in golden {
            let problem = crate::named(name).expect("the problem exists");
            let answer = problem.answer.expect("the answer is known")[0];
            assert!((answer - value).abs() < 1e-14, "{name}: {answer}");
        }
        let cosine = crate::named("cosine").and_then(|problem| problem.derivative).expect("known");
        assert!((cosine[0] + 0.29747434150983226).abs() < 1e-14);
    }
}
