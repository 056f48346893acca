//! The solve of one row: guessed active set, interior-point iteration, active-set finish, certificates.

use super::active_set::{Bounds, Finish, finish};
use super::certificate::certificate;
use super::curvature::{Curvature, RangeSpace};
use super::equality::EqualitySystem;
use super::interior_point::{InteriorPoint, Iterate};
use super::row::Row;
use super::settings::QuadraticSettings;
use crate::dense::cholesky::Scratch;
use crate::termination::Termination;

/// The finish is tried from this error of the iterate on.
pub(super) const FINISH_FROM: f64 = 1e-2;
/// The iteration ends at this error where no finish succeeds.
const TARGET: f64 = 1e-12;
/// Bounds of a finish during the iteration, and of the last one.
pub(super) const EARLY: f64 = 1e-12;
const LAST: f64 = 1e-9;

/// The solution of one row, with what its derivative needs.
#[derive(Clone, Debug)]
pub(crate) struct RowSolution {
    /// [x, λ, ν]
    pub(crate) y: Vec<f64>,
    pub(crate) termination: Termination,
    pub(crate) steps: usize,
    /// The largest residual of the optimality conditions, relative to its scale.
    pub(crate) error: f64,
    /// The inequalities with a multiplier; the start of a later solve.
    pub(crate) active: Vec<usize>,
    pub(crate) derivative: Derivative,
    /// The largest violation of a constraint.
    pub(crate) infeasibility: f64,
}

/// What the derivative of a row is computed from: the optimality system of its differentiable constraints.
#[derive(Clone, Debug)]
pub(crate) enum Derivative {
    /// The row has no solution.
    None,
    /// The row's own system.
    Alone(EqualitySystem),
    /// The system of the row's group.
    InGroup,
}

/// What is computed outside the iteration.
#[derive(Clone, Debug)]
pub(crate) struct Prepared {
    pub(crate) curvature: Curvature,
    pub(crate) range: Option<RangeSpace>,
}

impl Prepared {
    /// Prepares a row, with the curvature of a Q that rows share.
    pub(crate) fn new(row: &Row<'_>, curvature: Option<&Curvature>, scratch: &mut Scratch) -> Self {
        let new = || Curvature::new(row.hessian, row.sizes.n, scratch);
        let curvature = curvature.cloned().unwrap_or_else(new);
        let range = match &curvature {
            Curvature::Definite(l) if RangeSpace::is_cheaper(row.sizes, 10) => Some(RangeSpace::new(row, l)),
            Curvature::Definite(_) | Curvature::Semidefinite | Curvature::Indefinite => None,
        };
        Prepared { curvature, range }
    }
}

/// Solves a row, from the active set of an earlier solve if there is one.
pub(crate) fn solve(
    row: &Row<'_>,
    prepared: &Prepared,
    guess: Option<&[usize]>,
    settings: &QuadraticSettings,
    scratch: &mut Scratch,
) -> RowSolution {
    if matches!(prepared.curvature, Curvature::Indefinite) {
        return unsolved(row, Termination::NotConvex);
    }
    let range = prepared.range.as_ref();
    let solve = Solve { row, range, settings };
    if let Some(found) = guess.and_then(|guess| solve.finish(guess, EARLY, false, scratch)) {
        return solve.finished(found, 0, scratch);
    }
    let Some(mut iteration) = InteriorPoint::new(row, range) else {
        return unsolved(row, Termination::StepLimit);
    };
    let mut tried: Option<Vec<usize>> = None;
    let mut steps = 0;
    loop {
        let error = iteration.measure();
        if error <= FINISH_FROM {
            let active = guessed(&iteration.iterate, row.sizes.n);
            if tried.as_ref() != Some(&active) {
                if let Some(found) = solve.finish(&active, EARLY, false, scratch) {
                    return solve.finished(found, steps, scratch);
                }
                tried = Some(active);
            }
        }
        if error.is_nan() || error <= TARGET || steps == settings.max_steps || !iteration.advance() {
            break;
        }
        steps += 1;
    }
    let best = iteration.best;
    let active = guessed(&best, row.sizes.n);
    if best.error <= settings.tolerance {
        if let Some(found) = solve.finish(&active, LAST, true, scratch) {
            return solve.finished(found, steps, scratch);
        }
        return solve.unfinished(best, active, steps, scratch);
    }
    let termination = certificate(row).unwrap_or(Termination::StepLimit);
    RowSolution {
        infeasibility: row.infeasibility(&best.y[..row.sizes.n]),
        y: best.y,
        termination,
        steps,
        error: best.error,
        active: vec![],
        derivative: Derivative::None,
    }
}

/// The row of a batch that is solved.
struct Solve<'a> {
    row: &'a Row<'a>,
    range: Option<&'a RangeSpace>,
    settings: &'a QuadraticSettings,
}

impl Solve<'_> {
    fn finish(
        &self,
        active: &[usize],
        negative: f64,
        singular: bool,
        scratch: &mut Scratch,
    ) -> Option<Finish> {
        let bounds = Bounds { negative, zero: self.settings.degeneracy, singular };
        finish(self.row, self.range, active, bounds, scratch)
    }

    /// The solution of a finish. Constraints without slack and multiplier are left out of the derivative.
    fn finished(&self, found: Finish, steps: usize, scratch: &mut Scratch) -> RowSolution {
        let Finish { y, system, weak, error } = found;
        let active = system.active.clone();
        let strict: Vec<usize> = active.iter().copied().filter(|i| !weak.contains(i)).collect();
        let termination = termination(&system, !weak.is_empty());
        let system = if strict == active {
            Some(system)
        } else {
            EqualitySystem::new(self.row, self.range, strict, scratch)
        };
        let derivative = system.map_or(Derivative::None, Derivative::Alone);
        let infeasibility = self.row.infeasibility(&y[..self.row.sizes.n]);
        RowSolution { y, termination, steps, error, active, derivative, infeasibility }
    }

    /// The solution of the iteration alone, where no active set reproduces it.
    fn unfinished(
        &self,
        best: Iterate,
        active: Vec<usize>,
        steps: usize,
        scratch: &mut Scratch,
    ) -> RowSolution {
        let Iterate { mut y, s, error } = best;
        let n = self.row.sizes.n;
        let near = self.settings.degeneracy.sqrt();
        let weak = (0..s.len()).any(|i| s[i].max(y[n + i]) <= near);
        for (i, slack) in s.iter().enumerate() {
            if *slack > y[n + i] {
                y[n + i] = 0.0;
            }
        }
        let system = EqualitySystem::new(self.row, self.range, active.clone(), scratch);
        let termination = system.as_ref().map_or(Termination::StepLimit, |system| termination(system, weak));
        let derivative = system.map_or(Derivative::None, Derivative::Alone);
        let infeasibility = self.row.infeasibility(&y[..n]);
        RowSolution { y, termination, steps, error, active, derivative, infeasibility }
    }
}

fn termination(system: &EqualitySystem, weak: bool) -> Termination {
    if system.flat {
        Termination::NotUnique
    } else if system.dependent {
        Termination::Dependent
    } else if weak {
        Termination::Degenerate
    } else {
        Termination::Optimal
    }
}

/// The inequalities whose multiplier exceeds their slack.
fn guessed(iterate: &Iterate, n: usize) -> Vec<usize> {
    (0..iterate.s.len()).filter(|&i| iterate.y[n + i] > iterate.s[i]).collect()
}

/// A row that is not solved at all.
pub(crate) fn unsolved(row: &Row<'_>, termination: Termination) -> RowSolution {
    let y = vec![0.0; row.sizes.point()];
    RowSolution {
        infeasibility: row.infeasibility(&y[..row.sizes.n]),
        y,
        termination,
        steps: 0,
        error: f64::NAN,
        active: vec![],
        derivative: Derivative::None,
    }
}
