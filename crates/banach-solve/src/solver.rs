//! The interface of solvers: an iterate, a memory, and the step from one iterate to the next.

use crate::{Rows, Switch};
use std::cell::OnceCell;

/// The current iterate of every row, evaluated by the loop.
#[derive(Debug)]
pub struct Iterate<'a, R> {
    /// The state, `[rows, n]`.
    pub x: &'a R,
    /// The image `g(x)`, `[rows, n]`.
    pub gx: &'a R,
    /// `‖g(x) - x‖` of every row, in the Euclidean norm.
    pub residuals: &'a [f64],
    /// The active rows. The loop ignores a step of any other row.
    pub active: &'a [bool],
    /// The residual of every row divided by the largest residual that the tolerance allows, both in the norm
    /// of the tolerance: at most 1 where a row meets the tolerance, infinite where the tolerance is zero.
    pub excess: &'a [f64],
    difference: OnceCell<R>,
}

impl<'a, R: Rows> Iterate<'a, R> {
    /// Creates an iterate; all arguments describe the same rows.
    pub fn new((x, gx): (&'a R, &'a R), residuals: &'a [f64], active: &'a [bool], excess: &'a [f64]) -> Self {
        Self { x, gx, residuals, active, excess, difference: OnceCell::new() }
    }

    /// The iterate with fewer active rows.
    pub(crate) fn among<'b>(&'b self, active: &'b [bool]) -> Iterate<'b, R> {
        Iterate { active, difference: OnceCell::from(self.difference().clone()), ..*self }
    }

    /// `g(x) - x`, `[rows, n]`, computed on the first call.
    pub fn difference(&self) -> &R {
        self.difference.get_or_init(|| self.gx.minus(self.x))
    }
}

/// A solver of `x = g(x)`: a rule for the next state, given the current iterate and a memory of earlier ones.
///
/// The loop evaluates the map, stops rows, freezes rows that have ended and detects failures.
pub trait Solver<R: Rows> {
    /// The state kept between steps.
    type Memory;

    /// Creates the memory before the first step.
    fn start(&self, x0: &R) -> Self::Memory;

    /// Returns the next state, `[rows, n]`.
    fn step(&self, iterate: &Iterate<'_, R>, memory: &mut Self::Memory) -> R;

    /// Keeps the memory of the rows at these positions, in increasing order; the other rows leave the batch.
    fn narrow(&self, memory: &mut Self::Memory, keep: &[usize]);

    /// Clears the memory of the row at this position, so that its next step is plain. The loop calls it after
    /// an extrapolated step has failed. The default does nothing, for solvers whose steps are all plain.
    fn restart(&self, memory: &mut Self::Memory, row: usize) {
        let _ = (memory, row);
    }

    /// Whether the last step of the row at this position was extrapolated, that is, no plain step
    /// `x + β (g(x) - x)`.
    ///
    /// Where an extrapolated step leads to a point at which `g` is not finite, or the residual or the state
    /// explodes, the row returns to its best iterate, restarts with an empty memory
    /// ([`restart`](Self::restart)) and takes a plain step. After a plain step the row ends there. Where it
    /// raises the [energy](crate::Map::energy), the row does the same from the iterate before. The default
    /// is false.
    fn extrapolated(&self, memory: &Self::Memory, row: usize) -> bool {
        let _ = (memory, row);
        false
    }

    /// Takes the changes of method of the last step, for
    /// [`Statistics::switches`](crate::Statistics::switches). In each, `row` is the position in the batch;
    /// the loop fills in the step. The default is none.
    fn switches(&self, memory: &mut Self::Memory) -> Vec<Switch> {
        let _ = memory;
        Vec::new()
    }
}
