//! Anderson acceleration on a device, the least-squares problems of all rows at once.

use super::columns::{Columns, squares, widened};
use super::iterate::DeferredSolver;
use super::mixture::{Constants, Problem, mixture};
use super::picard::damped;
use super::window::{Point, sizes};
use crate::{Anderson, Rows};
use burn::tensor::{Bool, Tensor};
use std::rc::Rc;

/// Whether a device solves the least-squares problems: it tells differences that are used by a pivot near one.
pub(super) fn fits(settings: &Anderson, x0: &Tensor<2>) -> bool {
    settings.ridge + floor(settings, x0.precision()) <= 0.25
}

/// The squared sine of the smallest angle between a difference and the span of newer ones.
pub(super) fn floor(settings: &Anderson, precision: f64) -> f64 {
    settings.condition.powi(-2).max(16.0 * precision)
}

/// The memory of Anderson acceleration on a device. The differences are in a ring of slots.
pub(super) struct Memory {
    /// `F` and `x + β F` of the last point.
    last: Option<(Tensor<2>, Tensor<2>)>,
    /// `ΔF`, `[rows, window, n]`.
    differences: Tensor<3>,
    /// `Δx + β ΔF`, `[rows, window, n]`.
    targets: Tensor<3>,
    /// `⟨ΔFᵢ, ΔFⱼ⟩`, and room for `⟨ΔFᵢ, F⟩` in the last column, `[rows, window, window + 1]`.
    products: Tensor<3>,
    constants: Rc<Constants>,
    mark: Mark,
    /// Σ |γᵢ| of the last step, `[rows, 1]`.
    extrapolated: Tensor<2>,
}

/// What the last points do not tell.
#[derive(Clone)]
pub(super) struct Mark {
    /// The number of differences so far.
    added: usize,
    /// 1 for the differences that a row may use, else 0, `[rows, window]`.
    valid: Tensor<2>,
    /// 1 in rows whose last point may be used, else 0, `[rows, 1]`.
    fresh: Tensor<2>,
    /// The square of the smallest residual of each row since its last restart, `[rows, 1]`.
    least: Tensor<2>,
}

impl DeferredSolver for Anderson {
    type Memory = Memory;
    type Mark = Mark;

    fn history(&self) -> usize {
        self.window + 1
    }

    fn start(&self, x0: &Tensor<2>) -> Memory {
        let ([rows, width], window) = (x0.dims(), self.window);
        let like = widened(&x0.clone().slice([0..1, 0..1]));
        let to = (&like.device(), like.dtype());
        let endless = Tensor::full([rows, 1], f64::INFINITY, to);
        let column = Tensor::zeros([rows, 1], to);
        let valid = Tensor::zeros([rows, window], to);
        Memory {
            last: None,
            differences: Tensor::zeros([rows, window, width], to),
            targets: Tensor::zeros([rows, window, width], to),
            products: Tensor::zeros([rows, window, window + 1], to),
            constants: Rc::new(Constants::new(window, self.ridge, to)),
            mark: Mark { added: 0, valid, fresh: column.clone(), least: endless },
            extrapolated: column,
        }
    }

    fn step(&self, point: &Point, memory: &mut Memory) -> Tensor<2> {
        let difference = widened(&point.gx) - widened(&point.x);
        let target = widened(&damped(point, self.mixing));
        let residual = squares(&difference);
        let slot = memory.add(&difference, &target);
        if let Some(slot) = slot {
            memory.mark.admit(slot);
        }
        memory.mark.restart(&residual, self.growth);
        memory.last = Some((difference.clone(), target.clone()));
        let Some(newest) = slot else { return target.cast(point.x.dtype()) };
        let [rows, width] = point.x.dims();
        let window = self.window;
        let along = difference.reshape([rows, 1, width]);
        let precision = point.x.precision();
        let right = (memory.differences.clone() * along).sum_dim(2);
        let constants = Rc::clone(&memory.constants);
        let problem = Problem {
            products: memory.products.clone().slice_assign([0..rows, 0..window, window..window + 1], right),
            valid: memory.mark.valid.clone().reshape([rows, window, 1]),
            residual: residual.reshape([rows, 1, 1]),
            slots: (0..memory.mark.added.min(window)).map(|age| (newest + window - age) % window).collect(),
            constants: &constants,
            least_pivot: self.ridge + floor(self, precision),
            precision,
        };
        let (factors, sum) = mixture(problem);
        memory.extrapolated = sum.reshape([rows, 1]);
        let correction = (memory.targets.clone() * factors).sum_dim(1).reshape([rows, width]);
        (target - correction).cast(point.x.dtype())
    }

    fn columns(&self, point: &Point, memory: &Memory) -> Vec<Columns> {
        let mut columns = sizes(point);
        columns.push(memory.extrapolated.clone().into());
        columns
    }

    fn mark(&self, memory: &Memory) -> Mark {
        memory.mark.clone()
    }

    fn rebuilt(&self, points: &[Point], mark: &Mark) -> Memory {
        let [_, window] = mark.valid.dims();
        let used = &points[points.len().saturating_sub(window + 1)..];
        let Some(first) = used.first() else {
            panic!("bug: found no point before the step to take again, expected one at least");
        };
        let mut memory = self.start(&first.x);
        memory.mark.added = mark.added.saturating_sub(used.len() - 1);
        for point in used {
            let difference = widened(&point.gx) - widened(&point.x);
            let target = widened(&damped(point, self.mixing));
            memory.add(&difference, &target);
            memory.last = Some((difference, target));
        }
        memory.mark = mark.clone();
        memory
    }

    fn forget(&self, memory: &mut Memory, rows: &Tensor<2, Bool>) {
        let Mark { valid, fresh, least, .. } = &mut memory.mark;
        *valid = valid.clone().mask_fill(rows.clone().expand(valid.dims()), 0.0);
        *fresh = fresh.clone().mask_fill(rows.clone(), 0.0);
        *least = least.clone().mask_fill(rows.clone(), f64::INFINITY);
    }
}

impl Memory {
    /// Puts the newest difference into the slot of the oldest one; `None` for the first point.
    fn add(&mut self, difference: &Tensor<2>, target: &Tensor<2>) -> Option<usize> {
        let (last, last_target) = self.last.as_ref()?;
        let [rows, window, width] = self.differences.dims();
        let slot = self.mark.added % window;
        let shape = [rows, 1, width];
        let change = (difference.clone() - last.clone()).reshape(shape);
        let moved = (target.clone() - last_target.clone()).reshape(shape);
        let (all, here) = (0..rows, slot..slot + 1);
        let assigned = |ring: &mut Tensor<3>, value: Tensor<3>| {
            let whole = std::mem::replace(ring, value.clone());
            *ring = whole.slice_assign([all.clone(), here.clone(), 0..width], value);
        };
        assigned(&mut self.differences, change.clone());
        assigned(&mut self.targets, moved);
        let products = (self.differences.clone() * change).sum_dim(2);
        self.products = self
            .products
            .clone()
            .slice_assign([all.clone(), 0..window, here.clone()], products.clone())
            .slice_assign([all.clone(), here.clone(), 0..window], products.reshape([rows, 1, window]));
        self.mark.added += 1;
        Some(slot)
    }
}

impl Mark {
    /// Lets rows use the newest difference if their last point may be used.
    fn admit(&mut self, slot: usize) {
        let rows = self.fresh.dims()[0];
        self.valid = self.valid.clone().slice_assign([0..rows, slot..slot + 1], self.fresh.clone());
    }

    /// Empties the memory of rows whose residual has grown too far; the point itself may be used.
    fn restart(&mut self, residual: &Tensor<2>, growth: f64) {
        let grown = residual.clone().greater(self.least.clone() * (growth * growth));
        self.valid = self.valid.clone().mask_fill(grown.clone().expand(self.valid.dims()), 0.0);
        self.least = self.least.clone().min_pair(residual.clone()).mask_where(grown, residual.clone());
        self.fresh = self.fresh.ones_like();
    }
}
