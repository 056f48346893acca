//! Reading, writing and validation of settings.

use crate::{anderson, newton, plain_solvers};
use banach_solve::{
    Anderson, Auto, Broyden, Budget, ConjugateGradient, Dense, Error, FixedPointSolver, Forcing, Gmres,
    LinearSolver, Neumann, Newton, NewtonInner, Patience, Picard, Settings, Squarem, Tolerance, Truncated,
};

#[test]
fn settings_survive_a_round_trip() {
    let open = Settings { patience: None, divergence: None, trace: true, ..anderson() };
    for settings in plain_solvers().into_iter().chain([newton(), open]) {
        let text = serde_json::to_string(&settings).unwrap();
        assert_eq!(serde_json::from_str::<Settings<FixedPointSolver>>(&text).unwrap(), settings);
    }
    for linear in crate::linear::every().map(Settings::new) {
        let text = serde_json::to_string(&linear).unwrap();
        assert_eq!(serde_json::from_str::<Settings<LinearSolver>>(&text).unwrap(), linear);
    }
}

#[test]
fn what_is_not_said_has_its_default_and_what_is_not_known_is_refused() {
    assert_eq!(serde_json::from_str::<Settings<FixedPointSolver>>("{}").unwrap(), Settings::default());
    let text = r#"{"solver": {"anderson": {"window": 3}}, "tolerance": {"relative": 1e-6}}"#;
    let settings: Settings<FixedPointSolver> = serde_json::from_str(text).unwrap();
    assert_eq!(settings.solver, FixedPointSolver::Anderson(Anderson { window: 3, ..Anderson::default() }));
    assert_eq!(settings.tolerance, Tolerance { relative: 1e-6, ..Tolerance::default() });
    let text = r#"{"solver": {"picard": {"damping": 0.5}}}"#;
    let settings: Settings<FixedPointSolver> = serde_json::from_str(text).unwrap();
    assert_eq!(settings.solver, FixedPointSolver::Picard(Picard { damping: 0.5, momentum: 0.0 }));
    let text = r#"{"solver": {"newton": {"inner": {"dense": {"limit": 9}}}}}"#;
    let settings: Settings<FixedPointSolver> = serde_json::from_str(text).unwrap();
    let inner = NewtonInner::Dense { limit: 9 };
    assert_eq!(settings.solver, FixedPointSolver::Newton(Newton { inner, ..Newton::default() }));
    for text in [
        r#"{"max_iter": 3}"#,
        r#"{"tolerance": {"rtol": 1e-6}}"#,
        r#"{"solver": {"anderson": {"m": 3}}}"#,
        r#"{"solver": {"broyden": {"window": 3}}}"#,
        r#"{"solver": {"broyden": {"update": "ugly"}}}"#,
        r#"{"solver": {"squarem": {"step": 3}}}"#,
        r#"{"solver": {"auto": {"anderson": {"m": 3}}}}"#,
        r#"{"solver": {"newton": {"inner": {"dense": {"width": 3}}}}}"#,
        r#"{"solver": {"newton": {"forcing": "linear"}}}"#,
        r#"{"solver": {"bisection": {}}}"#,
        r#"{"budget": {"step": 3}}"#,
        r#"{"patience": {"stps": 3}}"#,
    ] {
        assert!(serde_json::from_str::<Settings<FixedPointSolver>>(text).is_err(), "{text}");
    }
}

/// The setting that is complained about.
fn refused(result: Result<(), Error>) -> &'static str {
    match result {
        Err(Error::Setting { setting, .. }) => setting,
        other => panic!("expected a refused setting, found {other:?}"),
    }
}

#[test]
fn values_without_meaning_are_refused_by_name() {
    for bad in [-1.0, f64::NAN, f64::INFINITY] {
        let tolerance = Tolerance { absolute: bad, relative: 0.0, ..Tolerance::default() };
        assert_eq!(refused(anderson().with_tolerance(tolerance).validate()), "tolerance.absolute");
        let tolerance = Tolerance { absolute: 0.0, relative: bad, ..Tolerance::default() };
        assert_eq!(refused(anderson().with_tolerance(tolerance).validate()), "tolerance.relative");
        let settings = Settings { divergence: Some(bad), ..anderson() };
        assert_eq!(refused(settings.validate()), "divergence");
        assert_eq!(refused(Anderson { ridge: bad, ..Anderson::default() }.validate()), "anderson.ridge");
        assert_eq!(
            refused(Anderson { condition: bad, ..Anderson::default() }.validate()),
            "anderson.condition"
        );
        assert_eq!(refused(Anderson { growth: bad, ..Anderson::default() }.validate()), "anderson.growth");
    }
    for bad in [-0.1, 1.0, f64::NAN] {
        let picard = Picard { momentum: bad, ..Picard::default() };
        assert_eq!(refused(picard.validate()), "picard.momentum");
    }
    for bad in [-0.1, f64::NAN, f64::INFINITY] {
        let found = ConjugateGradient { symmetry: bad }.validate();
        assert_eq!(refused(found), "conjugate_gradient.symmetry");
    }
    for bad in [0.0, -0.5, 1.5, f64::NAN] {
        assert_eq!(refused(Picard { damping: bad, ..Picard::default() }.validate()), "picard.damping");
        assert_eq!(refused(Neumann { damping: bad }.validate()), "neumann.damping");
        assert_eq!(refused(Truncated { terms: 1, damping: bad }.validate()), "truncated.damping");
        assert_eq!(refused(Anderson { mixing: bad, ..Anderson::default() }.validate()), "anderson.mixing");
    }
    assert_eq!(refused(Anderson { window: 0, ..Anderson::default() }.validate()), "anderson.window");
    assert_eq!(refused(Gmres { restart: 0 }.validate()), "gmres.restart");
    assert_eq!(refused(Dense { limit: 0 }.validate()), "dense.limit");
    assert_eq!(refused(Truncated { terms: 0, damping: 1.0 }.validate()), "truncated.terms");
    let by_anderson = LinearSolver::Anderson(Anderson { window: 0, ..Anderson::default() });
    assert_eq!(refused(by_anderson.validate()), "anderson.window");
    assert_eq!(refused(anderson().with_budget(Budget::steps(0)).validate()), "budget.steps");
    let budget = Budget { steps: 1, evaluations: Some(0), ..Budget::default() };
    assert_eq!(refused(anderson().with_budget(budget).validate()), "budget.evaluations");
    assert_eq!(refused(Patience { steps: 0, improvement: 0.1 }.validate()), "patience.steps");
    assert_eq!(refused(Patience { steps: 1, improvement: 1.0 }.validate()), "patience.improvement");
}

#[test]
fn what_has_no_meaning_to_newton_broyden_squarem_or_auto_is_refused() {
    for (inner, name) in [
        (NewtonInner::Krylov { applications: 0 }, "newton.inner.krylov.applications"),
        (NewtonInner::Dense { limit: 0 }, "newton.inner.dense.limit"),
    ] {
        assert_eq!(refused(Newton { inner, ..Newton::default() }.validate()), name);
    }
    for (gamma, alpha, name) in [
        (0.0, 2.0, "newton.forcing.gamma"),
        (1.1, 2.0, "newton.forcing.gamma"),
        (f64::NAN, 2.0, "newton.forcing.gamma"),
        (0.9, 1.0, "newton.forcing.alpha"),
        (0.9, 2.1, "newton.forcing.alpha"),
        (0.9, f64::NAN, "newton.forcing.alpha"),
    ] {
        let forcing = Forcing::EisenstatWalker { gamma, alpha };
        assert_eq!(refused(Newton { forcing, ..Newton::default() }.validate()), name);
    }
    for bad in [0.9, f64::NAN, f64::INFINITY] {
        assert_eq!(refused(Broyden { condition: bad, ..Broyden::default() }.validate()), "broyden.condition");
        assert_eq!(refused(Broyden { growth: bad, ..Broyden::default() }.validate()), "broyden.growth");
        assert_eq!(refused(Squarem { reach: bad, ..Squarem::default() }.validate()), "squarem.reach");
        assert_eq!(refused(Squarem { growth: bad, ..Squarem::default() }.validate()), "squarem.growth");
    }
    assert_eq!(refused(Auto { soon: 0, ..Auto::default() }.validate()), "auto.soon");
    assert_eq!(refused(Auto { patience: 0, ..Auto::default() }.validate()), "auto.patience");
    let anderson_within = Anderson { window: 0, ..Anderson::default() };
    let within = Auto { anderson: anderson_within, ..Auto::default() };
    assert_eq!(refused(within.validate()), "anderson.window");
    assert_eq!(refused(Broyden { memory: 0, ..Broyden::default() }.validate()), "broyden.memory");
}

#[test]
fn a_refusal_says_what_was_found_and_what_was_expected() {
    let text = Picard { damping: 1.5, ..Picard::default() }.validate().unwrap_err().to_string();
    assert_eq!(text, "`picard.damping` is 1.5, expected a number in (0, 1]; use 1 for no damping");
}
