//! The time of a batch of quadratic programs as a layer: solutions, and the gradient of Σ w x in all data.

use super::journal::Journal;
use crate::error::Error;
use crate::options::{EngineName, Measuring};
use crate::random::Generator;
use banach_optimize::{OptimizationReport, QuadraticProblem, QuadraticProgram};
use burn::tensor::{DType, Device, Tensor, TensorData};

/// Rows, variables, inequalities and equalities.
const SIZES: [[usize; 4]; 3] = [[128, 20, 20, 5], [64, 50, 50, 10], [16, 200, 100, 20]];
const STREAM: u64 = 25;
const REPEATS: usize = 15;
const WARM_UP: usize = 2;

/// A batch of random problems that have feasible points, as the scripts of the peers draw them.
struct Batch {
    hessian: Tensor<3>,
    linear: Tensor<2>,
    g: Tensor<3>,
    h: Tensor<2>,
    a: Tensor<3>,
    b: Tensor<2>,
    weights: Tensor<2>,
}

impl Batch {
    fn new([rows, n, m, p]: [usize; 4]) -> Self {
        let mut generator = Generator::new(0, STREAM);
        let device = (&Device::flex(), DType::F64);
        let mut normal = |shape: [usize; 3]| {
            let numbers = (0..shape.iter().product()).map(|_| generator.normal()).collect::<Vec<f64>>();
            Tensor::<3>::from_data(TensorData::new(numbers, shape), device)
        };
        let half = normal([rows, n, n]);
        let x = normal([rows, n, 1]);
        let ridge = Tensor::<2>::eye(n, device.0).cast(DType::F64).reshape([1, n, n]) * 0.1;
        let hessian = half.clone().matmul(half.swap_dims(1, 2)) / n as f64 + ridge;
        let linear = normal([rows, 1, n]).reshape([rows, n]);
        let (g, a) = (normal([rows, m, n]), normal([rows, p, n]));
        let h = (g.clone().matmul(x.clone()) + normal([rows, m, 1]).abs()).reshape([rows, m]);
        let b = a.clone().matmul(x).reshape([rows, p]);
        let weights = normal([rows, 1, n]).reshape([rows, n]).autodiff();
        let leaf = |x: Tensor<3>| x.autodiff().require_grad();
        let row = |x: Tensor<2>| x.autodiff().require_grad();
        Batch {
            hessian: leaf(hessian),
            linear: row(linear),
            g: leaf(g),
            h: row(h),
            a: leaf(a),
            b: row(b),
            weights,
        }
    }

    /// One step of training: the solutions, and the gradients of all data.
    fn step(&self, program: &QuadraticProgram) -> Result<OptimizationReport, Error> {
        let problem = QuadraticProblem::new(self.hessian.clone(), self.linear.clone())
            .with_inequalities(self.g.clone(), self.h.clone())
            .with_equalities(self.a.clone(), self.b.clone());
        let solution = program.solve(problem).map_err(|error| Error::Training(error.to_string()))?;
        let gradients = (solution.x * self.weights.clone()).sum().backward();
        if self.hessian.grad(&gradients).is_none() {
            return Err(Error::Training("the gradient of Q is missing".into()));
        }
        Ok(solution.report)
    }
}

/// Runs `banach bench qp`.
pub(crate) fn bench(measuring: &Measuring) -> Result<(), Error> {
    if let Some(backward) = measuring.backward {
        return Err(Error::Setting {
            found: format!("--backward {}", backward.as_str()),
            expected: "no --backward".into(),
            advice: "quadratic programs are measured on the tape; leave --backward out".into(),
        });
    }
    if measuring.engine != EngineName::Native {
        return Err(Error::Setting {
            found: format!("--engine {}", measuring.engine.as_str()),
            expected: "no engine".into(),
            advice: "quadratic programs have one implementation, on the CPU; leave --engine out".into(),
        });
    }
    let mut journal = Journal::new("qp", measuring)?;
    for sizes in SIZES {
        let [rows, n, m, p] = sizes;
        let setting = format!("B{rows} n{n} m{m} p{p} f64");
        if !journal.wants(&setting) {
            continue;
        }
        let (batch, program) = (Batch::new(sizes), QuadraticProgram::default());
        let mut report = batch.step(&program)?;
        let timing = journal.median_ms(REPEATS, WARM_UP, || {
            report = batch.step(&program)?;
            Ok(())
        })?;
        let largest = |numbers: &[f64]| numbers.iter().fold(0.0, |largest: f64, number| largest.max(*number));
        let unsolved = report.terminations.iter().filter(|ended| ended.is_failure()).count();
        let measurement = journal.measurement(&setting, None, timing, report.mean_steps());
        journal.write(
            measurement
                .with("infeasibility", largest(&report.infeasibilities))
                .with("error", largest(&report.errors))
                .with("unsolved_rows", unsolved),
        )?;
    }
    journal.close()
}
