//! The iteration loop, from a start to an outcome for every row.

use crate::descent::Descent;
use crate::ledger::{Ledger, picked};
use crate::present::Present;
use crate::settings::Rules;
use crate::{Error, Map, Observe, Rows, Solution, Solver, Visit};

/// Visits points until every row has ended: evaluate, refuse what is uphill, measure, judge, report, move, let go of rows that have
/// ended.
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
    let mut descent = Descent::new();
    let mut x = x0.clone();
    let mut step = 0;
    while !ledger.finished() {
        let (mut gx, mut energies) = present.descend(&x, &mut ledger)?;
        if let Some(energies) = &mut energies {
            let accelerated =
                |position: usize| ledger.actives()[position] && solver.extrapolated(&memory, position);
            let refused = descent.refuse((&mut x, &mut gx), energies, accelerated);
            let rows = (0..refused.len()).filter(|position| refused[*position]);
            rows.for_each(|position| solver.restart(&mut memory, position));
        }
        let (residuals, image_sizes) = gx.distances(&x);
        let seen = energies.map(|energies| descent.seen(energies, &residuals, &image_sizes));
        let (measured, image_sizes) = rules.tolerance.norm.measured((&gx, &x), &residuals, image_sizes);
        let sizes_now = sizes.as_ref().unwrap_or(&image_sizes);
        ledger.visit_descended(|_| step, &x, (&measured, sizes_now), seen.as_ref());
        ledger.report(step, &measured, observer);
        ledger.enforce();
        if ledger.finished() {
            break;
        }
        let excess = rules.tolerance.excess(&measured, sizes_now);
        let active = set_back(solver, &mut memory, &ledger, (&mut x, &mut gx));
        let visit = Visit::new((&x, &gx), &residuals, &active, &excess);
        let next = solver.step(&visit, &mut memory);
        ledger.moved(|position| solver.extrapolated(&memory, position));
        ledger.switched(step, solver.switches(&mut memory));
        drop(gx);
        x = ledger.freeze(next);
        if let Some(keep) = present.narrow(ledger.batch(), ledger.actives()) {
            ledger.narrow(&keep);
            solver.narrow(&mut memory, &keep);
            descent.narrow(&keep);
            sizes = sizes.map(|sizes| picked(&sizes, &keep));
            x = x.gather(&keep);
        }
        step += 1;
    }
    Ok((ledger.close(), memory))
}

/// The rows that the solver moves. Rows that were set back to their best points wait there for one evaluation: nothing of the point
/// that they leave, which may not be finite, reaches the memory of the solver, which forgets them.
fn set_back<R: Rows, S: Solver<R>>(
    solver: &S,
    memory: &mut S::Memory,
    ledger: &Ledger<R>,
    (x, gx): (&mut R, &mut R),
) -> Vec<bool> {
    let (actives, back) = (ledger.actives(), ledger.back());
    for position in (0..back.len()).filter(|position| actives[*position]) {
        if back[position] || ledger.plain(position) {
            solver.restart(memory, position);
        }
    }
    if back.contains(&true) {
        x.replace(back, ledger.best());
        gx.replace(back, ledger.best());
    }
    actives.iter().zip(back).map(|(active, back)| *active && !back).collect()
}
