//! Linear systems under solution: right-hand side, iterate, remainder and ledger of the rows left in the
//! batch.

use crate::active_map::ActiveMap;
use crate::ledger::Ledger;
use crate::settings::StoppingRules;
use crate::state::rows::{entries_at, normalized_rows, select_rows};
use crate::{Error, Map, Observe, Rows};

/// `(I - A) c = v` on the rows left in the batch, with the current iterate.
///
/// Every solver with an iterate of its own works on this type, which counts applications, records iterates,
/// reports to the observer, enforces the budget and narrows the batch.
pub(crate) struct LinearSystem<'o, 'm, R, M: ?Sized> {
    /// `A` on the rows left in the batch.
    pub(super) map: ActiveMap<'m, R, M>,
    /// The right-hand side.
    pub(super) v: R,
    /// The current iterate.
    pub(super) c: R,
    /// `v - (c - A c)`.
    pub(super) remainder: R,
    /// The Euclidean norm of each row of the remainder.
    pub(super) residuals: Vec<f64>,
    /// The scale of each row's relative residual.
    pub(super) sizes: Vec<f64>,
    pub(super) ledger: Ledger<R>,
    pub(super) rules: StoppingRules,
    pub(super) observer: &'o mut dyn Observe,
}

impl<'o, 'm, R: Rows, M: Map<R> + ?Sized> LinearSystem<'o, 'm, R, M> {
    /// Starts from the guess `c0`, at the cost of one application, in rows where the guess and its remainder
    /// are finite, and from zeros elsewhere. Residuals are relative to `‖v‖`.
    pub(super) fn new(
        map: &'m M,
        v: &R,
        c0: Option<&R>,
        rules: StoppingRules,
        observer: &'o mut dyn Observe,
    ) -> Result<Self, Error> {
        let sizes = R::norms(&[v]).swap_remove(0);
        let Some(c0) = c0 else {
            return Ok(Self::from_zeros(map, v, (sizes.clone(), sizes), rules, observer));
        };
        let c = finite_guess(c0, &v.zeros());
        let (map, mut ledger) = (ActiveMap::new(map), Ledger::new(&c, rules));
        let remainder = v.minus(&map.apply_shifted(&c, &mut ledger)?);
        let mut residuals = R::norms(&[&remainder]).swap_remove(0);
        let finite: Vec<bool> = residuals.iter().map(|residual| residual.is_finite()).collect();
        let c = select_rows(&finite, &c, &v.zeros());
        let remainder = select_rows(&finite, &remainder, v);
        (0..finite.len()).filter(|row| !finite[*row]).for_each(|row| residuals[row] = sizes[row]);
        Ok(Self { map, v: v.clone(), c, remainder, residuals, sizes, ledger, rules, observer }.started())
    }

    /// Starts from zeros, where the remainder is `v`, given the norms of `v` and user-supplied scales of the
    /// relative residuals.
    pub(crate) fn from_zeros(
        map: &'m M,
        v: &R,
        (residuals, sizes): (Vec<f64>, Vec<f64>),
        rules: StoppingRules,
        observer: &'o mut dyn Observe,
    ) -> Self {
        let (c, remainder) = (v.zeros(), v.clone());
        let (map, ledger) = (ActiveMap::new(map), Ledger::new(&c, rules));
        Self { map, v: v.clone(), c, remainder, residuals, sizes, ledger, rules, observer }.started()
    }

    fn started(mut self) -> Self {
        self.record(|_| 0);
        self.report(0);
        self
    }

    /// `p - A p`, counted as one evaluation.
    pub(super) fn apply_shifted(&mut self, p: &R) -> Result<R, Error> {
        self.map.apply_shifted(p, &mut self.ledger)
    }

    /// The remainder of active rows, scaled to unit length; zeros in the others.
    pub(super) fn unit_remainder(&self) -> R {
        normalized_rows(&self.remainder, &self.residuals, self.ledger.actives())
    }

    /// Moves active rows to `c` and computes the remainder there, for one application.
    pub(super) fn move_to(&mut self, c: R) -> Result<(), Error> {
        self.c = self.ledger.freeze(c);
        self.residuals = self.update_remainder()?;
        Ok(())
    }

    /// Computes the remainder at the iterate, for one application, and returns its norms.
    pub(super) fn update_remainder(&mut self) -> Result<Vec<f64>, Error> {
        self.remainder = self.v.minus(&self.map.apply_shifted(&self.c, &mut self.ledger)?);
        Ok(R::norms(&[&self.remainder]).swap_remove(0))
    }

    /// Records the iterate and ends rows that meet a stopping rule; `steps` counts the steps of a row.
    pub(super) fn record(&mut self, steps: impl Fn(usize) -> usize) {
        self.ledger.record(steps, &self.c, &self.residuals, &self.sizes);
    }

    /// Reports the residuals after a step to trace and observer, and enforces the budget.
    pub(super) fn report(&mut self, step: usize) {
        self.ledger.report(step, &self.residuals, self.observer);
        self.ledger.enforce();
    }

    /// Removes rows that have ended from the batch when enough of them have; returns the positions of those
    /// that stay.
    pub(super) fn narrow(&mut self) -> Option<Vec<usize>> {
        let keep = self.map.narrow(self.ledger.batch(), self.ledger.actives())?;
        self.ledger.narrow(&keep);
        for matrix in [&mut self.v, &mut self.c, &mut self.remainder] {
            *matrix = matrix.gather(&keep);
        }
        (self.residuals, self.sizes) = (entries_at(&self.residuals, &keep), entries_at(&self.sizes, &keep));
        Some(keep)
    }
}

/// The guess in rows where it is finite, `otherwise` elsewhere.
pub(super) fn finite_guess<R: Rows>(c0: &R, otherwise: &R) -> R {
    let finite: Vec<bool> = R::norms(&[c0]).swap_remove(0).iter().map(|norm| norm.is_finite()).collect();
    select_rows(&finite, c0, otherwise)
}
