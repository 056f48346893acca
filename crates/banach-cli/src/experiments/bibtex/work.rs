//! How much did the solvers of a network have to do?

use banach::Statistics;

/// What the solvers did since they were last asked.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub(crate) struct Work {
    /// Mean steps of the forward solver a row.
    pub(crate) forward_steps: f64,
    /// Mean steps of the adjoint solver a row.
    pub(crate) adjoint_steps: f64,
    /// Rows whose fixed point was not found to the tolerance, and rows whose adjoint was not.
    pub(crate) unconverged_rows: usize,
    /// Rows in which a number that is not finite was met.
    pub(crate) non_finite_rows: usize,
}

impl Work {
    /// A network without a solver: its map applied once counts as one step.
    pub(crate) fn once() -> Self {
        Self { forward_steps: 1.0, ..Self::default() }
    }

    /// Adds the counts of rows; the means of steps stay as they are.
    pub(crate) fn add_rows(&mut self, other: &Work) {
        self.unconverged_rows += other.unconverged_rows;
        self.non_finite_rows += other.non_finite_rows;
    }
}

impl From<Statistics> for Work {
    fn from(counts: Statistics) -> Self {
        Self {
            forward_steps: counts.mean_forward_steps(),
            adjoint_steps: counts.mean_adjoint_steps(),
            unconverged_rows: counts.unconverged_rows + counts.adjoint_unconverged_rows,
            non_finite_rows: counts.non_finite_rows,
        }
    }
}
