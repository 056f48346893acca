//! Starts of linear solves: the guess, its residual, and the rows already solved.

use crate::ledger::Ledger;
use crate::present::Present;
use crate::rows::choose;
use crate::settings::Rules;
use crate::{Error, Map, Observe, Rows};

/// The first point of every row, and how far it is from solving `(I - A) c = v`.
#[derive(Debug)]
pub(crate) struct Start<R> {
    /// The point.
    pub(crate) c: R,
    /// `v - (c - A c)`.
    pub(crate) remainder: R,
    /// The length of the remainder.
    pub(crate) residuals: Vec<f64>,
    /// What residuals are measured against.
    pub(crate) sizes: Vec<f64>,
}

impl<R: Rows> Start<R> {
    /// At zeros, where all of `v` is left.
    pub(crate) fn zeros(v: &R, residuals: Vec<f64>, sizes: Vec<f64>) -> Self {
        Self { c: v.zeros(), remainder: v.clone(), residuals, sizes }
    }

    /// At the guess, for one application, in rows where it and its remainder are finite; at zeros elsewhere.
    pub(super) fn measured(
        map: &Present<'_, R, impl Map<R> + ?Sized>,
        v: &R,
        c0: Option<&R>,
        rules: Rules,
    ) -> Result<(Self, Ledger<R>), Error> {
        let sizes = R::norms(&[v]).swap_remove(0);
        let mut start = Self::zeros(v, sizes.clone(), sizes);
        let Some(c0) = c0 else {
            let ledger = Ledger::new(&start.c, rules);
            return Ok((start, ledger));
        };
        let c = guessed(c0, &start.c);
        let mut ledger = Ledger::new(&c, rules);
        let remainder = v.minus(&map.apply_shifted(&c, &mut ledger)?);
        let residuals = R::norms(&[&remainder]).swap_remove(0);
        let sound: Vec<bool> = residuals.iter().map(|residual| residual.is_finite()).collect();
        start.c = choose(&sound, &c, &start.c);
        start.remainder = choose(&sound, &remainder, v);
        let rows = (0..sound.len()).filter(|row| sound[*row]);
        rows.for_each(|row| start.residuals[row] = residuals[row]);
        Ok((start, ledger))
    }

    /// Tells the ledger and the observer about it.
    pub(super) fn look(&self, ledger: &mut Ledger<R>, observer: &mut dyn Observe) {
        ledger.visit(|_| 0, &self.c, &self.residuals, &self.sizes);
        ledger.report(0, &self.residuals, observer);
        ledger.enforce();
    }
}

/// The guess in rows where it is finite, `otherwise` elsewhere.
pub(super) fn guessed<R: Rows>(c0: &R, otherwise: &R) -> R {
    let sound: Vec<bool> = R::norms(&[c0]).swap_remove(0).iter().map(|norm| norm.is_finite()).collect();
    choose(&sound, c0, otherwise)
}
