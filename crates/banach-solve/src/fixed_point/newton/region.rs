//! Steps within a trust region: truncated conjugate gradients, and how far each row's model is trusted.

use super::direction::Effort;
use super::search::Found;
use crate::Visit;
use crate::descent::{arrived, rounding};
use crate::ledger::{Ledger, picked};
use crate::linear::normalized;
use crate::present::{Present, PresentSmooth};
use crate::rows::choose;
use crate::{Error, Map, Rows};

/// The part of the promised fall with which a step is accepted.
const DECREASE: f64 = 1e-4;

/// A fall so many times what was promised says that the model is wrong, if not for the worse: the radius stays.
const TRUSTED: f64 = 4.0;

/// How far the fall may be off the promise, as a part of it, for the model to be nearly exact.
const EXACT: f64 = 1e-3;

/// The part of the size of the state up to which a radius grows where the model is not nearly exact.
const WARY: f64 = 0.125;

/// The radius of the first trust region, in lengths of the natural gradient step `‖∇f‖ / ‖H‖`.
const REACH: f64 = 1.0;

/// The minimiser of a quadratic model within a trust region, as far as it was looked for.
#[derive(Debug)]
struct Truncated<R> {
    step: R,
    /// By how much the model falls along the step, in units of `γ f`.
    promised: Vec<f64>,
    /// Whether the step ends at the boundary.
    bound: Vec<bool>,
    /// The largest `‖(I - J) d‖ / ‖d‖` that was met.
    largest: Vec<f64>,
}

/// What is known of the energy of one row.
#[derive(Debug, Clone, Copy)]
pub(super) struct Trust {
    /// The energy at the present point; NaN where it tells nothing.
    value: f64,
    /// The energy at the start.
    first: f64,
    /// `1 / γ`.
    rate: f64,
    radius: f64,
    first_radius: f64,
    /// The fall of the last step, or what the model promised where it was refused; none before the first.
    left: Option<f64>,
    /// Whether the last step was refused.
    refused: bool,
}

impl Trust {
    /// What is known at the start of every row: γ, which the energy does not tell, by a central difference along `g(x) - x`, and
    /// the curvature in that direction.
    ///
    /// Where the energy does not fall along `g(x) - x` it tells nothing.
    pub(super) fn at<R: Rows>(
        present: &PresentSmooth<'_, R>,
        visit: &Visit<'_, R>,
        energies: &[f64],
        ledger: &mut Ledger<R>,
    ) -> Result<Vec<Self>, Error> {
        let (map, precision, rows) = (present.map(), visit.x.precision(), energies.len());
        let sizes = R::norms(&[visit.x]).swap_remove(0);
        // In lengths of the state, as γ may be any length.
        let reach = |row: usize| precision.cbrt() * sizes[row].max(1.0) / visit.residuals[row];
        let usable = |reach: f64| if reach.is_finite() { reach } else { 0.0 };
        let reach: Vec<f64> = (0..rows).map(reach).map(usable).collect();
        let back: Vec<f64> = reach.iter().map(|reach| -reach).collect();
        let mut energy = |lengths: &[f64]| {
            ledger.energy_evaluations += 1;
            let found = map.energy(&visit.x.add_scaled(&[(lengths, visit.difference())]));
            found.unwrap_or_else(|| vec![f64::NAN; rows])
        };
        let (ahead, behind) = (energy(&reach), energy(&back));
        let one = Effort { parts: vec![1.0; rows], inner: 1 };
        let endless = vec![f64::INFINITY; rows];
        let largest = truncated(&*map.derivative(visit.x), visit, &endless, &one, ledger)?.largest;
        let row = |row: usize| {
            // At least this much of the difference is no rounding.
            let noise = rounding(behind[row], precision) + rounding(ahead[row], precision);
            let rate = 0.5 * (behind[row] - ahead[row] - noise) / (reach[row] * visit.residuals[row].powi(2));
            let still = visit.residuals[row] == 0.0;
            let falls = still || rate > 0.0 && rate.is_finite();
            let natural = REACH * visit.residuals[row] / largest[row];
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

    /// The energy at the present point; NaN where it tells nothing.
    pub(super) fn energy(&self) -> f64 {
        self.value
    }

    /// Whether a step is worth a try wherever it leads, since the last one was not refused.
    pub(super) fn free(&self) -> bool {
        !self.refused
    }

    /// Whether the descent has arrived at a point of this residual and size.
    pub(super) fn arrived(&self, residual: f64, size: f64) -> bool {
        arrived(self.rate, (residual, size), self.first - self.value)
    }

    /// Whether the energy no longer falls by this part of its whole descent.
    pub(super) fn settled(&self, part: f64, precision: f64) -> bool {
        let enough = (part * (self.first - self.value)).max(rounding(self.value, precision));
        self.value.is_nan() || self.left.is_none_or(|left| left <= enough)
    }

    /// Whether a step that promises this much, has this length and leads to this energy, at a state of this size, is accepted; moves
    /// the radius. It grows with the size of the state, and not beyond it: a longer step may lead across a minimum onto a plateau,
    /// where nothing tells the way back.
    fn accepts(
        &mut self,
        found: f64,
        (promised, length, size): (f64, f64, f64),
        bound: bool,
        precision: f64,
    ) -> bool {
        let (noise, promised, fall) =
            (rounding(self.value, precision), self.rate * promised, self.value - found);
        let (good, ratio) = if self.value.is_nan() {
            // Nothing tells whether a longer step would do.
            (true, 0.5)
        } else if promised <= noise {
            // The energy cannot tell: a step that leaves it alone is as good as promised.
            (fall >= -noise, f64::from(u8::from(fall >= -noise)))
        } else {
            (fall > DECREASE * promised, fall / promised)
        };
        if !good || ratio < 0.25 {
            self.radius = 0.25 * length;
        } else if (0.75..TRUSTED).contains(&ratio) && bound {
            // Where the model is nearly exact, as along a quadratic valley, nothing speaks against a far longer step.
            let exact = (ratio - 1.0).abs() <= EXACT;
            let (growth, part) = if exact { (10.0, 1.0) } else { (3.0, WARY) };
            let most = self.first_radius.max(part * size.max(1.0));
            self.radius = self.radius.max(growth * length).min(most);
        }
        self.refused = !good;
        self.left = Some(if good { fall } else { promised });
        if good && !self.value.is_nan() {
            self.value = found;
        }
        good
    }
}

/// One step of every active row where the energy falls; the others stay. A row takes the step it is given, where there is one that
/// leads downhill, else one within its trust region.
pub(super) fn descend<R: Rows>(
    (present, derivative): (&PresentSmooth<'_, R>, &dyn Map<R>),
    visit: &Visit<'_, R>,
    (trust, given): (&mut [Trust], Option<R>),
    effort: &Effort,
    ledger: &mut Ledger<R>,
) -> Result<Found<R>, Error> {
    let radii: Vec<f64> = trust.iter().map(|trust| trust.radius).collect();
    let along = given.as_ref().map(|given| R::dots(&[(visit.difference(), given)]).swap_remove(0));
    let along = along.unwrap_or_else(|| vec![0.0; trust.len()]);
    let downhill: Vec<bool> = along.iter().map(|along| along.is_finite() && *along > 0.0).collect();
    let searching = |row: usize| visit.active[row] && !downhill[row];
    let searching: Vec<bool> = (0..trust.len()).map(searching).collect();
    let mut found = truncated(derivative, &visit.among(&searching), &radii, effort, ledger)?;
    if let Some(given) = given {
        found.step = choose(&downhill, &given, &found.step);
        let rows = (0..trust.len()).filter(|row| downhill[*row]);
        rows.for_each(|row| found.promised[row] = 0.5 * along[row]);
    }
    let trial = visit.x.plus(&found.step);
    let (image, energies) = present.descend(&trial, ledger)?;
    let energies = energies.unwrap_or_else(|| vec![f64::NAN; trust.len()]);
    let norms = R::norms(&[&found.step, &trial]);
    let mut good = vec![false; trust.len()];
    for row in (0..trust.len()).filter(|row| visit.active[*row]) {
        let plan = (found.promised[row], norms[0][row], norms[1][row]);
        good[row] = trust[row].accepts(energies[row], plan, found.bound[row], visit.x.precision());
    }
    let image = choose(&good, &image, visit.gx);
    Ok(Found { next: choose(&good, &trial, visit.x), image: Some(image) })
}

/// Minimises `½ ⟨p, (I - J) p⟩ - ⟨g(x) - x, p⟩` over `‖p‖ <= radius` in active rows: a row ends where the gradient of the model
/// suffices, at the boundary, or at negative curvature, which it follows to the boundary.
///
/// Reference: J. Nocedal and S. Wright, Numerical Optimization (2006), algorithm 7.2.
fn truncated<R: Rows>(
    derivative: &dyn Map<R>,
    visit: &Visit<'_, R>,
    radii: &[f64],
    effort: &Effort,
    ledger: &mut Ledger<R>,
) -> Result<Truncated<R>, Error> {
    let (rows, precision, slopes) = (radii.len(), visit.x.precision(), visit.residuals);
    let mut open: Vec<bool> = (0..rows).map(|row| visit.active[row] && slopes[row] > 0.0).collect();
    let mut present = Present::new(derivative);
    // Rows are at their positions among those that are left; all else is of all rows.
    let mut left: Vec<usize> = (0..rows).collect();
    let mut remainder = normalized(visit.difference(), slopes, &open);
    let (mut step, mut direction) = (remainder.zeros(), remainder.clone());
    let mut found = step.clone();
    let mut squares = vec![1.0; rows];
    let (mut promised, mut bound, mut largest) = (vec![0.0; rows], vec![false; rows], vec![0.0_f64; rows]);
    for _ in 0..effort.inner.min(ledger.remaining().saturating_sub(2)) {
        if !open.contains(&true) {
            break;
        }
        if let Some(keep) = present.narrow(&left, &picked(&open, &left)) {
            found.put(&left, &step);
            (step, remainder, direction) =
                (step.gather(&keep), remainder.gather(&keep), direction.gather(&keep));
            left = picked(&left, &keep);
        }
        let asked = choose(&picked(&open, &left), &direction, &direction.zeros());
        let image = asked.minus(&present.image(&asked)?);
        ledger.derivative_applications += 1;
        let products =
            R::dots(&[(&asked, &image), (&asked, &asked), (&step, &asked), (&step, &step), (&image, &image)]);
        let mut along = vec![0.0; left.len()];
        for (position, row) in left.iter().copied().enumerate() {
            let [curve, square, cross, reached, turned] =
                [0, 1, 2, 3, 4].map(|k: usize| products[k][position]);
            if !open[row] || !(curve.is_finite() && turned.is_finite() && square > 0.0) {
                open[row] = false;
                continue;
            }
            largest[row] = largest[row].max((turned / square).sqrt());
            let radius = radii[row] / slopes[row];
            // What the product has of rounding is no curvature.
            let curved = curve > precision * square;
            let whole = if curved { squares[row] / curve } else { f64::INFINITY };
            along[position] = whole;
            if reached + 2.0 * whole * cross + whole * whole * square >= radius * radius || !curved {
                (bound[row], open[row]) = (true, false);
                let room = (cross * cross + square * (radius * radius - reached)).max(0.0);
                along[position] = (room.sqrt() - cross) / square;
            }
            if !along[position].is_finite() {
                along[position] = 0.0;
            }
            promised[row] += along[position] * (squares[row] - 0.5 * along[position] * curve);
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
            open[row] = now[position].sqrt() > effort.parts[row];
        }
        direction = remainder.add_scaled(&[(&ratios, &asked)]);
    }
    found.put(&left, &step);
    let usable: Vec<bool> = promised.iter().map(|promised| promised.is_finite()).collect();
    let scaled = |row: usize| if usable[row] { promised[row] * slopes[row].powi(2) } else { 0.0 };
    let step = choose(&usable, &found.scaled(slopes), &found.zeros());
    Ok(Truncated { step, promised: (0..rows).map(scaled).collect(), bound, largest })
}
