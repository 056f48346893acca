//! Line searches of Newton's method.

use crate::Visit;
use crate::ledger::{Ledger, picked};
use crate::present::same_shape;
use crate::rows::choose;
use crate::{Error, Rows, Smooth};

/// The part of the decrease that the slope promises with which a step is content (Armijo).
const DECREASE: f64 = 1e-4;

/// The rounding of an energy, in units of the precision.
const ROUNDING: f64 = 16.0;

/// Where a search has led.
#[derive(Debug)]
pub(super) struct Found<R> {
    /// The next point of every row.
    pub(super) next: R,
    /// Its image, where the search has paid for it.
    pub(super) image: Option<R>,
}

/// What is known about the energy at the present point.
#[derive(Debug)]
pub(super) struct Energies {
    values: Vec<f64>,
    /// `1 / γ` of every row; zero where it could not be found.
    rates: Vec<f64>,
}

impl Energies {
    /// The energies at the start, if the map has any.
    ///
    /// The energy does not tell the length γ of the gradient step, but the slope of the energy along the step does:
    /// `⟨∇f, g(x) - x⟩ = -‖g(x) - x‖² / γ`, here by a central difference.
    pub(super) fn at<R: Rows>(
        map: &dyn Smooth<R>,
        visit: &Visit<'_, R>,
        ledger: &mut Ledger<R>,
    ) -> Result<Option<Self>, Error> {
        let Some(values) = energies(map, visit.x, ledger)? else { return Ok(None) };
        let (ahead, behind) = (visit.gx, visit.x.minus(visit.difference()));
        let (Some(ahead), Some(behind)) = (energies(map, ahead, ledger)?, energies(map, &behind, ledger)?)
        else {
            return Ok(None);
        };
        let rounding = ROUNDING * visit.x.precision();
        let rate = |row: usize| {
            // At least so much of the difference is no rounding.
            let fall = behind[row] - ahead[row] - rounding * (behind[row].abs() + ahead[row].abs());
            let rate = 0.5 * fall / visit.residuals[row].powi(2);
            if rate.is_finite() { rate.max(0.0) } else { 0.0 }
        };
        Ok(Some(Self { rates: (0..values.len()).map(rate).collect(), values }))
    }

    /// What is known in the rows at these positions.
    pub(super) fn narrowed(&self, keep: &[usize]) -> Self {
        Self { values: picked(&self.values, keep), rates: picked(&self.rates, keep) }
    }

    /// Halves the step until the energy falls; a row in which it never does takes the plain step.
    pub(super) fn search<R: Rows>(
        &mut self,
        map: &dyn Smooth<R>,
        visit: &Visit<'_, R>,
        direction: &R,
        trials: usize,
        ledger: &mut Ledger<R>,
    ) -> Result<Found<R>, Error> {
        let mut slopes = R::dots(&[(visit.difference(), direction)]).swap_remove(0);
        let falls: Vec<bool> = slopes.iter().map(|slope| slope.is_finite() && *slope > 0.0).collect();
        (0..falls.len())
            .filter(|row| !falls[*row])
            .for_each(|row| slopes[row] = visit.residuals[row] * visit.residuals[row]);
        let direction = choose(&falls, direction, visit.difference());
        let rounding = ROUNDING * visit.x.precision();
        let mut latest = self.values.clone();
        let (lengths, found) = halve(trials, visit.active, |lengths| {
            let trial = visit.x.add_scaled(&[(lengths, &direction)]);
            latest = energies(map, &trial, ledger)?.unwrap_or(vec![f64::NAN; lengths.len()]);
            let falls = |row: usize| {
                let promised = lengths[row] * self.rates[row] * slopes[row];
                let before = self.values[row];
                // Near the answer only the whole step is known to be good; a short one changes nothing but rounding.
                let slack = if lengths[row] == 1.0 { rounding * before.abs() } else { 0.0 };
                latest[row] < before - DECREASE * promised + slack
            };
            Ok((0..lengths.len()).map(falls).collect())
        })?;
        let next = choose(&found, &visit.x.add_scaled(&[(&lengths, &direction)]), visit.gx);
        let lost = |row: &usize| visit.active[*row] && !found[*row];
        if (0..found.len()).any(|row| lost(&row)) {
            let plain = energies(map, &next, ledger)?.unwrap_or(vec![f64::NAN; found.len()]);
            (0..found.len()).filter(lost).for_each(|row| latest[row] = plain[row]);
        }
        self.values = latest;
        Ok(Found { next, image: None })
    }
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

/// The energy of every row at `x`, which is one evaluation of it.
fn energies<R: Rows>(map: &dyn Smooth<R>, x: &R, ledger: &mut Ledger<R>) -> Result<Option<Vec<f64>>, Error> {
    let Some(values) = map.energy(x) else { return Ok(None) };
    ledger.energy_evaluations += 1;
    let (found, expected) = (values.len(), x.rows());
    if found == expected { Ok(Some(values)) } else { Err(Error::Energy { found, expected }) }
}
