//! Solutions, row by row.

use super::advice::{ResidualTrend, advice};
use super::solver_kind::SolverKind;
use super::statistics::Statistics;
use super::transfers::Transfers;
use crate::{Error, Outcome, Rows};
use serde::{Deserialize, Serialize};

/// The best iterate of every row, with its outcome and the cost of the solve.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[must_use = "rows may not have converged"]
#[non_exhaustive]
pub struct Solution<R> {
    /// The iterate of each row with the smallest residual, or with the lowest energy if the map has one,
    /// `[rows, n]`.
    pub value: R,
    /// The outcome of each row.
    pub outcomes: Vec<Outcome>,
    /// Cost, residuals and rates.
    pub statistics: Statistics,
    /// The solver, for advice.
    pub(crate) solver: SolverKind,
    /// The trend of each row's residual, for advice.
    pub(crate) trends: Vec<ResidualTrend>,
}

impl<R> Solution<R> {
    pub(crate) fn new(
        value: R,
        outcomes: Vec<Outcome>,
        trends: Vec<ResidualTrend>,
        statistics: Statistics,
    ) -> Self {
        Self { value, outcomes, statistics, solver: SolverKind::Other, trends }
    }

    /// Sets the solver.
    pub(crate) fn by(self, solver: SolverKind) -> Self {
        Self { solver, ..self }
    }

    /// Sets the transfers.
    pub(crate) fn with_transfers(mut self, transfers: Transfers) -> Self {
        self.statistics.transfers = Some(transfers);
        self
    }

    /// Returns a remedy for the row, given the solver, its outcome and the trend of its residual.
    ///
    /// # Panics
    /// If the row is out of range.
    pub fn advice(&self, row: usize) -> &'static str {
        advice(self.solver, self.outcomes[row], self.trends[row])
    }

    /// Concatenates the solutions of consecutive batch slices, for a batch that was split over cores.
    ///
    /// Calls of the map, its derivative and its energy are the maximum over the slices; rows evaluated are
    /// summed. There is a trace if all slices have one, with a record of every step of any slice; a slice
    /// that has ended keeps its last residuals.
    ///
    /// # Panics
    /// If there are no slices.
    pub fn joined(parts: Vec<Self>) -> Self
    where
        R: Rows,
    {
        let solver = parts.first().map_or(SolverKind::Other, |part| part.solver);
        let (mut values, mut statistics) = (Vec::new(), Vec::new());
        let (mut outcomes, mut trends) = (Vec::new(), Vec::new());
        for part in parts {
            values.push(part.value);
            statistics.push(part.statistics);
            outcomes.extend(part.outcomes);
            trends.extend(part.trends);
        }
        Self::new(R::stacked(&values), outcomes, trends, Statistics::joined(&statistics)).by(solver)
    }

    /// Converts the value.
    pub fn map<S>(self, change: impl FnOnce(R) -> S) -> Solution<S> {
        let Self { value, outcomes, statistics, solver, trends } = self;
        Solution { value: change(value), outcomes, statistics, solver, trends }
    }

    /// Returns whether every row converged. Rows that are approximate by choice have not.
    pub fn converged(&self) -> bool {
        self.unconverged() == 0
    }

    /// Returns the number of rows that did not converge.
    pub fn unconverged(&self) -> usize {
        self.outcomes.iter().filter(|outcome| !outcome.is_converged()).count()
    }

    /// Returns the number of rows with this outcome.
    pub fn count(&self, outcome: Outcome) -> usize {
        self.outcomes.iter().filter(|found| **found == outcome).count()
    }

    /// Returns the value if every row converged.
    ///
    /// # Errors
    /// [`Error::Unconverged`], with the first row that did not converge.
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

    /// Adds the statistics of an earlier solve, from whose result this solve of the same rows started.
    ///
    /// Steps, calls and rows evaluated are added, switches and traces concatenated, growths multiplied;
    /// value, outcomes and residuals are those of this solve. The rate of a row is its rate in this solve, or
    /// in the earlier one where this one has too few steps. There is a trace if both solves have one; it
    /// contains the start of this solve twice, as the last record of the earlier solve and the first of this
    /// one.
    ///
    /// ```
    /// use banach_solve::{Settings, Tolerance, fixed_point};
    /// use burn::tensor::{DType, Device, Tensor};
    ///
    /// let x0 = Tensor::<2>::zeros([1, 1], (&Device::flex(), DType::F64));
    /// let cosine = |x: &Tensor<2>| x.clone().cos();
    /// let roughly = fixed_point(&cosine, &x0, &Settings::default())?;
    /// let settings = Settings::default().with_tolerance(Tolerance::both(1e-12));
    /// let closely = fixed_point(&cosine, &roughly.value, &settings)?;
    /// let (before, after) = (roughly.statistics.steps[0], closely.statistics.steps[0]);
    /// let solution = closely.continuing(roughly.statistics);
    /// assert_eq!(solution.statistics.steps, [before + after]);
    /// assert_eq!(solution.statistics.earlier, before + 1);
    /// # Ok::<(), banach_solve::Error>(())
    /// ```
    ///
    /// # Panics
    /// If the earlier statistics have a different number of rows.
    pub fn continuing(mut self, earlier: Statistics) -> Self {
        let (found, expected) = (earlier.steps.len(), self.statistics.steps.len());
        assert!(found == expected, "a solution of {expected} rows cannot continue one of {found}");
        self.statistics = self.statistics.after(earlier);
        self
    }
}
