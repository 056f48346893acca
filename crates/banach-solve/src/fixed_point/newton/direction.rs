//! Directions of Newton steps, by inner linear solves.

use crate::Visit;
use crate::ledger::Ledger;
use crate::linear::{Start, corrections, factored};
use crate::present::{Present, same_shape};
use crate::rows::choose;
use crate::settings::Rules;
use crate::{Budget, Error, Gmres, Map, Norm, Outcome, Rows, Tolerance, Unobserved};

/// How well, and for how long, `(I - J) d = g(x) - x` is solved.
#[derive(Debug)]
pub(super) struct Effort {
    /// The residual that suffices, relative to `‖g(x) - x‖`, in every row.
    pub(super) parts: Vec<f64>,
    /// The most applications of the derivative.
    pub(super) inner: usize,
}

/// GMRES for any `J`: a direction in which the linearized residual falls.
///
/// Rows whose direction is zero or not finite fall back to the residual direction `g(x) - x`.
pub(super) fn onward<R: Rows>(
    derivative: &dyn Map<R>,
    visit: &Visit<'_, R>,
    effort: &Effort,
    ledger: &mut Ledger<R>,
) -> Result<R, Error> {
    let only_active =
        |row: usize, value: f64| if visit.active[row] { value * visit.residuals[row] } else { 0.0 };
    let residuals: Vec<f64> = (0..visit.active.len()).map(|row| only_active(row, 1.0)).collect();
    let wanted: Vec<f64> =
        effort.parts.iter().enumerate().map(|(row, part)| only_active(row, *part)).collect();
    let v = choose(visit.active, visit.difference(), &visit.difference().zeros());
    // The last application is the one for the true residual.
    let steps = effort.inner.saturating_sub(1).max(1);
    let rules = Rules {
        tolerance: Tolerance { absolute: 0.0, relative: 1.0, norm: Norm::Euclidean },
        budget: Budget { steps, evaluations: Some(steps + 1), seconds: ledger.seconds_left() },
        patience: None,
        divergence: None,
        trace: false,
    };
    let gmres = Gmres { restart: steps };
    let start = Start::zeros(&v, residuals, wanted);
    let inner = Ledger::new(&start.c, rules);
    let found = gmres.reduce(Present::new(derivative), &v, (start, inner), rules, &mut Unobserved)?;
    ledger.derivative_applications += found.statistics.evaluations;
    let lengths = R::norms(&[&found.value]).swap_remove(0);
    let usable: Vec<bool> = lengths.iter().map(|length| length.is_finite() && *length > 0.0).collect();
    Ok(choose(&usable, &found.value, visit.difference()))
}

/// [`straight`] in these rows, as far as `I - J` is regular there; the given direction in all others, which go on as they are.
pub(super) fn straight_in<R: Rows>(
    rows: &[bool],
    derivative: &dyn Map<R>,
    (visit, otherwise): (&Visit<'_, R>, &R),
    rules: Rules,
    ledger: &mut Ledger<R>,
) -> Result<R, Error> {
    // A row that is singular here ends in a ledger of its own, and falls back.
    let mut apart = Ledger::new(visit.x, rules);
    let others = (0..rows.len()).filter(|row| !rows[*row]);
    others.for_each(|row| apart.end(row, Outcome::Singular));
    let direction = straight(derivative, visit, &mut apart)?;
    ledger.derivative_applications += apart.derivative_applications;
    let lengths = R::norms(&[&direction]).swap_remove(0);
    let usable = |row: usize| apart.actives()[row] && lengths[row].is_finite();
    let usable: Vec<bool> = (0..rows.len()).map(usable).collect();
    Ok(choose(&usable, &direction, otherwise))
}

/// The solution `d` of `(I - J) d = g(x) - x` with all of `J` written down, one application a column; rows in which `I - J` is
/// singular to the precision of the state end.
pub(super) fn straight<R: Rows>(
    derivative: &dyn Map<R>,
    visit: &Visit<'_, R>,
    ledger: &mut Ledger<R>,
) -> Result<R, Error> {
    let column = |unit: &R, ledger: &mut Ledger<R>| {
        ledger.derivative_applications += 1;
        let image = derivative.apply(unit);
        same_shape(&image, unit).map(|()| image)
    };
    let factors = factored(column, visit.x, ledger)?;
    Ok(corrections(&factors, visit.difference(), ledger.actives()))
}
