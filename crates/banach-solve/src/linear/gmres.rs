//! Restarted GMRES.

use super::hessenberg::Hessenberg;
use super::normalized;
use super::start::Start;
use crate::ledger::{Ledger, picked};
use crate::present::Present;
use crate::rows::choose;
use crate::settings::Rules;
use crate::{Error, Map, Observe, Outcome, Rows, Solution};
use serde::{Deserialize, Serialize};

/// GMRES with restarts: every row minimizes its own residual over `v, A v, A² v, ...`.
///
/// **When.** `A` contracts slowly or not at all; the default. **Cost.** One application a step and one more a cycle, `restart`
/// states of memory, a small triangular problem a row on the host. **Needs.** `I - A` regular, or at least `v` in its range;
/// a singular row ends as [`Stalled`](Outcome::Stalled) with its least residual.
///
/// Vectors are made orthogonal by the Gram-Schmidt process, and a second time only in rows in which less than `1/√2` of the
/// length was left: as accurate as the modified process, with two reads from the device a step, or four where some row needs
/// the second pass, however long the cycle. The true residual is computed at the end of every cycle, and it
/// alone decides.
///
/// | setting | default | range | effect |
/// | :-- | :-- | :-- | :-- |
/// | [`restart`](Self::restart) | `30` | `>= 1` | steps in a cycle: more converge faster and hold more memory |
///
/// Reference: Y. Saad and M. Schultz, GMRES, SIAM J. Sci. Stat. Comput. 7 (1986); for the second pass J. Daniel, W. Gragg,
/// L. Kaufman and G. Stewart, Math. Comp. 30 (1976).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Gmres {
    /// The number of steps in a cycle.
    pub restart: usize,
}

impl Default for Gmres {
    fn default() -> Self {
        Self { restart: 30 }
    }
}

impl Gmres {
    /// Cycles of this length.
    pub fn new(restart: usize) -> Self {
        Self { restart }
    }

    /// Refuses an empty cycle.
    pub fn validate(&self) -> Result<(), Error> {
        Error::unless(self.restart > 0, "gmres.restart", self.restart, "at least 1", "the default is 30")
    }

    pub(super) fn solve<R: Rows>(
        &self,
        map: &(impl Map<R> + ?Sized),
        v: &R,
        c0: Option<&R>,
        rules: Rules,
        observer: &mut dyn Observe,
    ) -> Result<Solution<R>, Error> {
        let present = Present::new(map);
        let (start, ledger) = Start::measured(&present, v, c0, rules)?;
        self.reduce(present, v, (start, ledger), rules, observer)
    }

    /// The same from any start, whose residuals may be measured against any sizes.
    pub(crate) fn reduce<R: Rows>(
        &self,
        mut present: Present<'_, R, impl Map<R> + ?Sized>,
        v: &R,
        (start, mut ledger): (Start<R>, Ledger<R>),
        rules: Rules,
        observer: &mut dyn Observe,
    ) -> Result<Solution<R>, Error> {
        start.look(&mut ledger, observer);
        let Start { mut c, mut remainder, mut residuals, mut sizes } = start;
        let (mut v, mut steps) = (v.clone(), vec![0; v.rows()]);
        while !ledger.finished() {
            if let Some(keep) = present.narrow(ledger.batch(), ledger.actives()) {
                ledger.narrow(&keep);
                (c, v, remainder) = (c.gather(&keep), v.gather(&keep), remainder.gather(&keep));
                (residuals, sizes) = (picked(&residuals, &keep), picked(&sizes, &keep));
                steps = picked(&steps, &keep);
            }
            let mut cycle = Cycle::start(&ledger, c, &remainder, &residuals, steps);
            let wanted: Vec<f64> = sizes.iter().map(|size| rules.tolerance.threshold(*size)).collect();
            let mut inside = present.branch();
            while cycle.goes_on(self.restart) && ledger.remaining() > 1 {
                cycle.narrow(&mut inside, ledger.batch());
                cycle.step(&inside, &mut ledger, &wanted, rules.budget.steps)?;
                if ledger.report(cycle.longest(), &cycle.estimates(), observer) {
                    break;
                }
            }
            cycle.settle(|_| true);
            c = ledger.freeze(cycle.c.clone());
            remainder = v.minus(&present.apply_shifted(&c, &mut ledger)?);
            let before = std::mem::replace(&mut residuals, R::norms(&[&remainder]).swap_remove(0));
            ledger.visit(|row| cycle.steps[row], &c, &residuals, &sizes);
            cycle.judge(&mut ledger, &before, &residuals);
            ledger.enforce();
            steps = cycle.steps;
        }
        Ok(ledger.close())
    }
}

/// The part of its length that a vector keeps beside the basis where one pass is enough.
const ENOUGH: f64 = std::f64::consts::FRAC_1_SQRT_2;

/// The Krylov space of every row between two restarts.
struct Cycle<R> {
    /// The best point of every row that is settled, the point the cycle started from elsewhere.
    c: R,
    /// The rows of `c` that the basis is of.
    members: Vec<usize>,
    /// Orthonormal vectors; zero in rows that have closed.
    basis: Vec<R>,
    small: Vec<Hessenberg>,
    /// Which rows still extend their space.
    open: Vec<bool>,
    /// How a row closed, where the loop must know.
    closed: Vec<Option<Outcome>>,
    /// Steps each row has taken, over all cycles.
    steps: Vec<usize>,
}

impl<R: Rows> Cycle<R> {
    fn start(ledger: &Ledger<R>, c: R, remainder: &R, residuals: &[f64], steps: Vec<usize>) -> Self {
        let open = ledger.actives().to_vec();
        Self {
            c,
            members: (0..open.len()).collect(),
            basis: vec![normalized(remainder, residuals, &open)],
            small: residuals.iter().map(|residual| Hessenberg::new(*residual)).collect(),
            closed: vec![None; open.len()],
            open,
            steps,
        }
    }

    fn goes_on(&self, restart: usize) -> bool {
        self.basis.len() <= restart && self.open.contains(&true)
    }

    /// The most steps of any row.
    fn longest(&self) -> usize {
        self.steps.iter().max().copied().unwrap_or(0)
    }

    fn estimates(&self) -> Vec<f64> {
        self.small.iter().map(Hessenberg::residual).collect()
    }

    /// Settles rows that have closed and lets them leave the basis, where that pays.
    fn narrow(&mut self, map: &mut Present<'_, R, impl Map<R> + ?Sized>, batch: &[usize]) {
        let going = picked(&self.open, &self.members);
        let Some(keep) = map.narrow(&picked(batch, &self.members), &going) else { return };
        self.settle(|position| !going[position]);
        self.members = picked(&self.members, &keep);
        self.basis.iter_mut().for_each(|vector| *vector = vector.gather(&keep));
    }

    /// One more vector (Arnoldi), and one more column for every open row.
    fn step(
        &mut self,
        map: &Present<'_, R, impl Map<R> + ?Sized>,
        ledger: &mut Ledger<R>,
        wanted: &[f64],
        limit: usize,
    ) -> Result<(), Error> {
        let newest = &self.basis[self.basis.len() - 1];
        let precision = newest.precision();
        // Components of A v rather than of v - A v, of which v itself would be the most where A is small.
        let image = map.apply(newest, ledger)?;
        let (mut components, mut next, length) = self.orthogonalize(&image);
        let mut below = R::norms(&[&next]).swap_remove(0);
        let little = |position: usize| below[position] >= ENOUGH * length[position];
        let again: Vec<bool> =
            (0..below.len()).map(|position| self.open[self.members[position]] && !little(position)).collect();
        if again.contains(&true) {
            let (rest, cleaner, _) = self.orthogonalize(&next);
            for (components, rest) in components.iter_mut().zip(&rest) {
                (0..again.len()).filter(|p| again[*p]).for_each(|p| components[p] += rest[p]);
            }
            next = choose(&again, &cleaner, &next);
            below = R::norms(&[&next]).swap_remove(0);
        }
        for (position, &row) in self.members.iter().enumerate() {
            if !self.open[row] {
                continue;
            }
            self.steps[row] += 1;
            let below = below[position];
            let mut column: Vec<f64> = components.iter().map(|component| -component[position]).collect();
            column.last_mut().into_iter().for_each(|diagonal| *diagonal += 1.0);
            if !(below.is_finite() && column.iter().all(|entry| entry.is_finite())) {
                (self.open[row], self.closed[row]) = (false, Some(Outcome::NonFinite));
                continue;
            }
            // `A` takes a vector of length one to one of `1 + length` at most, and rounds accordingly.
            let exhausted = below <= 32.0 * precision * (1.0 + length[position]);
            self.small[row].push(column, if exhausted { 0.0 } else { -below });
            if exhausted {
                self.closed[row] = Some(Outcome::Stalled);
            }
            let done = self.small[row].residual() <= wanted[row];
            self.open[row] = !(exhausted || done || self.steps[row] >= limit);
        }
        self.basis.push(normalized(&next, &below, &picked(&self.open, &self.members)));
        Ok(())
    }

    /// Components along the basis, what is left without them, and the length before.
    fn orthogonalize(&self, w: &R) -> (Vec<Vec<f64>>, R, Vec<f64>) {
        let pairs: Vec<(&R, &R)> = self.basis.iter().chain([w]).map(|vector| (w, vector)).collect();
        let mut components = R::dots(&pairs);
        let length = components.pop().unwrap_or_default().iter().map(|square| square.sqrt()).collect();
        let negative: Vec<Vec<f64>> =
            components.iter().map(|row| row.iter().map(|value| -value).collect()).collect();
        let terms: Vec<(&[f64], &R)> = negative.iter().map(Vec::as_slice).zip(&self.basis).collect();
        (components, w.add_scaled(&terms), length)
    }

    /// Adds the best combination of the basis to `c`, in the rows whose positions in the basis are chosen.
    fn settle(&mut self, chosen: impl Fn(usize) -> bool) {
        let precision = self.c.precision();
        let mut factors = vec![vec![0.0; self.members.len()]; self.basis.len()];
        for (position, row) in self.members.iter().enumerate().filter(|(position, _)| chosen(*position)) {
            for (i, value) in self.small[*row].combination(precision).into_iter().enumerate() {
                factors[i][position] = value;
            }
        }
        let terms: Vec<(&[f64], &R)> = factors.iter().map(Vec::as_slice).zip(&self.basis).collect();
        if self.members.len() == self.small.len() {
            self.c = self.c.add_scaled(&terms);
        } else {
            self.c.put(&self.members, &self.c.gather(&self.members).add_scaled(&terms));
        }
    }

    /// Ends rows whose space is exhausted without success, or in which the map failed.
    fn judge(&self, ledger: &mut Ledger<R>, before: &[f64], after: &[f64]) {
        for row in 0..after.len() {
            match self.closed[row] {
                Some(Outcome::NonFinite) => ledger.end(row, Outcome::NonFinite),
                // Rounding may ask for another cycle; a cycle that does not help will never help.
                Some(_) if after[row] > 0.5 * before[row] => ledger.end(row, Outcome::Stalled),
                Some(_) | None => {}
            }
        }
    }
}
