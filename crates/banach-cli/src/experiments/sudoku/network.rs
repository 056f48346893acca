//! The quadratic program whose equations are learned.

use super::rules::Rules;
use crate::error::Error;
use crate::random::Generator;
use banach_optimize::{QuadraticProblem, QuadraticProgram};
use burn::module::{Module, Param};
use burn::tensor::{Device, Tensor, TensorData, activation};

const WEIGHT_STREAM: u64 = 42;
/// ε: the curvature of the objective.
const CURVATURE: f64 = 0.1;
/// The largest difference of w from its start at first.
const SPREAD: f64 = 0.1;

/// `x̂(p) = argmin ½ ε ‖x‖² - pᵀx   subject to   A x = A z₀,  x ≥ 0`, with A and z₀ = softplus(w) learned and ε = 0.1.
///
/// p marks the digits that are given. z₀ > 0 satisfies all constraints, so there is a solution for every A (B. Amos and
/// J. Z. Kolter, "OptNet: Differentiable Optimization as a Layer in Neural Networks", ICML 2017, section 4.4). It is the
/// projection of p / ε onto the polytope {x ≥ 0 : A x = A z₀}.
#[derive(Module, Debug)]
pub(crate) struct Network {
    /// A, `[equations, variables]`.
    equations: Param<Tensor<2>>,
    /// w, `[variables]`.
    interior: Param<Tensor<1>>,
}

impl Network {
    /// Random equations, as many as the rules have, and a point z₀ at which all digits are about equally likely.
    pub(crate) fn new(rules: Rules, seed: u64, device: &Device) -> Self {
        let mut generator = Generator::new(seed, WEIGHT_STREAM);
        let (p, n) = (rules.equations(), rules.variables());
        let scale = 1.0 / (n as f64).sqrt();
        let equations: Vec<f32> = (0..p * n).map(|_| (scale * generator.normal()) as f32).collect();
        // softplus(start) = 1 / size
        let start = (1.0 / rules.size as f64).exp_m1().ln();
        let interior: Vec<f32> =
            (0..n).map(|_| (start + SPREAD * (2.0 * generator.uniform() - 1.0)) as f32).collect();
        Self {
            equations: Param::from_data(TensorData::new(equations, [p, n]), device),
            interior: Param::from_data(TensorData::new(interior, [n]), device),
        }
    }

    /// x̂ for every row of p `[rows, variables]`, each solved from the active set at which its sample ended before.
    pub(crate) fn forward(
        &self,
        program: &QuadraticProgram,
        p: Tensor<2>,
        samples: &[u64],
    ) -> Result<Tensor<2>, Error> {
        let (device, n) = (p.device(), p.dims()[1]);
        let identity = Tensor::<2>::eye(n, &device);
        let equations = self.equations.val();
        let interior = activation::softplus(self.interior.val(), 1.0);
        let totals = equations.clone().matmul(interior.reshape([n, 1])).squeeze_dim::<1>(1);
        let problem = QuadraticProblem::new(identity.clone() * CURVATURE, p.neg())
            .with_inequalities(identity.neg(), Tensor::<1>::zeros([n], &device))
            .with_equalities(equations, totals);
        let solution = program.solve_samples(problem, samples);
        Ok(solution.map_err(|error| Error::Training(error.to_string()))?.x)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::experiments::sudoku::puzzle::{Puzzles, boards, indicators};

    /// The sums that are 1 on every solved board: of the digits of a cell, and of a digit in a row, column or box.
    fn sums(rules: Rules) -> Vec<Vec<f64>> {
        let (size, cells) = (rules.size, 0..rules.cells());
        let one = |holds: &dyn Fn(usize, usize) -> bool| {
            (0..rules.variables()).map(|at| f64::from(u8::from(holds(at / size, at % size)))).collect()
        };
        let mut found: Vec<Vec<f64>> = cells.map(|cell| one(&|at, _| at == cell)).collect();
        for (unit, digit) in (0..size).flat_map(|unit| (0..size).map(move |digit| (unit, digit))) {
            found.push(one(&|at, held| at / size == unit && held == digit));
            found.push(one(&|at, held| at % size == unit && held == digit));
            found.push(one(&|at, held| rules.block(at) == unit && held == digit));
        }
        found
    }

    #[test]
    fn independent_equations_of_the_rules_solve_every_puzzle() {
        let (rules, mut generator) = (Rules::of(4), Generator::new(1, 0));
        let device = Device::flex();
        let mut network = Network::new(rules, 1, &device);
        let mixed: Vec<f32> = (0..rules.equations())
            .flat_map(|_| {
                let mut row = vec![0.0; rules.variables()];
                for sum in sums(rules) {
                    let factor = generator.normal();
                    row.iter_mut().zip(&sum).for_each(|(row, sum)| *row += factor * sum);
                }
                row.into_iter().map(|number| number as f32)
            })
            .collect();
        let shape = [rules.equations(), rules.variables()];
        network.equations = Param::from_data(TensorData::new(mixed, shape), &device);
        let uniform = vec![(0.25_f32).exp_m1().ln(); rules.variables()];
        network.interior = Param::from_data(TensorData::new(uniform, [rules.variables()]), &device);
        let Puzzles { test, .. } = Puzzles::draw(rules, 0, 50, &mut generator);
        let given = indicators(rules, test.iter().map(|puzzle| &puzzle.given), &device);
        let samples: Vec<u64> = (0..50).collect();
        let x = network.forward(&QuadraticProgram::default(), given, &samples).unwrap();
        let wrong =
            boards(rules, &x).into_iter().zip(&test).filter(|(board, puzzle)| *board != puzzle.answer);
        assert_eq!(wrong.count(), 0);
    }
}
