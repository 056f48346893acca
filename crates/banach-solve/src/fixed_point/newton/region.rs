//! Trust regions of Newton's method on maps with an energy.

use super::direction::InnerLimits;
use super::search::SearchResult;
use crate::active_map::{ActiveMap, ActiveSmoothMap};
use crate::descent::{arrived, rounding};
use crate::ledger::Ledger;
use crate::state::rows::{entries_at, normalized_rows, select_rows};
use crate::{Error, Iterate, Map, Rows};

/// The fraction of the predicted decrease that an accepted step must attain.
const DECREASE: f64 = 1e-4;

/// The ratio of the actual to the predicted decrease above which the model is too inaccurate to enlarge the
/// radius.
const TRUSTED: f64 = 4.0;

/// The deviation of that ratio from 1 below which the model is nearly exact.
const EXACT: f64 = 1e-3;

/// The fraction of the first radius or of the norm of the state, whichever is larger, to which the radius is
/// limited once it grows, if the model is not nearly exact.
const WARY: f64 = 0.125;

/// The first radius, in lengths of the gradient step `‖∇f‖ / ‖H‖`, which does not depend on γ.
const REACH: f64 = 1.0;

/// An approximate minimizer of the quadratic model within the trust region.
#[derive(Debug)]
struct Truncated<R> {
    step: R,
    /// The decrease of the model along the step, in units of `γ f`.
    predicted: Vec<f64>,
    /// Whether the step ends at the boundary.
    bound: Vec<bool>,
    /// The largest `‖(I - J) d‖ / ‖d‖` of the directions `d`.
    largest: Vec<f64>,
}

/// The energy of one row and its trust region.
#[derive(Debug, Clone, Copy)]
pub(super) struct TrustRegion {
    /// The energy at the current iterate; NaN if the energy does not decrease along `g(x) - x`.
    value: f64,
    /// The energy at the start.
    first: f64,
    /// `1 / γ`.
    rate: f64,
    radius: f64,
    first_radius: f64,
    /// The decrease of the last step, or the predicted one if it was refused; `None` before the first.
    left: Option<f64>,
    /// Whether the last step was refused.
    refused: bool,
}

impl TrustRegion {
    /// The trust regions at the start.
    ///
    /// The step size γ follows from the slope of the energy along the gradient step,
    /// `⟨∇f, g(x) - x⟩ = -‖g(x) - x‖² / γ`, by a central difference; the first radius from the curvature along
    /// it.
    pub(super) fn at_start<R: Rows>(
        active_map: &ActiveSmoothMap<'_, R>,
        iterate: &Iterate<'_, R>,
        energies: &[f64],
        ledger: &mut Ledger<R>,
    ) -> Result<Vec<Self>, Error> {
        let (map, precision, rows) = (active_map.map(), iterate.x.precision(), energies.len());
        let sizes = R::norms(&[iterate.x]).swap_remove(0);
        // The steps of the difference are relative to the state, since γ is arbitrary.
        let reach = |row: usize| precision.cbrt() * sizes[row].max(1.0) / iterate.residuals[row];
        let usable = |reach: f64| if reach.is_finite() { reach } else { 0.0 };
        let reach: Vec<f64> = (0..rows).map(reach).map(usable).collect();
        let back: Vec<f64> = reach.iter().map(|reach| -reach).collect();
        let mut energy = |lengths: &[f64]| {
            ledger.energy_evaluations += 1;
            let found = map.energy(&iterate.x.add_scaled(&[(lengths, iterate.difference())]));
            found.unwrap_or_else(|| vec![f64::NAN; rows])
        };
        let (ahead, behind) = (energy(&reach), energy(&back));
        let one = InnerLimits { tolerances: vec![1.0; rows], inner: 1 };
        let endless = vec![f64::INFINITY; rows];
        let largest = truncated(&*map.derivative(iterate.x), iterate, &endless, &one, ledger)?.largest;
        let row = |row: usize| {
            // A lower bound on the difference, without its rounding error.
            let noise = rounding(behind[row], precision) + rounding(ahead[row], precision);
            let rate =
                0.5 * (behind[row] - ahead[row] - noise) / (reach[row] * iterate.residuals[row].powi(2));
            let still = iterate.residuals[row] == 0.0;
            let falls = still || rate > 0.0 && rate.is_finite();
            let natural = REACH * iterate.residuals[row] / largest[row];
            let radius = if natural > 0.0 && natural.is_finite() { natural } else { sizes[row].max(1.0) };
            Self {
                value: if falls { energies[row] } else { f64::NAN },
                first: energies[row],
                rate: if still { 1.0 } else { rate },
                radius,
                first_radius: radius,
                left: None,
                refused: false,
            }
        };
        Ok((0..rows).map(row).collect())
    }

    /// The energy at the current iterate; NaN if the energy does not decrease along `g(x) - x`.
    pub(super) fn energy(&self) -> f64 {
        self.value
    }

    /// Whether the last step was accepted, so that a step beyond the trust region may be tried.
    pub(super) fn accepted(&self) -> bool {
        !self.refused
    }

    /// Whether the descent has arrived, with this residual and norm of the state.
    pub(super) fn arrived(&self, residual: f64, size: f64, precision: f64) -> bool {
        arrived(self.rate, (residual, size), precision, self.first - self.value)
    }

    /// Whether the last step lowered the energy by at most this fraction of its whole descent.
    pub(super) fn settled(&self, part: f64, precision: f64) -> bool {
        let enough = (part * (self.first - self.value)).max(rounding(self.value, precision));
        self.value.is_nan() || self.left.is_none_or(|left| left <= enough)
    }

    /// Whether a step to this energy is accepted, from its predicted decrease, its length and the norm of the
    /// state; updates the radius.
    ///
    /// The radius grows with the norm of the state, and not beyond it: a longer step may lead across a
    /// minimizer onto a plateau, whose gradient is too small to lead back.
    fn accepts(
        &mut self,
        found: f64,
        (predicted, length, size): (f64, f64, f64),
        bound: bool,
        precision: f64,
    ) -> bool {
        let (noise, predicted, fall) =
            (rounding(self.value, precision), self.rate * predicted, self.value - found);
        let (good, ratio) = if self.value.is_nan() {
            // Without an energy every step is accepted, and the radius stays.
            (true, 0.5)
        } else if predicted <= noise {
            // The predicted decrease is below the rounding error: a step that does not raise f is accepted.
            (fall >= -noise, f64::from(u8::from(fall >= -noise)))
        } else {
            (fall > DECREASE * predicted, fall / predicted)
        };
        if !good || ratio < 0.25 {
            self.radius = 0.25 * length;
        } else if (0.75..TRUSTED).contains(&ratio) && bound {
            // Along a quadratic valley, where the model is nearly exact, far longer steps are safe.
            let exact = (ratio - 1.0).abs() <= EXACT;
            let (growth, part) = if exact { (10.0, 1.0) } else { (3.0, WARY) };
            let most = part * self.first_radius.max(size).max(1.0);
            self.radius = self.radius.max(growth * length).min(most);
        }
        self.refused = !good;
        // A step inside the region ends at the minimum of the model, which is off by its error.
        self.left = Some(match (good, bound) {
            (true, true) => fall,
            (true, false) => (fall - predicted).abs(),
            (false, _) => predicted,
        });
        if good && !self.value.is_nan() {
            self.value = found;
        }
        good
    }
}

/// Takes one step in every active row whose energy it lowers; other rows stay. The step of a row is the given
/// one, if there is one and it is a direction of descent, else one within its trust region.
pub(super) fn descend<R: Rows>(
    (active_map, derivative): (&ActiveSmoothMap<'_, R>, &dyn Map<R>),
    iterate: &Iterate<'_, R>,
    (trust, given): (&mut [TrustRegion], Option<R>),
    limits: &InnerLimits,
    ledger: &mut Ledger<R>,
) -> Result<SearchResult<R>, Error> {
    let radii: Vec<f64> = trust.iter().map(|trust| trust.radius).collect();
    let along = given.as_ref().map(|given| R::dots(&[(iterate.difference(), given)]).swap_remove(0));
    let along = along.unwrap_or_else(|| vec![0.0; trust.len()]);
    let downhill: Vec<bool> = along.iter().map(|along| along.is_finite() && *along > 0.0).collect();
    let searching = |row: usize| iterate.active[row] && !downhill[row];
    let searching: Vec<bool> = (0..trust.len()).map(searching).collect();
    let mut found = truncated(derivative, &iterate.among(&searching), &radii, limits, ledger)?;
    if let Some(given) = given {
        found.step = select_rows(&downhill, &given, &found.step);
        let rows = (0..trust.len()).filter(|row| downhill[*row]);
        rows.for_each(|row| found.predicted[row] = 0.5 * along[row]);
    }
    let trial = iterate.x.plus(&found.step);
    let (image, energies) = active_map.image_and_energy(&trial, ledger)?;
    let energies = energies.unwrap_or_else(|| vec![f64::NAN; trust.len()]);
    let norms = R::norms(&[&found.step, &trial]);
    let mut good = vec![false; trust.len()];
    for row in (0..trust.len()).filter(|row| iterate.active[*row]) {
        let plan = (found.predicted[row], norms[0][row], norms[1][row]);
        good[row] = trust[row].accepts(energies[row], plan, found.bound[row], iterate.x.precision());
    }
    let image = select_rows(&good, &image, iterate.gx);
    Ok(SearchResult { next: select_rows(&good, &trial, iterate.x), image: Some(image) })
}

/// Minimizes `½ ⟨p, (I - J) p⟩ - ⟨g(x) - x, p⟩` over `‖p‖ <= radius` in the active rows, by conjugate gradients
/// that end where the gradient of the model meets the tolerance, at the boundary, and at negative curvature,
/// which they follow to the boundary.
///
/// Reference: J. Nocedal and S. Wright, Numerical Optimization (2006), algorithm 7.2.
fn truncated<R: Rows>(
    derivative: &dyn Map<R>,
    iterate: &Iterate<'_, R>,
    radii: &[f64],
    limits: &InnerLimits,
    ledger: &mut Ledger<R>,
) -> Result<Truncated<R>, Error> {
    let (rows, precision, slopes) = (radii.len(), iterate.x.precision(), iterate.residuals);
    let mut open: Vec<bool> = (0..rows).map(|row| iterate.active[row] && slopes[row] > 0.0).collect();
    let mut active_map = ActiveMap::new(derivative);
    // `remainder`, `step` and `direction` hold the rows of `left` alone, all else holds all rows.
    let mut left: Vec<usize> = (0..rows).collect();
    let mut remainder = normalized_rows(iterate.difference(), slopes, &open);
    let (mut step, mut direction) = (remainder.zeros(), remainder.clone());
    let mut found = step.clone();
    let mut squares = vec![1.0; rows];
    let (mut predicted, mut bound, mut largest) = (vec![0.0; rows], vec![false; rows], vec![0.0_f64; rows]);
    for _ in 0..limits.inner.min(ledger.remaining().saturating_sub(2)) {
        if !open.contains(&true) {
            break;
        }
        if let Some(keep) = active_map.narrow(&left, &entries_at(&open, &left)) {
            found.put(&left, &step);
            (step, remainder, direction) =
                (step.gather(&keep), remainder.gather(&keep), direction.gather(&keep));
            left = entries_at(&left, &keep);
        }
        let asked = select_rows(&entries_at(&open, &left), &direction, &direction.zeros());
        let image = asked.minus(&active_map.image(&asked)?);
        ledger.derivative_applications += 1;
        let products =
            R::dots(&[(&asked, &image), (&asked, &asked), (&step, &asked), (&step, &step), (&image, &image)]);
        let mut along = vec![0.0; left.len()];
        for (position, row) in left.iter().copied().enumerate() {
            let [curve, square, cross, reached, turned] =
                [0, 1, 2, 3, 4].map(|k: usize| products[k][position]);
            if !(open[row] && curve.is_finite() && turned.is_finite() && square > 0.0) {
                open[row] = false;
                continue;
            }
            largest[row] = largest[row].max((turned / square).sqrt());
            let radius = radii[row] / slopes[row];
            let (length, outside) = length([curve, square, cross, reached], squares[row], radius, precision);
            along[position] = length;
            (bound[row], open[row]) = (bound[row] || outside, open[row] && !outside);
            predicted[row] += along[position] * (squares[row] - 0.5 * along[position] * curve);
        }
        let back: Vec<f64> = along.iter().map(|length| -length).collect();
        step = step.add_scaled(&[(&along, &asked)]);
        remainder = remainder.add_scaled(&[(&back, &image)]);
        let now = R::dots(&[(&remainder, &remainder)]).swap_remove(0);
        let mut ratios = vec![0.0; left.len()];
        for (position, row) in left.iter().copied().enumerate() {
            if !open[row] {
                continue;
            }
            ratios[position] = now[position] / squares[row];
            squares[row] = now[position];
            open[row] = now[position].sqrt() > limits.tolerances[row];
        }
        direction = remainder.add_scaled(&[(&ratios, &asked)]);
    }
    found.put(&left, &step);
    let usable: Vec<bool> = predicted.iter().map(|predicted| predicted.is_finite()).collect();
    let scaled = |row: usize| if usable[row] { predicted[row] * slopes[row].powi(2) } else { 0.0 };
    let step = select_rows(&usable, &found.scaled(slopes), &found.zeros());
    Ok(Truncated { step, predicted: (0..rows).map(scaled).collect(), bound, largest })
}

/// The length of a step along a direction, to the minimum of the model there or to the boundary, and whether it ends at
/// the boundary. The products are those of the direction with its image, with itself and with the step so far, and of
/// the step so far with itself.
fn length(
    [curve, square, cross, reached]: [f64; 4],
    remainder: f64,
    radius: f64,
    precision: f64,
) -> (f64, bool) {
    // Curvature below the rounding error of the product counts as none.
    let curved = curve > precision * square;
    let whole = if curved { remainder / curve } else { f64::INFINITY };
    let outside = !curved || reached + 2.0 * whole * cross + whole * whole * square >= radius * radius;
    let room = (cross * cross + square * (radius * radius - reached)).max(0.0);
    let length = if outside { (room.sqrt() - cross) / square } else { whole };
    (if length.is_finite() { length } else { 0.0 }, outside)
}
