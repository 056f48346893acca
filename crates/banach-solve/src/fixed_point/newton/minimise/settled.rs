//! Rows that are about to converge on an energy: negative curvature, lower points, and the curvature at hand.

use super::{LOOKS, State, TRIED};
use crate::landscape::{Landscape, lengths};
use crate::ledger::Ledger;
use crate::region::{Limits, Truncated, truncated};
use crate::rows::choose;
use crate::settings::Rules;
use crate::{Error, Rows};

impl<R: Rows> State<R> {
    /// Looks for negative curvature, and for lower points where all is flat, in rows that are otherwise settled; what it finds
    /// becomes their step.
    pub(super) fn look_down(
        &mut self,
        rules: Rules,
        step: &mut Truncated<R>,
        (settled, slopes): (&mut [bool], &[f64]),
        (hessian, landscape): (&dyn crate::Map<R>, &Landscape<'_, R>),
        ledger: &mut Ledger<R>,
    ) -> Result<(), Error> {
        if !settled.contains(&true) {
            return Ok(());
        }
        let count = settled.len();
        let probe = self.x.probe(1);
        let endless =
            Limits { radii: vec![f64::INFINITY; count], parts: vec![0.0; count], applications: LOOKS };
        let asked = (0..count).map(|row| settled[row] && self.rows[row].refused < TRIED).collect();
        let look = truncated(hessian, &probe, asked, &endless, ledger)?;
        let down: Vec<bool> = (0..count).map(|row| settled[row] && !look.down[row].is_nan()).collect();
        self.look_closely(rules, (settled, slopes), (step, &look), &down);
        let still = |row: usize| slopes[row] == 0.0 && self.rows[row].refused < TRIED;
        let flat = |row: usize| settled[row] && still(row) && look.largest[row] == 0.0;
        let flat: Vec<bool> = (0..count).map(flat).collect();
        if down.contains(&true) {
            let products = R::dots(&[(&self.gradient, &look.step)]).swap_remove(0);
            let sizes = lengths(&look.step);
            let radius = |row: usize| if down[row] { self.rows[row].radius } else { 0.0 };
            let factor = |row: usize| {
                let sign = if products[row] > 0.0 { -1.0 } else { 1.0 };
                if sizes[row] > 0.0 { sign * radius(row) / sizes[row] } else { 0.0 }
            };
            let factors: Vec<f64> = (0..count).map(factor).collect();
            step.step = choose(&down, &look.step.scaled(&factors), &step.step);
            for row in (0..count).filter(|row| down[*row]) {
                step.down[row] = look.down[row];
                step.promised[row] =
                    -0.5 * look.down[row] * radius(row).powi(2) + (factors[row] * products[row]).abs();
                (step.bound[row], settled[row]) = (true, false);
            }
        }
        if flat.contains(&true) {
            let values: Vec<f64> = self.rows.iter().map(|row| row.first.min(row.value)).collect();
            let (lowest, falls) = landscape.lower((&self.start, &self.x), &values, &flat, ledger)?;
            let lower: Vec<bool> = falls.iter().map(|fall| *fall > 0.0).collect();
            step.step = choose(&lower, &lowest.minus(&self.x), &step.step);
            for row in (0..count).filter(|row| lower[*row]) {
                (step.promised[row], settled[row]) = (falls[row] / self.rows[row].rate, false);
                self.rows[row].radius = self.rows[row].size.max(1.0);
            }
        }
        for (row, largest) in self.rows.iter_mut().zip(&look.largest) {
            row.largest = row.largest.max(*largest);
        }
        Ok(())
    }

    /// Measures rows that are otherwise settled by the curvature at hand: the largest curvature on the way may be that of a steep
    /// start, beside which any gradient is small. A row that does not meet the tolerance goes on.
    fn look_closely(
        &mut self,
        rules: Rules,
        (settled, slopes): (&mut [bool], &[f64]),
        (step, look): (&Truncated<R>, &Truncated<R>),
        down: &[bool],
    ) {
        let (before, (_, sizes)) = (self.rows.clone(), self.measured(rules));
        let asked = |row: usize| settled[row] && !down[row] && slopes[row] > 0.0;
        let asked: Vec<bool> = (0..settled.len()).map(asked).collect();
        for row in (0..settled.len()).filter(|row| asked[*row]) {
            self.rows[row].largest = step.largest[row].max(look.largest[row]);
        }
        let (residuals, _) = self.measured(rules);
        for row in (0..settled.len()).filter(|row| asked[*row]) {
            settled[row] = rules.tolerance.met(residuals[row], sizes[row]);
            if settled[row] {
                self.rows[row].largest = before[row].largest;
            }
        }
    }
}
