//! Linear systems `(I - A) c = v` by solvers of fixed points, as the fixed point `c = A c + v`.

use super::start::guessed;
use crate::iterate::iterate;
use crate::present::same_shape;
use crate::settings::Rules;
use crate::{Error, Map, Observe, Outcome, Rows, Solution, Solver};

/// Iterates from the guess, or from `v` where there is none: what `c = A c + v` makes of zeros.
pub(super) fn by_iteration<R: Rows>(
    solver: &impl Solver<R>,
    map: &(impl Map<R> + ?Sized),
    v: &R,
    c0: Option<&R>,
    rules: Rules,
    observer: &mut dyn Observe,
) -> Result<Solution<R>, Error> {
    let start = c0.map_or_else(|| v.clone(), |c0| guessed(c0, v));
    let sizes = R::norms(&[v]).swap_remove(0);
    let (solution, _) = iterate(&Series { map, v }, &start, solver, Some(sizes.clone()), rules, observer)?;
    looked_at(solution, map, v, &sizes, rules)
}

/// The same solution without rows that only seem to have converged: beside a very large `c`, rounding swallows `v` in
/// `A c + v - c`, but not in `v - (c - A c)`. The latter takes an application more, where there is such a row.
fn looked_at<R: Rows>(
    mut solution: Solution<R>,
    map: &(impl Map<R> + ?Sized),
    v: &R,
    sizes: &[f64],
    rules: Rules,
) -> Result<Solution<R>, Error> {
    let c = &solution.value;
    let lengths = R::norms(&[c]).swap_remove(0);
    // Not `>`, which a length that is not a number would pass.
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
    same_shape(&image, c)?;
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
struct Series<'a, R, M: ?Sized> {
    map: &'a M,
    v: &'a R,
}

impl<R: Rows, M: Map<R> + ?Sized> Map<R> for Series<'_, R, M> {
    fn apply(&self, c: &R) -> R {
        sum(self.map.apply(c), self.v)
    }

    fn narrowed<'a>(&'a self, rows: &[usize]) -> Option<Box<dyn Map<R> + 'a>> {
        let (map, v) = (self.map.narrowed(rows)?, self.v.gather(rows));
        Some(Box::new(move |c: &R| sum(map.apply(c), &v)))
    }
}

/// `A c + v`; an image that is not of the shape of a state is left for the loop to refuse.
fn sum<R: Rows>(image: R, v: &R) -> R {
    if same_shape(&image, v).is_ok() { image.plus(v) } else { image }
}
