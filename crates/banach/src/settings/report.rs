//! Reports: of a solve, of its adjoint solve, and of all solves of a layer.

use crate::error::Error;
use crate::settings::lock::locked;
use banach_solve::{LinearSolver, Outcome, Record, Transfers};
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

    /// Returns x̂, on the tape if the layer or its input is.
    pub fn value(&self) -> &S {
        &self.value
    }

    /// Returns x̂ without the report.
    pub fn into_value(self) -> S {
        self.value
    }

    /// Returns the report of the solve.
    pub fn report(&self) -> &Report {
        &self.report
    }

    /// Returns x̂ and the report.
    pub fn into_parts(self) -> (S, Report) {
        (self.value, self.report)
    }
}

/// The report of one forward solve and, once `backward` has run, of its adjoint solves.
#[derive(Debug, Clone, Default)]
pub struct Report {
    /// The outcome of each row.
    pub outcomes: Vec<Outcome>,
    /// Steps of each row.
    pub steps: Vec<usize>,
    /// `‖g(x̂) - x̂‖` of each row.
    pub residuals: Vec<f64>,
    /// The residual of each row relative to the size to which the tolerance refers.
    pub relative: Vec<f64>,
    /// The factor by which the residual of each row fell in one of its last steps; NaN after too few steps
    /// ([`rates`](banach_solve::Statistics::rates)).
    pub rates: Vec<f64>,
    /// The residuals of every step, if the settings of the forward solve request a
    /// [`trace`](banach_solve::Settings::trace).
    pub trace: Option<Vec<Record>>,
    /// Evaluations of g; rows that have ended leave the batch.
    pub evaluations: usize,
    /// Evaluations in single precision, which come first ([`Precision::Mixed`](crate::Precision::Mixed)).
    pub single_evaluations: usize,
    /// The sum of the rows over all evaluations.
    pub row_evaluations: usize,
    /// Applications of J, each to all rows that are still in the batch; zero for solvers without a derivative.
    pub derivative_applications: usize,
    /// Transfers between this machine and a device, where the solve was deferred
    /// ([`fixed_point_deferred`](banach_solve::fixed_point_deferred())).
    pub transfers: Option<Transfers>,
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
            transfers: solution.statistics.transfers,
            explanation: solution.explain(),
            adjoint: Arc::default(),
        }
    }

    /// Returns the report of a fixed point recorded in a trace, which is solved later.
    pub(crate) fn recorded() -> Self {
        let explanation = "Recorded in a trace: solved whenever the traced program runs.".into();
        Report { explanation, ..Report::default() }
    }

    /// Returns whether every row converged.
    pub fn converged(&self) -> bool {
        self.outcomes.iter().all(|outcome| outcome.is_converged())
    }

    /// Describes the solve in words: how many rows converged, how fast, and advice if some did not.
    pub fn explain(&self) -> String {
        self.explanation.clone()
    }

    /// Returns the reports of the adjoint solves, one for every backward pass through this solution.
    pub fn adjoint(&self) -> Vec<AdjointReport> {
        locked(&self.adjoint).clone()
    }

    pub(crate) fn adjoint_log(&self) -> Arc<Mutex<Vec<AdjointReport>>> {
        Arc::clone(&self.adjoint)
    }
}

/// The report of one adjoint solve.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct AdjointReport {
    /// The outcome of each row, after escalation.
    pub outcomes: Vec<Outcome>,
    /// Steps of each row, summed over all solvers.
    pub steps: Vec<usize>,
    /// `‖v - (c - Jᵀ c)‖` of each row.
    pub residuals: Vec<f64>,
    /// The residuals of every step of the first solver, if the settings of the adjoint solve request a trace.
    pub trace: Option<Vec<Record>>,
    /// Applications of Jᵀ, each to all rows that are still in the batch.
    pub evaluations: usize,
    /// Evaluations in single precision, which come first ([`Precision::Mixed`](crate::Precision::Mixed)).
    pub single_evaluations: usize,
    /// Transfers between this machine and a device, of the solves that were deferred.
    pub transfers: Option<Transfers>,
    /// The solvers that ran, in order; there is a second one if the first left rows unsolved.
    pub solvers: Vec<String>,
    /// The reason why a second solver ran.
    pub escalation: Option<String>,
    /// The advice for each row.
    advice: Vec<&'static str>,
    /// Whether a second solver was due, but was skipped because it has solved no row in recent solves.
    pub escalation_skipped: bool,
    /// Which rows have cotangents of z and θ, `(∂g/∂(z, θ))ᵀ c`, that are not finite. These rows have no gradient; the
    /// gradients of other rows are unaffected. Empty if every cotangent is finite.
    pub non_finite: Vec<bool>,
}

impl AdjointReport {
    /// Returns the report of an adjoint that is computed without a solver.
    pub(crate) fn shared_inverse(rows: usize) -> Self {
        AdjointReport {
            outcomes: vec![Outcome::Approximate; rows],
            steps: vec![0; rows],
            residuals: vec![f64::NAN; rows],
            solvers: vec!["shared inverse".into()],
            ..AdjointReport::default()
        }
    }

    /// Marks rows that have taken all steps of a refinement as approximate: they need not converge.
    pub(crate) fn refined(&mut self) {
        self.solvers.insert(0, "shared inverse".into());
        let spent = self.outcomes.iter_mut().filter(|outcome| **outcome == Outcome::StepLimit);
        spent.for_each(|outcome| *outcome = Outcome::Approximate);
    }

    /// Checks that every row was solved, or approximated by choice, and has a finite gradient.
    ///
    /// # Errors
    /// [`Error::Adjoint`] for the first row whose adjoint was not solved, [`Error::NonFiniteGradient`] for the first without
    /// a finite gradient.
    pub fn check(&self) -> Result<(), Error> {
        let unsolved: Vec<bool> = self.outcomes.iter().map(|outcome| outcome.is_failure()).collect();
        let Some(row) = unsolved.iter().position(|failed| *failed) else {
            let Some(row) = self.non_finite.iter().position(|found| *found) else { return Ok(()) };
            let failed = self.non_finite.iter().filter(|found| **found).count();
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

    /// Returns which rows failed: their adjoints were not solved, or their gradients are not finite.
    pub(crate) fn failed(&self) -> Vec<bool> {
        let non_finite = self.non_finite.iter().copied().chain(std::iter::repeat(false));
        self.outcomes.iter().zip(non_finite).map(|(outcome, found)| outcome.is_failure() || found).collect()
    }

    pub(crate) fn new(solver: &LinearSolver, solution: &banach_solve::Solution<Tensor<2>>) -> Self {
        AdjointReport {
            outcomes: solution.outcomes.clone(),
            steps: solution.statistics.steps.clone(),
            residuals: solution.statistics.residuals.clone(),
            trace: solution.statistics.trace.clone(),
            evaluations: solution.statistics.evaluations,
            single_evaluations: solution.statistics.earlier,
            transfers: solution.statistics.transfers,
            solvers: vec![solver.to_string()],
            advice: (0..solution.outcomes.len()).map(|row| solution.advice(row)).collect(),
            ..AdjointReport::default()
        }
    }

    /// Adopts the rows to which a second solver gave a smaller residual, and returns which these are.
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
        if let Some(transfers) = second.statistics.transfers {
            self.transfers = Some(self.transfers.unwrap_or_default().and(transfers));
        }
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

/// Sums over the solves and adjoint solves of a layer since they were last reset.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Statistics {
    /// Forward solves.
    pub solves: usize,
    /// Rows of all forward solves.
    pub rows: usize,
    /// Rows that began at a cached state ([`WarmStarts`](crate::WarmStarts)).
    pub warm_rows: usize,
    /// Forward steps of all rows.
    pub forward_steps: usize,
    /// Rows that did not converge, including those with values that are not finite.
    pub unconverged_rows: usize,
    /// Rows whose update returned a value that is not finite.
    pub non_finite_rows: usize,
    /// Rows of all adjoint solves.
    pub adjoint_rows: usize,
    /// Adjoint steps of all rows.
    pub adjoint_steps: usize,
    /// Rows whose adjoint solve failed; an approximation by choice is no failure.
    pub adjoint_unconverged_rows: usize,
    /// Rows without a gradient, because their cotangents of z and θ are not finite.
    pub non_finite_gradients: usize,
    /// Adjoint solves in which a second solver was tried.
    pub escalations: usize,
    /// Adjoint solves in which a second solver was due, but was skipped because it had solved no row in recent solves.
    pub skipped_escalations: usize,
    /// Transfers between this machine and a device of deferred solves, forward and adjoint
    /// ([`fixed_point_deferred`](banach_solve::fixed_point_deferred())).
    pub transfers: Transfers,
    /// Rows without a gradient, because they failed forward or backward under [`OnFailure::Skip`](crate::OnFailure::Skip).
    pub skipped_rows: usize,
}

impl Statistics {
    /// Returns the mean number of forward steps of a row.
    pub fn mean_forward_steps(&self) -> f64 {
        self.forward_steps as f64 / self.rows.max(1) as f64
    }

    /// Returns the mean number of adjoint steps of a row.
    pub fn mean_adjoint_steps(&self) -> f64 {
        self.adjoint_steps as f64 / self.adjoint_rows.max(1) as f64
    }

    pub(crate) fn count(&mut self, report: &Report) {
        self.solves += 1;
        self.rows += report.outcomes.len();
        self.forward_steps += report.steps.iter().sum::<usize>();
        self.transfers = self.transfers.and(report.transfers.unwrap_or_default());
        self.unconverged_rows += report.outcomes.iter().filter(|outcome| outcome.is_failure()).count();
        self.non_finite_rows +=
            report.outcomes.iter().filter(|outcome| **outcome == Outcome::NonFinite).count();
    }

    pub(crate) fn count_adjoint(&mut self, report: &AdjointReport) {
        self.adjoint_rows += report.outcomes.len();
        self.adjoint_steps += report.steps.iter().sum::<usize>();
        self.transfers = self.transfers.and(report.transfers.unwrap_or_default());
        self.adjoint_unconverged_rows +=
            report.outcomes.iter().filter(|outcome| outcome.is_failure()).count();
        self.non_finite_gradients += report.non_finite.iter().filter(|found| **found).count();
        self.escalations += usize::from(report.escalation.is_some());
        self.skipped_escalations += usize::from(report.escalation_skipped);
    }
}
