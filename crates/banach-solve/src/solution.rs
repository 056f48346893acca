//! Solutions, outcomes and statistics, row by row.

use crate::advice::{Course, advice};
use crate::{Error, Rows, SolverKind, Switch};
use serde::{Deserialize, Serialize};
use std::fmt;

/// How a row ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum Outcome {
    /// The residual meets the tolerance.
    Converged,
    /// The solver was asked for an approximation, and this is it.
    Approximate,
    /// The budget of steps is spent.
    StepLimit,
    /// The budget of evaluations is spent.
    EvaluationLimit,
    /// The time is over.
    TimeLimit,
    /// The residual no longer falls, or a linear system is singular.
    Stalled,
    /// The residual grew beyond all bounds.
    Diverged,
    /// A number became infinite or NaN.
    NonFinite,
    /// A linear map is not symmetric, and the solver needs it to be.
    Asymmetric,
    /// `I - A` is not positive definite, and the solver needs it to be.
    Indefinite,
    /// `I - A` is singular to the precision of the state.
    Singular,
    /// The recurrences of the solver divide by zero, wherever they start again.
    Breakdown,
    /// An observer asked to stop.
    Stopped,
}

impl Outcome {
    /// Whether this is [`Converged`](Self::Converged).
    pub fn is_converged(self) -> bool {
        self == Self::Converged
    }

    /// Whether the row is not what was asked for: true of all but [`Converged`](Self::Converged) and
    /// [`Approximate`](Self::Approximate).
    pub fn is_failure(self) -> bool {
        !matches!(self, Self::Converged | Self::Approximate)
    }

    /// What to do, in words that name real settings, where neither the solver nor the course of the residual is known;
    /// [`Solution::advice`](crate::Solution::advice) knows both.
    pub fn advice(self) -> &'static str {
        match self {
            Self::Converged => "nothing to do.",
            Self::Approximate => {
                "nothing has failed, but the gradient is not exact, by the choice of solver (Identity, Truncated): use \
                 GMRES where it must be."
            }
            Self::StepLimit => {
                "raise `budget.steps`, loosen `tolerance.relative`, or use a faster solver (Anderson, Newton, GMRES)."
            }
            Self::EvaluationLimit => "raise `budget.evaluations`, or use a solver that needs fewer of them.",
            Self::TimeLimit => {
                "raise `budget.seconds`, loosen `tolerance.relative`, or use a solver with cheaper steps."
            }
            Self::Stalled => {
                "the residual no longer falls: if it is near the precision of the state, loosen `tolerance` or use \
                 f64; if not, the update may have no fixed point nearby (or I - J is singular); try Anderson, a \
                 larger `window` or `restart`, or give it more `patience`."
            }
            Self::Diverged => {
                "the update expands here: use Anderson in place of Picard, GMRES in place of Neumann, lower \
                 `damping` or `mixing`, start nearer, or make the update contract (smaller weights)."
            }
            Self::NonFinite => {
                "the update returned infinity or NaN: look for overflow, division by zero, or roots and logarithms \
                 of negative numbers in it, start elsewhere, or lower `damping` or `mixing`."
            }
            Self::Asymmetric => {
                "the linear map is not symmetric, as conjugate gradients need it: use GMRES; if only rounding makes it \
                 so, raise `symmetry`."
            }
            Self::Indefinite => {
                "I - J has a direction without positive curvature: use GMRES; if J is the derivative of a gradient \
                 step, the point is no strict minimum of its energy (a saddle, or flat)."
            }
            Self::Singular => {
                "I - J is singular to the precision of the state where the row stands, so that the system has no answer or \
                 many: use f64, Anderson, or a Krylov `inner` solve, or start elsewhere; an answer there is not the only one \
                 nearby and has no derivative."
            }
            Self::Breakdown => {
                "the recurrences of BiCGStab divide by zero: use GMRES, or Dense for a small state; more `restarts` may \
                 help."
            }
            Self::Stopped => "the observer ended it; let it continue for longer if that was too early.",
        }
    }
}

impl fmt::Display for Outcome {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Converged => "converged",
            Self::Approximate => "approximate",
            Self::StepLimit => "step limit",
            Self::EvaluationLimit => "evaluation limit",
            Self::TimeLimit => "time limit",
            Self::Stalled => "stalled",
            Self::Diverged => "diverged",
            Self::NonFinite => "non-finite",
            Self::Asymmetric => "asymmetric",
            Self::Indefinite => "indefinite",
            Self::Singular => "singular",
            Self::Breakdown => "breakdown",
            Self::Stopped => "stopped",
        })
    }
}

/// The residuals after one step.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[non_exhaustive]
pub struct Record {
    /// Steps taken; the start is step 0.
    pub step: usize,
    /// Calls of the map so far.
    pub evaluations: usize,
    /// The residual of every row, as in [`Progress::residuals`](crate::Progress::residuals).
    pub residuals: Vec<f64>,
}

/// What it took, and how good the returned point is.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[non_exhaustive]
pub struct Statistics {
    /// Calls of the map, each on all rows that are still in the batch.
    pub evaluations: usize,
    /// How many of these calls were made by solves that this one continues ([`Solution::continuing`]).
    pub earlier: usize,
    /// Rows evaluated in all these calls: fewer than calls times rows where a map is
    /// [`narrowed`](crate::Map::narrowed) once rows have ended.
    pub row_evaluations: usize,
    /// Applications of the map's derivative, each on all rows that are still in the batch; zero for solvers that need none.
    pub derivative_applications: usize,
    /// Calls of the map's energy alone, each on all rows that are still in the batch; zero for solvers that need none.
    pub energy_evaluations: usize,
    /// Steps each row took until it ended.
    pub steps: Vec<usize>,
    /// The residual of each row at the returned point, in the norm of the tolerance; NaN where no point had a finite one, and where nobody looked
    /// ([`Approximate`](Outcome::Approximate)).
    pub residuals: Vec<f64>,
    /// The same, relative to the size the tolerance measures it against.
    pub relative: Vec<f64>,
    /// By what factor the residual of each row fell in one of its last steps (the median slope of its logarithm over the
    /// last eight points looked at); NaN for rows that took none.
    ///
    /// For plain iteration this tends to the largest modulus of the eigenvalues of J, the contraction rate of the map.
    /// Under Anderson's or Newton's method it is the rate of the method, not of the map; under GMRES, whose residual is
    /// looked at once a cycle, the mean of a cycle. At the precision of the state, where nothing falls any more, it is 1.
    pub rates: Vec<f64>,
    /// By what factor each row has grown, in what its residual is measured against, from the first point to the returned one; NaN
    /// where no point was finite. For a linear system, whose residual is measured against `‖v‖`, it is 1.
    pub growth: Vec<f64>,
    /// Which rows changed their method on the way, in the order of steps and then rows; none but by [`Auto`](crate::Auto).
    pub switches: Vec<Switch>,
    /// The residuals of every step, if [`Settings::trace`](crate::Settings::trace) asked for them.
    pub trace: Option<Vec<Record>>,
}

impl Statistics {
    fn joined(parts: &[Self]) -> Self {
        let most = |calls: fn(&Self) -> usize| parts.iter().map(calls).max().unwrap_or(0);
        let traces: Option<Vec<&[Record]>> = parts.iter().map(|part| part.trace.as_deref()).collect();
        Self {
            evaluations: most(|part| part.evaluations),
            earlier: most(|part| part.earlier),
            row_evaluations: parts.iter().map(|part| part.row_evaluations).sum(),
            derivative_applications: most(|part| part.derivative_applications),
            energy_evaluations: most(|part| part.energy_evaluations),
            steps: parts.iter().flat_map(|part| part.steps.iter().copied()).collect(),
            residuals: parts.iter().flat_map(|part| part.residuals.iter().copied()).collect(),
            relative: parts.iter().flat_map(|part| part.relative.iter().copied()).collect(),
            rates: parts.iter().flat_map(|part| part.rates.iter().copied()).collect(),
            growth: parts.iter().flat_map(|part| part.growth.iter().copied()).collect(),
            switches: Self::switched(parts),
            trace: traces.map(|traces| Self::merged(parts, &traces)),
        }
    }

    /// The switches of all parts, with rows counted through them.
    fn switched(parts: &[Self]) -> Vec<Switch> {
        let mut switches = Vec::new();
        let mut before = 0;
        for part in parts {
            let named = |switch: &Switch| Switch { row: before + switch.row, ..*switch };
            switches.extend(part.switches.iter().map(named));
            before += part.steps.len();
        }
        switches.sort_by_key(|switch| (switch.step, switch.row));
        switches
    }

    /// One record for every step that any part has recorded.
    fn merged(parts: &[Self], traces: &[&[Record]]) -> Vec<Record> {
        let mut steps: Vec<usize> =
            traces.iter().flat_map(|trace| trace.iter()).map(|record| record.step).collect();
        steps.sort_unstable();
        steps.dedup();
        let record = |step: usize| {
            let mut merged = Record { step, evaluations: 0, residuals: Vec::new() };
            for (part, trace) in parts.iter().zip(traces) {
                let so_far = trace.iter().rfind(|record| record.step <= step);
                // A part without a record has no rows, or rows of no numbers.
                merged.residuals.extend(so_far.map_or(&part.residuals, |record| &record.residuals));
                merged.evaluations = merged.evaluations.max(so_far.map_or(0, |record| record.evaluations));
            }
            merged
        };
        steps.into_iter().map(record).collect()
    }
}

/// The best point of every row, with how the row ended and what it took.
#[derive(Debug, Clone)]
#[must_use = "rows may not have converged"]
#[non_exhaustive]
pub struct Solution<R> {
    /// For each row, the visited point with the smallest residual, or with the lowest energy where there is one, `[rows, n]`.
    pub value: R,
    /// How each row ended.
    pub outcomes: Vec<Outcome>,
    /// What it took.
    pub statistics: Statistics,
    /// What solved it.
    pub(crate) solver: SolverKind,
    /// The course of each row's residual, for advice.
    pub(crate) courses: Vec<Course>,
}

impl<R> Solution<R> {
    pub(crate) fn new(
        value: R,
        outcomes: Vec<Outcome>,
        courses: Vec<Course>,
        statistics: Statistics,
    ) -> Self {
        Self { value, outcomes, statistics, solver: SolverKind::Other, courses }
    }

    /// The solution with the name of its solver.
    pub(crate) fn by(self, solver: SolverKind) -> Self {
        Self { solver, ..self }
    }

    /// What can be done about the row, given its solver, its outcome and the course of its residual.
    ///
    /// # Panics
    /// For a row that there is not.
    pub fn advice(&self, row: usize) -> &'static str {
        advice(self.solver, self.outcomes[row], self.courses[row])
    }

    /// Solutions of consecutive rows as the solution of all of them, for a batch that was split over cores.
    ///
    /// Calls (of the map, its derivative, its energy) are the most of any part, which is what one row saw at most; the
    /// rows evaluated in them are added. There is a trace if all parts have one, with a record of every step of any
    /// part; a part that has ended keeps its last residuals.
    ///
    /// # Panics
    /// For no parts, whose width nobody knows.
    pub fn joined(parts: Vec<Self>) -> Self
    where
        R: Rows,
    {
        let solver = parts.first().map_or(SolverKind::Other, |part| part.solver);
        let (mut values, mut statistics) = (Vec::new(), Vec::new());
        let (mut outcomes, mut courses) = (Vec::new(), Vec::new());
        for part in parts {
            values.push(part.value);
            statistics.push(part.statistics);
            outcomes.extend(part.outcomes);
            courses.extend(part.courses);
        }
        Self::new(R::stacked(&values), outcomes, courses, Statistics::joined(&statistics)).by(solver)
    }

    /// The same solution with its value as something else.
    pub fn map<S>(self, change: impl FnOnce(R) -> S) -> Solution<S> {
        let Self { value, outcomes, statistics, solver, courses } = self;
        Solution { value: change(value), outcomes, statistics, solver, courses }
    }

    /// Whether every row converged, so that the value is the answer; one that is approximate by choice has not.
    pub fn converged(&self) -> bool {
        self.unconverged() == 0
    }

    /// How many rows did not converge.
    pub fn unconverged(&self) -> usize {
        self.outcomes.iter().filter(|outcome| !outcome.is_converged()).count()
    }

    /// How many rows ended in this way.
    pub fn count(&self, outcome: Outcome) -> usize {
        self.outcomes.iter().filter(|found| **found == outcome).count()
    }

    /// The value if every row converged, else [`Error::Unconverged`] about the first row that did not.
    pub fn into_converged(self) -> Result<R, Error> {
        let Some(row) = self.outcomes.iter().position(|outcome| !outcome.is_converged()) else {
            return Ok(self.value);
        };
        Err(Error::Unconverged {
            row,
            outcome: self.outcomes[row],
            advice: self.advice(row),
            steps: self.statistics.steps[row],
            residual: self.statistics.residuals[row],
            relative: self.statistics.relative[row],
            failed: self.unconverged(),
            rows: self.outcomes.len(),
        })
    }
}
