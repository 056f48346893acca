//! The iteration loop, from a start to an outcome for every row.

use crate::active_map::ActiveMap;
use crate::descent::Descent;
use crate::ledger::Ledger;
use crate::settings::StoppingRules;
use crate::state::rows::entries_at;
use crate::{Error, Iterate, Map, Observe, Rows, Solution, Solver};
use std::borrow::Cow;

/// Iterates until every row has ended: evaluates the map, refuses extrapolated steps uphill, records residuals,
/// applies the stopping rules, reports, steps, and narrows the batch. Returns the solution and the memory of
/// the rows left in the batch.
///
/// `sizes` are the scales of the relative residuals, by default the norm of the image, `‖g(x)‖`.
pub(crate) fn iterate<R: Rows, S: Solver<R>>(
    map: &(impl Map<R> + ?Sized),
    x0: &R,
    solver: &S,
    mut sizes: Option<Vec<f64>>,
    rules: StoppingRules,
    observer: &mut dyn Observe,
) -> Result<(Solution<R>, S::Memory), Error> {
    let mut ledger = Ledger::new(x0, rules);
    let mut active_map = ActiveMap::new(map);
    let mut memory = solver.start(x0);
    let mut descent = Descent::new();
    let mut x = x0.clone();
    let mut step = 0;
    while !ledger.finished() {
        let (mut gx, mut energies) = active_map.image_and_energy(&x, &mut ledger)?;
        if let Some(energies) = &mut energies {
            let extrapolated =
                |position: usize| ledger.actives()[position] && solver.extrapolated(&memory, position);
            let refused = descent.refuse((&mut x, &mut gx), energies, extrapolated);
            let rows = (0..refused.len()).filter(|position| refused[*position]);
            rows.for_each(|position| solver.restart(&mut memory, position));
        }
        let (residuals, image_sizes) = gx.distances(&x);
        let evidence = energies.map(|energies| descent.evidence(energies, &residuals, &image_sizes));
        let (measured, image_sizes) = rules.tolerance.norm.measured((&gx, &x), &residuals, image_sizes);
        let sizes_now = sizes.as_ref().unwrap_or(&image_sizes);
        ledger.record_descent(|_| step, &x, (&measured, sizes_now), evidence.as_ref());
        ledger.report(step, &measured, observer);
        ledger.enforce();
        if ledger.finished() {
            break;
        }
        let excess = rules.tolerance.excess(&measured, sizes_now);
        let active = reset_failed(solver, &mut memory, &ledger, (&mut x, &mut gx));
        let iterate = Iterate::new((&x, &gx), &residuals, &active, &excess);
        let next = solver.step(&iterate, &mut memory);
        ledger.record_extrapolations(|position| solver.extrapolated(&memory, position));
        ledger.record_switches(step, solver.switches(&mut memory));
        drop(gx);
        x = ledger.freeze(next);
        if let Some(keep) = active_map.narrow(ledger.batch(), ledger.actives()) {
            ledger.narrow(&keep);
            solver.narrow(&mut memory, &keep);
            descent.narrow(&keep);
            sizes = sizes.map(|sizes| entries_at(&sizes, &keep));
            x = x.gather(&keep);
        }
        step += 1;
    }
    Ok((ledger.close(), memory))
}

/// Returns rows whose extrapolated step failed to their best iterates, and the active rows that the solver
/// moves.
///
/// A row that was reset waits at its best iterate for one evaluation, and the solver clears its memory: the
/// point that the row leaves may not be finite, and must not reach that memory.
fn reset_failed<'a, R: Rows, S: Solver<R>>(
    solver: &S,
    memory: &mut S::Memory,
    ledger: &'a Ledger<R>,
    (x, gx): (&mut R, &mut R),
) -> Cow<'a, [bool]> {
    let (actives, reset) = (ledger.actives(), ledger.reset());
    for position in (0..reset.len()).filter(|position| actives[*position]) {
        if reset[position] || ledger.needs_plain_steps(position) {
            solver.restart(memory, position);
        }
    }
    if !reset.contains(&true) {
        return actives.into();
    }
    x.replace(reset, ledger.best());
    gx.replace(reset, ledger.best());
    actives.iter().zip(reset).map(|(active, reset)| *active && !reset).collect()
}
