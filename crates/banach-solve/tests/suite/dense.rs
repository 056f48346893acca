//! Newton's method with a dense Jacobian, on regular and singular systems.

use crate::energy::{Bowl, Differences, Quadratic};
use crate::state::{On, State};
use crate::{newton, posed, tensor, tensor_in, tight, values};
use banach_solve::{
    Budget, Error, FixedPointSolver, Forcing, Map, Matrix, Newton, NewtonInner, Outcome, Settings, Smooth,
    Tolerance, fixed_point_smooth,
};
use burn::tensor::{DType, Tensor};

fn dense() -> Settings<FixedPointSolver> {
    let inner = NewtonInner::Dense { limit: 250 };
    tight(Settings::new(FixedPointSolver::Newton(Newton { inner, ..Newton::default() })))
}

fn every_regular_problem_is_solved<R: State>() {
    for problem in banach_zoo::all().into_iter().filter(|problem| problem.derivative.is_some()) {
        let (map, x0) = posed(&problem);
        let solution =
            fixed_point_smooth(&On(Differences(map)), &R::of(&x0), &dense()).expect("valid settings");
        assert!(solution.converged(), "{}: {}", problem.name, solution.explain());
        let (steps, n) =
            (solution.statistics.steps.iter().fold(0, |most, steps| most.max(*steps)), problem.start.columns);
        assert!(steps <= 8, "{}: {}", problem.name, solution.explain());
        assert_eq!(solution.statistics.derivative_applications, steps * n, "{}", problem.name);
        let answer = problem.answer.as_ref().expect("a derivative is at an answer");
        for (x, answer) in values(&solution.value.tensor()).iter().zip(answer) {
            assert!((x - answer).abs() < 1e-7 * (1.0 + answer.abs()), "{}: {x}, {answer}", problem.name);
        }
    }
}

#[test]
fn every_problem_with_a_derivative_takes_a_few_steps() {
    every_regular_problem_is_solved::<Tensor<2>>();
    every_regular_problem_is_solved::<Matrix<f64>>();
}

#[test]
fn a_condition_of_a_million_is_one_step_and_a_look() {
    let (map, x0) = (Quadratic::new(2, 30), tensor(2, &[0.0; 60]));
    let settings = dense().with_tolerance(Tolerance::both(1e-12));
    let solution = fixed_point_smooth(&map, &x0, &settings).unwrap();
    // The second step finds that the energy does not fall any more.
    assert!(solution.converged() && solution.statistics.steps[0] <= 2, "{}", solution.explain());
}

/// `x + a (x - 1)²` with a root of its own multiplicity in every row: `I - J` is `-2 a (x - 1)`, or nothing
/// where `a` is.
struct Bent(Tensor<2>);

impl Map<Tensor<2>> for Bent {
    fn apply(&self, x: &Tensor<2>) -> Tensor<2> {
        x.clone() + self.0.clone() * (x.clone() - 1.0).square() + 0.125
    }
}

impl Smooth<Tensor<2>> for Bent {
    fn derivative<'a>(&'a self, x: &Tensor<2>) -> Box<dyn Map<Tensor<2>> + 'a> {
        let slope = self.0.clone() * (x.clone() - 1.0) * 2.0 + 1.0;
        Box::new(move |t: &Tensor<2>| slope.clone() * t.clone())
    }
}

#[test]
fn a_row_without_a_newton_step_is_singular_and_alone() {
    // The first row has no fixed point and J = 1; the second starts where J = 1; the third is 1.25 or 0.75.
    let map = Bent(tensor(3, &[0.0, -2.0, -2.0]));
    let solution = fixed_point_smooth(&map, &tensor(3, &[5.0, 1.0, 2.0]), &dense()).unwrap();
    assert_eq!(solution.outcomes, [Outcome::Singular, Outcome::Singular, Outcome::Converged]);
    assert_eq!(&solution.statistics.residuals[..2], [0.125, 0.125]);
    let x = values(&solution.value);
    assert!(x[0] == 5.0 && x[1] == 1.0 && (x[2] - 1.25).abs() < 1e-9, "{x:?}");
    let text = solution.explain();
    assert!(text.contains("2 singular; the worst is row 1") && text.contains("`inner`"), "{text}");
    let all = fixed_point_smooth(&Bent(tensor(1, &[0.0])), &tensor(1, &[5.0]), &dense()).unwrap();
    assert_eq!((all.outcomes[0], all.statistics.evaluations), (Outcome::Singular, 1));
}

#[test]
fn rows_that_are_too_wide_are_refused_with_their_width() {
    let inner = NewtonInner::Dense { limit: 29 };
    let settings = Settings::new(FixedPointSolver::Newton(Newton { inner, ..Newton::default() }));
    let error = fixed_point_smooth(&Quadratic::new(2, 30), &tensor(2, &[0.0; 60]), &settings).unwrap_err();
    assert_eq!(error, Error::Wide { setting: "newton.inner.dense.limit", width: 30, limit: 29 });
    assert!(error.to_string().contains("n = 30 numbers"), "{error}");
}

#[test]
fn a_row_does_not_depend_on_its_neighbours() {
    for dtype in [DType::F32, DType::F64] {
        for with_energy in [true, false] {
            let settings = dense().with_tolerance(Tolerance::both(1e-5)).with_budget(Budget::steps(40));
            let bowl = Bowl::new(dtype, &[0, 1, 2, 3, 4], with_energy);
            let batch = fixed_point_smooth(&bowl, &bowl.start, &settings).unwrap();
            assert_eq!(batch.outcomes[0], Outcome::NonFinite);
            // Without an energy to fall along, rows run to where the bowl is flat.
            let found = batch.count(Outcome::Converged) + batch.count(Outcome::Singular);
            assert!(
                found >= 3 && (batch.count(Outcome::Converged) > 0 || !with_energy),
                "{}",
                batch.explain()
            );
            let together = values(&batch.value);
            for row in 0..5 {
                let bowl = Bowl::new(dtype, &[row], with_energy);
                let alone = fixed_point_smooth(&bowl, &bowl.start, &settings).unwrap();
                let name = format!("{dtype:?} energy {with_energy} row {row}");
                assert_eq!(alone.outcomes[0], batch.outcomes[row], "{name}");
                let bits = |values: &[f64]| values.iter().map(|value| value.to_bits()).collect::<Vec<_>>();
                let width = batch.value.dims()[1];
                assert_eq!(bits(&values(&alone.value)), bits(&together[row * width..][..width]), "{name}");
            }
        }
    }
}

#[test]
fn a_budget_that_does_not_allow_all_columns_is_kept() {
    for limit in 1..60 {
        let map = Quadratic::new(2, 30);
        let budget = Budget { steps: 100, evaluations: Some(limit), ..Budget::default() };
        let solution =
            fixed_point_smooth(&map, &tensor(2, &[0.0; 60]), &dense().with_budget(budget)).unwrap();
        let found = &solution.statistics;
        let spent = found.evaluations + found.derivative_applications + found.energy_evaluations;
        assert!(spent <= limit, "{limit}: {}", solution.explain());
        assert_eq!(solution.converged(), limit >= 36, "{limit}: {}", solution.explain());
    }
}

#[test]
fn forcing_by_eisenstat_and_walker_finds_the_same_answers() {
    for (gamma, alpha) in [(0.9, 2.0), (0.5, 1.5)] {
        for problem in banach_zoo::all().into_iter().filter(|problem| problem.derivative.is_some()) {
            let (map, x0) = posed(&problem);
            let forcing = Forcing::EisenstatWalker { gamma, alpha };
            let settings = FixedPointSolver::Newton(Newton { forcing, ..Newton::default() });
            let settings = tight(Settings::new(settings));
            let solution = fixed_point_smooth(&Differences(&map), &x0, &settings).unwrap();
            let other = fixed_point_smooth(&Differences(&map), &x0, &tight(newton())).unwrap();
            assert!(solution.converged() && other.converged(), "{}: {}", problem.name, solution.explain());
            for (a, b) in values(&solution.value).iter().zip(values(&other.value)) {
                assert!((a - b).abs() < 1e-6 * (1.0 + b.abs()), "{}: {a}, {b}", problem.name);
            }
        }
    }
}

#[test]
fn single_precision_knows_its_own_rounding() {
    // In single precision 1 less 1 + 1e-8 is nothing.
    let map = |x: &Tensor<2>| x.clone() * 1.00000001 + 1.0;
    struct Slope<F>(F);
    impl<F: Fn(&Tensor<2>) -> Tensor<2>> Map<Tensor<2>> for Slope<F> {
        fn apply(&self, x: &Tensor<2>) -> Tensor<2> {
            (self.0)(x)
        }
    }
    impl<F: Fn(&Tensor<2>) -> Tensor<2>> Smooth<Tensor<2>> for Slope<F> {
        fn derivative<'a>(&'a self, _: &Tensor<2>) -> Box<dyn Map<Tensor<2>> + 'a> {
            Box::new(|t: &Tensor<2>| t.clone() * 1.00000001)
        }
    }
    for (dtype, outcome) in [(DType::F32, Outcome::Singular), (DType::F64, Outcome::Converged)] {
        let x0 = tensor_in(dtype, 1, &[5.0]);
        let settings =
            dense().with_tolerance(Tolerance { absolute: 1e-5, relative: 0.0, ..Tolerance::default() });
        let solution = fixed_point_smooth(&Slope(map), &x0, &settings).unwrap();
        assert_eq!(solution.outcomes, [outcome], "{}", solution.explain());
    }
}
