//! Hard fixed-point problems from the literature, solved to their tolerance.

use crate::{anderson, damped, picard, posed, tensor, tensor_in, tight, values, zoo};
use banach_solve::{Anderson, Budget, FixedPointSolver, Outcome, Picard, Settings, Tolerance, fixed_point};
use burn::tensor::{DType, Device, Tensor};

fn residual(map: &impl Fn(&Tensor<2>) -> Tensor<2>, x: &Tensor<2>) -> f64 {
    values(&(map(x) - x.clone())).iter().map(|value| value * value).sum::<f64>().sqrt()
}

#[test]
fn anderson_solves_what_plain_iteration_cannot_to_1e_10() {
    for name in ["rotation", "expanding_row", "expanding_rows", "neutral", "slow", "affine_large"] {
        let problem = zoo(name);
        let (map, x0) = posed(&problem);
        let settings =
            anderson().with_tolerance(Tolerance { absolute: 1e-10, relative: 0.0, ..Tolerance::default() });
        let solution = fixed_point(&map, &x0, &settings.with_budget(Budget::steps(400))).unwrap();
        assert!(solution.converged(), "{name}: {}", solution.explain());
        let found = residual(&map, &solution.value);
        assert!(found <= 2e-10, "{name}: {found}");
    }
}

#[test]
fn anderson_solves_geometric_decay_to_zero() {
    let rates = tensor(1, &[0.9, 0.99, 0.999]);
    let map = |x: &Tensor<2>| x.clone() * rates.clone();
    let solution = fixed_point(&map, &tensor(1, &[1.0, 0.4, -0.2]), &tight(anderson())).unwrap();
    assert!(solution.converged(), "{}", solution.explain());
    assert!(values(&solution.value).iter().all(|x| x.abs() < 1e-6), "{}", solution.value);
}

#[test]
fn a_small_ridge_stays_small_when_residuals_do() {
    let (map, x0) = (|x: &Tensor<2>| x.clone().cos(), tensor(1, &[0.5, 0.1, 1.0]));
    let settings = Settings::new(FixedPointSolver::Anderson(Anderson { ridge: 1e-6, ..Anderson::default() }));
    let settings =
        settings.with_tolerance(Tolerance { absolute: 1e-14, relative: 0.0, ..Tolerance::default() });
    let solution = fixed_point(&map, &x0, &settings).unwrap();
    assert!(solution.converged(), "{}", solution.explain());
    assert!(solution.statistics.evaluations < 20, "{}", solution.explain());
}

#[test]
fn damping_does_not_enter_the_residual() {
    let map = |x: &Tensor<2>| x.clone() * 0.5 + 1.0;
    for damping in [1.0, 0.5, 0.1, 0.01] {
        let solution =
            fixed_point(&map, &tensor(1, &[0.0]), &tight(damped(damping)).with_budget(Budget::steps(9999)))
                .unwrap();
        assert!(solution.converged(), "{}", solution.explain());
        let found = residual(&map, &solution.value);
        assert!(found <= 1e-10 + 1e-10 * 2.0, "damping {damping}: {found}");
        assert!((found - solution.statistics.residuals[0]).abs() < 1e-15);
    }
}

#[test]
fn momentum_speeds_up_what_is_slow_and_does_not_enter_the_residual() {
    let map = |x: &Tensor<2>| x.clone() * 0.99 + 1.0;
    let problem = zoo("slow");
    let (slow, start) = posed(&problem);
    let evaluations = [0.0, 0.5, 0.81, 0.9, 0.938].map(|momentum| {
        let solver = FixedPointSolver::Picard(Picard { momentum, ..Picard::default() });
        let settings = tight(Settings::new(solver)).with_budget(Budget::steps(20_000));
        let settings = Settings { patience: None, ..settings };
        let solution = fixed_point(&map, &tensor(1, &[0.0]), &settings).unwrap();
        assert!(solution.converged(), "{momentum}: {}", solution.explain());
        let found = residual(&map, &solution.value);
        assert!((found - solution.statistics.residuals[0]).abs() < 1e-12 && found <= 1.01e-8, "{found}");
        let three = fixed_point(&slow, &start, &settings).unwrap();
        assert!(three.converged(), "{momentum}: {}", three.explain());
        (solution.statistics.evaluations, three.statistics.evaluations)
    });
    assert_eq!(evaluations, [(1833, 12_947), (895, 6459), (205, 2404), (274, 1170), (476, 524)]);
}

#[test]
fn single_precision_converges_with_the_defaults() {
    for problem in banach_zoo::all().into_iter().filter(|problem| problem.contracts) {
        let device = Device::flex();
        let (z, x0) = (problem.z(&device, DType::F32), problem.x0(&device, DType::F32));
        let solution =
            fixed_point(&|x: &Tensor<2>| problem.update(x, &z), &x0, &Settings::default()).unwrap();
        assert!(solution.converged(), "{}: {}", problem.name, solution.explain());
        assert_eq!(solution.value.dtype(), DType::F32);
    }
}

#[test]
fn single_precision_reaches_its_own_limit_and_says_so() {
    let map = |x: &Tensor<2>| x.clone().cos() * 0.9 + x.clone() * 0.05;
    let x0 = tensor_in(DType::F32, 2, &[0.1, 3.0, -2.0, 0.5, 0.6, 0.7]);
    for settings in [picard(), anderson()] {
        let settings =
            settings.with_tolerance(Tolerance { absolute: 1e-12, relative: 0.0, ..Tolerance::default() });
        let solution = fixed_point(&map, &x0, &settings).unwrap();
        assert!(solution.statistics.residuals.iter().all(|found| *found < 1e-6), "{}", solution.explain());
        assert!(
            solution
                .outcomes
                .iter()
                .all(|outcome| { matches!(outcome, Outcome::Stalled | Outcome::Converged) })
        );
    }
}

#[test]
fn anderson_works_with_a_window_larger_than_the_state() {
    for window in [1, 2, 3, 10, 30] {
        let settings = Settings::new(FixedPointSolver::Anderson(Anderson { window, ..Anderson::default() }));
        let problem = zoo("layer");
        let (map, x0) = posed(&problem);
        let solution = fixed_point(&map, &x0, &tight(settings)).unwrap();
        assert!(solution.converged(), "window {window}: {}", solution.explain());
    }
}

#[test]
fn a_random_looking_network_of_real_size_converges_in_both_precisions() {
    let weights: Vec<f64> = (0..159 * 159).map(|k| f64::sin(f64::from(k) * 1.37 + 0.3) * 0.05).collect();
    let inputs: Vec<f64> = (0..40 * 159).map(|k| f64::sin(f64::from(k) * 0.77)).collect();
    for (dtype, tolerance) in [(DType::F32, 1e-5), (DType::F64, 1e-10)] {
        let (w, z) = (tensor_in(dtype, 159, &weights), tensor_in(dtype, 40, &inputs));
        let map = |x: &Tensor<2>| (x.clone().matmul(w.clone()) + z.clone()).tanh();
        let settings = anderson().with_tolerance(Tolerance::both(tolerance));
        let solution = fixed_point(&map, &z.zeros_like(), &settings).unwrap();
        assert!(solution.converged(), "{dtype:?}: {}", solution.explain());
    }
}
