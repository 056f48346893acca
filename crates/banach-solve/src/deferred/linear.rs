//! Deferred solves of linear systems.

use super::acceleration::accelerate;
use super::anderson;
use super::columns::{finite_rows, squares};
use super::gmres;
use super::iterate::{Solved, iterate};
use crate::linear::{AffineMap, verified};
use crate::settings::StoppingRules;
use crate::{Error, LinearSolver, Map, Settings, Solution, SolverKind, Unobserved, solve_linear_from};
use burn::tensor::Tensor;

/// Solves `c - map(c) = v` as [`solve_linear_from`](crate::solve_linear_from) does, with few waits for the
/// device: see [`fixed_point_deferred`](crate::fixed_point_deferred).
///
/// [`Neumann`](crate::Neumann), [`Anderson`](crate::Anderson) and [`Gmres`](crate::Gmres) are deferred; other solvers run as in
/// [`solve_linear_from`](crate::solve_linear_from), and no transfers are counted.
///
/// # Errors
///
/// As for [`solve_linear_from`](crate::solve_linear_from).
pub fn solve_linear_deferred(
    map: &(impl Map<Tensor<2>> + ?Sized),
    v: &Tensor<2>,
    c0: Option<&Tensor<2>>,
    settings: &Settings<LinearSolver>,
    expected: Option<usize>,
) -> Result<Solution<Tensor<2>>, Error> {
    settings.validate()?;
    let map: &dyn Map<Tensor<2>> = &|c: &Tensor<2>| map.apply(c);
    let fits = !v.dims().contains(&0) && c0.is_none_or(|c0| c0.dims() == v.dims());
    let rules = settings.rules();
    let solution = match &settings.solver {
        LinearSolver::Neumann(neumann) if fits => {
            let solver = neumann.iteration();
            let run = |map: &dyn Map<Tensor<2>>, start: &Tensor<2>, scale| {
                iterate(map, start, &solver, scale, (rules, expected))
            };
            by_iteration(run, map, (v, c0), rules)?
        }
        LinearSolver::Anderson(solver) if fits && anderson::fits(solver, v) => {
            let run = |map: &dyn Map<Tensor<2>>, start: &Tensor<2>, scale| {
                accelerate(map, start, solver, scale, (rules, expected))
            };
            by_iteration(run, map, (v, c0), rules)?
        }
        LinearSolver::Gmres(solver) if fits => gmres::solve(solver, map, (v, c0), rules, expected)?,
        LinearSolver::Neumann(_)
        | LinearSolver::Anderson(_)
        | LinearSolver::Gmres(_)
        | LinearSolver::Broyden(_)
        | LinearSolver::Bicgstab(_)
        | LinearSolver::ConjugateGradient(_)
        | LinearSolver::Dense(_)
        | LinearSolver::Truncated(_)
        | LinearSolver::User(_)
        | LinearSolver::Identity => {
            return solve_linear_from(map, v, c0, settings, &mut Unobserved);
        }
    };
    Ok(solution.by(SolverKind::from(&settings.solver)))
}

/// Iterates from the guess, or without one from `v`; `run` takes the map, the start and the squared scale of the residuals.
fn by_iteration(
    run: impl FnOnce(&dyn Map<Tensor<2>>, &Tensor<2>, Option<Tensor<2>>) -> Result<Solved, Error>,
    map: &dyn Map<Tensor<2>>,
    (v, c0): (&Tensor<2>, Option<&Tensor<2>>),
    rules: StoppingRules,
) -> Result<Solution<Tensor<2>>, Error> {
    let start = c0.map_or_else(|| v.clone(), |c0| finite_rows(c0, v));
    let solved = run(&AffineMap { map, v }, &start, Some(squares(v)))?;
    let known = (&solved.scale[..], &solved.lengths[..]);
    verified(solved.solution, map, v, known, rules)
}
