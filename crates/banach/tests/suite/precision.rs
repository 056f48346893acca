//! Mixed precision: the results of double precision, in fewer steps of double precision.

use crate::corners::{AnyRank, config, some, weight};
use crate::inside::Nested;
use crate::reference::{assert_close, double, numbers};
use crate::update;
use crate::zoo::Named;
use banach::solve::{
    Anderson, Budget, Dense, FixedPointSolver, LinearSolver, Neumann, Newton, Outcome, Picard, Tolerance,
    Truncated,
};
use banach::{
    AdjointReport, Energy, Engine, Error, FixedPoint, FixedPointConfig, GradientDescentConfig, Objective,
    Precision, Report, Update,
};
use banach_zoo::Problem;
use burn::module::{Module, Param};
use burn::tensor::{DType, Tensor, TensorData};

const BOTH: [Precision; 2] = [Precision::Stated, Precision::Mixed];
const ENGINES: [Engine; 2] = [Engine::Native, Engine::Device];

fn column(numbers: Vec<f64>) -> Tensor<2> {
    let (device, dtype) = double();
    let rows = numbers.len();
    Tensor::from_data(TensorData::new(numbers, [rows, 1]), (&device, dtype))
}

fn tight() -> FixedPointConfig {
    FixedPointConfig::new().with_tolerance(Tolerance::both(1e-12)).with_max_steps(20_000)
}

fn plain(tolerance: f64) -> FixedPointConfig {
    let config = tight().with_solver(Picard::default());
    config.with_adjoint(Neumann::default()).with_tolerance(Tolerance::both(tolerance))
}

/// x̂, the gradient of its sum, and how both went.
fn solved<M>(
    config: &FixedPointConfig,
    module: M,
    z: Tensor<2>,
) -> (Vec<f64>, Vec<f64>, Report, AdjointReport)
where
    M: Module + Update<State = Tensor<2>, Input = Tensor<2>>,
{
    let layer = config.init(module).unwrap();
    let z = z.autodiff().require_grad();
    let solution = layer.solve(z.clone()).unwrap();
    let report = solution.report().clone();
    let x = numbers(solution.value());
    let gradients = solution.into_value().sum().backward();
    let adjoint = report.adjoint().remove(0);
    (x, numbers(&z.grad(&gradients).unwrap()), report, adjoint)
}

fn of(problem: &Problem, config: &FixedPointConfig) -> (Vec<f64>, Vec<f64>, Report, AdjointReport) {
    let (device, dtype) = double();
    solved(config, Named { problem: problem.clone() }, problem.z(&device, dtype))
}

fn close(found: &[f64], expected: &[f64], tolerance: f64) -> bool {
    found.iter().zip(expected).all(|(a, b)| b.is_nan() || (a - b).abs() <= tolerance * b.abs().max(1.0))
}

#[test]
fn every_problem_with_an_answer_ends_as_in_double_precision() {
    let anderson = FixedPointSolver::Anderson(Anderson { window: 10, ..Anderson::default() });
    let newton = FixedPointSolver::Newton(Newton::default());
    for problem in banach_zoo::all().into_iter().filter(|problem| problem.answer.is_some()) {
        let answer = problem.answer.clone().unwrap();
        for (solver, engine) in [(&anderson, ENGINES[0]), (&anderson, ENGINES[1]), (&newton, ENGINES[0])] {
            let config = tight().with_solver(solver.clone()).with_engine(engine);
            let [stated, mixed] =
                BOTH.map(|precision| of(&problem, &config.clone().with_precision(precision)));
            let name = format!("{} by {solver} on {engine:?}: {:?}", problem.name, mixed.2);
            assert_eq!(mixed.2.outcomes, stated.2.outcomes, "{name}");
            if stated.2.converged() {
                assert!(close(&mixed.0, &answer, 1e-5) && close(&mixed.0, &stated.0, 1e-5), "{name}");
            }
            if let Some(derivative) = &problem.derivative {
                assert!(close(&mixed.0, &answer, 1e-8), "{name}");
                assert!(close(&mixed.1, derivative, 1e-6), "{name}: {:?}, expected {derivative:?}", mixed.1);
                assert_eq!(mixed.3.outcomes, stated.3.outcomes, "{name}");
            }
        }
    }
}

#[test]
fn fewer_steps_are_left_for_double_precision() {
    // The part that is left, at the most. In single precision the slow problem stagnates early.
    for (problem, config, part) in [
        (banach_zoo::affine::slow(), plain(1e-8), 0.8),
        (banach_zoo::affine::affine_large(), plain(1e-10), 0.5),
        (banach_zoo::affine::affine_large(), tight(), 0.8),
    ] {
        for engine in ENGINES {
            let config = config.clone().with_engine(engine);
            let [stated, mixed] =
                BOTH.map(|precision| of(&problem, &config.clone().with_precision(precision)));
            assert!(stated.2.converged() && mixed.2.converged(), "{}", problem.name);
            let counts = [
                (stated.2.evaluations, mixed.2.evaluations, mixed.2.single_evaluations),
                (stated.3.evaluations, mixed.3.evaluations, mixed.3.single_evaluations),
            ];
            for (stated, all, single) in counts {
                let least = (all - single) as f64 / stated as f64;
                assert!(least < part, "{} on {engine:?}: {counts:?}", problem.name);
            }
            assert!(mixed.3.escalation.is_none() && stated.3.escalation.is_none());
        }
    }
}

/// x = x / 2 + z
#[derive(Module, Debug)]
struct Halved {
    rate: f64,
}

update!(Halved, Tensor<2>, Tensor<2>, |this, z| z.zeros_like().inner(), |x, z| x * this.rate + z);

#[test]
fn a_row_that_single_precision_cannot_hold_is_solved_in_double_alone() {
    for engine in ENGINES {
        let mixed = plain(1e-12).with_engine(engine).with_precision(Precision::Mixed);
        let z = column(vec![1.0, 1e200, -3.0]);
        let (x, gradient, report, adjoint) = solved(&mixed, Halved { rate: 0.5 }, z.clone());
        assert_eq!(report.outcomes, [Outcome::Converged; 3], "{report:?}");
        assert!(close(&x, &[2.0, 2e200, -6.0], 1e-11) && close(&gradient, &[2.0; 3], 1e-11), "{x:?}");
        let stated = mixed.clone().with_precision(Precision::Stated);
        let alone = solved(&stated, Halved { rate: 0.5 }, z.clone());
        assert_eq!((x[1], report.residuals[1]), (alone.0[1], alone.2.residuals[1]), "nothing came of it");
        assert_eq!(adjoint.outcomes, [Outcome::Converged; 3]);
        // The others do not know of it.
        let pair = solved(&mixed, Halved { rate: 0.5 }, column(vec![1.0, -3.0]));
        assert_eq!((pair.0, pair.1), (vec![x[0], x[2]], vec![gradient[0], gradient[2]]));
        assert_eq!(pair.2.steps, [report.steps[0], report.steps[2]]);
    }
}

/// x = z - x² / 4, by way of numbers so large that little of x² is left in single precision.
#[derive(Module, Debug)]
struct Coarse {
    far: f64,
}

update!(Coarse, Tensor<2>, Tensor<2>, |this, z| z.zeros_like().inner(), |x, z| {
    let square = ((x.square() + this.far * this.far).sqrt() - this.far) * (2.0 * this.far);
    z - square * 0.25
});

#[test]
fn where_single_precision_stagnates_double_goes_on() {
    let z = column((0..12).map(|row| 0.4 + 0.13 * f64::from(row)).collect());
    let config = plain(1e-9);
    let rough = config.init(Coarse { far: 1e3 }).unwrap();
    let report = rough.solve(z.clone().cast(DType::F32)).unwrap().report().clone();
    assert!(report.outcomes.contains(&Outcome::Stalled), "it does not stagnate: {:?}", report.outcomes);
    for engine in ENGINES {
        let config = config.clone().with_engine(engine);
        let [stated, mixed] = BOTH.map(|precision| {
            solved(&config.clone().with_precision(precision), Coarse { far: 1e3 }, z.clone())
        });
        assert!(mixed.2.converged() && mixed.2.single_evaluations > 0, "{:?}", mixed.2);
        assert!(close(&mixed.0, &stated.0, 1e-8) && close(&mixed.1, &stated.1, 1e-7));
    }
}

#[test]
fn counts_steps_and_traces_of_both_precisions_follow_one_another() {
    for engine in ENGINES {
        let mut config = plain(1e-10).with_engine(engine).with_precision(Precision::Mixed);
        (config.forward.trace, config.adjoint.trace) = (true, true);
        let (_, _, report, adjoint) = solved(&config, Halved { rate: 0.7 }, column(vec![1.0, 50.0]));
        let trace = report.trace.clone().unwrap();
        assert_eq!(trace.len(), report.evaluations, "a record for every evaluation");
        let double = &trace[report.single_evaluations];
        let before = &trace[report.single_evaluations - 1];
        assert_eq!((double.step, double.evaluations), (before.step, before.evaluations + 1));
        assert!(close(&double.residuals, &before.residuals, 1e-4), "the same point");
        let last = trace.last().unwrap();
        assert_eq!(
            (last.evaluations, last.residuals.clone()),
            (report.evaluations, report.residuals.clone())
        );
        assert_eq!(report.steps.iter().max(), Some(&last.step));
        assert!(report.rates.iter().all(|rate| (rate - 0.7).abs() < 1e-3), "{:?}", report.rates);
        assert!(report.explain().contains(&format!("({} in", report.single_evaluations)));
        assert!(report.row_evaluations <= 2 * report.evaluations);
        assert!(0 < adjoint.single_evaluations && adjoint.single_evaluations < adjoint.evaluations);
        assert_eq!(adjoint.trace.unwrap().last().unwrap().evaluations, adjoint.evaluations);
    }
}

#[test]
fn what_is_the_answer_already_is_not_rounded() {
    for engine in ENGINES {
        let config = tight().with_engine(engine);
        let [stated, mixed] = BOTH.map(|precision| {
            of(&banach_zoo::affine::heat_settled(), &config.clone().with_precision(precision))
        });
        assert_eq!(mixed.0, stated.0);
        assert_eq!((mixed.2.evaluations, mixed.2.single_evaluations), (2, 1));
    }
}

/// f(x, z) = x⁴ / 4 + x² / 2 - z x
#[derive(Module, Debug)]
struct Quartic {
    weight: f64,
}

impl Energy for Quartic {
    type State = Tensor<2>;
    type Input = Tensor<2>;

    fn start(&self, z: &Tensor<2>) -> Tensor<2> {
        z.zeros_like().inner()
    }

    fn energy(&self, x: Tensor<2>, z: Tensor<2>) -> Tensor<1> {
        let square = x.clone().square();
        (square.clone().square() * 0.25 * self.weight + square * 0.5 - x * z).sum_dim(1).squeeze_dim(1)
    }
}

#[test]
fn newtons_method_finds_its_derivatives_and_energies_in_both_precisions() {
    let config = tight().with_solver(Newton::default());
    let descent = || GradientDescentConfig::new(0.05).init(Quartic { weight: 1.0 }).unwrap();
    let z = column(vec![2.0, -10.0, 30.0]);
    let [stated, mixed] =
        BOTH.map(|precision| solved(&config.clone().with_precision(precision), descent(), z.clone()));
    assert!(mixed.2.converged() && mixed.2.single_evaluations > 0, "{:?}", mixed.2);
    assert!(mixed.2.evaluations - mixed.2.single_evaluations < stated.2.evaluations);
    assert!(close(&mixed.0, &[1.0, -2.0, 3.0], 1e-9), "x³ + x = z: {:?}", mixed.0);
    assert!(close(&mixed.1, &[0.25, 1.0 / 13.0, 1.0 / 28.0], 1e-8), "1 / (3 x² + 1): {:?}", mixed.1);
}

#[test]
fn an_update_with_a_layer_inside_has_one_precision_and_the_layer_may_have_both() {
    let inner = |precision: Precision| config().with_precision(precision).init(AnyRank::<2> {}).unwrap();
    let outer = |outer: Precision, inside: Precision| {
        config().with_precision(outer).init(Nested { inner: inner(inside) }).unwrap()
    };
    let z = some([2, 3], 0.1);
    let error = outer(Precision::Mixed, Precision::Stated).solve(z.clone()).unwrap_err();
    assert!(matches!(&error, Error::Setting { setting, .. } if setting == "precision"), "{error}");
    assert!(error.to_string().contains("fix of"), "{error}");
    let [stated, mixed] = BOTH.map(|inside| numbers(&outer(Precision::Stated, inside).forward(z.clone())));
    assert_close(&mixed, &stated, 1e-11, "mixed inside");
}

#[test]
fn single_states_and_approximate_adjoints_are_solved_as_stated() {
    let z = column(vec![1.0, -3.0]).cast(DType::F32);
    let config = FixedPointConfig::new();
    let [stated, mixed] = BOTH
        .map(|precision| solved(&config.clone().with_precision(precision), Halved { rate: 0.5 }, z.clone()));
    assert_eq!((&mixed.0, &mixed.1, mixed.2.single_evaluations), (&stated.0, &stated.1, 0));
    assert_eq!(mixed.3, stated.3);
    for adjoint in [
        LinearSolver::Truncated(Truncated::default()),
        LinearSolver::Identity,
        LinearSolver::Dense(Dense::default()),
    ] {
        let config = tight().with_adjoint(adjoint);
        let [stated, mixed] = BOTH.map(|precision| {
            of(&banach_zoo::affine::affine_large(), &config.clone().with_precision(precision))
        });
        assert!(mixed.2.single_evaluations > 0 && mixed.3.single_evaluations == 0);
        assert_close(&mixed.1, &stated.1, 1e-11, "an approximation by choice");
        assert_eq!(mixed.3.evaluations, stated.3.evaluations);
    }
}

#[test]
fn both_precisions_share_a_budget_of_evaluations() {
    for (limit, single) in [(1, 0), (2, 1), (9, 8)] {
        let mut config = plain(1e-12).with_precision(Precision::Mixed);
        config.forward.budget = Budget { evaluations: Some(limit), ..config.forward.budget };
        let (device, dtype) = double();
        let layer = config.init(Named { problem: banach_zoo::affine::slow() }).unwrap();
        let solution = layer.solve(layer.update().problem.z(&device, dtype)).unwrap();
        let report = solution.report();
        assert_eq!(report.outcomes, [Outcome::EvaluationLimit]);
        assert_eq!((report.evaluations, report.single_evaluations), (limit, single));
    }
}

#[test]
fn no_rows_are_no_rows_in_both() {
    let config = tight().with_precision(Precision::Mixed);
    let layer = config.init(Halved { rate: 0.5 }).unwrap();
    let z = Tensor::<2>::zeros([0, 3], (&double().0, DType::F64));
    assert_eq!(layer.forward(z).dims(), [0, 3]);
}

/// x = tanh(x W · 0.4 + z)
#[derive(Module, Debug)]
struct Cell {
    w: Param<Tensor<2>>,
}

update!(Cell, Tensor<2>, Tensor<2>, |this, z| z.zeros_like().inner(), |x, z| {
    (x.matmul(this.w.val()) * 0.4 + z).tanh()
});

#[test]
fn a_compiled_step_begins_in_single_precision_too() {
    let cell = Cell { w: weight([3, 3]) };
    let [stated, mixed] = BOTH.map(|precision| {
        let layer = config().with_precision(precision).init(cell.clone()).unwrap();
        let objective =
            Objective::new(|layer: &FixedPoint<Cell>, z: Tensor<2>| layer.forward(z).square().mean());
        let (value, gradients) = objective.value_and_gradient(&layer, some([5, 3], 0.3)).unwrap();
        let gradient = numbers(&gradients.get::<2>(cell.w.id).unwrap());
        (value, gradient, layer.statistics())
    });
    assert!((mixed.0 - stated.0).abs() < 1e-12);
    assert_close(&mixed.1, &stated.1, 1e-10, "∂L/∂W");
    assert!(mixed.2.forward_steps > stated.2.forward_steps, "it began anew in double precision");
    assert_eq!((mixed.2.solves, mixed.2.unconverged_rows, mixed.2.escalations), (1, 0, 0));
}

#[test]
fn the_setting_is_read_and_written() {
    let config: FixedPointConfig = serde_json::from_str(r#"{"precision": "mixed"}"#).unwrap();
    assert_eq!(config, FixedPointConfig::new().with_precision(Precision::Mixed));
    assert!(serde_json::to_string(&FixedPointConfig::new()).unwrap().contains(r#""precision":"stated""#));
}
