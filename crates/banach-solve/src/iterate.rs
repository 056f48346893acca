//! How does an iteration run from its start to an outcome for every row?

use crate::ledger::Ledger;
use crate::settings::Rules;
use crate::{Error, Map, Observe, Rows, Solution, Solver, Visit};

/// Visits points until every row has ended: evaluate, measure, judge, report, move.
///
/// `sizes` are what residuals are measured against; without them it is the size of the image, `‖g(x)‖`.
pub(crate) fn iterate<R: Rows, S: Solver<R>>(
    map: &(impl Map<R> + ?Sized),
    x0: &R,
    solver: &S,
    sizes: Option<&[f64]>,
    rules: Rules,
    observer: &mut dyn Observe,
) -> Result<Solution<R>, Error> {
    let mut ledger = Ledger::new(x0, rules);
    let mut memory = solver.start(x0);
    let mut x = x0.clone();
    let mut step = 0;
    while !ledger.finished() {
        let gx = map.apply(&x);
        ledger.evaluations += 1;
        same_shape(&gx, &x)?;
        let difference = gx.minus(&x);
        let (residuals, image_sizes) = measure(&difference, &gx, sizes);
        ledger.visit(&vec![step; x.rows()], &x, &residuals, &image_sizes);
        ledger.report(step, &residuals, observer);
        ledger.enforce();
        if ledger.finished() {
            break;
        }
        let active = ledger.actives();
        let visit = Visit { x: &x, gx: &gx, difference: &difference, residuals: &residuals, active: &active };
        let next = solver.step(&visit, &mut memory);
        x = ledger.freeze(&next);
        step += 1;
    }
    Ok(ledger.close())
}

/// The norms of the residual and of what it is measured against, in one read.
pub(crate) fn measure<R: Rows>(difference: &R, gx: &R, sizes: Option<&[f64]>) -> (Vec<f64>, Vec<f64>) {
    if let Some(sizes) = sizes {
        return (R::norms(&[difference]).swap_remove(0), sizes.to_vec());
    }
    let mut norms = R::norms(&[difference, gx]);
    let image_sizes = norms.swap_remove(1);
    (norms.swap_remove(0), image_sizes)
}

/// Refuses a map that changes the shape of its argument.
pub(crate) fn same_shape<R: Rows>(image: &R, x: &R) -> Result<(), Error> {
    let (found, expected) = ([image.rows(), image.width()], [x.rows(), x.width()]);
    if found == expected { Ok(()) } else { Err(Error::Shape { found, expected }) }
}
