//! Solvers of users: stopping rules, budgets, outcomes and work, on tensors and on matrices.

use crate::tensor;
use banach_solve::{
    Budget, Error, FixedPointProblem, FixedPointSolver, LinearProblem, LinearSolver, Matrix, Outcome, Rows,
    Settings, Solution, Tolerance, Unobserved, UserLinearSolver, UserSolver, fixed_point, solve_linear,
    solve_linear_from,
};
use burn::tensor::Tensor;

/// Plain iteration for a number of evaluations, perhaps with trial points.
#[derive(Debug, Clone, Copy)]
struct Plain {
    evaluations: usize,
    trials: bool,
}

impl UserSolver for Plain {
    fn name(&self) -> &str {
        "plain"
    }

    fn solve(&self, problem: &mut FixedPointProblem<'_>) -> Result<(), Error> {
        assert_eq!(problem.budget().steps, 200);
        let mut x = problem.start().clone();
        for _ in 0..self.evaluations {
            let Some(image) = problem.evaluate(&x)? else { break };
            x = image;
            if self.trials && problem.image(&x)?.is_none() {
                break;
            }
        }
        Ok(())
    }
}

const MANY: Plain = Plain { evaluations: usize::MAX, trials: false };

fn settings(solver: Plain) -> Settings<FixedPointSolver> {
    Settings::new(solver.into()).with_tolerance(Tolerance::both(1e-9))
}

fn halves<R: Rows>(x: &R) -> R {
    x.scaled(&vec![0.5; x.rows()]).plus(&x.probe(1))
}

fn solved<R: Rows>(x0: &R, settings: &Settings<FixedPointSolver>) -> Solution<R> {
    fixed_point(&halves::<R>, x0, settings).expect("settings within their ranges")
}

#[test]
fn plain_iteration_of_a_user_takes_the_steps_of_picard() {
    let matrix = Matrix::new(2, 3, vec![0.0_f64, 1.0, 2.0, -5.0, 3.0, 100.0]);
    let ours =
        solved(&matrix, &Settings { solver: banach_solve::Picard::default().into(), ..settings(MANY) });
    let theirs = solved(&matrix, &settings(MANY));
    assert_eq!(theirs.value.as_slice(), ours.value.as_slice());
    assert_eq!((&theirs.outcomes, &theirs.statistics), (&ours.outcomes, &ours.statistics));
    let single = solved(&Matrix::new(1, 2, vec![0.0_f32, 3.0]), &Settings::new(MANY.into()));
    assert!(single.converged());
    assert!(solved(&tensor(2, &[0.0, 1.0, 2.0, 3.0]), &Settings::new(MANY.into())).converged());
}

#[test]
fn a_solver_that_gives_up_leaves_its_best_iterates() {
    let x0 = Matrix::new(1, 2, vec![4.0_f64, -4.0]);
    for evaluations in [0, 1, 3] {
        let solution = solved(&x0, &settings(Plain { evaluations, trials: false }));
        assert_eq!(solution.outcomes, [Outcome::Unsolved]);
        assert_eq!(solution.statistics.steps, [evaluations.max(1) - 1]);
        assert_eq!(solution.statistics.evaluations, evaluations.max(1));
        let expected = (1..evaluations).fold(x0.clone(), |x, _| halves(&x));
        assert_eq!(solution.value.as_slice(), expected.as_slice());
        let residual = Matrix::norms(&[&halves(&expected).minus(&expected)])[0][0];
        assert!((solution.statistics.residuals[0] - residual).abs() < 1e-12);
        assert!(solution.advice(0).contains("loosen `tolerance`"));
    }
}

#[test]
fn trial_points_are_counted_and_the_budget_holds() {
    let x0 = Matrix::new(1, 2, vec![4.0_f64, -4.0]);
    let plain = Plain { evaluations: 5, trials: true };
    assert_eq!(solved(&x0, &settings(plain)).statistics.evaluations, 10);
    let budget = Budget { evaluations: Some(7), ..Budget::default() };
    let solution = solved(&x0, &settings(Plain { trials: true, ..MANY }).with_budget(budget));
    assert_eq!(solution.outcomes, [Outcome::EvaluationLimit]);
    assert_eq!(solution.statistics.evaluations, 7);
}

#[test]
fn rows_end_on_their_own() {
    // x = x² + z in three rows: one converges, one diverges, one is not a number.
    let z = Matrix::new(3, 1, vec![0.1_f64, 4.0, f64::NAN]);
    let square = |x: &Matrix<f64>| {
        let squares = x.as_slice().iter().map(|x| x * x).collect();
        Matrix::new(3, 1, squares).plus(&z)
    };
    let solution = fixed_point(&square, &z.zeros(), &settings(MANY)).unwrap();
    let ends = [Outcome::Converged, Outcome::Diverged, Outcome::NonFinite];
    assert_eq!(solution.outcomes, ends);
}

/// Steps along the remainder, for a number of evaluations.
#[derive(Debug)]
struct Series(usize);

impl UserLinearSolver for Series {
    fn name(&self) -> &str {
        "series"
    }

    fn solve(&self, problem: &mut LinearProblem<'_>) -> Result<(), Error> {
        let mut c = problem.start().clone();
        for _ in 0..self.0 {
            let Some(remainder) = problem.evaluate(&c)? else { break };
            c = c.plus(&remainder);
        }
        Ok(())
    }
}

/// Gives A v, which it takes for c.
#[derive(Debug)]
struct Once;

impl UserLinearSolver for Once {
    fn name(&self) -> &str {
        "once"
    }

    fn solve(&self, problem: &mut LinearProblem<'_>) -> Result<(), Error> {
        let v = problem.right_side().clone();
        if let Some(image) = problem.apply(&v)? {
            problem.evaluate(&v.plus(&image))?;
        }
        Ok(())
    }
}

fn linear(solver: impl UserLinearSolver + 'static) -> Settings<LinearSolver> {
    Settings { solver: solver.into(), ..Settings::<LinearSolver>::default() }
}

#[test]
fn linear_systems_are_solved_from_zeros_or_a_guess() {
    let v = Matrix::new(2, 2, vec![1.0_f64, -2.0, 0.0, 0.0]);
    let half = |c: &Matrix<f64>| c.scaled(&vec![0.5; c.rows()]);
    let solution = solve_linear(&half, &v, &linear(Series(usize::MAX))).unwrap();
    assert_eq!(solution.outcomes, [Outcome::Converged; 2]);
    // The remainder of zeros is v, which costs nothing: every evaluation is a step.
    assert_eq!(solution.statistics.evaluations, solution.statistics.steps[0]);
    assert_eq!(solution.statistics.steps[1], 0);
    assert!((solution.value.as_slice()[0] - 2.0).abs() < 1e-3);
    let guess = Matrix::new(2, 2, vec![2.0, -4.0, 0.0, 0.0]);
    let again = solve_linear_from(&half, &v, Some(&guess), &linear(Series(1)), &mut Unobserved).unwrap();
    assert_eq!((again.converged(), again.statistics.evaluations), (true, 1));
    let given_up = solve_linear(&half, &v, &linear(Series(3))).unwrap();
    assert_eq!(given_up.outcomes, [Outcome::Unsolved, Outcome::Converged]);
    assert_eq!(given_up.statistics.steps, [2, 0]);
    // A² = 0, so that c = v + A v.
    let nilpotent = |c: &Tensor<2>| {
        let first = c.clone().narrow(1, 0, 1);
        Tensor::cat(vec![first.zeros_like(), first], 1)
    };
    let solution = solve_linear(&nilpotent, &tensor(1, &[3.0, 1.0]), &linear(Once)).unwrap();
    assert!(solution.converged(), "{}", solution.explain());
    assert_eq!(solution.value.into_data().iter::<f32>().collect::<Vec<_>>(), [3.0, 4.0]);
    assert_eq!(LinearSolver::from(Once).to_string(), "once");
}
