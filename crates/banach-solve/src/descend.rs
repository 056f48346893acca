//! The iteration of a solver on a gradient step whose energy is known: energies never rise.

use crate::fall::Descended;
use crate::fixed_point::minimise::{FLAT, LOOKS};
use crate::iterate::{iterate, set_back};
use crate::landscape::{Landscape, ROUNDING, lengths};
use crate::ledger::{Ledger, picked};
use crate::present::PresentSmooth;
use crate::region::{Limits, truncated};
use crate::rows::choose;
use crate::settings::Rules;
use crate::{Error, Observe, Outcome, Rows, Smooth, Solution, Solver, Visit};

/// Evaluations below which a budget does not allow for energies.
const LEAST: usize = 10;

/// The most halvings of a plain step that raises the energy.
const HALVINGS: usize = 12;

/// How many times the rounding of the state a change of the residual must be to tell of curvature.
const CLEAR: f64 = 64.0;

/// The last iterate that was accepted in every row.
struct Accepted<R> {
    x: R,
    gx: R,
    /// The energies; NaN in rows whose energy does not fall along their steps, and tells nothing.
    values: Vec<f64>,
    /// The largest `‖ΔF‖ / ‖Δx‖` of each row: γ times a curvature.
    turned: Vec<f64>,
}

/// [`iterate`](crate::iterate::iterate) on a map that knows its energy, up to minima where it can tell them.
pub(crate) fn descend<R: Rows, S: Solver<R>>(
    map: &dyn Smooth<R>,
    x0: &R,
    solver: &S,
    rules: Rules,
    observer: &mut dyn Observe,
) -> Result<Solution<R>, Error> {
    if rules.budget.evaluations.is_some_and(|limit| limit < LEAST) {
        return Ok(iterate(&|x: &R| map.apply(x), x0, solver, None, rules, observer)?.0);
    }
    let mut ledger = Ledger::new(x0, rules);
    let mut present = PresentSmooth::new(map);
    if ledger.finished() {
        return Ok(ledger.close());
    }
    let mut memory = solver.start(x0);
    let (gx, values) = Landscape::new(map).image(x0, &mut ledger)?;
    let (turned, falls) = Landscape::new(map).turned((x0, &gx.minus(x0)), &values, &mut ledger)?;
    let values =
        values.iter().zip(&falls).map(|(value, falls)| if *falls { *value } else { f64::NAN }).collect();
    let mut at = Accepted { x: x0.clone(), gx, values, turned };
    let mut step = 0;
    while !ledger.finished() {
        let residuals = lengths(&at.gx.minus(&at.x));
        let (measured, sizes) = at.measured(rules);
        let descended: Vec<Descended> = at.values.iter().map(|value| open(*value)).collect();
        ledger.visit_descended(|_| step, &at.x, (&measured, &sizes), Some(&descended));
        ledger.report(step, &measured, observer);
        ledger.enforce();
        // An image and an energy.
        if ledger.remaining() < 2 {
            ledger.exhaust();
        }
        if ledger.finished() {
            break;
        }
        let excess = rules.tolerance.excess(&measured, &sizes);
        let active = set_back(solver, &mut memory, &ledger, (&mut at.x, &mut at.gx));
        let visit = Visit::new((&at.x, &at.gx), &residuals, &active, &excess);
        let next = solver.step(&visit, &mut memory);
        ledger.moved(|position| solver.extrapolated(&memory, position));
        let mut next = ledger.freeze(next);
        ledger.switched(step, solver.switches(&mut memory));
        if let Some(keep) = present.narrow(ledger.batch(), ledger.actives()) {
            ledger.narrow(&keep);
            solver.narrow(&mut memory, &keep);
            next = next.gather(&keep);
            at.narrow(&keep);
        }
        let landscape = Landscape::new(present.map());
        let risen = at.move_on(next, &landscape, &mut ledger)?;
        risen.into_iter().for_each(|position| solver.restart(&mut memory, position));
        step += 1;
    }
    look_down(map, x0, ledger)
}

/// Nothing but the energy is known before the end.
fn open(energy: f64) -> Descended {
    Descended { energy, settled: true, stuck: Outcome::Stalled }
}

impl<R: Rows> Accepted<R> {
    /// The natural residual, `‖g(x) - x‖` over γ times the largest curvature, and the size of every row.
    fn measured(&self, rules: Rules) -> (Vec<f64>, Vec<f64>) {
        let (residuals, sizes) = self.gx.distances(&self.x);
        let (mut measured, sizes) = rules.tolerance.norm.measured((&self.gx, &self.x), &residuals, sizes);
        let unit = |turned: f64| if turned > 0.0 && turned.is_finite() { turned } else { 1.0 };
        measured.iter_mut().zip(&self.turned).for_each(|(measured, turned)| *measured /= unit(*turned));
        (measured, sizes)
    }

    /// Moves active rows to `next` where the energy does not rise there, else by a plain step, halved as often as it must be;
    /// the rows that were not led to `next`.
    fn move_on(
        &mut self,
        mut next: R,
        landscape: &Landscape<'_, R>,
        ledger: &mut Ledger<R>,
    ) -> Result<Vec<usize>, Error> {
        let active = ledger.actives().to_vec();
        let difference = self.gx.minus(&self.x);
        next = choose(&active, &next, &self.x);
        let (mut gx, mut values) = landscape.image(&next, ledger)?;
        let mut refused: Vec<bool> = vec![false; active.len()];
        let mut length = 1.0;
        let precision = next.precision();
        for halving in 0..=HALVINGS {
            let rises = |row: usize| {
                let limit = self.values[row] + ROUNDING * precision * self.values[row].abs();
                // From a start that is not a number nothing is refused.
                active[row] && !self.values[row].is_nan() && !(values[row] <= limit)
            };
            let risen: Vec<bool> = (0..active.len()).map(rises).collect();
            if !risen.contains(&true) || ledger.remaining() < 4 {
                break;
            }
            (0..active.len()).for_each(|row| refused[row] |= risen[row]);
            // In the end the row stays where it is.
            let factor = if halving == HALVINGS { 0.0 } else { length };
            let back = match halving {
                0 => self.gx.clone(),
                _ => self.x.add_scaled(&[(&vec![factor; active.len()], &difference)]),
            };
            next = choose(&risen, &back, &next);
            (gx, values) = landscape.image(&next, ledger)?;
            length *= 0.5;
        }
        let change = next.minus(&self.x);
        let turn = gx.minus(&next).minus(&difference);
        let norms = R::norms(&[&turn, &change, &next]);
        for row in 0..active.len() {
            let ratio = norms[0][row] / norms[1][row];
            // A change that is not well above the rounding of the state tells nothing.
            if norms[0][row] > CLEAR * precision * norms[2][row] && ratio.is_finite() {
                self.turned[row] = self.turned[row].max(ratio);
            }
            if self.values[row].is_nan() {
                values[row] = f64::NAN;
            }
        }
        (self.x, self.gx, self.values) = (next, gx, values);
        Ok((0..refused.len()).filter(|row| refused[*row]).collect())
    }

    /// Keeps the rows at these positions.
    fn narrow(&mut self, keep: &[usize]) {
        (self.x, self.gx) = (self.x.gather(keep), self.gx.gather(keep));
        (self.values, self.turned) = (picked(&self.values, keep), picked(&self.turned, keep));
    }
}

/// Closes the ledger; rows that met the tolerance where the energy curves down, or where it is flat and lower elsewhere, have
/// not converged.
fn look_down<R: Rows>(map: &dyn Smooth<R>, start: &R, mut ledger: Ledger<R>) -> Result<Solution<R>, Error> {
    let converged: Vec<bool> = ledger.converged();
    if !converged.contains(&true) || ledger.remaining() < 2 * LOOKS + 10 {
        return Ok(ledger.close());
    }
    let landscape = Landscape::new(map);
    let x = ledger.all();
    let (values, gradient) = landscape.look(&x, &mut ledger)?;
    let hessian = landscape.hessian(&x);
    let rows = x.rows();
    let limits = Limits { radii: vec![f64::INFINITY; rows], parts: vec![1e-3; rows], applications: LOOKS };
    let mut found = truncated(&*hessian, &gradient, converged.clone(), &limits, &mut ledger)?;
    let probing: Vec<bool> = (0..rows).map(|row| converged[row] && found.down[row].is_nan()).collect();
    let other = truncated(&*hessian, &x.probe(1), probing.clone(), &limits, &mut ledger)?;
    for row in (0..rows).filter(|row| probing[*row]) {
        found.down[row] = other.down[row];
        found.largest[row] = found.largest[row].max(other.largest[row]);
    }
    let flat: Vec<bool> = (0..rows).map(|row| converged[row] && found.largest[row] == 0.0).collect();
    let mut falls = vec![0.0; rows];
    if flat.contains(&true) {
        falls = landscape.lower((start, &x), &values, &flat, &mut ledger)?.1;
    }
    let exact = landscape.largest_at(start, &mut ledger)?;
    for row in (0..rows).filter(|row| converged[*row]) {
        let down = found.down[row];
        let scale = exact[row].max(found.largest[row]);
        if !down.is_nan() && down.abs() >= FLAT * scale {
            ledger.retract(row, Outcome::Saddle);
        } else if !down.is_nan() || falls[row] > 0.0 {
            ledger.retract(row, Outcome::Plateau);
        }
    }
    Ok(ledger.close())
}
