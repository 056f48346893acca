//! Deferred solves of linear systems.

use super::anderson;
use super::columns::{finite_rows, squares};
use super::gmres;
use super::iterate::{DeferredSolver, iterate};
use super::transfers::Transfers;
use crate::linear::{AffineMap, verified};
use crate::settings::StoppingRules;
use crate::{Error, LinearSolver, Map, Settings, Solution, SolverKind, Unobserved, solve_linear_from};
use burn::tensor::Tensor;

type Counted = (Solution<Tensor<2>>, Option<Transfers>);

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
) -> Result<Counted, Error> {
    settings.validate()?;
    let map: &dyn Map<Tensor<2>> = &|c: &Tensor<2>| map.apply(c);
    let fits = !v.dims().contains(&0) && c0.is_none_or(|c0| c0.dims() == v.dims());
    let rules = settings.rules();
    let (solution, transfers) = match &settings.solver {
        LinearSolver::Neumann(neumann) if fits => {
            by_iteration(&neumann.iteration(), map, (v, c0), (rules, expected))?
        }
        LinearSolver::Anderson(solver) if fits && anderson::fits(solver, v) => {
            by_iteration(solver, map, (v, c0), (rules, expected))?
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
            return Ok((solve_linear_from(map, v, c0, settings, &mut Unobserved)?, None));
        }
    };
    Ok((solution.by(SolverKind::from(&settings.solver)), Some(transfers)))
}

/// Iterates from the guess, or without one from `v`.
fn by_iteration(
    solver: &impl DeferredSolver,
    map: &dyn Map<Tensor<2>>,
    (v, c0): (&Tensor<2>, Option<&Tensor<2>>),
    limits: (StoppingRules, Option<usize>),
) -> Result<(Solution<Tensor<2>>, Transfers), Error> {
    let start = c0.map_or_else(|| v.clone(), |c0| finite_rows(c0, v));
    let solved = iterate(&AffineMap { map, v }, &start, solver, Some(squares(v)), limits)?;
    let known = (&solved.scale[..], &solved.lengths[..]);
    Ok((verified(solved.solution, map, v, known, limits.0)?, solved.transfers))
}
