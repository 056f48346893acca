//! Solution of linear systems as fixed points `c = A c + v`.

use super::system::finite_guess;
use crate::active_map::check_shape;
use crate::iterate::iterate;
use crate::settings::StoppingRules;
use crate::{Error, Map, Observe, Outcome, Rows, Solution, Solver};

/// Iterates from the guess, or without one from `v`, the image of zeros under `c -> A c + v`.
pub(super) fn by_iteration<R: Rows>(
    solver: &impl Solver<R>,
    map: &(impl Map<R> + ?Sized),
    v: &R,
    c0: Option<&R>,
    rules: StoppingRules,
    observer: &mut dyn Observe,
) -> Result<Solution<R>, Error> {
    let start = c0.map_or_else(|| v.clone(), |c0| finite_guess(c0, v));
    let sizes = R::norms(&[v]).swap_remove(0);
    let affine = AffineMap { map, v };
    let (solution, _) = iterate(&affine, &start, solver, Some(sizes.clone()), rules, observer)?;
    let lengths = R::norms(&[&solution.value]).swap_remove(0);
    verified(solution, map, v, (&sizes, &lengths), rules)
}

/// Verifies rows that may have converged by rounding alone: beside a very large `c`, rounding swallows `v` in
/// `A c + v - c`, but not in `v - (c - A c)`. Costs one application where there is such a row. Takes the
/// norms of `v` and of `c`.
pub(crate) fn verified<R: Rows>(
    mut solution: Solution<R>,
    map: &(impl Map<R> + ?Sized),
    v: &R,
    (sizes, lengths): (&[f64], &[f64]),
    rules: StoppingRules,
) -> Result<Solution<R>, Error> {
    let c = &solution.value;
    // Not `>`, which is false for a length that is NaN.
    let small = |row: usize| 4.0 * c.precision() * lengths[row] <= rules.tolerance.threshold(sizes[row]);
    let large = |row: &usize| !small(*row);
    let converged = (0..sizes.len()).filter(|row| solution.outcomes[*row].is_converged());
    let suspect: Vec<usize> = converged.filter(large).collect();
    if suspect.is_empty() {
        return Ok(solution);
    }
    if rules.budget.evaluations.is_some_and(|limit| solution.statistics.evaluations >= limit) {
        suspect.iter().for_each(|row| solution.outcomes[*row] = Outcome::EvaluationLimit);
        return Ok(solution);
    }
    let image = map.apply(c);
    check_shape(&image, c)?;
    let residuals = R::norms(&[&v.minus(&c.minus(&image))]).swap_remove(0);
    solution.statistics.evaluations += 1;
    solution.statistics.row_evaluations += sizes.len();
    for row in suspect {
        solution.statistics.residuals[row] = residuals[row];
        solution.statistics.relative[row] = residuals[row] / sizes[row];
        if !rules.tolerance.met(residuals[row], sizes[row]) {
            solution.outcomes[row] = Outcome::Stalled;
        }
    }
    Ok(solution)
}

/// `c -> A c + v`.
pub(crate) struct AffineMap<'a, R, M: ?Sized> {
    pub(crate) map: &'a M,
    pub(crate) v: &'a R,
}

impl<R: Rows, M: Map<R> + ?Sized> Map<R> for AffineMap<'_, R, M> {
    fn apply(&self, c: &R) -> R {
        sum(self.map.apply(c), self.v)
    }

    fn narrowed<'a>(&'a self, rows: &[usize]) -> Option<Box<dyn Map<R> + 'a>> {
        let (map, v) = (self.map.narrowed(rows)?, self.v.gather(rows));
        Some(Box::new(move |c: &R| sum(map.apply(c), &v)))
    }
}

/// `A c + v`. An image of the wrong shape is returned unchanged, for the loop to refuse.
fn sum<R: Rows>(image: R, v: &R) -> R {
    if check_shape(&image, v).is_ok() { image.plus(v) } else { image }
}
