//! The line search of Newton's method on maps without an energy.

use crate::Visit;
use crate::ledger::Ledger;
use crate::present::same_shape;
use crate::rows::choose;
use crate::{Error, Rows, Smooth};

/// The part of the decrease that the slope promises with which a step is content (Armijo).
const DECREASE: f64 = 1e-4;

/// Where a search has led.
#[derive(Debug)]
pub(super) struct Found<R> {
    /// The next point of every row.
    pub(super) next: R,
    /// Its image, where the search has paid for it.
    pub(super) image: Option<R>,
}

/// Halves the step until the residual falls; a row in which it never does takes the plain step. Returned with the length of the step
/// in every row, zero where it never fell.
pub(super) fn search_residuals<R: Rows>(
    map: &dyn Smooth<R>,
    visit: &Visit<'_, R>,
    direction: &R,
    trials: usize,
    ledger: &mut Ledger<R>,
) -> Result<(Found<R>, Vec<f64>), Error> {
    let mut latest = None;
    let (mut lengths, found) = halve(trials, visit.active, |lengths| {
        let trial = visit.x.add_scaled(&[(lengths, direction)]);
        let image = map.apply(&trial);
        ledger.evaluated(trial.rows());
        same_shape(&image, &trial)?;
        let residuals = R::norms(&[&image.minus(&trial)]).swap_remove(0);
        latest = Some((trial, image));
        let falls = |row: usize| residuals[row] <= (1.0 - DECREASE * lengths[row]) * visit.residuals[row];
        Ok((0..lengths.len()).map(falls).collect())
    })?;
    let (next, image) = latest.unwrap_or((visit.gx.clone(), visit.gx.clone()));
    let all = (0..found.len()).all(|row| found[row] || !visit.active[row]);
    (0..found.len()).filter(|row| !found[*row]).for_each(|row| lengths[row] = 0.0);
    Ok((Found { next: choose(&found, &next, visit.gx), image: all.then_some(image) }, lengths))
}

/// Lengths of the step, halved in every active row until `good`, and whether it ever was.
fn halve(
    trials: usize,
    active: &[bool],
    mut good: impl FnMut(&[f64]) -> Result<Vec<bool>, Error>,
) -> Result<(Vec<f64>, Vec<bool>), Error> {
    let mut lengths: Vec<f64> = active.iter().map(|active| if *active { 1.0 } else { 0.0 }).collect();
    let mut found = vec![false; active.len()];
    for _ in 0..trials {
        let passed = good(&lengths)?;
        for row in (0..active.len()).filter(|row| active[*row]) {
            found[row] |= passed[row];
            lengths[row] *= if found[row] { 1.0 } else { 0.5 };
        }
        if (0..active.len()).all(|row| found[row] || !active[row]) {
            break;
        }
    }
    Ok((lengths, found))
}
