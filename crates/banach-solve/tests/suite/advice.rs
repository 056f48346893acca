//! Advice about failed rows, over every solver, outcome and trend of the residual.

use crate::{anderson, auto, newton, picard, plain_solvers, tensor};
use banach_solve::{
    FixedPointSolver, LinearSolver, Newton, NewtonInner, Outcome, ResidualTrend, Settings, Solution,
    SolverKind, advice, fixed_point, fixed_point_smooth, solve_linear,
};
use burn::tensor::Tensor;

/// What a text may not name as a remedy: the solver itself.
fn own_name(solver: SolverKind) -> Option<&'static str> {
    match solver {
        SolverKind::Picard => Some("Picard"),
        SolverKind::Anderson | SolverKind::LinearAnderson => Some("Anderson"),
        SolverKind::Broyden | SolverKind::LinearBroyden => Some("use Broyden"),
        SolverKind::Squarem => Some("Squarem"),
        SolverKind::Auto => Some("Auto"),
        SolverKind::Newton | SolverKind::NewtonDense => Some("Newton"),
        SolverKind::Neumann => Some("Neumann"),
        SolverKind::Gmres => Some("GMRES"),
        SolverKind::Bicgstab => Some("use BiCGStab"),
        SolverKind::ConjugateGradient => Some("use conjugate"),
        SolverKind::Dense => Some("Dense"),
        SolverKind::Truncated => Some("Truncated"),
        SolverKind::Identity => Some("Identity"),
        SolverKind::Other | _ => None,
    }
}

/// The settings in backquotes that only some solvers have, with those solvers.
const OWNED: &[(&str, &[SolverKind])] = &[
    ("mixing", &[SolverKind::Anderson]),
    ("window", &[SolverKind::Anderson]),
    ("memory", &[SolverKind::Broyden]),
    ("backtracks", &[SolverKind::Broyden, SolverKind::Newton, SolverKind::NewtonDense]),
    ("damping", &[SolverKind::Picard, SolverKind::Neumann]),
    ("restart", &[SolverKind::Gmres]),
    ("restarts", &[SolverKind::Bicgstab]),
    ("inner", &[SolverKind::Newton, SolverKind::NewtonDense]),
    ("applications", &[SolverKind::Newton]),
];

fn quoted(text: &str) -> impl Iterator<Item = &str> {
    text.split('`').skip(1).step_by(2)
}

#[test]
fn advice_never_names_the_solver_that_ran_nor_a_setting_it_does_not_have() {
    let mut seen = 0;
    for solver in SolverKind::ALL.into_iter().filter(|solver| *solver != SolverKind::Other) {
        for outcome in Outcome::ALL {
            for trend in ResidualTrend::ALL {
                let text = advice(solver, outcome, trend);
                let name = format!("{solver:?} {outcome} {trend:?}: {text}");
                assert!(text.ends_with('.') && !text.contains("  "), "{name}");
                assert!(own_name(solver).is_none_or(|own| !text.contains(own)), "{name}");
                for setting in quoted(text) {
                    let owner = OWNED.iter().find(|(owned, _)| *owned == setting);
                    assert!(owner.is_none_or(|(_, solvers)| solvers.contains(&solver)), "{name}");
                }
                let more = text.contains("budget.steps") || text.contains("budget.evaluations");
                assert!(!more || !matches!(trend, ResidualTrend::Flat | ResidualTrend::Rounding), "{name}");
                seen += 1;
            }
        }
    }
    assert_eq!(seen, 17 * 14 * 5);
}

#[test]
fn a_linear_solver_is_not_told_of_fixed_point_solvers_and_the_other_way_round() {
    for solver in SolverKind::ALL.into_iter().filter(|solver| *solver != SolverKind::Other) {
        for outcome in [Outcome::StepLimit, Outcome::Stalled, Outcome::Diverged, Outcome::NonFinite] {
            for trend in ResidualTrend::ALL {
                let text = advice(solver, outcome, trend);
                let strangers: &[&str] = if solver.is_linear() {
                    &["Picard", "Broyden", "Newton", "Auto"]
                } else {
                    &["GMRES", "Neumann"]
                };
                let named = strangers.iter().any(|stranger| text.contains(stranger));
                assert!(!named, "{solver:?} {outcome} {trend:?}: {text}");
            }
        }
    }
}

#[test]
fn a_solution_knows_its_solver_and_the_course_of_its_residual() {
    let told = |solution: &Solution<Tensor<2>>| solution.advice(0);
    // No fixed point: the residual stays at one.
    let still = |x: &Tensor<2>| x.clone() + 1.0;
    for settings in plain_solvers() {
        let solution = fixed_point(&still, &tensor(1, &[5.0]), &settings).unwrap();
        let kind = SolverKind::from(&settings.solver);
        assert_eq!(
            told(&solution),
            advice(kind, Outcome::Stalled, ResidualTrend::Flat),
            "{}",
            settings.solver
        );
        assert!(solution.explain().contains(told(&solution)));
        let patient = Settings { patience: None, ..settings };
        let solution = fixed_point(&still, &tensor(1, &[5.0]), &patient).unwrap();
        assert_eq!(told(&solution), advice(kind, Outcome::StepLimit, ResidualTrend::Flat));
        assert!(!told(&solution).contains("budget.steps"));
        let error = solution.clone().into_converged().unwrap_err().to_string();
        assert!(error.contains(told(&solution)), "{error}");
    }
    let slow = |x: &Tensor<2>| x.clone() * 0.999 + 1.0;
    let solution = fixed_point(&slow, &tensor(1, &[0.0]), &picard()).unwrap();
    let trend =
        if solution.statistics.rates[0] < 0.999 { ResidualTrend::Falling } else { ResidualTrend::Flat };
    assert_eq!(told(&solution), advice(SolverKind::Picard, Outcome::StepLimit, trend));
    let solution = fixed_point(&slow, &tensor(1, &[f64::NAN]), &anderson()).unwrap();
    assert_eq!(
        told(&solution),
        advice(SolverKind::Anderson, Outcome::NonFinite, ResidualTrend::NonFiniteData)
    );
    assert!(told(&solution).contains("at the start"));
}

#[test]
fn a_right_hand_side_that_is_not_finite_is_not_blamed_on_the_update() {
    for solver in crate::linear::every() {
        let half = |c: &Tensor<2>| c.clone() * 0.5;
        let settings = Settings::new(solver);
        for v in [f64::NAN, f64::INFINITY] {
            let solution = solve_linear(&half, &tensor(2, &[1.0, v]), &settings).unwrap();
            assert_eq!(solution.outcomes[1], Outcome::NonFinite, "{}", settings.solver);
            let text = solution.advice(1);
            assert!(text.contains("the cotangent that comes from the loss"), "{}: {text}", settings.solver);
        }
        // A derivative that is not finite is another matter.
        let broken = |c: &Tensor<2>| c.clone() * f64::NAN;
        let solution = solve_linear(&broken, &tensor(1, &[1.0]), &settings).unwrap();
        if solution.outcomes[0] == Outcome::NonFinite {
            let text = solution.advice(0);
            assert!(text.starts_with("the derivative of the update"), "{}: {text}", settings.solver);
        }
    }
}

#[test]
fn advice_of_newton_depends_on_its_inner_solver() {
    let dense = Newton { inner: NewtonInner::Dense { limit: 8 }, ..Newton::default() };
    let kinds = [newton(), Settings::new(FixedPointSolver::Newton(dense)), auto()]
        .map(|settings| SolverKind::from(&settings.solver));
    assert_eq!(kinds, [SolverKind::Newton, SolverKind::NewtonDense, SolverKind::Auto]);
    assert_eq!(SolverKind::from(&LinearSolver::default()), SolverKind::Gmres);
    let map = crate::energy::Differences(|x: &Tensor<2>| x.clone() + 1.0);
    let settings = Settings::new(FixedPointSolver::Newton(dense));
    let solution = fixed_point_smooth(&map, &tensor(1, &[5.0]), &settings).unwrap();
    assert_eq!(solution.outcomes, [Outcome::Stalled]);
    assert_eq!(solution.advice(0), advice(SolverKind::NewtonDense, Outcome::Stalled, ResidualTrend::Flat));
}
