//! Observers of an iteration, which may end it.

use crate::Outcome;
use std::ops::ControlFlow;

/// An observer, called after every step. Every closure `FnMut(&Progress) -> ControlFlow<()>` is one.
pub trait Observe {
    /// Receives the progress of the batch; returning `Break` ends every active row as [`Outcome::Stopped`].
    fn observe(&mut self, progress: &Progress<'_>) -> ControlFlow<()>;
}

/// The state of a batch after a step.
#[derive(Debug, Clone, Copy)]
#[non_exhaustive]
pub struct Progress<'a> {
    /// Steps taken so far; the start is step 0.
    pub step: usize,
    /// Calls of the map so far.
    pub evaluations: usize,
    /// The current residual of every row; for a row that has ended, its final residual. Within a GMRES cycle,
    /// the estimate of the least-squares problem.
    pub residuals: &'a [f64],
    /// The outcome of every row; `None` for active rows.
    pub outcomes: &'a [Option<Outcome>],
}

/// An observer that does nothing.
#[derive(Debug, Clone, Copy, Default)]
pub struct Unobserved;

impl Observe for Unobserved {
    fn observe(&mut self, _: &Progress<'_>) -> ControlFlow<()> {
        ControlFlow::Continue(())
    }
}

impl<F: FnMut(&Progress<'_>) -> ControlFlow<()>> Observe for F {
    fn observe(&mut self, progress: &Progress<'_>) -> ControlFlow<()> {
        self(progress)
    }
}
