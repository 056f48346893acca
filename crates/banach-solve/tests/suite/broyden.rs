//! Broyden's method: the approximate inverse Jacobian, line search and restarts.

use crate::state::State;
use crate::{posed, tensor, tight, values, zoo};
use banach_solve::{
    Broyden, BroydenMemory, BroydenUpdate, FixedPointSolver, Iterate, Matrix, Outcome, Rows, Settings,
    Solver, Unobserved, fixed_point, fixed_point_remembered,
};
use burn::tensor::Tensor;

fn broyden(broyden: Broyden) -> Settings<FixedPointSolver> {
    tight(Settings::new(FixedPointSolver::Broyden(broyden)))
}

/// The memory after visits to these points, wherever the steps would have led.
fn visited<R: State>(map: &impl Fn(&Tensor<2>) -> Tensor<2>, points: &[Tensor<2>]) -> BroydenMemory<R> {
    let broyden = Broyden { memory: 30, growth: 1e30, ..Broyden::default() };
    let mut memory = broyden.start(&R::of(&points[0]));
    for x in points {
        let (x, gx) = (R::of(x), R::of(&map(x)));
        let (residuals, _) = gx.distances(&x);
        let active = vec![true; x.rows()];
        let _ = broyden.step(&Iterate::new((&x, &gx), &residuals, &active, &residuals), &mut memory);
    }
    memory
}

fn orthogonal_steps_show_all_of_an_affine_map<R: State>() {
    let problem = zoo("affine_large");
    let ((map, x0), n) = (posed(&problem), 20);
    // Along the axes, in every row in another order and with other lengths.
    let step = |row: usize, k: usize| -> Vec<f64> {
        let entry = |j: usize| if (j + 7 * row) % n == k { 0.3 + (k * (row + 1)) as f64 } else { 0.0 };
        (0..n).map(entry).collect()
    };
    let mut points = vec![x0.clone()];
    for k in 0..n {
        let steps: Vec<f64> = (0..3).flat_map(|row| step(row, k)).collect();
        points.push(points[k].clone() + tensor(3, &steps));
    }
    let ones = R::of(&x0.ones_like());
    let nothing = values(&visited::<R>(&map, &points[..1]).adjoint(&ones).tensor());
    assert_eq!(nothing, [1.0; 60], "no step, nothing learnt");
    let found = values(&visited::<R>(&map, &points).adjoint(&ones).tensor());
    // The input is added to the affine part, so that the derivative of the sum is `(I - Jᵀ)⁻¹ 1` itself.
    for (found, expected) in found.iter().zip(problem.derivative.as_ref().expect("an affine map has one")) {
        assert!((found - expected).abs() < 1e-9, "{found}, expected {expected}");
    }
}

#[test]
fn along_orthogonal_steps_the_inverse_becomes_exact() {
    orthogonal_steps_show_all_of_an_affine_map::<Tensor<2>>();
    orthogonal_steps_show_all_of_an_affine_map::<Matrix<f64>>();
}

#[test]
fn what_is_remembered_after_a_solve_is_nearer_to_the_adjoint_than_nothing() {
    for name in ["affine", "affine_large"] {
        let problem = zoo(name);
        let (map, x0) = posed(&problem);
        let settings = broyden(Broyden::default());
        let (solution, memory) =
            fixed_point_remembered(&map, &x0, &Broyden::default(), &settings, &mut Unobserved).unwrap();
        assert!(solution.converged(), "{}", solution.explain());
        let c = values(&memory.adjoint(&x0.ones_like()));
        let exact = problem.derivative.clone().expect("an affine map has one");
        let off = |c: &[f64]| c.iter().zip(&exact).map(|(c, exact)| (c - exact).powi(2)).sum::<f64>();
        assert!(off(&c) < off(&vec![1.0; c.len()]), "{name}: {c:?}, expected {exact:?}");
    }
}

#[test]
fn one_unknown_a_row_is_known_after_one_step_and_rows_keep_what_they_know() {
    // The first row ends at once, the second is nearly linear, the third takes more steps.
    let map = |x: &Tensor<2>| x.clone() * tensor(3, &[0.0, 0.9, -3.0]) + 1.0;
    let x0 = tensor(3, &[1.0, 0.0, 0.0]);
    let settings = broyden(Broyden::default());
    let (solution, memory) =
        fixed_point_remembered(&map, &x0, &Broyden::default(), &settings, &mut Unobserved).unwrap();
    assert!(solution.converged() && solution.statistics.steps == [0, 2, 2], "{}", solution.explain());
    let c = values(&memory.adjoint(&x0.ones_like()));
    assert!(c.iter().zip([1.0, 10.0, 0.25]).all(|(c, exact)| (c - exact).abs() < 1e-10), "{c:?}");
}

#[test]
fn a_full_memory_starts_again_and_the_answer_is_the_same() {
    for name in ["affine_large", "layer", "heat", "expanding_row"] {
        let problem = zoo(name);
        let (map, x0) = posed(&problem);
        for update in [BroydenUpdate::Good, BroydenUpdate::Bad] {
            let evaluations = [2, 5, 40].map(|memory| {
                let settings = broyden(Broyden { memory, update, ..Broyden::default() });
                let solution = fixed_point(&map, &x0, &settings).unwrap();
                assert!(solution.converged(), "{name} {update:?} {memory}: {}", solution.explain());
                solution.statistics.evaluations
            });
            assert!(evaluations[2] <= evaluations[0], "{name} {update:?}: {evaluations:?}");
        }
    }
}

#[test]
fn halved_steps_stay_where_whole_ones_explode() {
    let problem = zoo("blow_up");
    let (map, x0) = posed(&problem);
    let whole = fixed_point(&map, &x0, &broyden(Broyden::default())).unwrap();
    assert_eq!(whole.outcomes, [Outcome::Diverged], "{}", whole.explain());
    let halved = fixed_point(&map, &x0, &broyden(Broyden { backtracks: 10, ..Broyden::default() })).unwrap();
    assert!(halved.converged(), "{}", halved.explain());
}

#[test]
fn a_step_that_cannot_be_halved_any_more_is_a_plain_one() {
    // Every step leads to a residual ten times as large, but where the last halving of the second would lead.
    let map = |x: &Tensor<2>| x.clone() + 1.0 + x.clone().abs() * 9.0;
    let settings = Broyden { backtracks: 2, growth: 1e30, ..Broyden::default() };
    let mut memory: BroydenMemory<Tensor<2>> = settings.start(&tensor(1, &[0.0]));
    let mut visit = |x: f64| {
        let (x, gx) = (tensor(1, &[x]), map(&tensor(1, &[x])));
        let residuals = gx.distances(&x).0;
        values(&settings.step(&Iterate::new((&x, &gx), &residuals, &[true], &residuals), &mut memory))[0]
    };
    // From 0, where F = 1, by a whole step, a half, a quarter, and the plain step whatever it gives.
    assert_eq!([visit(0.0), visit(1.0), visit(0.5), visit(0.25)], [1.0, 0.5, 0.25, 1.0]);
    // It is taken now: F = 10 at 1, so that the slope is 9 and the next step is -10 / 9.
    assert!((visit(1.0) - (1.0 - 10.0 / 9.0)).abs() < 1e-14);
}

#[test]
fn a_change_of_nothing_teaches_nothing() {
    // F is the same everywhere: every denominator is zero.
    for update in [BroydenUpdate::Good, BroydenUpdate::Bad] {
        let settings = broyden(Broyden { update, ..Broyden::default() });
        let solution = fixed_point(&|x: &Tensor<2>| x.clone() + 1.0, &tensor(1, &[5.0]), &settings).unwrap();
        assert_eq!((solution.outcomes[0], solution.statistics.residuals[0]), (Outcome::Stalled, 1.0));
        assert_eq!(values(&solution.value), [5.0]);
    }
}
