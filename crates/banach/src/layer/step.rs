//! One step of an observed solve.

use banach_solve::Outcome;
use std::ops::ControlFlow;

/// One step of a solve.
#[derive(Debug)]
#[non_exhaustive]
pub struct Step<'a, S> {
    /// Steps taken so far; the start is step 0.
    pub step: usize,
    /// Evaluations of g so far.
    pub evaluations: usize,
    /// The iterate x; rows that have ended keep their last iterate.
    pub x: S,
    /// The residual `‖g(x) - x‖` of every row.
    pub residuals: &'a [f64],
    /// The outcomes of rows; None for active rows.
    pub outcomes: &'a [Option<Outcome>],
}

/// A closure that sees a step, and may end the solve.
pub(crate) type Observer<'o, S> = dyn FnMut(Step<'_, S>) -> ControlFlow<()> + 'o;
