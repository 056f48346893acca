//! Reports of solves: for one solve, for its backward pass, and for a layer over time.

use crate::error::Error;
use crate::settings::lock::locked;
use banach_solve::{LinearSolver, Outcome, Record};
use burn::tensor::Tensor;
use std::sync::{Arc, Mutex};

/// The value of a fixed point with the report of its solve.
#[derive(Debug, Clone)]
#[must_use = "rows may not have converged"]
pub struct Solution<S> {
    value: S,
    report: Report,
}

impl<S> Solution<S> {
    pub(crate) fn new(value: S, report: Report) -> Self {
        Solution { value, report }
    }

    /// x̂, on the tape where the layer or its input is.
    pub fn value(&self) -> &S {
        &self.value
    }

    /// x̂ alone.
    pub fn into_value(self) -> S {
        self.value
    }

    /// How it went.
    pub fn report(&self) -> &Report {
        &self.report
    }

    /// x̂ and the report.
    pub fn into_parts(self) -> (S, Report) {
        (self.value, self.report)
    }
}

/// How one forward solve went, and, once `backward` has run, its adjoint solve.
#[derive(Debug, Clone)]
pub struct Report {
    /// How each row ended.
    pub outcomes: Vec<Outcome>,
    /// Steps of each row.
    pub steps: Vec<usize>,
    /// `‖g(x̂) - x̂‖` of each row.
    pub residuals: Vec<f64>,
    /// The same, relative to the size the tolerance measures it against.
    pub relative: Vec<f64>,
    /// By what factor the residual of each row fell in one of its last steps; NaN where there were too few
    /// ([`rates`](banach_solve::Statistics::rates)).
    pub rates: Vec<f64>,
    /// The residuals of every step, if the settings of the forward solve ask for a
    /// [`trace`](banach_solve::Settings::trace).
    pub trace: Option<Vec<Record>>,
    /// Calls of g; rows that have ended leave the batch.
    pub evaluations: usize,
    /// Those of them in single precision, before the others ([`Precision::Mixed`](crate::Precision::Mixed)).
    pub single_evaluations: usize,
    /// Rows in all these calls together.
    pub row_evaluations: usize,
    /// Applications of J, each to all rows that are still in the batch; zero for solvers that need none.
    pub derivative_applications: usize,
    explanation: String,
    adjoint: Arc<Mutex<Vec<AdjointReport>>>,
}

impl Report {
    pub(crate) fn new(solution: &banach_solve::Solution<Tensor<2>>) -> Self {
        Report {
            outcomes: solution.outcomes.clone(),
            steps: solution.statistics.steps.clone(),
            residuals: solution.statistics.residuals.clone(),
            relative: solution.statistics.relative.clone(),
            rates: solution.statistics.rates.clone(),
            trace: solution.statistics.trace.clone(),
            evaluations: solution.statistics.evaluations,
            single_evaluations: solution.statistics.earlier,
            row_evaluations: solution.statistics.row_evaluations,
            derivative_applications: solution.statistics.derivative_applications,
            explanation: solution.explain(),
            adjoint: Arc::default(),
        }
    }

    /// The report of a solve that is only written down, in a trace.
    pub(crate) fn recorded() -> Self {
        let explanation = "Recorded in a trace: solved whenever the traced program runs.".into();
        Report {
            outcomes: vec![],
            steps: vec![],
            residuals: vec![],
            relative: vec![],
            rates: vec![],
            trace: None,
            evaluations: 0,
            single_evaluations: 0,
            row_evaluations: 0,
            derivative_applications: 0,
            explanation,
            adjoint: Arc::default(),
        }
    }

    /// Whether every row converged.
    pub fn converged(&self) -> bool {
        self.outcomes.iter().all(|outcome| outcome.is_converged())
    }

    /// The story in words: how many rows converged, how fast, and advice where they did not.
    pub fn explain(&self) -> String {
        self.explanation.clone()
    }

    /// How the adjoint solves went: one for every backward pass through this solution.
    pub fn adjoint(&self) -> Vec<AdjointReport> {
        locked(&self.adjoint).clone()
    }

    pub(crate) fn adjoint_log(&self) -> Arc<Mutex<Vec<AdjointReport>>> {
        Arc::clone(&self.adjoint)
    }
}

/// How one adjoint solve went.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct AdjointReport {
    /// How each row ended, after escalation.
    pub outcomes: Vec<Outcome>,
    /// Steps of each row, of all solvers together.
    pub steps: Vec<usize>,
    /// `‖v - (c - Jᵀ c)‖` of each row.
    pub residuals: Vec<f64>,
    /// The residuals of every step of the first solver, if the settings of the adjoint solve ask for a trace.
    pub trace: Option<Vec<Record>>,
    /// Applications of Jᵀ, each to all rows that are still in the batch.
    pub evaluations: usize,
    /// Those of them in single precision, before the others ([`Precision::Mixed`](crate::Precision::Mixed)).
    pub single_evaluations: usize,
    /// The solvers that ran, in order; a second one says that the first left rows unsolved.
    pub solvers: Vec<String>,
    /// Why a second solver ran.
    pub escalation: Option<String>,
    /// What can be done about each row.
    advice: Vec<&'static str>,
    /// Whether a second solver was due, but has solved no row so often that it was left out this time.
    pub escalation_skipped: bool,
    /// The rows whose cotangents of z and θ, `(∂g/∂(z, θ))ᵀ c`, are not finite: they have no gradient, and others are not
    /// touched by it. Empty where none is asked for.
    pub non_finite: Vec<bool>,
}

impl AdjointReport {
    /// That of an adjoint that no solver was asked for.
    pub(crate) fn shared_inverse(rows: usize) -> Self {
        AdjointReport {
            outcomes: vec![Outcome::Approximate; rows],
            steps: vec![0; rows],
            residuals: vec![f64::NAN; rows],
            solvers: vec!["shared inverse".into()],
            ..AdjointReport::default()
        }
    }

    /// The steps that were given have been taken: what they did not reach was not asked for.
    pub(crate) fn refined(&mut self) {
        self.solvers.insert(0, "shared inverse".into());
        let spent = self.outcomes.iter_mut().filter(|outcome| **outcome == Outcome::StepLimit);
        spent.for_each(|outcome| *outcome = Outcome::Approximate);
    }

    /// That every row was solved, or approximated by choice, and has a finite gradient.
    ///
    /// # Errors
    /// [`Error::Adjoint`] names the first row whose adjoint was not solved, [`Error::NonFiniteGradient`] the first that
    /// has no finite gradient.
    pub fn check(&self) -> Result<(), Error> {
        let unsolved: Vec<bool> = self.outcomes.iter().map(|outcome| outcome.is_failure()).collect();
        let Some(row) = unsolved.iter().position(|failed| *failed) else {
            let Some(row) = self.non_finite.iter().position(|lost| *lost) else { return Ok(()) };
            let failed = self.non_finite.iter().filter(|lost| **lost).count();
            return Err(Error::NonFiniteGradient { row, failed, rows: self.outcomes.len() });
        };
        Err(Error::Adjoint {
            row,
            outcome: self.outcomes[row],
            advice: self.advice.get(row).copied().unwrap_or_else(|| self.outcomes[row].advice()),
            steps: self.steps[row],
            residual: self.residuals[row],
            failed: unsolved.iter().filter(|failed| **failed).count(),
            rows: unsolved.len(),
        })
    }

    /// The rows that failed: their adjoints were not solved, or their gradients are not finite.
    pub(crate) fn failed(&self) -> Vec<bool> {
        let lost = self.non_finite.iter().copied().chain(std::iter::repeat(false));
        self.outcomes.iter().zip(lost).map(|(outcome, lost)| outcome.is_failure() || lost).collect()
    }

    pub(crate) fn new(solver: &LinearSolver, solution: &banach_solve::Solution<Tensor<2>>) -> Self {
        AdjointReport {
            outcomes: solution.outcomes.clone(),
            steps: solution.statistics.steps.clone(),
            residuals: solution.statistics.residuals.clone(),
            trace: solution.statistics.trace.clone(),
            evaluations: solution.statistics.evaluations,
            single_evaluations: solution.statistics.earlier,
            solvers: vec![solver.to_string()],
            escalation: None,
            advice: (0..solution.outcomes.len()).map(|row| solution.advice(row)).collect(),
            escalation_skipped: false,
            non_finite: vec![],
        }
    }

    /// Takes over the rows that a second solver left with a smaller residual, and says which.
    pub(crate) fn escalate(
        &mut self,
        solver: &LinearSolver,
        second: &banach_solve::Solution<Tensor<2>>,
    ) -> Vec<bool> {
        let failed = self.outcomes.iter().filter(|outcome| outcome.is_failure()).count();
        let name = self.solvers.join(", ");
        self.escalation = Some(format!("{name} left {failed} of {} rows unsolved", self.outcomes.len()));
        self.solvers.push(solver.to_string());
        self.evaluations += second.statistics.evaluations;
        let mut better = vec![false; self.outcomes.len()];
        for (row, better) in better.iter_mut().enumerate() {
            self.steps[row] += second.statistics.steps[row];
            let (old, new) = (self.residuals[row], second.statistics.residuals[row]);
            if self.outcomes[row].is_failure() && (old.is_nan() || new < old) {
                self.outcomes[row] = second.outcomes[row];
                self.residuals[row] = new;
                self.advice[row] = second.advice(row);
                *better = true;
            }
        }
        better
    }
}

/// What a layer did since the last look: sums over its solves and adjoint solves.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Statistics {
    /// Forward solves.
    pub solves: usize,
    /// Rows of all forward solves.
    pub rows: usize,
    /// Those of them that began at a state that was remembered ([`WarmStarts`](crate::WarmStarts)).
    pub warm_rows: usize,
    /// Steps of all rows.
    pub forward_steps: usize,
    /// Rows that did not converge; non-finite ones included.
    pub unconverged_rows: usize,
    /// Rows whose update gave a number that is not finite.
    pub non_finite_rows: usize,
    /// Rows of all adjoint solves.
    pub adjoint_rows: usize,
    /// Steps of all rows of all adjoint solves.
    pub adjoint_steps: usize,
    /// Rows whose adjoint failed; those that are approximate by choice did not.
    pub adjoint_unconverged_rows: usize,
    /// Rows whose adjoint gave cotangents of z and θ that are not finite, so that they have no gradient.
    pub non_finite_gradients: usize,
    /// Adjoint solves in which a second solver was tried.
    pub escalations: usize,
    /// Adjoint solves in which a second solver was due, but has solved no row so often that it was left out for a while.
    pub skipped_escalations: usize,
    /// Rows left out of a gradient because they failed, forward or backward ([`OnFailure::Skip`](crate::OnFailure::Skip)).
    pub skipped_rows: usize,
}

impl Statistics {
    /// Steps of a row on average, forward.
    pub fn mean_forward_steps(&self) -> f64 {
        self.forward_steps as f64 / self.rows.max(1) as f64
    }

    /// Steps of a row on average, backward.
    pub fn mean_adjoint_steps(&self) -> f64 {
        self.adjoint_steps as f64 / self.adjoint_rows.max(1) as f64
    }

    pub(crate) fn count(&mut self, report: &Report) {
        self.solves += 1;
        self.rows += report.outcomes.len();
        self.forward_steps += report.steps.iter().sum::<usize>();
        self.unconverged_rows += report.outcomes.iter().filter(|outcome| outcome.is_failure()).count();
        self.non_finite_rows +=
            report.outcomes.iter().filter(|outcome| **outcome == Outcome::NonFinite).count();
    }

    pub(crate) fn count_adjoint(&mut self, report: &AdjointReport) {
        self.adjoint_rows += report.outcomes.len();
        self.adjoint_steps += report.steps.iter().sum::<usize>();
        self.adjoint_unconverged_rows +=
            report.outcomes.iter().filter(|outcome| outcome.is_failure()).count();
        self.non_finite_gradients += report.non_finite.iter().filter(|lost| **lost).count();
        self.escalations += usize::from(report.escalation.is_some());
        self.skipped_escalations += usize::from(report.escalation_skipped);
    }
}
