//! How does an iteration run from its start to an outcome for every row?

use crate::ledger::{Ledger, picked};
use crate::present::Present;
use crate::settings::Rules;
use crate::{Error, Map, Observe, Rows, Solution, Solver, Visit};

/// Visits points until every row has ended: evaluate, measure, judge, report, move, let go of rows that have ended.
///
/// Returned with what the solver remembers of the rows that are left.
///
/// `sizes` are what residuals are measured against; without them it is the size of the image, `‖g(x)‖`.
pub(crate) fn iterate<R: Rows, S: Solver<R>>(
    map: &(impl Map<R> + ?Sized),
    x0: &R,
    solver: &S,
    mut sizes: Option<Vec<f64>>,
    rules: Rules,
    observer: &mut dyn Observe,
) -> Result<(Solution<R>, S::Memory), Error> {
    let mut ledger = Ledger::new(x0, rules);
    let mut present = Present::new(map);
    let mut memory = solver.start(x0);
    let mut x = x0.clone();
    let mut step = 0;
    while !ledger.finished() {
        let gx = present.apply(&x, &mut ledger)?;
        let (residuals, image_sizes) = gx.distances(&x);
        let (measured, image_sizes) = rules.tolerance.norm.measured((&gx, &x), &residuals, image_sizes);
        let sizes_now = sizes.as_ref().unwrap_or(&image_sizes);
        ledger.visit(|_| step, &x, &measured, sizes_now);
        ledger.report(step, &measured, observer);
        ledger.enforce();
        if ledger.finished() {
            break;
        }
        let excess = rules.tolerance.excess(&measured, sizes_now);
        let visit = Visit::new((&x, &gx), &residuals, ledger.actives(), &excess);
        let next = solver.step(&visit, &mut memory);
        ledger.switched(step, solver.switches(&mut memory));
        drop(gx);
        x = ledger.freeze(next);
        if let Some(keep) = present.narrow(ledger.batch(), ledger.actives()) {
            ledger.narrow(&keep);
            solver.narrow(&mut memory, &keep);
            sizes = sizes.map(|sizes| picked(&sizes, &keep));
            x = x.gather(&keep);
        }
        step += 1;
    }
    Ok((ledger.close(), memory))
}
