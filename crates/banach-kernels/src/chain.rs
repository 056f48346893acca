//! Chains of elementwise functions in one pass: block by block, so that what lies between them stays in the
//! fastest memory.

mod apply;
mod choose;
mod map;
mod operation;
mod plan;

use crate::{Level, Real};
use apply::apply;
use map::{Block, Extent, Source, Target};
pub use operation::{Binary, Comparison, Operation, Step, Unary};
pub use plan::InvalidChain;
use plan::{Place, Plan, plan};
use pulp::{Simd, WithSimd};
use std::marker::PhantomData;
use std::mem::MaybeUninit;

/// Functions of the numbers at one position, computed together at every position of some matrices.
///
/// The results are those of computing step after step: no rounding is left out.
#[derive(Clone, Debug)]
pub struct Chain<T> {
    plan: Plan,
    inputs: usize,
    outputs: usize,
    number: PhantomData<T>,
}

/// A matrix to read: number (r, c) lies at `r row_stride + c column_stride`.
#[derive(Clone, Copy, Debug)]
pub struct Input<'a, T> {
    /// The numbers.
    pub data: &'a [T],
    /// Numbers between rows; 0 repeats one row.
    pub row_stride: usize,
    /// Numbers between columns, 0 or 1; 0 repeats one number.
    pub column_stride: usize,
}

impl<'a, T> Input<'a, T> {
    /// Rows of adjacent numbers, `row_stride` apart.
    pub fn rows(data: &'a [T], row_stride: usize) -> Self {
        Input { data, row_stride, column_stride: 1 }
    }

    /// The same row again and again.
    pub fn row(data: &'a [T]) -> Self {
        Input { data, row_stride: 0, column_stride: 1 }
    }

    /// One number for every row.
    pub fn column(data: &'a [T]) -> Self {
        Input { data, row_stride: 1, column_stride: 0 }
    }
}

/// A matrix to write: number (r, c) lies at `r row_stride + c`.
#[derive(Debug)]
pub struct Output<'a, T> {
    pointer: *mut T,
    length: usize,
    row_stride: usize,
    data: PhantomData<&'a mut [T]>,
}

impl<'a, T> Output<'a, T> {
    /// Rows of adjacent numbers, `row_stride` apart.
    pub fn rows(data: &'a mut [T], row_stride: usize) -> Self {
        Output { pointer: data.as_mut_ptr(), length: data.len(), row_stride, data: PhantomData }
    }
}

// SAFETY: an output is a mutable slice, which may move to another thread as its numbers may.
unsafe impl<T: Send> Send for Output<'_, T> {}

/// The scratch memory of a run, in numbers of 8 bytes.
const SCRATCH: usize = 2048;
/// The scratch memory of one value in bytes, where there are few of them.
const SLOT: usize = 2048;
/// Slots hold whole multiples of this many bytes.
const ALIGNMENT: usize = 64;

#[repr(align(64))]
struct Scratch(MaybeUninit<[f64; SCRATCH]>);

impl<T: Real> Chain<T> {
    /// A chain of steps; every output is what its register holds after the last step.
    pub fn new(inputs: usize, steps: &[Step], outputs: &[usize]) -> Result<Self, InvalidChain> {
        let plan = plan(inputs, steps, outputs)?;
        if plan.slots * ALIGNMENT > size_of::<Scratch>() {
            return Err(InvalidChain::Size);
        }
        Ok(Chain { plan, inputs, outputs: outputs.len(), number: PhantomData })
    }

    /// The number of inputs.
    pub fn inputs(&self) -> usize {
        self.inputs
    }

    /// The number of outputs.
    pub fn outputs(&self) -> usize {
        self.outputs
    }

    /// Computes all outputs at `rows` times `columns` positions.
    ///
    /// # Panics
    ///
    /// Where the number of inputs or outputs is another than the chain's, or one of them is too short.
    pub fn run(
        &self,
        level: Level,
        rows: usize,
        columns: usize,
        inputs: &[Input<'_, T>],
        outputs: &mut [Output<'_, T>],
    ) {
        assert_eq!(inputs.len(), self.inputs, "the number of inputs");
        assert_eq!(outputs.len(), self.outputs, "the number of outputs");
        self.execute(level, Extent { rows, columns }, Memory { target: None, inputs, outputs });
    }

    /// Computes all outputs at `rows` times `columns` positions, the first where input 0 was: `target` is both.
    ///
    /// # Panics
    ///
    /// Where the number of other inputs or outputs is not one less than the chain's, or one of them is too short.
    #[allow(clippy::too_many_arguments, reason = "a size and the matrices")]
    pub fn run_in_place(
        &self,
        level: Level,
        rows: usize,
        columns: usize,
        target: &mut Output<'_, T>,
        inputs: &[Input<'_, T>],
        outputs: &mut [Output<'_, T>],
    ) {
        assert_eq!(inputs.len() + 1, self.inputs, "the number of inputs");
        assert_eq!(outputs.len() + 1, self.outputs, "the number of outputs");
        self.execute(level, Extent { rows, columns }, Memory { target: Some(target), inputs, outputs });
    }

    fn execute(&self, level: Level, extent: Extent, memory: Memory<'_, '_, T>) {
        let Extent { rows, columns } = extent;
        if rows == 0 || columns == 0 {
            return;
        }
        memory.check(rows, columns);
        let extent =
            if memory.adjacent(columns) { Extent { rows: 1, columns: rows * columns } } else { extent };
        level.run(Run { plan: &self.plan, extent, memory });
    }
}

/// The matrices of a run. The target, if any, is both input 0 and output 0, and the others follow.
struct Memory<'a, 'b, T> {
    target: Option<&'a Output<'b, T>>,
    inputs: &'a [Input<'b, T>],
    outputs: &'a [Output<'b, T>],
}

impl<T: Real> Memory<'_, '_, T> {
    fn check(&self, rows: usize, columns: usize) {
        let reach = |row_stride: usize, column_stride: usize| {
            let rows = (rows - 1).checked_mul(row_stride)?;
            rows.checked_add((columns - 1).checked_mul(column_stride)?)
        };
        for input in self.inputs {
            assert!(input.column_stride <= 1, "a column stride other than 0 and 1");
            let last = reach(input.row_stride, input.column_stride);
            assert!(last.is_some_and(|last| last < input.data.len()), "an input too short");
        }
        for output in self.target.into_iter().chain(self.outputs.iter()) {
            assert!(rows == 1 || output.row_stride >= columns, "an output whose rows overlap");
            let last = reach(output.row_stride, 1);
            assert!(last.is_some_and(|last| last < output.length), "an output too short");
        }
    }

    /// Whether every matrix is one line of numbers (or a single number).
    fn adjacent(&self, columns: usize) -> bool {
        let input = |input: &Input<'_, T>| match input.column_stride {
            0 => input.row_stride == 0,
            _ => input.row_stride == columns,
        };
        self.inputs.iter().all(input)
            && self.outputs.iter().all(|output| output.row_stride == columns)
            && self.target.is_none_or(|target| target.row_stride == columns)
    }

    /// Output `number`.
    #[inline(always)]
    fn output(&self, number: usize) -> &Output<'_, T> {
        match (self.target, number) {
            (Some(target), 0) => target,
            (Some(_), _) => &self.outputs[number - 1],
            (None, _) => &self.outputs[number],
        }
    }
}

struct Run<'a, 'b, T> {
    plan: &'a Plan,
    extent: Extent,
    memory: Memory<'a, 'b, T>,
}

/// A part of the matrices, and the scratch memory for it.
#[derive(Clone, Copy)]
struct Part<T> {
    row: usize,
    column: usize,
    extent: Extent,
    scratch: *mut T,
    slot: usize,
}

impl<T: Real> WithSimd for Run<'_, '_, T> {
    type Output = ();

    #[inline(always)]
    fn with_simd<S: Simd>(self, simd: S) {
        let mut scratch = Scratch(MaybeUninit::uninit());
        let scratch = scratch.0.as_mut_ptr().cast::<T>();
        let bytes = (size_of::<Scratch>() / self.plan.slots.max(1)).min(SLOT);
        let grain = ALIGNMENT / size_of::<T>();
        let slot = bytes / ALIGNMENT * grain;
        let Extent { rows, columns } = self.extent;
        let block_rows = (slot / columns.next_multiple_of(grain)).max(1);
        for row in (0..rows).step_by(block_rows) {
            for column in (0..columns).step_by(slot) {
                let extent = Extent { rows: block_rows.min(rows - row), columns: slot.min(columns - column) };
                self.part(simd, Part { row, column, extent, scratch, slot });
            }
        }
    }
}

impl<T: Real> Run<'_, '_, T> {
    /// Computes all instructions on a part.
    #[inline(always)]
    fn part<S: Simd>(&self, simd: S, part: Part<T>) {
        for instruction in &self.plan.instructions {
            // Operations ignore what is beyond their operands.
            let sources = instruction.operands.map(
                #[inline(always)]
                |place| self.source(part, place),
            );
            let target = self.target(part, instruction.result);
            let block = Block { extent: part.extent, sources, target };
            // SAFETY: `check` found every matrix long enough for the whole extent, and slots hold a part. A value is
            // read only after it was written. A source and the target are the same place or do not overlap, for
            // outputs are distinct mutable slices and differ from all inputs but the target.
            unsafe { apply(simd, instruction.work, block) };
        }
    }

    #[inline(always)]
    fn source(&self, part: Part<T>, place: Place) -> Source<T> {
        let Some(input) = self.input(place) else {
            let Target { pointer, row_stride } = self.target(part, place);
            return Source { pointer, row_stride, column_stride: 1 };
        };
        let Input { data, row_stride, column_stride } = *input;
        let pointer = data.as_ptr().wrapping_add(part.row * row_stride + part.column * column_stride);
        Source { pointer, row_stride, column_stride }
    }

    /// The input at a place, if it is one and not the target.
    #[inline(always)]
    fn input(&self, place: Place) -> Option<&Input<'_, T>> {
        match (place, self.memory.target) {
            (Place::Input(input), None) => self.memory.inputs.get(input),
            (Place::Input(input), Some(_)) => self.memory.inputs.get(input.wrapping_sub(1)),
            (Place::Slot(_) | Place::Output(_), _) => None,
        }
    }

    #[inline(always)]
    fn target(&self, part: Part<T>, place: Place) -> Target<T> {
        match place {
            Place::Slot(slot) => Target {
                pointer: part.scratch.wrapping_add(slot * part.slot),
                row_stride: part.extent.columns.next_multiple_of(ALIGNMENT / size_of::<T>()),
            },
            // An input that is no other input is the target, which is output 0.
            Place::Input(_) => self.target(part, Place::Output(0)),
            Place::Output(output) => {
                let output = self.memory.output(output);
                let at = part.row * output.row_stride + part.column;
                Target { pointer: output.pointer.wrapping_add(at), row_stride: output.row_stride }
            }
        }
    }
}
