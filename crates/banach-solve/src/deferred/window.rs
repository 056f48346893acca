//! The steps between two looks: their points, and what the host reads of them.

use super::columns::{Columns, largest, numbers, read_columns, squares};
use crate::{Norm, Rows, Transfers};
use burn::tensor::{DType, Tensor};

/// An iterate and its image.
#[derive(Clone, Debug)]
pub(super) struct Point {
    pub(super) x: Tensor<2>,
    pub(super) gx: Tensor<2>,
}

/// A step that the device has taken, and what the host will read of it.
pub(super) struct Step<M> {
    pub(super) point: Point,
    /// The small state of the solver before the step.
    pub(super) mark: M,
    /// What the solver says of the step, and, if the norm of the tolerance is the maximum, the largest absolute values of
    /// `g(x) - x` and `g(x)`.
    columns: Vec<Columns>,
}

impl<M> Step<M> {
    /// The step of a solver from a point.
    pub(super) fn new(point: Point, mark: M, mut columns: Vec<Columns>, norm: Norm) -> Self {
        if norm == Norm::Maximum {
            columns.extend(point.residual_and_image().iter().map(largest).map(Columns::from));
        }
        Self { point, mark, columns }
    }
}

impl Point {
    fn residual_and_image(&self) -> [Tensor<2>; 2] {
        [self.gx.clone() - self.x.clone(), self.gx.clone()]
    }
}

/// The squared norms of `g(x) - x` and `g(x)`.
pub(super) fn sizes(point: &Point) -> Vec<Columns> {
    #[cfg(feature = "kernels")]
    if crate::kernels::fit(&point.x) {
        return vec![Columns::sums(crate::kernels::sizes(&point.x, &point.gx), 2)];
    }
    point.residual_and_image().iter().map(squares).map(Columns::from).collect()
}

/// What the host has read of one step.
#[derive(Debug, Default)]
pub(super) struct Look {
    /// The residual of every row in the Euclidean norm.
    residuals: Vec<f64>,
    /// The Euclidean norm of `g(x)`.
    pub(super) sizes: Vec<f64>,
    /// Residuals and sizes in the maximum norm, if that is the norm of the tolerance.
    largest: Option<(Vec<f64>, Vec<f64>)>,
    /// Not zero in rows whose step was extrapolated; empty where no step is.
    extrapolated: Vec<f64>,
}

/// Reads all steps, and a fixed scale that is not read yet, in one transfer.
pub(super) fn look<M>(
    steps: &[Step<M>],
    norm: Norm,
    scale: Option<&Tensor<2>>,
    transfers: &mut Transfers,
) -> (Vec<Look>, Option<Vec<f64>>) {
    let unread = scale.cloned().map(Columns::from);
    let columns: Vec<&Columns> = steps.iter().flat_map(|step| &step.columns).chain(&unread).collect();
    let mut columns = read_columns(&columns, transfers).into_iter();
    let roots = |squares: Vec<f64>| -> Vec<f64> { squares.iter().map(|square| square.sqrt()).collect() };
    let mut next = || columns.next().unwrap_or_default();
    let look = |step: &Step<M>| {
        let count: usize = step.columns.iter().map(Columns::count).sum();
        let largest = usize::from(norm == Norm::Maximum) * 2;
        Look {
            residuals: roots(next()),
            sizes: roots(next()),
            extrapolated: if count > 2 + largest { next() } else { Vec::new() },
            largest: (largest > 0).then(|| (next(), next())),
        }
    };
    let looks = steps.iter().map(look).collect();
    (looks, scale.map(|_| roots(next())))
}

impl Look {
    /// Residuals and sizes in the norm of the tolerance. `scale` replaces the sizes where it is fixed.
    ///
    /// Where squares of an active row may have overflowed or underflowed, the norms are computed again, and
    /// safely, from the point: for two more reads.
    pub(super) fn measured(
        &mut self,
        point: &Point,
        (norm, active): (Norm, &[bool]),
        scale: Option<&[f64]>,
        transfers: &mut Transfers,
    ) -> (Vec<f64>, Vec<f64>) {
        let smallest = smallest_norm(&point.x);
        let doubtful = |norm: f64| !(norm >= smallest && norm.is_finite());
        let is_doubtful = |row: usize| {
            active[row]
                && (doubtful(self.residuals[row]) || self.sizes.get(row).copied().is_some_and(doubtful))
        };
        if (0..active.len()).any(is_doubtful) {
            transfers.reads += 2;
            let (residuals, sizes) = point.gx.distances(&point.x);
            self.residuals = residuals;
            if scale.is_none() {
                self.sizes = sizes;
            }
        }
        let sizes = |sizes: Vec<f64>| scale.map_or(sizes, <[f64]>::to_vec);
        let mean = |norms: &[f64]| -> Vec<f64> {
            let factor = (point.x.width() as f64).sqrt().recip();
            norms.iter().map(|norm| norm * factor).collect()
        };
        match norm {
            Norm::Euclidean => (self.residuals.clone(), sizes(self.sizes.clone())),
            Norm::RootMeanSquare => (mean(&self.residuals), sizes(mean(&self.sizes))),
            Norm::Maximum => {
                let (residuals, largest) = self.largest.take().unwrap_or_default();
                (residuals, sizes(largest))
            }
        }
    }

    /// Whether the step of the row was extrapolated.
    pub(super) fn is_extrapolated(&self, row: usize) -> bool {
        self.extrapolated.get(row).is_some_and(|sum| *sum != 0.0)
    }
}

/// The norm of a row below which underflow of squares may exceed rounding.
fn smallest_norm(x: &Tensor<2>) -> f64 {
    let smallest = if x.dtype() == DType::F64 { f64::MIN_POSITIVE } else { f64::from(f32::MIN_POSITIVE) };
    (x.width().max(1) as f64 * smallest / x.precision()).sqrt()
}

/// The best iterates after a window in which the best iterate of row `i` is that of step `chosen[i]`, or the
/// best one before where it is `None`.
pub(super) fn best<M>(
    before: &Tensor<2>,
    steps: &[Step<M>],
    chosen: &[Option<usize>],
    transfers: &mut Transfers,
) -> Tensor<2> {
    let Some(first) = chosen.first() else { return before.clone() };
    if chosen.iter().all(|step| step == first) {
        return first.map_or_else(|| before.clone(), |step| steps[step].point.x.clone());
    }
    let number = |step: &Option<usize>| step.map_or(-1.0, |step| step as f64);
    let column = chosen.iter().map(number).collect();
    // One kernel compares and selects, once the column is as wide as the state.
    let chosen_steps = numbers(column, [chosen.len(), 1], before, transfers).expand(before.dims());
    let mut taken: Vec<usize> = chosen.iter().flatten().copied().collect();
    taken.sort_unstable();
    taken.dedup();
    let mut best = before.clone();
    for step in taken {
        let taken = chosen_steps.clone().equal_elem(step as f64);
        best = best.mask_where(taken, steps[step].point.x.clone());
    }
    best
}
