//! Observers of an iteration, which may end it.

use crate::Outcome;
use std::ops::ControlFlow;

/// Called after every step. Closures `FnMut(&Progress) -> ControlFlow<()>` observe.
pub trait Observe {
    /// Looks at the batch; `Break` ends every row still under way with [`Outcome::Stopped`].
    fn observe(&mut self, progress: &Progress<'_>) -> ControlFlow<()>;
}

/// What an observer sees.
#[derive(Debug, Clone, Copy)]
#[non_exhaustive]
pub struct Progress<'a> {
    /// Steps taken so far; the start is step 0.
    pub step: usize,
    /// Calls of the map so far.
    pub evaluations: usize,
    /// The residual of every row: the present one, or, for a row that has ended, the one it ended with.
    /// Within a GMRES cycle it is the estimate that the method itself keeps.
    pub residuals: &'a [f64],
    /// How rows ended; `None` for those under way.
    pub outcomes: &'a [Option<Outcome>],
}

/// Nobody watches.
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
