//! Solves by splitting, of programs with semidefinite cones: a fixed point of the Douglas-Rachford map, accelerated.
//!
//! With s = Π(w), the map moves w by b - Ax - s, where x minimises
//! ½ xᵀPx + qᵀx + ½ ρ ‖b - Ax - (2s - w)‖² (P. L. Lions and B. Mercier, 1979). Its fixed points are w = s - y / ρ. Where
//! there is no solution, w moves on along a certificate (G. Banjac and others, "Infeasibility detection in ADMM", 2019).

use super::newton::Point;
use super::row::Row;
use crate::dense::cholesky::{Scratch, add_gram_of_rows, factor, solve_lower, solve_lower_transposed};
use crate::dense::vector::{dot, largest};
use crate::projection::cone::Projection;
use crate::termination::Termination;
use banach::solve::{Anderson, Budget, FixedPointSolver, Matrix, Picard, Settings, Tolerance, fixed_point};

/// The splitting ends at this residual; Newton's method goes on from there.
const TOLERANCE: f64 = 1e-9;
/// Steps with acceleration, and plain ones before Newton's method is tried again.
const ACCELERATED: usize = 200;
const PLAIN_FIRST: usize = 100;
/// Plain steps after which the difference of two iterates is a certificate, if there is one.
const PLAIN: usize = 500;
/// The largest violation of a certificate, relative to its size.
const VIOLATION: f64 = 1e-5;
/// The share of the diagonal that keeps the factor positive definite.
const REGULARIZATION: f64 = 1e-12;

/// The map of one row, with the factor of P + ρ AᵀA.
struct Splitting<'a> {
    row: &'a Row<'a>,
    rho: f64,
    l: Vec<f64>,
}

/// A point (x, w) of the splitting, in the scale of the cone program: w = s - y.
#[derive(Debug)]
pub(crate) struct Found {
    pub(crate) x: Vec<f64>,
    pub(crate) w: Vec<f64>,
}

impl<'a> Splitting<'a> {
    fn new(row: &'a Row<'a>) -> Option<Self> {
        let (n, m) = (row.n(), row.m());
        let mut dense = vec![0.0; m * n];
        row.pattern.places.iter().zip(row.values).for_each(|(&(i, j), a)| dense[i * n + j] += a);
        let trace = |p: &[f64]| (0..n).map(|i| p[i * n + i]).sum::<f64>();
        let of_a = dot(&dense, &dense);
        let of_p = row.quadratic.map_or(0.0, trace);
        let rho = if of_a > 0.0 && of_p > 0.0 { of_p / of_a } else { 1.0 };
        let mut l = vec![0.0; n * n];
        if let Some(p) = row.quadratic {
            (0..n * n).for_each(|at| l[at] = 0.5 * (p[at] + p[at % n * n + at / n]));
        }
        dense.iter_mut().for_each(|a| *a *= rho.sqrt());
        add_gram_of_rows(&dense, n, m, &mut l);
        let size = (0..n).fold(0.0, |size: f64, i| size.max(l[i * n + i]));
        (0..n).for_each(|i| l[i * n + i] += REGULARIZATION * if size > 0.0 { size } else { 1.0 });
        factor(&mut l, n, &mut Scratch::default())?;
        Some(Splitting { row, rho, l })
    }

    /// Moves w by a solver; returns it with the steps taken.
    fn run(&self, w: Vec<f64>, solver: FixedPointSolver, steps: usize) -> Option<(Vec<f64>, usize)> {
        let m = w.len();
        let map = |w: &Matrix<f64>| match self.step(w.as_slice()) {
            Some((_, next)) => Matrix::new(1, m, next),
            None => Matrix::new(1, m, vec![f64::NAN; m]),
        };
        let settings = Settings { patience: None, ..Settings::new(solver) }
            .with_tolerance(Tolerance::both(TOLERANCE))
            .with_budget(Budget::steps(steps));
        let solution = fixed_point(&map, &Matrix::new(1, m, w), &settings).ok()?;
        let taken = solution.statistics.steps.first().copied().unwrap_or(0);
        Some((solution.value.into_vec(), taken.max(1)))
    }

    /// The point (x, s - y) at w.
    fn found(&self, w: &[f64]) -> Option<Found> {
        let x = self.step(w)?.0;
        let s = Projection::new(self.row.cones, w)?.point;
        let w = s.iter().zip(w).map(|(s, w)| s - self.rho * (s - w)).collect();
        Some(Found { x, w })
    }

    /// x and the next w.
    fn step(&self, w: &[f64]) -> Option<(Vec<f64>, Vec<f64>)> {
        let s = Projection::new(self.row.cones, w)?.point;
        // b - (2 s - w)
        let target: Vec<f64> = s.iter().zip(w).zip(self.row.b).map(|((s, w), b)| b - 2.0 * s + w).collect();
        let mut x: Vec<f64> = self.row.linear.iter().map(|q| -q).collect();
        self.row.add_transposed_product(self.rho, &target, &mut x);
        solve_lower(&self.l, &mut x);
        solve_lower_transposed(&self.l, &mut x);
        let mut next: Vec<f64> = w.iter().zip(&s).zip(self.row.b).map(|((w, s), b)| w + b - s).collect();
        self.row.add_product(-1.0, &x, &mut next);
        Some((x, next))
    }
}

/// Solves a row: first with Anderson acceleration, then by plain steps, which converge wherever there is a solution, in
/// runs of growing length. `finish` turns a point into a solution, or at least into a better point. Returns the last
/// point, and the steps; None where numbers overflow.
pub(crate) fn solve(
    row: &Row<'_>,
    max_steps: usize,
    finish: impl Fn(Found) -> Option<(Point, bool)>,
) -> Option<(Point, usize)> {
    let splitting = Splitting::new(row)?;
    let start = vec![0.0; row.m()];
    let anderson = FixedPointSolver::Anderson(Anderson::default());
    let accelerated = splitting.run(start.clone(), anderson, ACCELERATED.min(max_steps))?;
    let (mut steps, mut length) = (accelerated.1, PLAIN_FIRST);
    if let Some((point, true)) = splitting.found(&accelerated.0).and_then(&finish) {
        return Some((point, steps));
    }
    let mut w = start;
    loop {
        let picard = FixedPointSolver::Picard(Picard::default());
        let (next, taken) = splitting.run(w, picard, length.min(max_steps - steps.min(max_steps)).max(1))?;
        steps += taken;
        let (point, solved) = finish(splitting.found(&next)?)?;
        if solved || steps >= max_steps {
            return Some((point, steps));
        }
        (w, length) = (next, 2 * length);
    }
}

/// Looks for the reason why a row has no solution, in the difference of two plain iterates.
pub(crate) fn certificate(row: &Row<'_>) -> Option<Termination> {
    let splitting = Splitting::new(row)?;
    let (mut x, mut w) = splitting.step(&vec![0.0; row.m()])?;
    let (mut before_x, mut before_w) = (x.clone(), w.clone());
    for _ in 0..PLAIN {
        (before_x, before_w) = (x, w);
        (x, w) = splitting.step(&before_w)?;
    }
    let moved: Vec<f64> = w.iter().zip(&before_w).map(|(w, before)| w - before).collect();
    let s = Projection::new(row.cones, &moved)?.point;
    let y: Vec<f64> = s.iter().zip(&moved).map(|(s, moved)| s - moved).collect();
    let mut pulled = vec![0.0; row.n()];
    row.add_transposed_product(1.0, &y, &mut pulled);
    let size = largest(&y);
    if size > 0.0 && largest(&pulled) <= VIOLATION * size && dot(row.b, &y) < -VIOLATION * size {
        return Some(Termination::Infeasible);
    }
    let direction: Vec<f64> = x.iter().zip(&before_x).map(|(x, before)| x - before).collect();
    let size = largest(&direction);
    let mut curved = vec![0.0; row.n()];
    row.add_quadratic_product(&direction, &mut curved);
    let mut slack = vec![0.0; row.m()];
    row.add_product(-1.0, &direction, &mut slack);
    let inside = Projection::new(row.cones, &slack)?.point;
    let outside = slack.iter().zip(&inside).fold(0.0, |far: f64, (slack, s)| far.max((slack - s).abs()));
    let falls = dot(row.linear, &direction) < -VIOLATION * size;
    let flat = largest(&curved).max(outside) <= VIOLATION * size;
    (size > 0.0 && falls && flat).then_some(Termination::Unbounded)
}
