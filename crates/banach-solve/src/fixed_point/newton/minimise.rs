//! Newton's method for minimisers of an energy: a trust region around every iterate.

mod settled;

use super::forcing::Aim;
use super::{Newton, NewtonInner};
use crate::fall::Descended;
use crate::landscape::{Landscape, ROUNDING, lengths};
use crate::ledger::{Ledger, picked};
use crate::present::PresentSmooth;
use crate::region::{Limits, Truncated, truncated};
use crate::rows::choose;
use crate::settings::Rules;
use crate::{Error, Observe, Outcome, Rows, Smooth, Solution};

/// The part of the promised decrease with which a step is accepted.
const DECREASE: f64 = 1e-4;

/// A fall so many times what was promised says that the model is wrong, if not for the worse: the radius stays.
const TRUSTED: f64 = 4.0;

/// How far the fall may be off the promise, as a part of it, for the model to be nearly exact.
const EXACT: f64 = 0.01;

/// Refused steps in a row after which negative curvature counts as tried: the energy does not fall along it.
const TRIED: usize = 4;

/// The part of `tolerance.relative` that the promised decrease may still be of the whole descent.
const SETTLED: f64 = 0.1;

/// The radius of the first trust region, in lengths of the natural gradient step `‖∇f‖ / ‖H‖`.
const REACH: f64 = 10.0;

/// Applications of the Hessian that look for negative curvature where a row is about to converge.
pub(crate) const LOOKS: usize = 10;

/// Applications that one step may need beside its truncated conjugate gradients, and its evaluations.
const RESERVE: usize = LOOKS + 13;

/// Below this part of the largest curvature seen, negative curvature is that of a plateau and not of a saddle.
pub(crate) const FLAT: f64 = 1e-3;

/// What is known of one row.
#[derive(Debug, Clone, Copy)]
struct Row {
    /// The energy, NaN where it tells nothing, and the one at the start.
    value: f64,
    first: f64,
    /// What gradients are multiplied by to be those of the energy.
    rate: f64,
    /// The radius of the trust region.
    radius: f64,
    /// The radius of the first trust region.
    first_radius: f64,
    /// The largest curvature met, `‖H d‖ / ‖d‖`.
    largest: f64,
    /// The size of the start.
    size: f64,
    aim: Aim,
    /// The steps that were refused since the last one that was accepted.
    refused: usize,
}

impl Row {
    /// What the energy has of rounding.
    fn rounding(&self, precision: f64) -> f64 {
        ROUNDING * precision * self.value.abs()
    }

    /// Whether a step that promises this much, has this length and leads to this energy, at a state of this size, is accepted; moves
    /// the radius. It does not grow beyond the size of the state: a longer step may lead from one plateau across the minimum to
    /// another, where nothing tells the way back.
    fn accepts(
        &mut self,
        found: f64,
        (promised, length, reached): (f64, f64, f64),
        bound: bool,
        precision: f64,
    ) -> bool {
        let (rounding, promised) = (self.rounding(precision), self.rate * promised);
        let fall = self.value - found;
        let (good, ratio) = if self.value.is_nan() {
            // Nothing tells whether a longer step would do.
            (true, 0.5)
        } else if promised <= rounding {
            // The energy cannot tell: a step that leaves it alone is as good as promised.
            (fall >= -rounding, f64::from(u8::from(fall >= -rounding)))
        } else {
            (fall > DECREASE * promised, fall / promised)
        };
        if !good || ratio < 0.25 {
            self.radius = 0.25 * length;
        } else if (0.75..TRUSTED).contains(&ratio) && bound {
            // Where the model is nearly exact, as along a quadratic valley, nothing speaks against a far longer step.
            let growth = if (ratio - 1.0).abs() <= EXACT { 10.0 } else { 3.0 };
            self.radius = self.radius.max(growth * length).min(self.first_radius.max(reached).max(1.0));
        }
        if good && !self.value.is_nan() {
            self.value = found;
        }
        self.refused = if good { 0 } else { self.refused + 1 };
        good
    }
}

/// Everything about the iterates, of the rows in the batch.
struct State<R> {
    start: R,
    x: R,
    gradient: R,
    rows: Vec<Row>,
}

/// The next step of every row, and what its search has told.
struct Next<R> {
    step: Truncated<R>,
    descended: Vec<Descended>,
}

pub(super) fn minimise<R: Rows>(
    newton: &Newton,
    map: &dyn Smooth<R>,
    x0: &R,
    rules: Rules,
    observer: &mut dyn Observe,
) -> Result<Solution<R>, Error> {
    let mut ledger = Ledger::new(x0, rules);
    let mut present = PresentSmooth::new(map);
    if ledger.finished() {
        return Ok(ledger.close());
    }
    let mut state = begin(map, x0, &mut ledger)?;
    let mut step = 0;
    loop {
        let landscape = Landscape::new(present.map());
        let mut next = state.next(newton, landscape, rules, &mut ledger)?;
        let (residuals, sizes) = state.measured(rules);
        ledger.visit_descended(|_| step, &state.x, (&residuals, &sizes), Some(&next.descended));
        for position in 0..state.rows.len() {
            let row = &state.rows[position];
            let bounds = rules.divergence.unwrap_or(f64::INFINITY) * row.size.max(1.0);
            if sizes[position] > bounds && !row.value.is_nan() {
                ledger.end(position, Outcome::Diverged);
            }
        }
        ledger.report(step, &residuals, observer);
        ledger.enforce();
        if ledger.remaining() < RESERVE + 2 {
            ledger.exhaust();
        }
        if ledger.finished() {
            return Ok(ledger.close());
        }
        if let Some(keep) = present.narrow(ledger.batch(), ledger.actives()) {
            ledger.narrow(&keep);
            state.narrow(&keep);
            next.step = next.step.narrowed(&keep);
        }
        state.move_on(&next.step, Landscape::new(present.map()), &mut ledger)?;
        step += 1;
    }
}

/// Energies, gradients and curvature along them at the start.
fn begin<R: Rows>(map: &dyn Smooth<R>, x0: &R, ledger: &mut Ledger<R>) -> Result<State<R>, Error> {
    let landscape = Landscape::new(map);
    let (values, gradient) = landscape.look(x0, ledger)?;
    let (slopes, sizes) = (lengths(&gradient), lengths(x0));
    let mut largest = vec![0.0; slopes.len()];
    let mut rates = vec![0.0; slopes.len()];
    if ledger.remaining() > RESERVE + 5 {
        rates = landscape.rates(x0, (&values, &gradient), &slopes, ledger)?;
        let limits = Limits { radii: vec![1.0; slopes.len()], parts: slopes.clone(), applications: 1 };
        let open = vec![true; slopes.len()];
        largest = truncated(&*landscape.hessian(x0), &gradient, open, &limits, ledger)?.largest;
    }
    // Where there is no gradient there is nothing to compare the energy with.
    let rated = |row: usize| slopes[row] == 0.0 && values[row].is_finite();
    (0..slopes.len()).filter(|row| rated(*row)).for_each(|row| rates[row] = 1.0);
    let row = |row: usize| {
        let natural = REACH * slopes[row] / largest[row];
        let radius = if natural.is_finite() && natural > 0.0 { natural } else { sizes[row].max(1.0) };
        Row {
            value: if rates[row] > 0.0 { values[row] } else { f64::NAN },
            first: values[row],
            rate: rates[row],
            radius,
            first_radius: radius,
            largest: largest[row],
            size: sizes[row],
            aim: Aim::new(slopes[row]),
            refused: 0,
        }
    };
    let rows = (0..slopes.len()).map(row).collect();
    Ok(State { start: x0.clone(), x: x0.clone(), gradient, rows })
}

impl<R: Rows> State<R> {
    /// The natural residual `‖∇f‖ / ‖H‖` and the size of every row, in the norm of the tolerance.
    fn measured(&self, rules: Rules) -> (Vec<f64>, Vec<f64>) {
        let (steps, sizes) = rules.tolerance.norm.of_step(&self.gradient, &self.x);
        let unit = |row: &Row| if row.largest > 0.0 { row.largest } else { 1.0 };
        (steps.iter().zip(&self.rows).map(|(step, row)| step / unit(row)).collect(), sizes)
    }

    /// Minimises the model of every active row, and looks whether it is settled.
    fn next(
        &mut self,
        newton: &Newton,
        landscape: Landscape<'_, R>,
        rules: Rules,
        ledger: &mut Ledger<R>,
    ) -> Result<Next<R>, Error> {
        let (active, count) = (ledger.actives().to_vec(), self.rows.len());
        let slopes = lengths(&self.gradient);
        let room = ledger.remaining().saturating_sub(RESERVE) / 2;
        let (applications, least) = match newton.inner {
            NewtonInner::Krylov { applications } => (applications, 0.0),
            NewtonInner::Dense { .. } => (2 * self.x.width(), 1.0),
        };
        let part = |(row, slope): (&mut Row, &f64)| row.aim.part(newton.forcing, *slope);
        let mut parts: Vec<f64> = self.rows.iter_mut().zip(&slopes).map(part).collect();
        if least > 0.0 {
            parts.fill(self.x.precision());
        }
        let radii = self.rows.iter().map(|row| row.radius).collect();
        let limits = Limits { radii, parts, applications: applications.min(room) };
        let hessian = landscape.hessian(&self.x);
        let v = self.x.zeros().minus(&self.gradient);
        let mut step = truncated(&*hessian, &v, active.clone(), &limits, ledger)?;
        for (row, largest) in self.rows.iter_mut().zip(&step.largest) {
            row.largest = row.largest.max(*largest);
        }
        let (residuals, sizes) = self.measured(rules);
        let met = |row: usize| active[row] && rules.tolerance.met(residuals[row], sizes[row]);
        let met: Vec<bool> = (0..count).map(met).collect();
        let settled = |row: usize| {
            let Row { value, first, rate, largest, .. } = self.rows[row];
            let left = rate * step.promised[row];
            let allowed = SETTLED * rules.tolerance.relative * (first - value);
            let low = value.is_nan() || left <= allowed.max(self.rows[row].rounding(self.x.precision()));
            let tried = self.rows[row].refused >= TRIED;
            met[row] && (step.down[row].is_nan() || tried) && low && (largest > 0.0 || slopes[row] == 0.0)
        };
        let mut settled: Vec<bool> = (0..count).map(settled).collect();
        if limits.applications > 0 {
            self.look_down(rules, &mut step, (&mut settled, &slopes), (&*hessian, &landscape), ledger)?;
        }
        let stuck = |row: usize| match step.down[row] {
            down if down.is_nan() => Outcome::Stalled,
            down if down.abs() < FLAT * self.rows[row].largest => Outcome::Plateau,
            _ => Outcome::Saddle,
        };
        let descended =
            |row: usize| Descended { energy: self.rows[row].value, settled: settled[row], stuck: stuck(row) };
        Ok(Next { descended: (0..count).map(descended).collect(), step })
    }

    /// Takes the steps that lower the energy.
    fn move_on(
        &mut self,
        step: &Truncated<R>,
        landscape: Landscape<'_, R>,
        ledger: &mut Ledger<R>,
    ) -> Result<(), Error> {
        let active = ledger.actives().to_vec();
        let once: Vec<f64> = active.iter().map(|active| f64::from(u8::from(*active))).collect();
        let trial = self.x.add_scaled(&[(&once, &step.step)]);
        let (values, gradient) = landscape.look(&trial, ledger)?;
        let norms = R::norms(&[&step.step, &trial]);
        let precision = self.x.precision();
        let mut good = vec![false; active.len()];
        for row in (0..active.len()).filter(|row| active[*row]) {
            let plan = (step.promised[row], norms[0][row], norms[1][row]);
            good[row] = self.rows[row].accepts(values[row], plan, step.bound[row], precision);
        }
        self.x = choose(&good, &trial, &self.x);
        self.gradient = choose(&good, &gradient, &self.gradient);
        Ok(())
    }

    /// Keeps the rows at these positions.
    fn narrow(&mut self, keep: &[usize]) {
        for matrix in [&mut self.start, &mut self.x, &mut self.gradient] {
            *matrix = matrix.gather(keep);
        }
        self.rows = picked(&self.rows, keep);
    }
}
