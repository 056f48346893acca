//! Plain and damped iteration on a device.

use super::columns::Columns;
use super::iterate::DeferredSolver;
use super::window::{Point, sizes};
use crate::Picard;
use burn::tensor::{Bool, Tensor};

impl DeferredSolver for Picard {
    type Memory = ();
    type Mark = ();

    fn history(&self) -> usize {
        0
    }

    fn start(&self, _: &Tensor<2>) {}

    fn step(&self, point: &Point, (): &mut ()) -> Tensor<2> {
        damped(point, self.damping)
    }

    fn columns(&self, point: &Point, (): &()) -> Vec<Columns> {
        sizes(point)
    }

    fn mark(&self, (): &()) {}

    fn rebuilt(&self, _: &[Point], (): &()) {}

    fn forget(&self, (): &mut (), _: &Tensor<2, Bool>) {}
}

/// `x + damping (g(x) - x)`, and exactly `g(x)` without damping.
pub(super) fn damped(point: &Point, damping: f64) -> Tensor<2> {
    if damping == 1.0 {
        return point.gx.clone();
    }
    point.x.clone() + (point.gx.clone() - point.x.clone()) * damping
}
