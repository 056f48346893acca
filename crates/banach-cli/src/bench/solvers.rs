//! Every solver on several networks, forward and backward.

use super::comparison::{Comparison, Entry};
use super::journal::Journal;
use super::measurement::{Measurement, Timing};
use super::networks::{self, Network, Recurrence};
use crate::error::Error;
use crate::options::{AdjointName, Measuring, SolverName};
use banach::solve::{FixedPointSolver, Gmres, LinearSolver, Outcome, Tolerance};
use banach::{FixedPoint, FixedPointConfig, Report, Update};
use burn::module::{Module, ModuleVisitor, Param};
use burn::optim::GradientsParams;
use burn::tensor::{Device, Tensor};
use clap::ValueEnum;
use serde_json::{Map, Value};
use std::fmt::Display;
use std::time::Instant;

const REPEATS: usize = 15;
const WARM_UP: usize = 2;
/// The default of a layer, which suits training, and about what single precision allows.
const TOLERANCES: [(&str, f64, f64); 2] = [("1e-4", 1e-6, 1e-4), ("1e-6", 1e-6, 1e-6)];
/// That of the gradient which the others are compared with; single precision ends it before.
const EXACT: Tolerance = Tolerance { absolute: 0.0, relative: 1e-10, norm: banach::solve::Norm::Euclidean };
const CELLS: [Recurrence; 4] = [
    Recurrence::Symmetric(0.5),
    Recurrence::Symmetric(0.95),
    Recurrence::Turning(1.2),
    Recurrence::Swinging(1.2),
];

/// Factors of the weights of the convolutional cell.
const WEIGHTS: [f64; 2] = [1.0, 3.5];

/// Runs `banach bench solvers`.
pub(crate) fn bench(measuring: &Measuring) -> Result<(), Error> {
    if let Some(backward) = measuring.backward {
        return Err(Error::Setting {
            found: format!("--backward {}", backward.as_str()),
            expected: "no --backward".into(),
            advice: "solvers are measured forward alone and on the tape; leave --backward out".into(),
        });
    }
    let mut contest =
        Contest { journal: Journal::new("solvers", measuring)?, comparison: Comparison::default() };
    for cell in CELLS {
        contest.run(&cell.name(), |device| Ok(cell.network(device)))?;
    }
    for factor in WEIGHTS {
        contest.run(&format!("conv times {factor}"), |device| networks::images(factor, device))?;
    }
    contest.run("bibtex", |device| Ok(networks::documents(device)))?;
    contest.run("zoo layer", networks::layer)?;
    contest.journal.close_with(&contest.comparison.markdown())
}

/// What has been measured so far.
struct Contest<'a> {
    journal: Journal<'a>,
    comparison: Comparison,
}

/// One solver with one tolerance.
struct Case<S> {
    setting: String,
    table: String,
    tolerance: Tolerance,
    solver: S,
}

impl Contest<'_> {
    /// Measures all solvers that are asked for on one network.
    fn run<M: Module + Update<State = Tensor<D>>, const D: usize>(
        &mut self,
        name: &str,
        build: impl Fn(&Device) -> Result<Network<M>, Error>,
    ) -> Result<(), Error> {
        let solvers = SolverName::value_variants().iter().map(|name| name.solver());
        let cases = self.cases(name, "forward", solvers);
        if !cases.is_empty() {
            let network = build(&Device::flex())?;
            cases.into_iter().try_for_each(|case| self.forward(name, &network, case))?;
        }
        // No network here has a symmetric J, which conjugate gradients need.
        let adjoints = AdjointName::value_variants().iter().filter(|name| **name != AdjointName::Cg);
        let cases = self.cases(name, "adjoint", adjoints.map(|name| name.solver()));
        if !cases.is_empty() {
            self.backward(name, build(&Device::flex().autodiff())?, cases)?;
        }
        Ok(())
    }

    /// What is asked for; the name of a setting ends with that of the solver.
    fn cases<S: Clone + Display>(
        &self,
        name: &str,
        side: &str,
        solvers: impl Iterator<Item = S> + Clone,
    ) -> Vec<Case<S>> {
        let case = |(written, absolute, relative): (&str, f64, f64), solver: S| Case {
            setting: format!("{name} {side} {written}"),
            table: format!("**{side}**, tolerance `{written}`"),
            tolerance: Tolerance { absolute, relative, ..Tolerance::default() },
            solver,
        };
        let all = TOLERANCES
            .iter()
            .flat_map(|&tolerance| solvers.clone().map(move |solver| case(tolerance, solver)));
        all.filter(|case| self.journal.wants(&format!("{} {}", case.setting, case.solver))).collect()
    }

    /// The solve of x = g(x, z) alone.
    fn forward<M: Module + Update<State = Tensor<D>>, const D: usize>(
        &mut self,
        name: &str,
        (update, z): &Network<M>,
        case: Case<FixedPointSolver>,
    ) -> Result<(), Error> {
        let config = self.config().with_solver(case.solver.clone()).with_tolerance(case.tolerance);
        let layer = config.init(update.clone()).map_err(Error::layer)?;
        let solve = || layer.solve(z.clone()).map_err(Error::layer);
        let report = solve()?.report().clone();
        let timing = self.journal.median_ms(REPEATS, WARM_UP, || solve().map(|_| ()))?;
        let rows = report.outcomes.len() as f64;
        // Rows that took no step have none.
        let rates: Vec<f64> = report.rates.iter().copied().filter(|rate| rate.is_finite()).collect();
        let (evaluations, applications) = (report.row_evaluations, report.derivative_applications);
        let measurement =
            self.measurement(&case.setting, &case.solver, timing, (&report.steps, &report.outcomes));
        let measurement = measurement
            .with("evaluations", report.evaluations)
            .with("row_evaluations", evaluations)
            .with("derivative_applications", applications)
            .with("rate", rates.iter().sum::<f64>() / rates.len() as f64);
        let mut effort = format!("{:.1}", evaluations as f64 / rows);
        if applications > 0 {
            effort += &format!(" + {applications} J");
        }
        self.note(name, &case, measurement, effort, &report.outcomes)
    }

    /// The backward pass alone, from the fixed point to the parameters.
    fn backward<M: Module + Update<State = Tensor<D>>, const D: usize>(
        &mut self,
        name: &str,
        (update, z): Network<M>,
        cases: Vec<Case<LinearSolver>>,
    ) -> Result<(), Error> {
        let mut config = self.config();
        config.forward.tolerance = Tolerance::both(1e-6);
        let layer = |solver: LinearSolver, tolerance: Tolerance| {
            let mut config = config.clone().with_adjoint(solver);
            config.adjoint.tolerance = tolerance;
            config.init(update.clone()).map_err(Error::layer)
        };
        let exact = layer(LinearSolver::Gmres(Gmres::default()), EXACT)?;
        let exact = backward(&exact, &z)?;
        for case in cases {
            if let LinearSolver::Dense(dense) = &case.solver
                && exact.width > dense.limit
            {
                continue;
            }
            let layer = layer(case.solver.clone(), case.tolerance)?;
            let found = backward(&layer, &z)?;
            let timing = self.journal.median(REPEATS, WARM_UP, || Ok(backward(&layer, &z)?.ms))?;
            let report = &found.report.adjoint()[0];
            let error = distance(&found.gradient, &exact.gradient);
            let measurement =
                self.measurement(&case.setting, &case.solver, timing, (&report.steps, &report.outcomes));
            let measurement =
                measurement.with("applications", report.evaluations).with("gradient_error", error);
            let effort = format!("{}; {error:.0e}", report.evaluations);
            self.note(name, &case, measurement, effort, &report.outcomes)?;
        }
        Ok(())
    }

    /// No second solver helps the first.
    fn config(&self) -> FixedPointConfig {
        FixedPointConfig::new().with_engine(self.journal.measuring.engine.engine()).with_escalate(false)
    }

    fn measurement(
        &self,
        setting: &str,
        solver: &impl Display,
        timing: Timing,
        (steps, outcomes): (&[usize], &[Outcome]),
    ) -> Measurement {
        let mean = steps.iter().sum::<usize>() as f64 / steps.len() as f64;
        let counted = counted(outcomes).into_iter().map(|(name, count)| (name, Value::from(count)));
        self.journal
            .measurement(setting, None, timing, mean)
            .with("solver", solver.to_string())
            .with("unconverged_rows", outcomes.iter().filter(|outcome| outcome.is_failure()).count())
            .with("outcomes", counted.collect::<Map<String, Value>>())
    }

    fn note<S: Display>(
        &mut self,
        name: &str,
        case: &Case<S>,
        measurement: Measurement,
        effort: String,
        outcomes: &[Outcome],
    ) -> Result<(), Error> {
        let failed: Vec<Outcome> = outcomes.iter().copied().filter(|outcome| outcome.is_failure()).collect();
        let failures =
            counted(&failed).into_iter().map(|(ended, count)| format!("{count} {ended}")).collect();
        self.comparison.add(Entry {
            table: case.table.clone(),
            network: name.into(),
            solver: case.solver.to_string(),
            ms: measurement.ms,
            effort,
            failures,
            exact: outcomes.iter().all(|outcome| outcome.is_converged()),
        });
        self.journal.write(measurement)
    }
}

/// How many rows ended in each way.
fn counted(outcomes: &[Outcome]) -> Vec<(String, usize)> {
    let mut counts: Vec<(String, usize)> = Vec::new();
    for name in outcomes.iter().map(ToString::to_string) {
        match counts.iter_mut().find(|(known, _)| *known == name) {
            Some((_, count)) => *count += 1,
            None => counts.push((name, 1)),
        }
    }
    counts
}

/// One backward pass.
struct Pass {
    report: Report,
    /// How many numbers a row of the state has.
    width: usize,
    ms: f64,
    /// To all parameters.
    gradient: Vec<f64>,
}

/// The gradient of ½ ‖x̂‖², whose cotangent is x̂.
fn backward<M: Module + Update<State = Tensor<D>>, const D: usize>(
    layer: &FixedPoint<M>,
    z: &M::Input,
) -> Result<Pass, Error> {
    let solution = layer.solve(z.clone()).map_err(Error::layer)?;
    let (report, x) = (solution.report().clone(), solution.into_value());
    let width = x.dims()[1..].iter().product();
    let loss = x.square().sum() * 0.5;
    let start = Instant::now();
    let gradients = loss.backward();
    let ms = start.elapsed().as_secs_f64() * 1e3;
    let gradients = GradientsParams::from_grads(gradients, layer.update());
    let mut numbers = Numbers { gradients: &gradients, found: Vec::new() };
    layer.update().visit(&mut numbers);
    let gradient = numbers.found;
    Ok(Pass { report, width, ms, gradient })
}

/// The gradients of a module, one parameter after the other.
struct Numbers<'a> {
    gradients: &'a GradientsParams,
    found: Vec<f64>,
}

impl ModuleVisitor for Numbers<'_> {
    fn visit_float<const D: usize>(&mut self, param: &Param<Tensor<D>>) {
        let gradient = self.gradients.get::<D>(param.id);
        self.found.extend(
            gradient.into_iter().flat_map(|gradient| gradient.into_data().iter::<f64>().collect::<Vec<_>>()),
        );
    }
}

/// ‖a - b‖ / ‖b‖.
fn distance(a: &[f64], b: &[f64]) -> f64 {
    let squares: f64 = a.iter().zip(b).map(|(a, b)| (a - b).powi(2)).sum();
    (squares / b.iter().map(|b| b * b).sum::<f64>()).sqrt()
}

#[cfg(test)]
mod tests {
    use super::*;
    use burn::tensor::DType;

    fn pass<M: Module + Update<State = Tensor<D>>, const D: usize>((update, z): Network<M>) -> Pass {
        backward(&FixedPointConfig::new().init(update).unwrap(), &z).unwrap()
    }

    #[test]
    fn every_number_of_every_parameter_has_a_gradient() {
        let device = Device::flex().autodiff();
        let pass = |factor| pass(networks::images(factor, &device).unwrap());
        let (one, other) = (pass(1.0), pass(3.5));
        assert_eq!((one.gradient.len(), one.width), (32 * 9 + 32 + 2 * 32 * 32 * 9 + 32, 32 * 16 * 16));
        assert_eq!(one.gradient.len(), other.gradient.len());
        assert!(distance(&other.gradient, &one.gradient) > 0.1);
    }

    #[test]
    fn half_the_square_has_the_state_for_its_cotangent() {
        // x = tanh(W x + z): at x̂ the cotangent of z is (1 - x̂²) c with c = Wᵀ (1 - x̂²) c + x̂, and dz along itself
        // changes ½ ‖x̂‖² by ‖dz‖².
        let device = Device::flex().autodiff();
        let problem = banach_zoo::all().into_iter().find(|problem| problem.name == "layer").unwrap();
        let loss = |z: &[f64]| {
            let mut x = vec![0.0; z.len()];
            for _ in 0..200 {
                let x_now = banach_zoo::Table::new(3, x).tensor(&Device::flex(), DType::F64);
                let z = banach_zoo::Table::new(3, z.to_vec()).tensor(&Device::flex(), DType::F64);
                x = problem.update(&x_now, &z).into_data().iter::<f64>().collect();
            }
            0.5 * x.iter().map(|x| x * x).sum::<f64>()
        };
        let found = pass(networks::layer(&device).unwrap()).gradient;
        let moved = |step: f64| {
            problem.input.values.iter().zip(&found).map(|(z, slope)| z + step * slope).collect::<Vec<f64>>()
        };
        let difference = (loss(&moved(1e-4)) - loss(&moved(-1e-4))) / 2e-4;
        let square: f64 = found.iter().map(|slope| slope * slope).sum();
        assert!((difference - square).abs() < 1e-3 * square, "found {square}, expected {difference}");
    }

    #[test]
    fn rows_are_counted_by_how_they_ended() {
        let outcomes = [Outcome::Stalled, Outcome::Converged, Outcome::Stalled];
        assert_eq!(counted(&outcomes), [("stalled".into(), 2), ("converged".into(), 1)]);
    }
}
