//! Newton's method: minima beyond the reach of plain iteration, and independence of rows.

use crate::energy::{Bowl, Differences, Hinges, Landscape, Quadratic, scattered};
use crate::{anderson, newton, picard, plain_solvers, tensor, tensor_in, tight, values};
use banach_solve::{
    Budget, Error, FixedPointSolver, Map, Newton, NewtonInner, Outcome, Progress, Settings, Smooth, Solution,
    Tolerance, fixed_point, fixed_point_smooth, fixed_point_smooth_observed,
};
use burn::tensor::{DType, Device, Tensor};
use std::ops::ControlFlow;

/// Evaluations of the map, of its derivative, and of its energy.
fn work(solution: &Solution<Tensor<2>>) -> [usize; 3] {
    let found = &solution.statistics;
    [found.evaluations, found.derivative_applications, found.energy_evaluations]
}

fn patient(settings: Settings<FixedPointSolver>, tolerance: f64) -> Settings<FixedPointSolver> {
    let settings = Settings { patience: None, ..settings };
    settings.with_tolerance(Tolerance::both(tolerance)).with_budget(Budget::steps(20_000))
}

#[test]
fn a_condition_of_a_million_is_no_obstacle() {
    let (map, x0) = (Quadratic::new(2, 30), tensor(2, &[0.0; 60]));
    for (applications, most) in [(50, [32, 1300, 2]), (200, [24, 500, 2])] {
        let inner = NewtonInner::Krylov { applications };
        let newton = FixedPointSolver::Newton(Newton { inner, ..Newton::default() });
        let solution =
            fixed_point_smooth(&map, &x0, &Settings::new(newton).with_tolerance(Tolerance::both(1e-12)))
                .unwrap();
        assert!(solution.converged(), "{}", solution.explain());
        let off = values(&(solution.value.clone() - map.answer.clone()));
        assert!(off.iter().all(|off| off.abs() < 1e-5), "{off:?}");
        let found = work(&solution);
        assert!(found.iter().zip(most).all(|(found, most)| *found <= most), "{found:?}");
    }
    for settings in [picard(), anderson()] {
        let solution = fixed_point_smooth(&map, &x0, &patient(settings, 1e-12)).unwrap();
        assert_eq!(solution.count(Outcome::StepLimit), 2, "{}", solution.explain());
    }
}

#[test]
fn flat_directions_and_kinks_are_no_obstacle() {
    let map = Hinges::new(4);
    let x0 = tensor(4, &(0..80).map(scattered).collect::<Vec<_>>());
    let by_newton = newton().with_tolerance(Tolerance::both(1e-8));
    let solution = fixed_point_smooth(&map, &x0, &by_newton).unwrap();
    assert!(solution.converged(), "{}", solution.explain());
    let found = work(&solution);
    assert!(found[0] < 40 && found[1] < 650 && found[2] == 2, "{found:?}");
    // Plain steps need more than 20000, Anderson some 1400, though none of its steps may lead uphill; neither gets lower.
    for (settings, most, unsolved) in [(picard(), 20_001, 3), (anderson(), 2_000, 0)] {
        let other = fixed_point_smooth(&map, &x0, &patient(settings, 1e-8)).unwrap();
        assert_eq!(other.count(Outcome::StepLimit), unsolved, "{}", other.explain());
        assert!(work(&other)[0] <= most, "{}", other.explain());
        let (low, lowest) = (map.energy(&solution.value).unwrap(), map.energy(&other.value).unwrap());
        assert!(low.iter().zip(&lowest).all(|(low, lowest)| *low < lowest + 1e-13), "{low:?} {lowest:?}");
    }
}

#[test]
fn a_start_so_near_that_energies_are_rounding_is_still_a_start() {
    let map = Quadratic::new(2, 30);
    let x0 = map.answer.clone() + tensor(2, &(0..60).map(|k| 1e-7 * scattered(k)).collect::<Vec<_>>());
    let solution = fixed_point_smooth(&map, &x0, &newton().with_tolerance(Tolerance::both(1e-14))).unwrap();
    assert!(solution.converged(), "{}", solution.explain());
    let [evaluations, derivatives, energies] = work(&solution);
    assert!(evaluations < 20 && derivatives < 900 && energies < evaluations + 4, "{}", solution.explain());
}

#[test]
fn a_saddle_is_left_downhill() {
    let solution = fixed_point_smooth(&Landscape, &tensor(3, &[0.01, -0.3, 2.0]), &tight(newton())).unwrap();
    assert!(solution.converged(), "{}", solution.explain());
    let x = values(&solution.value);
    assert!(x.iter().zip([1.0, -1.0, 1.0]).all(|(x, answer)| (x - answer).abs() < 1e-8), "{x:?}");
}

#[test]
fn every_solver_solves_a_map_with_a_derivative() {
    let (map, x0) = (Quadratic::new(2, 3), tensor(2, &[0.1; 6]));
    for settings in plain_solvers() {
        let [with, without] = [fixed_point_smooth(&map, &x0, &settings), fixed_point(&map, &x0, &settings)];
        assert_eq!(with.unwrap().statistics, without.unwrap().statistics);
    }
}

#[test]
fn a_map_without_a_derivative_is_refused() {
    let error = fixed_point(&|x: &Tensor<2>| x.clone(), &tensor(1, &[1.0]), &newton()).unwrap_err();
    assert!(matches!(error, Error::Setting { setting: "solver", .. }), "{error}");
    let text = error.to_string();
    assert!(text.contains("is newton, expected a solver that needs no derivative"), "{text}");
}

#[test]
fn a_row_does_not_depend_on_its_neighbours() {
    const ROWS: usize = 5;
    for dtype in [DType::F32, DType::F64] {
        for with_energy in [true, false] {
            let every: Vec<usize> = (0..ROWS).collect();
            let settings = newton().with_tolerance(Tolerance::both(1e-5)).with_budget(Budget::steps(40));
            let bowl = Bowl::new(dtype, &every, with_energy);
            let batch = fixed_point_smooth(&bowl, &bowl.start, &settings).unwrap();
            assert_eq!(batch.outcomes[0], Outcome::NonFinite);
            assert!(batch.count(Outcome::Converged) > 2, "{}", batch.explain());
            let width = batch.value.dims()[1];
            let together = values(&batch.value);
            for row in every {
                let bowl = Bowl::new(dtype, &[row], with_energy);
                let alone = fixed_point_smooth(&bowl, &bowl.start, &settings).unwrap();
                let name = format!("{dtype:?} energy {with_energy} row {row}");
                assert_eq!(alone.outcomes[0], batch.outcomes[row], "{name}");
                assert_eq!(alone.statistics.steps[0], batch.statistics.steps[row], "{name}");
                let bits = |values: &[f64]| values.iter().map(|value| value.to_bits()).collect::<Vec<_>>();
                let found = bits(&together[row * width..][..width]);
                assert_eq!(bits(&values(&alone.value)), found, "{name}");
            }
        }
    }
}

#[test]
fn a_budget_of_evaluations_covers_all_three_kinds() {
    for with_energy in [true, false] {
        let mut ends = Vec::new();
        for limit in 1..80 {
            let bowl = Bowl::new(DType::F64, &[1, 2, 3], with_energy);
            let budget = Budget { steps: 100, evaluations: Some(limit), ..Budget::default() };
            let solution =
                fixed_point_smooth(&bowl, &bowl.start, &tight(newton()).with_budget(budget)).unwrap();
            assert!(work(&solution).iter().sum::<usize>() <= limit, "{limit}: {:?}", work(&solution));
            ends.push(solution.outcomes[0]);
        }
        assert_eq!((ends[0], ends[78]), (Outcome::EvaluationLimit, Outcome::Converged));
    }
}

/// The map `x + 1`, which has no fixed point.
struct Onward {
    energy: Option<f64>,
}

impl Map<Tensor<2>> for Onward {
    fn apply(&self, x: &Tensor<2>) -> Tensor<2> {
        x.clone() + 1.0
    }

    fn energy(&self, x: &Tensor<2>) -> Option<Vec<f64>> {
        self.energy.map(|slope| values(x).iter().map(|x| slope * x).collect())
    }
}

impl Smooth<Tensor<2>> for Onward {
    fn derivative<'a>(&'a self, _: &Tensor<2>) -> Box<dyn Map<Tensor<2>> + 'a> {
        Box::new(|t: &Tensor<2>| t.clone())
    }
}

#[test]
fn where_there_is_no_answer_a_row_stalls() {
    // Without an energy, with one that rises, with one that is no number.
    for energy in [None, Some(1.0), Some(f64::NAN)] {
        let solution = fixed_point_smooth(&Onward { energy }, &tensor(1, &[5.0]), &newton()).unwrap();
        assert_eq!(solution.outcomes, [Outcome::Stalled], "{energy:?}");
        assert_eq!((solution.statistics.steps[0], solution.statistics.residuals[0]), (50, 1.0), "{energy:?}");
    }
}

#[test]
fn an_energy_without_a_minimum_is_never_converged() {
    for settings in plain_solvers().into_iter().chain([newton()]) {
        for start in [0.0, 5.0, -3.0] {
            let x0 = tensor(1, &[start]);
            let solution = fixed_point_smooth(&Onward { energy: Some(-1.0) }, &x0, &settings).unwrap();
            assert!(!solution.converged(), "{} from {start}: {}", settings.solver, solution.explain());
        }
    }
    let solution = fixed_point_smooth(&Onward { energy: Some(-1.0) }, &tensor(1, &[5.0]), &newton()).unwrap();
    assert_eq!(solution.outcomes, [Outcome::Diverged], "{}", solution.explain());
}

#[test]
fn a_wrong_energy_costs_work_but_not_the_answer() {
    struct Wrong(Quadratic);
    impl Map<Tensor<2>> for Wrong {
        fn apply(&self, x: &Tensor<2>) -> Tensor<2> {
            self.0.apply(x) * 0.5 + self.0.answer.clone() * 0.5
        }

        fn energy(&self, x: &Tensor<2>) -> Option<Vec<f64>> {
            self.0.energy(x).map(|values| values.iter().map(|value| -value).collect())
        }
    }
    impl Smooth<Tensor<2>> for Wrong {
        fn derivative<'a>(&'a self, _: &Tensor<2>) -> Box<dyn Map<Tensor<2>> + 'a> {
            Box::new(|t: &Tensor<2>| t.clone() * 0.4)
        }
    }
    let map = Wrong(Quadratic::new(2, 5));
    let solution = fixed_point_smooth(&map, &tensor(2, &[0.0; 10]), &tight(newton())).unwrap();
    assert!(solution.converged(), "{}", solution.explain());
}

#[test]
fn what_is_not_one_energy_a_row_is_refused() {
    struct Short;
    impl Map<Tensor<2>> for Short {
        fn apply(&self, x: &Tensor<2>) -> Tensor<2> {
            x.clone() * 0.5 + 1.0
        }

        fn energy(&self, x: &Tensor<2>) -> Option<Vec<f64>> {
            (x.dims()[0] == 2).then(|| vec![0.0])
        }
    }
    impl Smooth<Tensor<2>> for Short {
        fn derivative<'a>(&'a self, _: &Tensor<2>) -> Box<dyn Map<Tensor<2>> + 'a> {
            Box::new(|t: &Tensor<2>| Tensor::cat(vec![t.clone(), t.clone()], 1))
        }
    }
    let error = fixed_point_smooth(&Short, &tensor(2, &[0.0; 2]), &newton()).unwrap_err();
    assert_eq!(error, Error::Energy { found: 1, expected: 2 });
    let error = fixed_point_smooth(&Short, &tensor(1, &[0.0]), &newton()).unwrap_err();
    assert_eq!(error, Error::Shape { found: [1, 2], expected: [1, 1] });
}

#[test]
fn nothing_to_solve_is_solved_and_the_answer_is_seen_at_once() {
    for shape in [[0, 3], [2, 0]] {
        let x0 = Tensor::<2>::zeros(shape, &Device::flex());
        let solution = fixed_point_smooth(&Landscape, &x0, &newton()).unwrap();
        assert!(solution.converged() && solution.outcomes.len() == shape[0]);
    }
    let solution = fixed_point_smooth(&Landscape, &tensor(1, &[1.0]), &newton()).unwrap();
    assert_eq!((work(&solution), solution.statistics.steps[0]), ([1, 0, 0], 0));
}

#[test]
fn an_observer_sees_every_step_and_may_stop() {
    let mut steps = Vec::new();
    let mut observer = |progress: &Progress<'_>| {
        steps.push(progress.step);
        if progress.step == 3 { ControlFlow::Break(()) } else { ControlFlow::Continue(()) }
    };
    let map = Differences(|x: &Tensor<2>| x.clone().cos() * 3.0);
    let settings = Settings { trace: true, ..tight(newton()) };
    let x0 = tensor(1, &[0.0]);
    let solution = fixed_point_smooth_observed(&map, &x0, &settings, &mut observer).unwrap();
    assert_eq!(solution.outcomes, [Outcome::Stopped]);
    assert_eq!((steps, solution.statistics.trace.map(|trace| trace.len())), (vec![0, 1, 2, 3], Some(4)));
}

#[test]
fn single_precision_converges_with_the_defaults() {
    let x0 = tensor_in(DType::F32, 3, &[0.01, -0.3, 2.0]);
    let solution = fixed_point_smooth(&Landscape, &x0, &newton()).unwrap();
    assert!(solution.converged(), "{}", solution.explain());
    assert_eq!(solution.value.dtype(), DType::F32);
    assert!(solution.explain().contains("of the derivative"), "{}", solution.explain());
}
