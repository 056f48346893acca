//! Restarted GMRES.

use super::hessenberg::{Extension, Hessenberg};
use super::system::LinearSystem;
use crate::active_map::ActiveMap;
use crate::ledger::Ledger;
use crate::state::rows::{entries_at, normalized_rows, select_rows};
use crate::{Error, Map, Outcome, Rows, Solution};
use serde::{Deserialize, Serialize};

/// Restarted GMRES: every row minimizes its residual over the Krylov subspace `v, A v, A² v, ...`.
///
/// **When.** `A` contracts slowly or not at all; the default. **Cost.** One application a step and one more a
/// cycle, `restart` states of memory, a small triangular problem a row on the host. **Needs.** `I - A`
/// regular, or at least `v` in its range; a singular row ends as [`Stalled`](Outcome::Stalled) with its least
/// residual.
///
/// Vectors are orthogonalized by the classical Gram-Schmidt process, and a second time in rows in which less
/// than `1/√2` of the length remains: as accurate as the modified process, with two reads from the device a
/// step, four where some row needs the second pass. The true residual is computed at the end of every cycle,
/// and it alone decides.
///
/// | setting | default | range | effect |
/// | :-- | :-- | :-- | :-- |
/// | [`restart`](Self::restart) | `30` | `>= 1` | steps in a cycle: more converge faster and need more memory |
///
/// Reference: Y. Saad and M. Schultz, GMRES, SIAM J. Sci. Stat. Comput. 7 (1986); for the second pass J.
/// Daniel, W. Gragg, L. Kaufman and G. Stewart, Math. Comp. 30 (1976).
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

    pub(crate) fn solve<R: Rows, M: Map<R> + ?Sized>(
        &self,
        mut system: LinearSystem<'_, '_, R, M>,
    ) -> Result<Solution<R>, Error> {
        let mut steps = vec![0; system.v.rows()];
        while !system.ledger.finished() {
            if let Some(keep) = system.narrow() {
                steps = entries_at(&steps, &keep);
            }
            let tolerance = system.rules.tolerance;
            let wanted: Vec<f64> = system.sizes.iter().map(|size| tolerance.threshold(*size)).collect();
            let mut cycle = Cycle::new(&system, steps);
            let mut inner = system.map.branch();
            while cycle.can_grow(self.restart) && system.ledger.remaining() > 1 {
                cycle.narrow(&mut inner, system.ledger.batch());
                cycle.step(&inner, &mut system.ledger, &wanted, system.rules.budget.steps)?;
                if system.ledger.report(cycle.longest(), &cycle.estimates(), system.observer) {
                    break;
                }
            }
            cycle.settle(|_| true);
            let before = std::mem::take(&mut system.residuals);
            system.move_to(cycle.c.clone())?;
            system.record(|row| cycle.steps[row]);
            cycle.judge(&mut system.ledger, &before, &system.residuals);
            system.ledger.enforce();
            steps = cycle.steps;
        }
        Ok(system.ledger.close())
    }
}

/// The remaining fraction of a vector's length above which one pass of orthogonalization suffices.
const ONE_PASS: f64 = std::f64::consts::FRAC_1_SQRT_2;

/// The Krylov subspace of every row between two restarts.
struct Cycle<R> {
    /// The minimizer in rows that are settled, the start of the cycle in the others.
    c: R,
    /// The rows of `c` at each position of the basis.
    members: Vec<usize>,
    /// Orthonormal vectors; zero in rows that have closed.
    basis: Vec<R>,
    small: Vec<Hessenberg>,
    /// Rows that still extend their subspace.
    open: Vec<bool>,
    /// Why a row has closed, unless by convergence.
    closed: Vec<Option<Outcome>>,
    /// Steps of each row, over all cycles.
    steps: Vec<usize>,
}

impl<R: Rows> Cycle<R> {
    fn new<M: Map<R> + ?Sized>(system: &LinearSystem<'_, '_, R, M>, steps: Vec<usize>) -> Self {
        let open = system.ledger.actives().to_vec();
        Self {
            c: system.c.clone(),
            members: (0..open.len()).collect(),
            basis: vec![system.unit_remainder()],
            small: system.residuals.iter().map(|residual| Hessenberg::new(*residual)).collect(),
            closed: vec![None; open.len()],
            open,
            steps,
        }
    }

    fn can_grow(&self, restart: usize) -> bool {
        self.basis.len() <= restart && self.open.contains(&true)
    }

    /// The most steps of any row.
    fn longest(&self) -> usize {
        self.steps.iter().max().copied().unwrap_or(0)
    }

    fn estimates(&self) -> Vec<f64> {
        self.small.iter().map(Hessenberg::residual).collect()
    }

    /// Settles closed rows and removes them from the basis when there are enough of them.
    fn narrow(&mut self, map: &mut ActiveMap<'_, R, impl Map<R> + ?Sized>, batch: &[usize]) {
        let going = entries_at(&self.open, &self.members);
        let Some(keep) = map.narrow(&entries_at(batch, &self.members), &going) else { return };
        self.settle(|position| !going[position]);
        self.members = entries_at(&self.members, &keep);
        self.basis.iter_mut().for_each(|vector| *vector = vector.gather(&keep));
    }

    /// Takes one step of Arnoldi's process: one more basis vector, and one more column for every open row.
    fn step(
        &mut self,
        map: &ActiveMap<'_, R, impl Map<R> + ?Sized>,
        ledger: &mut Ledger<R>,
        wanted: &[f64],
        limit: usize,
    ) -> Result<(), Error> {
        let newest = &self.basis[self.basis.len() - 1];
        let precision = newest.precision();
        // Orthogonalizes A v rather than v - A v, which v dominates where A is small.
        let image = map.apply(newest, ledger)?;
        let (mut components, mut next, length) = self.orthogonalize(&image);
        let mut below = R::norms(&[&next]).swap_remove(0);
        let one_pass = |position: usize| below[position] >= ONE_PASS * length[position];
        let again: Vec<bool> = (0..below.len())
            .map(|position| self.open[self.members[position]] && !one_pass(position))
            .collect();
        if again.contains(&true) {
            let (rest, cleaner, _) = self.orthogonalize(&next);
            for (components, rest) in components.iter_mut().zip(&rest) {
                (0..again.len()).filter(|p| again[*p]).for_each(|p| components[p] += rest[p]);
            }
            next = select_rows(&again, &cleaner, &next);
            below = R::norms(&[&next]).swap_remove(0);
        }
        for (position, &row) in self.members.iter().enumerate() {
            if !self.open[row] {
                continue;
            }
            self.steps[row] += 1;
            let components = components.iter().map(|component| component[position]);
            let lengths = (below[position], length[position]);
            match self.small[row].extend(components, lengths, precision) {
                Extension::NonFinite => {
                    (self.open[row], self.closed[row]) = (false, Some(Outcome::NonFinite));
                    continue;
                }
                Extension::Exhausted => {
                    (self.open[row], self.closed[row]) = (false, Some(Outcome::Stalled));
                }
                Extension::Grown => {}
            }
            let done = self.small[row].residual() <= wanted[row];
            self.open[row] &= !(done || self.steps[row] >= limit);
        }
        self.basis.push(normalized_rows(&next, &below, &entries_at(&self.open, &self.members)));
        Ok(())
    }

    /// Components along the basis, the orthogonal remainder, and the length before.
    fn orthogonalize(&self, w: &R) -> (Vec<Vec<f64>>, R, Vec<f64>) {
        let pairs: Vec<(&R, &R)> = self.basis.iter().chain([w]).map(|vector| (w, vector)).collect();
        let mut components = R::dots(&pairs);
        let length = components.pop().unwrap_or_default().iter().map(|square| square.sqrt()).collect();
        let negative: Vec<Vec<f64>> =
            components.iter().map(|row| row.iter().map(|value| -value).collect()).collect();
        let terms: Vec<(&[f64], &R)> = negative.iter().map(Vec::as_slice).zip(&self.basis).collect();
        (components, w.add_scaled(&terms), length)
    }

    /// Adds the least-squares combination of the basis to `c`, in rows whose positions are chosen.
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

    /// Ends rows whose subspace is exhausted without convergence, or in which the map is not finite.
    fn judge(&self, ledger: &mut Ledger<R>, before: &[f64], after: &[f64]) {
        end_closed(ledger, &self.closed, before, after);
    }
}

/// Ends rows that have closed, given their residuals before and after the cycle.
pub(crate) fn end_closed<R: Rows>(
    ledger: &mut Ledger<R>,
    closed: &[Option<Outcome>],
    before: &[f64],
    after: &[f64],
) {
    for row in 0..after.len() {
        match closed[row] {
            Some(Outcome::NonFinite) => ledger.end(row, Outcome::NonFinite),
            // Another cycle can reduce rounding errors; after a cycle without decrease no other will help.
            Some(_) if after[row] > 0.5 * before[row] => ledger.end(row, Outcome::Stalled),
            Some(_) | None => {}
        }
    }
}
