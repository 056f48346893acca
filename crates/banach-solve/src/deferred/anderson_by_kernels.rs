//! Anderson acceleration on a device, in three kernels a step.

use super::anderson::floor;
use super::columns::Columns;
use super::iterate::DeferredSolver;
use super::picard::damped;
use super::window::Point;
use crate::kernels::{DifferencesOf, Elimination, LARGEST_WINDOW, Ring, differences, eliminated, fit, mixed};
use crate::{Anderson, Rows};
use burn::tensor::{Bool, Tensor};

/// Anderson acceleration by kernels.
pub(super) struct ByKernels<'a>(&'a Anderson);

impl<'a> ByKernels<'a> {
    /// The solver, where there are kernels for it on the device of `x0`.
    pub(super) fn new(settings: &'a Anderson, x0: &Tensor<2>) -> Option<Self> {
        (fit(x0) && settings.window <= LARGEST_WINDOW).then_some(Self(settings))
    }
}

/// The memory of Anderson acceleration by kernels. The differences are in a ring of slots.
pub(super) struct Memory {
    /// The last point, and `x + β F` there.
    last: Option<(Point, Tensor<2>)>,
    /// The ring, and `⟨ΔFᵢ, ΔFⱼ⟩`, `[rows, window, window]`, which steps overwrite; none while one does.
    overwritten: Option<(Ring, Tensor<3>)>,
    mark: Mark,
    /// `‖F‖²`, `‖g(x)‖²` and Σ |γᵢ| of the last step, `[rows, 3]`.
    sizes: Tensor<2>,
}

/// What the last points do not tell.
#[derive(Clone)]
pub(super) struct Mark {
    /// The number of differences so far.
    added: usize,
    /// Which differences, and whether the last point, a row may use, and the square of its smallest residual:
    /// `[rows, window + 2]`, as [`eliminated`] has them.
    rows: Tensor<2>,
}

impl DeferredSolver for ByKernels<'_> {
    type Memory = Memory;
    type Mark = Mark;

    fn history(&self) -> usize {
        self.0.history()
    }

    fn start(&self, x0: &Tensor<2>) -> Memory {
        let ([rows, width], window) = (x0.dims(), self.0.window);
        let to = &x0.device();
        let zeros = |width| Tensor::zeros([rows, window, width], to);
        let ring = Ring { differences: zeros(width), targets: zeros(width) };
        Memory {
            last: None,
            overwritten: Some((ring, zeros(window))),
            mark: Mark { added: 0, rows: Tensor::zeros([rows, window + 2], to) },
            sizes: Tensor::zeros([rows, 3], to),
        }
    }

    fn step(&self, point: &Point, memory: &mut Memory) -> Tensor<2> {
        let target = damped(point, self.0.mixing);
        let factors = self.add(point, &target, memory);
        let Some((ring, _)) = &memory.overwritten else { panic!("bug: found no ring after a step") };
        let next = mixed(&target, &ring.targets, factors);
        memory.last = Some((point.clone(), target));
        next
    }

    fn columns(&self, _: &Point, memory: &Memory) -> Vec<Columns> {
        vec![memory.sizes.clone().into()]
    }

    fn mark(&self, memory: &Memory) -> Mark {
        memory.mark.clone()
    }

    fn rebuilt(&self, points: &[Point], mark: &Mark) -> Memory {
        let used = &points[points.len().saturating_sub(self.0.window + 1)..];
        let Some(first) = used.first() else {
            panic!("bug: found no point before the step to take again, expected one at least");
        };
        let mut memory = self.start(&first.x);
        memory.mark.added = mark.added.saturating_sub(used.len() - 1);
        for point in used {
            let target = damped(point, self.0.mixing);
            self.add(point, &target, &mut memory);
            memory.last = Some((point.clone(), target));
        }
        memory.mark = mark.clone();
        memory
    }

    fn forget(&self, memory: &mut Memory, rows: &Tensor<2, Bool>) {
        let marks = &mut memory.mark.rows;
        *marks = marks.clone().mask_fill(rows.clone().expand(marks.dims()), 0.0);
    }
}

impl ByKernels<'_> {
    /// Takes in a point, and returns the factors of the mixture there. The first point has no difference: it is compared with
    /// itself, in a slot that no row may use yet.
    fn add(&self, point: &Point, target: &Tensor<2>, memory: &mut Memory) -> Tensor<2> {
        let Anderson { window, growth, ridge, .. } = *self.0;
        let (last, last_target) =
            memory.last.as_ref().map_or((point, target), |(point, target)| (point, target));
        let of = DifferencesOf { x: &point.x, gx: &point.gx, target, last: [&last.x, &last.gx, last_target] };
        let newest = memory.mark.added % window;
        memory.mark.added += usize::from(memory.last.is_some());
        let Some((ring, products)) = memory.overwritten.take() else {
            panic!("bug: found no ring before a step");
        };
        let (ring, sums) = differences(&of, ring, newest);
        let precision = point.x.precision();
        let least_pivot = ridge + floor(self.0, precision);
        let count = memory.mark.added.min(window);
        let problem = Elimination { newest, count, growth, ridge, least_pivot, precision };
        let (products, marks, factors, sizes) = eliminated(sums, products, memory.mark.rows.clone(), problem);
        memory.overwritten = Some((ring, products));
        (memory.mark.rows, memory.sizes) = (marks, sizes);
        factors
    }
}
