//! How does a solver of fixed points solve `(I - A) c = v`? As the fixed point `c = A c + v`.

use super::start::guessed;
use crate::iterate::iterate;
use crate::settings::Rules;
use crate::{Error, Map, Observe, Rows, Solution, Solver};

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
    iterate(&Series { map, v }, &start, solver, Some(sizes), rules, observer)
}

/// `c -> A c + v`.
struct Series<'a, R, M: ?Sized> {
    map: &'a M,
    v: &'a R,
}

impl<R: Rows, M: Map<R> + ?Sized> Map<R> for Series<'_, R, M> {
    fn apply(&self, c: &R) -> R {
        self.map.apply(c).plus(self.v)
    }

    fn narrowed<'a>(&'a self, rows: &[usize]) -> Option<Box<dyn Map<R> + 'a>> {
        let (map, v) = (self.map.narrowed(rows)?, self.v.gather(rows));
        Some(Box::new(move |c: &R| map.apply(c).plus(&v)))
    }
}
