//! Newton directions, by inner linear solves.

use crate::active_map::check_shape;
use crate::ledger::Ledger;
use crate::linear::{LinearSystem, corrections, factorized};
use crate::settings::StoppingRules;
use crate::state::rows::select_rows;
use crate::{Budget, Error, Gmres, Iterate, Map, Norm, Outcome, Rows, Tolerance, Unobserved};

/// Tolerance and budget of the inner solve of `(I - J) d = g(x) - x`.
#[derive(Debug)]
pub(super) struct InnerLimits {
    /// The tolerance of every row, relative to `‖g(x) - x‖`.
    pub(super) tolerances: Vec<f64>,
    /// The most applications of the derivative.
    pub(super) inner: usize,
}

/// GMRES for general `J`: a direction of descent of the linearized residual.
///
/// Rows whose direction is zero or not finite fall back to the residual direction `g(x) - x`.
pub(super) fn gmres_direction<R: Rows>(
    derivative: &dyn Map<R>,
    iterate: &Iterate<'_, R>,
    limits: &InnerLimits,
    ledger: &mut Ledger<R>,
) -> Result<R, Error> {
    let only_active =
        |row: usize, value: f64| if iterate.active[row] { value * iterate.residuals[row] } else { 0.0 };
    let residuals: Vec<f64> = (0..iterate.active.len()).map(|row| only_active(row, 1.0)).collect();
    let wanted: Vec<f64> =
        limits.tolerances.iter().enumerate().map(|(row, part)| only_active(row, *part)).collect();
    let v = select_rows(iterate.active, iterate.difference(), &iterate.difference().zeros());
    // The last application computes the true residual.
    let steps = limits.inner.saturating_sub(1).max(1);
    let rules = StoppingRules {
        tolerance: Tolerance { absolute: 0.0, relative: 1.0, norm: Norm::Euclidean },
        budget: Budget { steps, evaluations: Some(steps + 1), seconds: ledger.seconds_left() },
        patience: None,
        divergence: None,
        trace: false,
    };
    let gmres = Gmres { restart: steps };
    let mut unobserved = Unobserved;
    let system = LinearSystem::from_zeros(derivative, &v, (residuals, wanted), rules, &mut unobserved);
    let found = gmres.solve(system)?;
    ledger.derivative_applications += found.statistics.evaluations;
    let lengths = R::norms(&[&found.value]).swap_remove(0);
    let usable: Vec<bool> = lengths.iter().map(|length| length.is_finite() && *length > 0.0).collect();
    Ok(select_rows(&usable, &found.value, iterate.difference()))
}

/// [`dense_direction`] in these rows where `I - J` is regular, the given direction in all others.
pub(super) fn dense_direction_in<R: Rows>(
    rows: &[bool],
    derivative: &dyn Map<R>,
    (iterate, otherwise): (&Iterate<'_, R>, &R),
    rules: StoppingRules,
    ledger: &mut Ledger<R>,
) -> Result<R, Error> {
    // A singular row ends in a separate ledger and falls back to the given direction.
    let mut separate = Ledger::new(iterate.x, rules);
    let others = (0..rows.len()).filter(|row| !rows[*row]);
    others.for_each(|row| separate.end(row, Outcome::Singular));
    let direction = dense_direction(derivative, iterate, &mut separate)?;
    ledger.derivative_applications += separate.derivative_applications;
    let lengths = R::norms(&[&direction]).swap_remove(0);
    let usable = |row: usize| separate.actives()[row] && lengths[row].is_finite();
    let usable: Vec<bool> = (0..rows.len()).map(usable).collect();
    Ok(select_rows(&usable, &direction, otherwise))
}

/// The solution `d` of `(I - J) d = g(x) - x` with a dense `J`, for one application a column. Ends rows in
/// which `I - J` is singular to the precision of the state.
pub(super) fn dense_direction<R: Rows>(
    derivative: &dyn Map<R>,
    iterate: &Iterate<'_, R>,
    ledger: &mut Ledger<R>,
) -> Result<R, Error> {
    let column = |unit: &R, ledger: &mut Ledger<R>| {
        ledger.derivative_applications += 1;
        let image = derivative.apply(unit);
        check_shape(&image, unit).map(|()| image)
    };
    let factors = factorized(column, iterate.x, ledger)?;
    Ok(corrections(&factors, iterate.difference(), ledger.actives()))
}
