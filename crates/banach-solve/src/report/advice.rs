//! Advice about failed rows, by solver, outcome and trend of the residual.

use super::rate::ResidualHistory;
use crate::{Outcome, SolverKind};
use serde::{Deserialize, Serialize};

/// The trend of a row's residual up to its end.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum ResidualTrend {
    /// The data are not finite: the right-hand side of a linear system, or `g` at the start.
    NonFiniteData,
    /// The data are finite, but the residual at the first point is not.
    NonFiniteStart,
    /// The residual was still falling.
    Falling,
    /// The residual was no longer falling.
    Flat,
    /// The residual was of the order of the rounding error of the state.
    Rounding,
}

impl ResidualTrend {
    /// All trends.
    pub const ALL: [Self; 5] =
        [Self::NonFiniteData, Self::NonFiniteStart, Self::Falling, Self::Flat, Self::Rounding];

    /// The trend of a row after `steps` steps; `relative` is its best relative residual, and `finite_data`
    /// whether its size was finite at the first point.
    pub(crate) fn of(
        history: &ResidualHistory,
        (steps, finite_data): (usize, bool),
        relative: f64,
        precision: f64,
    ) -> Self {
        if !finite_data {
            Self::NonFiniteData
        } else if steps == 0 && relative.is_nan() {
            Self::NonFiniteStart
        } else if relative <= 32.0 * precision {
            Self::Rounding
        } else if history.rate() >= 0.999 {
            Self::Flat
        } else {
            // Also with too few steps for a rate.
            Self::Falling
        }
    }
}

/// Returns a remedy that names settings, for a row with this solver, outcome and trend.
///
/// The remedy never is the solver that ran, a larger budget of steps for a residual that no longer falls, or
/// a setting that the solver does not have.
pub fn advice(solver: SolverKind, outcome: Outcome, trend: ResidualTrend) -> &'static str {
    match (outcome, trend) {
        (Outcome::Converged, _) => "nothing to do.",
        (Outcome::Approximate, _) if solver == SolverKind::Other => outcome.advice(),
        (Outcome::Approximate, _) if solver == SolverKind::Gmres => {
            "nothing has failed: it was asked for an approximation."
        }
        (Outcome::Approximate, _) => {
            "nothing has failed, but the gradient is not exact, by the choice of an approximate solver: use GMRES where it \
             must be."
        }
        (Outcome::NonFinite, trend) => non_finite(solver, trend),
        (
            Outcome::Stalled | Outcome::StepLimit | Outcome::EvaluationLimit | Outcome::TimeLimit,
            ResidualTrend::Rounding,
        ) => "the residual is at the precision of the state: loosen `tolerance` or use f64.",
        (
            Outcome::StepLimit,
            ResidualTrend::Falling | ResidualTrend::NonFiniteData | ResidualTrend::NonFiniteStart,
        ) => slow(solver),
        (Outcome::StepLimit | Outcome::Stalled, _) => flat(solver),
        (Outcome::EvaluationLimit, ResidualTrend::Flat) | (Outcome::TimeLimit, ResidualTrend::Flat) => {
            flat(solver)
        }
        (Outcome::EvaluationLimit, _) => "raise `budget.evaluations`, or loosen `tolerance.relative`.",
        (Outcome::TimeLimit, _) => "raise `budget.seconds`, or loosen `tolerance.relative`.",
        (Outcome::Diverged, _) => diverged(solver),
        (Outcome::Asymmetric, _) if solver == SolverKind::Gmres => "the linear map is not symmetric.",
        (Outcome::Asymmetric, _) => {
            "the linear map is not symmetric, as conjugate gradients need it: use GMRES; if only rounding makes it so, \
             raise `symmetry`."
        }
        (Outcome::Indefinite, _) if solver == SolverKind::Gmres => "I - J is not positive definite.",
        (Outcome::Indefinite, _) => {
            "I - J has a direction without positive curvature: use GMRES; if J is the derivative of a gradient step, the point \
             is no strict minimum of its energy (a saddle, or flat)."
        }
        (Outcome::Singular, _) => singular(solver),
        (Outcome::Breakdown, _) if solver == SolverKind::Bicgstab => {
            "the recurrences divide by zero: use GMRES, or Dense for a small state; more `restarts` may help."
        }
        (Outcome::Breakdown, _) => "the recurrences of the solver divide by zero: use another one.",
        (Outcome::Unsolved, _) => outcome.advice(),
        (Outcome::Stopped, _) => "the observer ended it; let it continue for longer if that was too early.",
    }
}

/// Advice for a residual that still falls when the steps are spent.
fn slow(solver: SolverKind) -> &'static str {
    match solver {
        SolverKind::Picard | SolverKind::Squarem => {
            "raise `budget.steps`, loosen `tolerance.relative`, or use Anderson, which needs fewer steps."
        }
        SolverKind::Anderson => {
            "raise `budget.steps`, loosen `tolerance.relative`, raise `window`, or use Auto, which goes on to Broyden and Newton."
        }
        SolverKind::Broyden => {
            "raise `budget.steps`, loosen `tolerance.relative`, raise `memory`, or use Anderson or Newton."
        }
        SolverKind::Newton => {
            "raise `budget.steps`, loosen `tolerance.relative`, or allow more `applications` in `inner`."
        }
        SolverKind::Gmres => {
            "raise `budget.steps`, loosen `tolerance.relative`, raise `restart`, or use Dense for a small state."
        }
        SolverKind::ConjugateGradient => {
            "raise `budget.steps`, loosen `tolerance.relative`, or use Dense for a small state."
        }
        SolverKind::Auto
        | SolverKind::NewtonDense
        | SolverKind::Dense
        | SolverKind::Truncated
        | SolverKind::Identity => "raise `budget.steps`, or loosen `tolerance.relative`.",
        SolverKind::Neumann
        | SolverKind::Bicgstab
        | SolverKind::LinearAnderson
        | SolverKind::LinearBroyden
        | SolverKind::LinearOther => {
            "raise `budget.steps`, loosen `tolerance.relative`, or use GMRES, which needs fewer steps."
        }
        SolverKind::Other => Outcome::StepLimit.advice(),
    }
}

/// Advice for a residual that no longer falls, well above rounding.
fn flat(solver: SolverKind) -> &'static str {
    match solver {
        SolverKind::Picard | SolverKind::Squarem => {
            "the residual no longer falls: use Anderson or Auto; if they fail as well, the update may have no fixed point nearby \
             (or I - J is singular)."
        }
        SolverKind::Anderson => {
            "the residual no longer falls: raise `window`, or use Auto, which goes on to Broyden and Newton; if it fails as well, \
             the update may have no fixed point nearby (or I - J is singular)."
        }
        SolverKind::Broyden => {
            "the residual no longer falls: allow `backtracks`, or use Anderson or Newton; if they fail as well, the update may \
             have no fixed point nearby (or I - J is singular)."
        }
        SolverKind::Auto => {
            "the residual no longer falls by any method: start elsewhere, or make the update contract; it may have no fixed point \
             nearby (or I - J is singular)."
        }
        SolverKind::Newton => {
            "the residual no longer falls: use a dense `inner` solve for a small state, or Auto, or start elsewhere; the update may \
             have no fixed point nearby (or I - J is singular)."
        }
        SolverKind::NewtonDense => {
            "the residual no longer falls: use Auto, or start elsewhere; the update may have no fixed point nearby (or I - J is \
             singular)."
        }
        SolverKind::Gmres => {
            "the residual no longer falls: raise `restart`, or use Dense for a small state; if it says singular, the system has no \
             answer or many."
        }
        SolverKind::Dense => {
            "the answer by elimination is not exact enough: use f64, or loosen `tolerance.relative`; I - J is almost singular."
        }
        SolverKind::Neumann
        | SolverKind::Bicgstab
        | SolverKind::ConjugateGradient
        | SolverKind::LinearAnderson
        | SolverKind::LinearBroyden
        | SolverKind::Truncated
        | SolverKind::Identity
        | SolverKind::LinearOther => {
            "the residual no longer falls: use GMRES, or Dense for a small state; if they fail as well, I - J is singular."
        }
        SolverKind::Other => Outcome::Stalled.advice(),
    }
}

/// Advice for a residual that has diverged.
fn diverged(solver: SolverKind) -> &'static str {
    match solver {
        SolverKind::Picard => {
            "the update expands here: use Anderson, lower `damping`, start nearer, or make the update contract (smaller weights)."
        }
        SolverKind::Squarem => {
            "the update expands here: use Anderson, start nearer, or make the update contract (smaller weights)."
        }
        SolverKind::Anderson => {
            "the update expands here: use Auto or Newton, lower `mixing`, start nearer, or make the update contract (smaller \
             weights)."
        }
        SolverKind::Broyden => {
            "the update expands here: use Anderson or Newton, allow `backtracks`, start nearer, or make the update contract \
             (smaller weights)."
        }
        SolverKind::Auto | SolverKind::Newton | SolverKind::NewtonDense => {
            "the update expands here: start nearer, or make the update contract (smaller weights)."
        }
        SolverKind::Gmres | SolverKind::Dense => {
            "the system is too ill-conditioned for this precision: use f64; I - J is almost singular."
        }
        SolverKind::Neumann => "the derivative of the update expands here: use GMRES, or lower `damping`.",
        SolverKind::Bicgstab
        | SolverKind::ConjugateGradient
        | SolverKind::LinearAnderson
        | SolverKind::LinearBroyden
        | SolverKind::Truncated
        | SolverKind::Identity
        | SolverKind::LinearOther => "the derivative of the update expands here: use GMRES.",
        SolverKind::Other => Outcome::Diverged.advice(),
    }
}

/// Advice for an infinite value or NaN, by its origin.
fn non_finite(solver: SolverKind, trend: ResidualTrend) -> &'static str {
    match (solver.is_linear(), trend) {
        (true, ResidualTrend::NonFiniteData) => {
            "the right-hand side is infinite or NaN, for a gradient the cotangent that comes from the loss: look for overflow, \
             division by zero, or roots and logarithms at zero behind this layer, not in its update."
        }
        (true, _) => {
            "the derivative of the update is infinite or NaN at the solution: look for roots, logarithms, powers and norms at \
             zero, and for branches that are not taken."
        }
        (false, ResidualTrend::NonFiniteData | ResidualTrend::NonFiniteStart) => {
            "the update is infinite or NaN at the start: look at the start, the input and the parameters, and for division by \
             zero, or roots and logarithms of negative numbers in the update."
        }
        (false, _) => left_domain(solver),
    }
}

/// Advice for an update that is not finite after finite steps.
fn left_domain(solver: SolverKind) -> &'static str {
    match solver {
        SolverKind::Picard => {
            "the update returned infinity or NaN: look for overflow, division by zero, or roots and logarithms of negative \
             numbers in it, start elsewhere, or lower `damping`."
        }
        SolverKind::Anderson => {
            "the update returned infinity or NaN after a plain step: look for overflow, division by zero, or roots and logarithms \
             of negative numbers in it, start elsewhere, or lower `mixing`."
        }
        SolverKind::Other => Outcome::NonFinite.advice(),
        SolverKind::Broyden
        | SolverKind::Squarem
        | SolverKind::Auto
        | SolverKind::Newton
        | SolverKind::NewtonDense
        | SolverKind::Neumann
        | SolverKind::Gmres
        | SolverKind::Bicgstab
        | SolverKind::ConjugateGradient
        | SolverKind::Dense
        | SolverKind::LinearAnderson
        | SolverKind::LinearBroyden
        | SolverKind::Truncated
        | SolverKind::Identity
        | SolverKind::LinearOther => {
            "the update returned infinity or NaN after a plain step: look for overflow, division by zero, or roots \
             and logarithms of negative numbers in it, or start elsewhere."
        }
    }
}

/// Advice for a matrix that is singular to the precision of the state.
fn singular(solver: SolverKind) -> &'static str {
    match solver {
        SolverKind::NewtonDense => {
            "I - J is singular to the precision of the state where the row stands: use f64, Anderson, or a Krylov `inner` solve, or \
             start elsewhere; a fixed point there is not the only one nearby and has no derivative."
        }
        SolverKind::Dense
        | SolverKind::Bicgstab
        | SolverKind::ConjugateGradient
        | SolverKind::Neumann
        | SolverKind::LinearAnderson
        | SolverKind::LinearBroyden
        | SolverKind::Truncated
        | SolverKind::Identity
        | SolverKind::LinearOther => {
            "I - J is singular to the precision of the state, so that the system has no answer or many: use f64, or GMRES, which \
             finds one if there is any; the fixed point is not the only one nearby and has no derivative."
        }
        SolverKind::Picard
        | SolverKind::Anderson
        | SolverKind::Broyden
        | SolverKind::Squarem
        | SolverKind::Auto
        | SolverKind::Newton
        | SolverKind::Gmres => {
            "I - J is singular to the precision of the state: use f64, or start elsewhere."
        }
        SolverKind::Other => Outcome::Singular.advice(),
    }
}
