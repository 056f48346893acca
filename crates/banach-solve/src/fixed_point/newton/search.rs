//! Line searches of Newton's method.

use crate::active_map::check_shape;
use crate::ledger::Ledger;
use crate::state::rows::{entries_at, select_rows};
use crate::{Error, Iterate, Rows, Smooth};

/// The fraction of the predicted decrease that a step must attain (the Armijo condition).
const DECREASE: f64 = 1e-4;

/// The rounding error of an energy, in units of the precision.
const ROUNDING: f64 = 16.0;

/// The result of a line search.
#[derive(Debug)]
pub(super) struct SearchResult<R> {
    /// The next iterate of every row.
    pub(super) next: R,
    /// Its image, if the search has evaluated it.
    pub(super) image: Option<R>,
}

/// The energies at the current iterate.
#[derive(Debug)]
pub(super) struct Energies {
    values: Vec<f64>,
    /// `1 / γ` of every row; zero where it is not known.
    rates: Vec<f64>,
}

impl Energies {
    /// The energies at the start, if the map has an energy.
    ///
    /// The step size γ follows from the slope of the energy along the gradient step,
    /// `⟨∇f, g(x) - x⟩ = -‖g(x) - x‖² / γ`, by a central difference.
    pub(super) fn at<R: Rows>(
        map: &dyn Smooth<R>,
        iterate: &Iterate<'_, R>,
        ledger: &mut Ledger<R>,
    ) -> Result<Option<Self>, Error> {
        let Some(values) = energies(map, iterate.x, ledger)? else { return Ok(None) };
        let (ahead, behind) = (iterate.gx, iterate.x.minus(iterate.difference()));
        let (Some(ahead), Some(behind)) = (energies(map, ahead, ledger)?, energies(map, &behind, ledger)?)
        else {
            return Ok(None);
        };
        let rounding = ROUNDING * iterate.x.precision();
        let rate = |row: usize| {
            // A lower bound on the difference, without its rounding error.
            let fall = behind[row] - ahead[row] - rounding * (behind[row].abs() + ahead[row].abs());
            let rate = 0.5 * fall / iterate.residuals[row].powi(2);
            if rate.is_finite() { rate.max(0.0) } else { 0.0 }
        };
        Ok(Some(Self { rates: (0..values.len()).map(rate).collect(), values }))
    }

    /// The energies of the rows at these positions.
    pub(super) fn narrowed(&self, keep: &[usize]) -> Self {
        Self { values: entries_at(&self.values, keep), rates: entries_at(&self.rates, keep) }
    }

    /// Halves the step until the energy falls; a row in which it does not takes the plain step.
    pub(super) fn search<R: Rows>(
        &mut self,
        map: &dyn Smooth<R>,
        iterate: &Iterate<'_, R>,
        direction: &R,
        trials: usize,
        ledger: &mut Ledger<R>,
    ) -> Result<SearchResult<R>, Error> {
        let mut slopes = R::dots(&[(iterate.difference(), direction)]).swap_remove(0);
        let falls: Vec<bool> = slopes.iter().map(|slope| slope.is_finite() && *slope > 0.0).collect();
        (0..falls.len())
            .filter(|row| !falls[*row])
            .for_each(|row| slopes[row] = iterate.residuals[row] * iterate.residuals[row]);
        let direction = select_rows(&falls, direction, iterate.difference());
        let rounding = ROUNDING * iterate.x.precision();
        let mut latest = self.values.clone();
        let (lengths, found) = halve(trials, iterate.active, |lengths| {
            let trial = iterate.x.add_scaled(&[(lengths, &direction)]);
            latest = energies(map, &trial, ledger)?.unwrap_or(vec![f64::NAN; lengths.len()]);
            let falls = |row: usize| {
                let predicted = lengths[row] * self.rates[row] * slopes[row];
                let before = self.values[row];
                // Near the solution the decrease is below rounding: only the full step is exempt, since a
                // shorter one gains nothing.
                let slack = if lengths[row] == 1.0 { rounding * before.abs() } else { 0.0 };
                latest[row] < before - DECREASE * predicted + slack
            };
            Ok((0..lengths.len()).map(falls).collect())
        })?;
        let next = select_rows(&found, &iterate.x.add_scaled(&[(&lengths, &direction)]), iterate.gx);
        let plain_step = |row: &usize| iterate.active[*row] && !found[*row];
        if (0..found.len()).any(|row| plain_step(&row)) {
            let plain = energies(map, &next, ledger)?.unwrap_or(vec![f64::NAN; found.len()]);
            (0..found.len()).filter(plain_step).for_each(|row| latest[row] = plain[row]);
        }
        self.values = latest;
        Ok(SearchResult { next, image: None })
    }
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

/// The energy of every row at `x`, counted as one evaluation.
fn energies<R: Rows>(map: &dyn Smooth<R>, x: &R, ledger: &mut Ledger<R>) -> Result<Option<Vec<f64>>, Error> {
    let Some(values) = map.energy(x) else { return Ok(None) };
    ledger.energy_evaluations += 1;
    let (found, expected) = (values.len(), x.rows());
    if found == expected { Ok(Some(values)) } else { Err(Error::Energy { found, expected }) }
}
