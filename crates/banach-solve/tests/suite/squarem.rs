//! Squared extrapolation: accepted and undone steps.

use crate::{picard, posed, tensor, tight, values};
use banach_solve::{Budget, FixedPointSolver, Iterate, Outcome, Settings, Solver, Squarem, fixed_point};
use burn::tensor::Tensor;

fn squarem(squarem: Squarem) -> Settings<FixedPointSolver> {
    tight(Settings::new(FixedPointSolver::Squarem(squarem))).with_budget(Budget::steps(20_000))
}

#[test]
fn what_plain_iteration_solves_takes_hardly_more_and_often_less() {
    let mut less = 0;
    for problem in banach_zoo::all().into_iter().filter(|problem| problem.contracts) {
        let (map, x0) = posed(&problem);
        let plain = fixed_point(&map, &x0, &tight(picard()).with_budget(Budget::steps(20_000))).unwrap();
        let solution = fixed_point(&map, &x0, &squarem(Squarem::default())).unwrap();
        assert!(solution.converged(), "{}: {}", problem.name, solution.explain());
        let [leaps, plain] = [&solution, &plain].map(|solution| solution.statistics.evaluations);
        assert!(leaps <= plain + 2, "{}: {leaps} where plain iteration needs {plain}", problem.name);
        less += usize::from(4 * leaps < 3 * plain);
    }
    assert!(less >= 4, "{less} problems were faster");
}

#[test]
fn a_leap_is_two_plain_steps_and_what_they_have_in_common() {
    // x = 0.9 x: r = -0.1 x and v = 0.01 x, so that -α = 10 and the leap leads to the answer.
    let settings = Squarem { reach: 100.0, ..Squarem::default() };
    let mut memory = settings.start(&tensor(1, &[1.0]));
    let mut visit = |x: f64| {
        let (x, gx, residuals) = (tensor(1, &[x]), tensor(1, &[0.9 * x]), [0.1 * x]);
        let iterate = Iterate::new((&x, &gx), &residuals, &[true], &residuals);
        values(&settings.step(&iterate, &mut memory))[0]
    };
    assert!((visit(1.0) - 0.9).abs() < 1e-15);
    assert!(visit(0.9).abs() < 1e-14);
    // From wherever that has led: further off it is taken back to g(g(x)), nearer it is not.
    assert!((visit(50.0) - 0.81).abs() < 1e-15);
    assert!((visit(0.81) - 0.729).abs() < 1e-15);
    assert!(visit(0.729).abs() < 1e-14);
    assert!((visit(0.5) - 0.45).abs() < 1e-15);
}

#[test]
fn no_leap_runs_so_far_that_anything_would_do() {
    for solver in [Squarem::default(), Squarem { reach: 1e30, growth: 1e30 }] {
        let solution =
            fixed_point(&|x: &Tensor<2>| x.clone() + 1.0, &tensor(1, &[5.0]), &squarem(solver)).unwrap();
        assert_eq!((solution.outcomes[0], values(&solution.value)[0]), (Outcome::Stalled, 5.0));
    }
}
