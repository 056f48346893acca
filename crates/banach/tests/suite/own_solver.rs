//! Solvers of users, and solutions from elsewhere: results, derivatives, reports of failed rows, bad input.

use crate::reference::{assert_close, numbers};
use crate::update;
use banach::program::Value;
use banach::solve::{
    Broyden, Error as SolveError, FixedPointProblem, LinearProblem, Matrix, Outcome, Rows, Tolerance,
    UserLinearSolver, UserSolver,
};
use banach::{Engine, Error, FixedPoint, FixedPointConfig, Function, Gradient, Objective, OnFailure, check};
use burn::module::{Module, Param};
use burn::tensor::{DType, Device, Tensor, TensorData};
use std::ops::ControlFlow;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

/// x = tanh(x W) + z.
#[derive(Module, Debug)]
struct Cell {
    w: Param<Tensor<2>>,
}

update!(Cell, Tensor<2>, Tensor<2>, |this, z| z.zeros_like().inner(), |x, z| x.matmul(this.w.val()).tanh()
    + z);

const W: [f64; 9] = [0.3, -0.5, 0.2, 0.4, 0.2, -0.3, -0.4, 0.1, 0.3];

fn tensor(numbers: &[f64], rows: usize, dtype: DType) -> Tensor<2> {
    Tensor::from_data(
        TensorData::new(numbers.to_vec(), [rows, numbers.len() / rows]),
        (&Device::flex(), dtype),
    )
}

fn cell(dtype: DType) -> Cell {
    Cell { w: Param::from_tensor(tensor(&W, 3, dtype).autodiff().require_grad()) }
}

fn input(rows: usize, dtype: DType) -> Tensor<2> {
    let numbers: Vec<f64> = (0..3 * rows).map(|at| (1.7 * at as f64).sin()).collect();
    tensor(&numbers, rows, dtype).autodiff().require_grad()
}

fn tight() -> FixedPointConfig {
    FixedPointConfig::new().with_tolerance(Tolerance::both(1e-11))
}

/// Plain iteration, with a count of its solves.
#[derive(Debug)]
struct Plain {
    solves: Arc<AtomicUsize>,
    steps: usize,
}

impl Plain {
    fn new(steps: usize) -> (Self, Arc<AtomicUsize>) {
        let solves = Arc::new(AtomicUsize::new(0));
        (Plain { solves: Arc::clone(&solves), steps }, solves)
    }
}

impl UserSolver for Plain {
    fn name(&self) -> &str {
        "plain"
    }

    fn validate(&self) -> Result<(), SolveError> {
        if self.steps > 0 {
            return Ok(());
        }
        let problem = "found 0 steps, expected at least 1".into();
        Err(SolveError::UserSolver { solver: "plain".into(), problem })
    }

    fn solve(&self, problem: &mut FixedPointProblem<'_>) -> Result<(), SolveError> {
        self.solves.fetch_add(1, Ordering::Relaxed);
        let mut x = problem.start().clone();
        for _ in 0..self.steps {
            match problem.evaluate(&x)? {
                Some(image) => x = image,
                None => break,
            }
        }
        Ok(())
    }
}

/// Steps along the remainder.
#[derive(Debug)]
struct Series;

impl UserLinearSolver for Series {
    fn name(&self) -> &str {
        "series"
    }

    fn solve(&self, problem: &mut LinearProblem<'_>) -> Result<(), SolveError> {
        let mut c = problem.start().clone();
        while let Some(remainder) = problem.evaluate(&c)? {
            c = c.plus(&remainder);
        }
        Ok(())
    }
}

/// The gradients of Σ sin x̂ in z and W.
fn gradients(layer: &FixedPoint<Cell>, z: &Tensor<2>) -> (Vec<f64>, Vec<f64>) {
    let gradients = layer.forward(z.clone()).sin().sum().backward();
    (numbers(&z.grad(&gradients).unwrap()), numbers(&layer.update().w.val().grad(&gradients).unwrap()))
}

#[test]
fn a_solver_of_the_user_gives_the_solution_and_gradient_of_the_others_on_both_engines() {
    for (dtype, tolerance, close) in [(DType::F64, 1e-11, 1e-9), (DType::F32, 1e-6, 1e-4)] {
        let z = input(5, dtype);
        let config = FixedPointConfig::new().with_tolerance(Tolerance::both(tolerance));
        let expected = config.init(cell(dtype)).unwrap();
        let (dz, dw) = gradients(&expected, &z);
        for engine in [Engine::Native, Engine::Device] {
            let (solver, solves) = Plain::new(1000);
            let config = config.clone().with_engine(engine).with_solver(solver).with_adjoint(Series);
            let layer = config.init(cell(dtype)).unwrap();
            let solution = layer.solve(z.clone()).unwrap();
            let report = solution.report().clone();
            assert!(report.converged() && solves.load(Ordering::Relaxed) > 0, "{}", report.explain());
            assert!(report.steps.iter().all(|steps| *steps > 2));
            assert_close(&numbers(solution.value()), &numbers(&expected.forward(z.clone())), close, "x̂");
            let (found_z, found_w) = gradients(&layer, &z);
            assert_close(&found_z, &dz, close, "dz");
            assert_close(&found_w, &dw, close, "dW");
            let _gradients = solution.into_value().sum().backward();
            let adjoint = report.adjoint().remove(0);
            assert_eq!(adjoint.solvers, ["series"]);
            assert!(adjoint.check().is_ok());
        }
    }
}

#[test]
fn rows_that_a_solver_of_the_user_gives_up_are_reported() {
    for engine in [Engine::Native, Engine::Device] {
        let (solver, _) = Plain::new(3);
        let layer = tight().with_engine(engine).with_solver(solver).init(cell(DType::F64)).unwrap();
        // The first row is solved from its start, and the last one has no number.
        let z = tensor(&[0.0, 0.0, 0.0, 1.0, -0.5, 2.0, f64::NAN, 0.0, 0.0], 3, DType::F64);
        let solution = layer.solve(z.clone()).unwrap();
        let report = solution.report();
        assert_eq!(report.outcomes, [Outcome::Converged, Outcome::Unsolved, Outcome::NonFinite]);
        assert_eq!(report.steps[1], 2);
        assert!(report.residuals[1] > 1e-6);
        assert!(report.explain().contains("1 unsolved; the worst is row 1"), "{}", report.explain());
        let (solver, _) = Plain::new(3);
        let refusing = tight().with_engine(engine).with_solver(solver).with_on_failure(OnFailure::Error);
        let error = refusing.init(cell(DType::F64)).unwrap().solve(z).unwrap_err().to_string();
        assert!(
            error.contains("row 1, ended as unsolved") && error.contains("loosen `tolerance`"),
            "{error}"
        );
    }
}

#[test]
fn budgets_and_observers_hold_for_solvers_of_users() {
    let (solver, _) = Plain::new(1000);
    let layer = tight().with_max_steps(4).with_solver(solver).init(cell(DType::F64)).unwrap();
    let z = input(2, DType::F64).inner();
    let report = layer.solve(z.clone()).unwrap().report().clone();
    assert_eq!((report.outcomes, report.steps), (vec![Outcome::StepLimit; 2], vec![4; 2]));

    let (solver, _) = Plain::new(1000);
    let layer = tight().with_solver(solver).init(cell(DType::F64)).unwrap();
    let mut seen = vec![];
    let solution = layer.solve_observed(z.zeros_like(), z, |step| {
        seen.push(numbers(&step.x));
        if step.step < 3 { ControlFlow::Continue(()) } else { ControlFlow::Break(()) }
    });
    assert_eq!(solution.unwrap().report().outcomes, [Outcome::Stopped; 2]);
    assert_eq!(seen.len(), 4);
    assert!(seen[0].iter().all(|number| *number == 0.0) && seen[1] != seen[2]);
}

#[test]
fn a_solver_of_the_user_with_a_mistake_is_refused_in_one_line() {
    #[derive(Debug)]
    struct Narrow;
    impl UserSolver for Narrow {
        fn name(&self) -> &str {
            "narrow"
        }
        fn solve(&self, problem: &mut FixedPointProblem<'_>) -> Result<(), SolveError> {
            problem.evaluate(&Matrix::new(1, 1, vec![0.0])).map(|_| ())
        }
    }
    let layer = tight().with_solver(Narrow).init(cell(DType::F64)).unwrap();
    let error = layer.solve(input(2, DType::F64).inner()).unwrap_err().to_string();
    let expected = "the solver `narrow` failed: it evaluates at a state of shape [1, 1], expected [2, 3], the shape of the start";
    assert_eq!(error, expected);
    let (solver, _) = Plain::new(0);
    let error = tight().with_solver(solver).init(cell(DType::F64)).err().unwrap().to_string();
    assert_eq!(error, "the solver `plain` failed: found 0 steps, expected at least 1");
    let (solver, _) = Plain::new(1);
    let error = serde_json::to_string(&tight().with_solver(solver)).unwrap_err().to_string();
    assert!(error.contains("User") && error.contains("cannot be serialized"), "{error}");
}

#[test]
fn a_failed_adjoint_of_the_user_is_tried_again_by_another_solver() {
    #[derive(Debug)]
    struct Idle;
    impl UserLinearSolver for Idle {
        fn name(&self) -> &str {
            "idle"
        }
        fn solve(&self, _: &mut LinearProblem<'_>) -> Result<(), SolveError> {
            Ok(())
        }
    }
    let z = input(2, DType::F64);
    let layer = tight().with_adjoint(Idle).init(cell(DType::F64)).unwrap();
    let solution = layer.solve(z.clone()).unwrap();
    let report = solution.report().clone();
    let _gradients = solution.into_value().sum().backward();
    let adjoint = report.adjoint().remove(0);
    assert_eq!(adjoint.solvers, ["idle", "gmres"]);
    assert_eq!(adjoint.outcomes, [Outcome::Converged; 2]);
    let alone = tight().with_adjoint(Idle).with_escalate(false).init(cell(DType::F64)).unwrap();
    let solution = alone.solve(z).unwrap();
    let report = solution.report().clone();
    let _gradients = solution.into_value().sum().backward();
    assert_eq!(report.adjoint().remove(0).outcomes, [Outcome::Unsolved; 2]);
}

#[test]
fn a_solution_from_elsewhere_is_checked_and_has_the_implicit_gradient() {
    for engine in [Engine::Native, Engine::Device] {
        let layer = tight().with_engine(engine).init(cell(DType::F64)).unwrap();
        let z = input(4, DType::F64);
        let solved = layer.forward(z.clone());
        let x = solved.clone().inner();
        let given = layer.solution_at(x.clone(), z.clone()).unwrap();
        assert!(given.report().converged(), "{}", given.report().explain());
        assert_eq!((given.report().evaluations, given.report().steps.clone()), (1, vec![0; 4]));
        assert_eq!(numbers(given.value()), numbers(&x));
        let slopes = |x: Tensor<2>| {
            let gradients = x.sin().sum().backward();
            let dw = layer.update().w.val().grad(&gradients).unwrap();
            [numbers(&z.grad(&gradients).unwrap()), numbers(&dw)].concat()
        };
        assert_close(&slopes(given.into_value()), &slopes(solved), 1e-10, "the gradient");

        // Two rows are wrong, one of them beyond repair.
        let wrong =
            tensor(&[0.0, 0.0, 0.0, 1e-3, 0.0, 0.0, 0.0, 0.0, 0.0, f64::NAN, 0.0, 0.0], 4, DType::F64);
        let given = layer.solution_at(x.clone() + wrong.clone(), z.clone()).unwrap();
        let report = given.report().clone();
        let (sound, unsolved) = (Outcome::Converged, Outcome::Unsolved);
        assert_eq!(report.outcomes, [sound, unsolved, sound, Outcome::NonFinite]);
        assert!(report.residuals[1] > 1e-4 && report.residuals[0] < 1e-9);
        assert!(report.explain().contains("see whether its source and the update"), "{}", report.explain());
        let gradient = numbers(&z.grad(&given.into_value().slice([0..3, 0..3]).sum().backward()).unwrap());
        assert!(gradient[..9].iter().all(|slope| slope.is_finite() && *slope != 0.0), "{gradient:?}");
        assert_eq!(gradient[9..], [0.0; 3]);
        let statistics = layer.take_statistics();
        assert_eq!((statistics.unconverged_rows, statistics.non_finite_rows), (2, 1));

        let skipping = tight().with_engine(engine).with_on_failure(OnFailure::Skip);
        let skipping = skipping.init(cell(DType::F64)).unwrap();
        let given = skipping.solution_at(x.clone() + wrong.clone(), z.clone()).unwrap();
        let gradient = numbers(&z.grad(&given.into_value().slice([0..3, 0..3]).sum().backward()).unwrap());
        assert_eq!(gradient[3..6], [0.0; 3]);
        let refusing = tight().with_engine(engine).with_on_failure(OnFailure::Error);
        let error = refusing.init(cell(DType::F64)).unwrap().solution_at(x + wrong, z).unwrap_err();
        assert!(error.to_string().contains("2 of 4 rows did not converge; the first, row 1"), "{error}");
    }
}

#[test]
fn a_given_solution_that_does_not_fit_is_refused() {
    let layer = tight().init(cell(DType::F64)).unwrap();
    let z = input(2, DType::F64).inner();
    assert!(layer.solution_at(tensor(&[0.0; 9], 3, DType::F64), z.clone()).is_err());
    assert!(layer.solution_at(tensor(&[0.0; 4], 2, DType::F64), z.clone()).is_err());
    let shine = tight().with_solver(Broyden::default()).with_gradient(Gradient::shine());
    let error = shine.init(cell(DType::F64)).unwrap().solution_at(z.zeros_like(), z).unwrap_err();
    assert!(matches!(error, Error::Setting { .. }), "{error}");
}

#[test]
fn given_solutions_and_solvers_of_users_work_in_traces_with_forward_mode() {
    let layer = tight().init(cell(DType::F64)).unwrap().valid();
    let (solver, _) = Plain::new(1000);
    let own = tight().with_solver(solver).with_adjoint(Series).init(cell(DType::F64)).unwrap().valid();
    let z = input(3, DType::F64).inner();
    let x = layer.forward(z.clone());
    let along = z.clone().cos();
    // Along z, the last input before the parameters.
    let slope = |(f, w): (Function, Vec<Value>), point: Vec<Tensor<2>>| {
        let tangent = f.jvp_of(&[point.len() - 1]);
        numbers(&tangent.call::<Tensor<2>>((point, w, along.clone())).unwrap())
    };
    let forward = |layer: &FixedPoint<Cell>, z: Tensor<2>| layer.forward(z);
    let expected = slope(Function::of_module(&layer, &z, forward).unwrap(), vec![z.clone()]);
    let by_user = Function::of_module(&own, &z, forward).unwrap();
    assert_close(&slope(by_user, vec![z.clone()]), &expected, 1e-9, "by a solver of the user");
    let given = Function::of_module(&layer, &(x.clone(), z.clone()), |layer, (x, z)| {
        layer.solution_at(x, z).unwrap().into_value()
    });
    assert_close(&slope(given.unwrap(), vec![x, z.clone()]), &expected, 1e-9, "given");
    let found = check::gradients(&own, z).unwrap();
    assert!(found.agrees(1e-6), "{found:?}");
}

#[test]
fn a_compiled_step_takes_given_solutions() {
    let layer = tight().init(cell(DType::F64)).unwrap();
    let z = input(4, DType::F64);
    let x = layer.forward(z.clone()).inner();
    let loss = |layer: &FixedPoint<Cell>, (x, z): (Tensor<2>, Tensor<2>)| {
        layer.solution_at(x, z).unwrap().into_value().sin().sum()
    };
    let gradients = loss(&layer, (x.clone(), z.clone())).backward();
    let expected = numbers(&layer.update().w.val().grad(&gradients).unwrap());
    let batch = (x.autodiff(), z.inner().autodiff());
    let (_, gradients) = Objective::new(loss).value_and_gradient(&layer, batch).unwrap();
    assert_close(&numbers(&gradients.get::<2>(layer.update().w.id).unwrap()), &expected, 1e-9, "dW");
}
