//! Execution of elementwise chains row by row of the target, with large targets split across cores.

use super::Run;
use crate::language::geometry::Span;
use crate::run::native::instruction::{ChainLoops, Epilogue};
use crate::run::native::loops::copy;
use crate::run::native::parallel::{on_all_cores, pays};
use crate::run::native::view::View;
use crate::run::value::number::Number;
use banach_kernels::{Input, Output};
use smallvec::SmallVec;

/// Numbers of a target in a part of a parallel section.
const WORTH: usize = 1 << 15;
/// Operations of a product in the time of one number: elementwise functions are bound by memory.
const OPERATIONS: usize = 64;

impl<T: Number> Run<'_, '_, '_, T> {
    pub(super) fn elementwise(&self, work: &ChainLoops<T>, target: &mut [T]) {
        let zeros: SmallVec<[isize; 16]> = SmallVec::from_elem(0, work.sources.len() + 1);
        if !(self.machine.spread && work.outer.is_empty() && pays::<T>(target.len() * OPERATIONS)) {
            self.nested(work, 0, &zeros, target);
            return;
        }
        // The target is dense: a part of it is a range of rows, or of columns where there is one row.
        let by_rows = work.rows.size > 1;
        let each = if by_rows { work.columns.size } else { 1 };
        let count = if by_rows { work.rows.size } else { work.columns.size };
        let part = WORTH.div_ceil(each);
        on_all_cores(target.chunks_mut(part * each).enumerate(), |(at, target)| {
            let split = if by_rows { &work.rows } else { &work.columns };
            let offsets: SmallVec<[isize; 16]> =
                split.strides.iter().map(|stride| stride * (at * part) as isize).collect();
            let size = part.min(count - at * part);
            let [rows, columns] = if by_rows { [size, work.columns.size] } else { [1, size] };
            self.matrices(work, [rows, columns], &offsets, target);
        });
    }

    /// Copies numbers; where the target is large and without gaps, in parts along its outermost axis.
    pub(super) fn copy(&self, source: &View, target: &View, out: &mut [T]) {
        let from = self.real(source.buffer);
        let outer = target.order().into_iter().find(|&axis| target.shape[axis] > 1);
        let part = outer.map_or(0, |axis| target.strides[axis].unsigned_abs());
        let integers =
            outer.is_some_and(|axis| part * target.shape[axis] == out.len() && target.len() == out.len());
        let Some(axis) =
            outer.filter(|_| self.machine.spread && integers && pays::<T>(out.len() * OPERATIONS))
        else {
            return copy(source, from, target, out);
        };
        let one = |view: &View, at: usize| {
            let mut spans: Vec<Span> =
                view.shape.iter().map(|&end| Span { start: 0, end, step: 1 }).collect();
            spans[axis] = Span { start: at, end: at + 1, step: 1 };
            view.sliced(&spans)
        };
        let to = one(target, 0);
        on_all_cores(out.chunks_mut(part).enumerate(), |(at, out)| copy(&one(source, at), from, &to, out));
    }

    fn nested(&self, work: &ChainLoops<T>, level: usize, offsets: &[isize], target: &mut [T]) {
        let Some(outer) = work.outer.get(level) else {
            let start = offsets[0] as usize;
            let target = &mut target[start..];
            return self.matrices(work, [work.rows.size, work.columns.size], offsets, target);
        };
        let mut offsets: SmallVec<[isize; 16]> = SmallVec::from_slice(offsets);
        for _ in 0..outer.size {
            self.nested(work, level + 1, &offsets, target);
            offsets.iter_mut().zip(&outer.strides).for_each(|(offset, stride)| *offset += stride);
        }
    }

    /// The chain on matrices that begin at these offsets; the target begins at its own.
    fn matrices(
        &self,
        work: &ChainLoops<T>,
        [rows, columns]: [usize; 2],
        offsets: &[isize],
        target: &mut [T],
    ) {
        let stride = |strides: &[isize], position: usize, size: usize| {
            if size > 1 { strides[position].unsigned_abs() } else { 0 }
        };
        let inputs: SmallVec<[Input<'_, T>; 16]> = work
            .sources
            .iter()
            .enumerate()
            .map(|(at, start)| Input {
                data: &self.from(*start)[offsets[at + 1] as usize..],
                row_stride: stride(&work.rows.strides, at + 1, rows),
                column_stride: stride(&work.columns.strides, at + 1, columns),
            })
            .collect();
        let row_stride = if rows > 1 { work.rows.strides[0].unsigned_abs() } else { columns };
        let output = Output::rows(target, row_stride);
        work.chain.run(self.machine.level, rows, columns, &inputs, &mut [output]);
    }

    /// The chain behind a product on its rows from `first` on, which are `block`.
    pub(super) fn epilogue(&self, work: &Epilogue<T>, first: usize, columns: usize, block: &mut [T]) {
        let rows = block.len().checked_div(columns).unwrap_or(0);
        let inputs: SmallVec<[Input<'_, T>; 16]> = work
            .sources
            .iter()
            .map(|(start, [row_stride, column_stride])| Input {
                data: &self.from(*start)[first * row_stride..],
                row_stride: *row_stride,
                column_stride: *column_stride,
            })
            .collect();
        let mut target = Output::rows(block, columns);
        work.chain.run_in_place(self.machine.level, rows, columns, &mut target, &inputs, &mut []);
    }
}
