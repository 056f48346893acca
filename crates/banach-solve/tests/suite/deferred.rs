//! Deferred solves against solves that look at every step: outcomes, steps, iterates, and transfers.

use crate::systems::{N, Systems};
use crate::{anderson, damped, picard, posed, tensor, tensor_in, tight, values};
use banach_solve::{
    Anderson, Budget, FixedPointSolver, Gmres, LinearSolver, Map, Neumann, Norm, Outcome, Settings, Solution,
    Tolerance, Transfers, Unobserved, fixed_point, fixed_point_deferred, solve_linear_deferred,
    solve_linear_from,
};
use burn::tensor::{DType, Tensor};

/// Anderson acceleration whose ridge is far below the floor of its pivots: where both are equal, as by default in double
/// precision, rounding decides whether a difference in the span of the others is used.
fn with(anderson: Anderson) -> Settings<FixedPointSolver> {
    Settings::new(FixedPointSolver::Anderson(Anderson { condition: 1e5, ..anderson }))
}

/// Settings of every kind that is deferred, loose and tight.
fn settings() -> Vec<Settings<FixedPointSolver>> {
    let base = [
        picard(),
        damped(0.5),
        with(Anderson::default()),
        with(Anderson { window: 1, ..Anderson::default() }),
        with(Anderson { window: 3, mixing: 0.7, ..Anderson::default() }),
        with(Anderson { growth: 1.5, ridge: 1e-12, ..Anderson::default() }),
    ];
    let norm = |settings: &Settings<FixedPointSolver>, norm: Norm| {
        let tolerance = Tolerance { norm, ..settings.tolerance };
        settings.clone().with_tolerance(tolerance)
    };
    let kinds = base.iter().flat_map(|settings| {
        [
            settings.clone(),
            tight(settings.clone()).with_budget(Budget::steps(300)),
            norm(settings, Norm::Maximum),
            norm(settings, Norm::RootMeanSquare),
            settings.clone().with_budget(Budget { evaluations: Some(7), ..Budget::default() }),
            settings.clone().with_budget(Budget::steps(5)),
        ]
    });
    kinds.map(|settings| Settings { trace: true, ..settings }).collect()
}

fn deferred(
    map: &dyn Map<Tensor<2>>,
    x0: &Tensor<2>,
    settings: &Settings<FixedPointSolver>,
) -> Solution<Tensor<2>> {
    fixed_point_deferred(map, x0, settings, None).expect("the settings are valid")
}

/// The transfers of a deferred solve.
fn counted(solution: &Solution<Tensor<2>>) -> Transfers {
    solution.statistics.transfers.expect("this solver is deferred")
}

/// What differs between two solutions, up to rounding.
fn differences(name: &str, found: &Solution<Tensor<2>>, expected: &Solution<Tensor<2>>) -> Vec<String> {
    let mut all = Vec::new();
    let mut differ = |what: &str, found: String, expected: String| {
        if found != expected {
            all.push(format!("{name}: {what} {found}, expected {expected}"));
        }
    };
    let (a, b) = (&found.statistics, &expected.statistics);
    differ("outcomes", format!("{:?}", found.outcomes), format!("{:?}", expected.outcomes));
    differ("steps", format!("{:?}", a.steps), format!("{:?}", b.steps));
    differ("evaluations", a.evaluations.to_string(), b.evaluations.to_string());
    let records = |statistics: &banach_solve::Statistics| statistics.trace.as_ref().map(Vec::len);
    differ("records", format!("{:?}", records(a)), format!("{:?}", records(b)));
    let close =
        |a: f64, b: f64| (a - b).abs() <= 1e-7 * (1.0 + b.abs()) || a.is_nan() && b.is_nan() || a == b;
    for (a, b) in values(&found.value).iter().zip(values(&expected.value)) {
        if !close(*a, b) {
            differ("a value", a.to_string(), b.to_string());
        }
    }
    all
}

#[test]
fn a_deferred_solve_ends_as_one_that_looks_at_every_step() {
    let mut wrong = Vec::new();
    for problem in banach_zoo::all() {
        let (map, x0) = posed(&problem);
        for settings in settings() {
            let expected = fixed_point(&map, &x0, &settings).unwrap();
            let found = deferred(&map, &x0, &settings);
            let name = format!("{} by {} within {:?}", problem.name, settings.solver, settings.budget);
            // Rounding grows on the way through a region in which the map expands everything.
            if problem.name == "blow_up" {
                assert_eq!(found.outcomes, expected.outcomes, "{name}");
            } else {
                wrong.extend(differences(&name, &found, &expected));
            }
        }
    }
    assert!(wrong.is_empty(), "{} differences:\n{}", wrong.len(), wrong.join("\n"));
}

/// `x = tanh(x W + z)` with 12 rows of width 32, in single precision.
fn cell() -> (impl Fn(&Tensor<2>) -> Tensor<2>, Tensor<2>) {
    let number = |k: usize, seed: f64| ((k as f64 + 1.0) * 0.754_877 + seed).fract() * 2.0 - 1.0;
    let w: Vec<f64> = (0..32 * 32).map(|k| 0.15 * number(k, 0.57)).collect();
    let z: Vec<f64> = (0..12 * 32).map(|k| number(k, 0.14) * number(k / 32, 0.71)).collect();
    let (w, z) = (tensor_in(DType::F32, 32, &w), tensor_in(DType::F32, 12, &z));
    let x0 = z.zeros_like();
    (move |x: &Tensor<2>| (x.clone().matmul(w.clone()) + z.clone()).tanh(), x0)
}

/// The transposed Jacobian of a map like [`cell`] at zero, and a cotangent.
fn adjoint() -> (Tensor<2>, Tensor<2>) {
    let number = |k: usize, seed: f64| ((k as f64 + 1.0) * 0.754_877 + seed).fract() * 2.0 - 1.0;
    let w: Vec<f64> = (0..32 * 32).map(|k| 0.25 * number(k, 0.57)).collect();
    let v: Vec<f64> = (0..12 * 32).map(|k| 1e-3 * number(k, 0.39)).collect();
    (tensor_in(DType::F32, 32, &w), tensor_in(DType::F32, 12, &v))
}

#[test]
fn the_host_reads_at_most_once_in_four_steps() {
    let (map, x0) = cell();
    for settings in [picard(), damped(0.5), anderson(), with(Anderson::new(2))] {
        let (mut reads, mut again, mut writes, mut steps) = (0, 0, 0, 0);
        for relative in [1e-3, 1e-4, 1e-5, 1e-6] {
            let settings = settings.clone().with_tolerance(Tolerance { relative, ..Tolerance::default() });
            let solution = deferred(&map, &x0, &settings);
            let transfers = counted(&solution);
            assert!(solution.converged(), "{}", solution.explain());
            let most = *solution.statistics.steps.iter().max().unwrap();
            (steps, reads, writes) = (steps + most, reads + transfers.reads, writes + transfers.writes);
            again += counted(&fixed_point_deferred(&map, &x0, &settings, Some(most)).unwrap()).reads;
        }
        assert!(4 * reads <= steps && 4 * writes <= steps, "{}: {reads}, {writes}, {steps}", settings.solver);
        assert!(5 * again <= steps, "{}: {again} reads when the steps are known, {steps}", settings.solver);
    }
}

#[test]
fn the_host_reads_at_most_once_in_four_steps_of_an_adjoint() {
    let (w, v) = adjoint();
    let map = |c: &Tensor<2>| c.clone().matmul(w.clone());
    for solver in [
        LinearSolver::Neumann(Neumann::default()),
        LinearSolver::Anderson(Anderson::default()),
        LinearSolver::Gmres(Gmres::default()),
    ] {
        let (mut reads, mut again, mut steps) = (0, 0, 0);
        for relative in [1e-3, 1e-4, 1e-5, 1e-6] {
            let tolerance = Tolerance { relative, ..Tolerance::default() };
            let settings = Settings::<LinearSolver>::new(solver.clone()).with_tolerance(tolerance);
            let solution = solve_linear_deferred(&map, &v, None, &settings, None).unwrap();
            assert!(solution.converged(), "{}", solution.explain());
            let most = *solution.statistics.steps.iter().max().unwrap();
            (steps, reads) = (steps + most, reads + counted(&solution).reads);
            again += counted(&solve_linear_deferred(&map, &v, None, &settings, Some(most)).unwrap()).reads;
        }
        assert!(4 * reads <= steps + 8, "{solver}: {reads} reads, {steps} steps");
        assert!(4 * again <= steps, "{solver}: {again} reads when the steps are known, {steps} steps");
    }
}

#[test]
#[ignore = "prints transfers"]
#[allow(clippy::print_stdout, reason = "the table is the result")]
fn transfers_of_a_solve() {
    let line = |name: &str, first: &Solution<Tensor<2>>, again: &Solution<Tensor<2>>| {
        let steps = *first.statistics.steps.iter().max().unwrap();
        let [first, again] = [first, again].map(counted);
        println!(
            "| {name} | {steps} | {} | {} | {} | {} |",
            first.reads, first.writes, again.reads, again.writes
        );
    };
    println!("| solver | steps | reads | writes | reads again | writes again |");
    let (map, x0) = cell();
    for settings in [picard(), anderson()] {
        let first = fixed_point_deferred(&map, &x0, &settings, None).unwrap();
        let steps = *first.statistics.steps.iter().max().unwrap();
        let again = fixed_point_deferred(&map, &x0, &settings, Some(steps)).unwrap();
        line(&settings.solver.to_string(), &first, &again);
    }
    let (w, v) = adjoint();
    let map = |c: &Tensor<2>| c.clone().matmul(w.clone());
    for settings in [
        LinearSolver::Neumann(Neumann::default()),
        LinearSolver::Anderson(Anderson::default()),
        LinearSolver::Gmres(Gmres::default()),
    ]
    .map(Settings::<LinearSolver>::new)
    {
        let first = solve_linear_deferred(&map, &v, None, &settings, None).unwrap();
        let steps = *first.statistics.steps.iter().max().unwrap();
        let again = solve_linear_deferred(&map, &v, None, &settings, Some(steps)).unwrap();
        line(&format!("{} (adjoint)", settings.solver), &first, &again);
    }
}

#[test]
fn few_steps_are_taken_beyond_the_end() {
    let calls = std::cell::Cell::new(0);
    for (slope, needed) in [(0.1, 5), (0.5, 14), (0.8, 36), (0.9, 67)] {
        calls.set(0);
        let map = |x: &Tensor<2>| {
            calls.set(calls.get() + 1);
            x.clone() * slope + 1.0
        };
        let settings = picard();
        let solution = deferred(&map, &tensor(1, &[0.0]), &settings);
        let counted = solution.statistics.evaluations;
        assert!(solution.converged() && counted == needed, "{slope}: {counted}");
        assert!(calls.get() < counted + 4, "{slope}: {} calls, {counted} counted", calls.get());
    }
}

#[test]
fn a_failed_extrapolation_is_taken_back_in_its_row_alone() {
    let starts = [30.0, 0.9, 100.0, 5.0, 0.5];
    let centres = tensor(5, &[1e-3, 0.2, 0.5, 2.0, 1.1]);
    let map = |x: &Tensor<2>| x.clone().log() * 0.9 + centres.clone() + 1.0;
    for settings in [with(Anderson::default()), with(Anderson { window: 2, ..Anderson::default() })] {
        let settings = tight(settings).with_budget(Budget::steps(400));
        let x0 = tensor(5, &starts);
        let expected = fixed_point(&map, &x0, &settings).unwrap();
        let found = deferred(&map, &x0, &settings);
        let wrong = differences("logarithm", &found, &expected);
        assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    }
    // Gradient steps to the root of 4: an extrapolation leaves for minus infinity.
    let root = |x: &Tensor<2>| x.clone() + (x.clone().square() * -1.0 + 4.0) * 0.1;
    let settings = with(Anderson::default());
    let wrong = differences(
        "root",
        &deferred(&root, &tensor(1, &[0.0]), &settings),
        &fixed_point(&root, &tensor(1, &[0.0]), &settings).unwrap(),
    );
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn rows_of_any_scale_converge_in_single_and_half_precision() {
    for (dtype, scales) in [
        (DType::F32, vec![1e-30, 1e-20, 1.0, 1e20, 1e30]),
        (DType::F16, vec![1e-3, 1.0, 1e3]),
        (DType::BF16, vec![1e-20, 1.0, 1e20]),
    ] {
        let z = tensor_in(dtype, scales.len(), &scales);
        let map = |x: &Tensor<2>| x.clone() * 0.5 + z.clone();
        let relative = if dtype == DType::F32 { 1e-4 } else { 1e-2 };
        for settings in [picard(), anderson()] {
            let tolerance = Tolerance { absolute: 0.0, relative, ..Tolerance::default() };
            let solution = deferred(&map, &z.zeros_like(), &settings.with_tolerance(tolerance));
            assert!(solution.converged(), "{dtype:?}: {}", solution.explain());
            for (x, scale) in values(&solution.value).iter().zip(&scales) {
                assert!((x / scale / 2.0 - 1.0).abs() < 3.0 * relative, "{dtype:?}: {x} for {scale}");
            }
        }
    }
}

#[test]
fn linear_systems_end_as_those_that_look_at_every_step() {
    let systems = Systems(vec![
        (0..N * N).map(|k| if k / N == k % N { 0.5 } else { 0.02 * (k as f64).sin() }).collect(),
        (0..N * N).map(|k| 0.09 * (1.3 * k as f64).cos()).collect(),
        (0..N * N).map(|k| if k % N == k / N { 0.9 } else { 0.0 }).collect(),
        (0..N * N).map(|k| if k / N == k % N { 1.5 } else { 0.0 }).collect(),
    ]);
    let v = tensor(4, &(0..4 * N).map(|k| (0.7 * k as f64).sin()).collect::<Vec<_>>());
    let mut guess = values(&v);
    guess[N] = f64::NAN;
    let guess = tensor(4, &guess);
    let solvers = [
        LinearSolver::Neumann(Neumann::default()),
        LinearSolver::Neumann(Neumann { damping: 0.7 }),
        LinearSolver::Anderson(Anderson::default()),
        LinearSolver::Gmres(Gmres::default()),
        LinearSolver::Gmres(Gmres::new(3)),
    ];
    for solver in solvers {
        let loose = Settings::<LinearSolver>::new(solver);
        for settings in [loose.clone(), loose.with_tolerance(Tolerance::both(1e-10))] {
            let settings = Settings { trace: true, ..settings };
            for guess in [None, Some(&guess)] {
                let expected = solve_linear_from(&systems, &v, guess, &settings, &mut Unobserved).unwrap();
                let found = solve_linear_deferred(&systems, &v, guess, &settings, None).unwrap();
                let wrong = differences(&settings.solver.to_string(), &found, &expected);
                assert!(wrong.is_empty(), "{}", wrong.join("\n"));
                let (steps, transfers) = (*found.statistics.steps.iter().max().unwrap(), counted(&found));
                let short_cycles = matches!(settings.solver, LinearSolver::Gmres(Gmres { restart: 3 }));
                let most = if short_cycles { steps + 3 } else { steps / 4 + 2 };
                assert!(transfers.reads <= most, "{}: {transfers:?} {steps}", settings.solver);
                assert!(found.outcomes[0] == Outcome::Converged);
            }
        }
    }
}
