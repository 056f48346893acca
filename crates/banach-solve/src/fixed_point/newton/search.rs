//! The line search of Newton's method on maps without an energy.

use crate::active_map::check_shape;
use crate::ledger::Ledger;
use crate::state::rows::select_rows;
use crate::{Error, Iterate, Rows, Smooth};

/// The fraction of the predicted decrease that a step must attain (the Armijo condition).
const DECREASE: f64 = 1e-4;

/// The result of a line search.
#[derive(Debug)]
pub(super) struct SearchResult<R> {
    /// The next iterate of every row.
    pub(super) next: R,
    /// Its image, if the search has evaluated it.
    pub(super) image: Option<R>,
}

/// Halves the step until the residual falls; a row in which it does not takes the plain step. Also returns
/// the step length of every row, zero where the residual did not fall.
pub(super) fn search_residuals<R: Rows>(
    map: &dyn Smooth<R>,
    iterate: &Iterate<'_, R>,
    direction: &R,
    trials: usize,
    ledger: &mut Ledger<R>,
) -> Result<(SearchResult<R>, Vec<f64>), Error> {
    let mut latest = None;
    let (mut lengths, found) = halve(trials, iterate.active, |lengths| {
        let trial = iterate.x.add_scaled(&[(lengths, direction)]);
        let image = map.apply(&trial);
        ledger.evaluated(trial.rows());
        check_shape(&image, &trial)?;
        let residuals = R::norms(&[&image.minus(&trial)]).swap_remove(0);
        latest = Some((trial, image));
        let falls = |row: usize| residuals[row] <= (1.0 - DECREASE * lengths[row]) * iterate.residuals[row];
        Ok((0..lengths.len()).map(falls).collect())
    })?;
    let (next, image) = latest.unwrap_or((iterate.gx.clone(), iterate.gx.clone()));
    let all = (0..found.len()).all(|row| found[row] || !iterate.active[row]);
    (0..found.len()).filter(|row| !found[*row]).for_each(|row| lengths[row] = 0.0);
    Ok((SearchResult { next: select_rows(&found, &next, iterate.gx), image: all.then_some(image) }, lengths))
}

/// Step lengths, halved in every active row until `accept` holds, and whether it held.
fn halve(
    trials: usize,
    active: &[bool],
    mut accept: impl FnMut(&[f64]) -> Result<Vec<bool>, Error>,
) -> Result<(Vec<f64>, Vec<bool>), Error> {
    let mut lengths: Vec<f64> = active.iter().map(|active| if *active { 1.0 } else { 0.0 }).collect();
    let mut found = vec![false; active.len()];
    for _ in 0..trials {
        let passed = accept(&lengths)?;
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
