//! Chains of elementwise functions in one pass, block by block, with intermediate values in the cache.

mod apply;
mod choose;
mod map;
mod operation;
mod plan;

use crate::arithmetic::Arithmetic;
use crate::level::Level;
use apply::apply;
use map::{Block, Extent, Source, Target};
pub use operation::{Binary, Comparison, Operation, Step, Unary};
pub use plan::InvalidChain;
use plan::{Plan, Storage, plan};
use pulp::{Simd, WithSimd};
use std::marker::PhantomData;
use std::mem::MaybeUninit;

/// A sequence of elementwise functions, computed together at every position of some matrices.
///
/// The results equal those of one pass for each step, including all roundings.
#[derive(Clone, Debug)]
pub struct Chain<T> {
    plan: Plan,
    inputs: usize,
    outputs: usize,
    number: PhantomData<T>,
}

/// A matrix to read, whose element (r, c) lies at `r row_stride + c column_stride`.
#[derive(Clone, Copy, Debug)]
pub struct Input<'a, T> {
    /// The elements.
    pub data: &'a [T],
    /// Elements from one row to the next; 0 repeats one row.
    pub row_stride: usize,
    /// Elements from one column to the next, 0 or 1; 0 repeats one element.
    pub column_stride: usize,
}

impl<'a, T> Input<'a, T> {
    /// Contiguous rows, `row_stride` elements apart.
    pub fn rows(data: &'a [T], row_stride: usize) -> Self {
        Input { data, row_stride, column_stride: 1 }
    }

    /// One row, repeated for all rows.
    pub fn row(data: &'a [T]) -> Self {
        Input { data, row_stride: 0, column_stride: 1 }
    }

    /// One element for every row, repeated along it.
    pub fn column(data: &'a [T]) -> Self {
        Input { data, row_stride: 1, column_stride: 0 }
    }
}

/// A matrix to write, whose element (r, c) lies at `r row_stride + c`.
#[derive(Debug)]
pub struct Output<'a, T> {
    pointer: *mut T,
    length: usize,
    row_stride: usize,
    data: PhantomData<&'a mut [T]>,
}

impl<'a, T> Output<'a, T> {
    /// Contiguous rows, `row_stride` elements apart.
    pub fn rows(data: &'a mut [T], row_stride: usize) -> Self {
        Output { pointer: data.as_mut_ptr(), length: data.len(), row_stride, data: PhantomData }
    }
}

// SAFETY: an output is a mutable slice, which is `Send` if its elements are.
unsafe impl<T: Send> Send for Output<'_, T> {}

/// The scratch memory of a run, in units of 8 bytes.
const SCRATCH: usize = 2048;
/// The most scratch memory of one value, in bytes.
const SLOT: usize = 2048;
/// The alignment of slots, in bytes.
const ALIGNMENT: usize = 64;

#[repr(align(64))]
struct Scratch(MaybeUninit<[f64; SCRATCH]>);

impl<T: Arithmetic> Chain<T> {
    /// Creates a chain of steps; each output is the value of its register after the last step.
    ///
    /// # Errors
    /// [`InvalidChain`] if the steps do not form a chain.
    pub fn new(inputs: usize, steps: &[Step], outputs: &[usize]) -> Result<Self, InvalidChain> {
        let plan = plan(inputs, steps, outputs)?;
        if plan.slots * ALIGNMENT > size_of::<Scratch>() {
            return Err(InvalidChain::Size);
        }
        Ok(Chain { plan, inputs, outputs: outputs.len(), number: PhantomData })
    }

    /// Returns the number of inputs.
    pub fn inputs(&self) -> usize {
        self.inputs
    }

    /// Returns the number of outputs.
    pub fn outputs(&self) -> usize {
        self.outputs
    }

    /// Computes all outputs at `rows` times `columns` positions; `target` is both input 0 and output 0.
    pub(crate) fn compute<'a>(
        &self,
        level: Level,
        [rows, columns]: [usize; 2],
        target: Option<&'a Output<'a, T>>,
        inputs: &'a [Input<'a, T>],
        outputs: &'a [Output<'a, T>],
    ) {
        let shared = usize::from(target.is_some());
        assert_eq!(inputs.len() + shared, self.inputs, "the number of inputs");
        assert_eq!(outputs.len() + shared, self.outputs, "the number of outputs");
        if rows == 0 || columns == 0 {
            return;
        }
        let matrices = Matrices { target, inputs, outputs };
        matrices.check(rows, columns);
        let extent = if matrices.adjacent(columns) {
            Extent { rows: 1, columns: rows * columns }
        } else {
            Extent { rows, columns }
        };
        level.run(Run { plan: &self.plan, extent, matrices });
    }
}

/// The matrices of a run. The target of a run in place is both input 0 and output 0, and the others follow.
struct Matrices<'a, 'b, T> {
    target: Option<&'a Output<'b, T>>,
    inputs: &'a [Input<'b, T>],
    outputs: &'a [Output<'b, T>],
}

impl<T: Arithmetic> Matrices<'_, '_, T> {
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

    /// Whether every matrix is contiguous (or a single element).
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
    matrices: Matrices<'a, 'b, T>,
}

/// A block of the matrices, and its scratch memory.
#[derive(Clone, Copy)]
struct Region<T> {
    row: usize,
    column: usize,
    extent: Extent,
    scratch: *mut T,
    slot: usize,
}

impl<T: Arithmetic> WithSimd for Run<'_, '_, T> {
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
                self.region(simd, Region { row, column, extent, scratch, slot });
            }
        }
    }
}

impl<T: Arithmetic> Run<'_, '_, T> {
    /// Computes all instructions on a region.
    #[inline(always)]
    fn region<S: Simd>(&self, simd: S, region: Region<T>) {
        for instruction in &self.plan.instructions {
            // Operations ignore surplus operands.
            let sources = instruction.operands.map(
                #[inline(always)]
                |storage| self.source(region, storage),
            );
            let target = self.target(region, instruction.result);
            let block = Block { extent: region.extent, sources, target };
            // SAFETY: `check` verified that every matrix covers the whole extent, and a slot holds a region.
            // Values are read only after they were written. A source and the target are identical or
            // disjoint, since outputs are distinct mutable slices, disjoint from all inputs but the target.
            unsafe { apply(simd, instruction.work, block) };
        }
    }

    #[inline(always)]
    fn source(&self, region: Region<T>, storage: Storage) -> Source<T> {
        let Some(input) = self.input(storage) else {
            let Target { pointer, row_stride } = self.target(region, storage);
            return Source { pointer, row_stride, column_stride: 1 };
        };
        let Input { data, row_stride, column_stride } = *input;
        let pointer = data.as_ptr().wrapping_add(region.row * row_stride + region.column * column_stride);
        Source { pointer, row_stride, column_stride }
    }

    /// The input in a storage, if it is an input other than the target.
    #[inline(always)]
    fn input(&self, storage: Storage) -> Option<&Input<'_, T>> {
        match (storage, self.matrices.target) {
            (Storage::Input(input), None) => self.matrices.inputs.get(input),
            (Storage::Input(input), Some(_)) => self.matrices.inputs.get(input.wrapping_sub(1)),
            (Storage::Slot(_) | Storage::Output(_), _) => None,
        }
    }

    #[inline(always)]
    fn target(&self, region: Region<T>, storage: Storage) -> Target<T> {
        match storage {
            Storage::Slot(slot) => Target {
                pointer: region.scratch.wrapping_add(slot * region.slot),
                row_stride: region.extent.columns.next_multiple_of(ALIGNMENT / size_of::<T>()),
            },
            // An input without a matrix of its own is the target, output 0.
            Storage::Input(_) => self.target(region, Storage::Output(0)),
            Storage::Output(output) => {
                let output = self.matrices.output(output);
                let at = region.row * output.row_stride + region.column;
                Target { pointer: output.pointer.wrapping_add(at), row_stride: output.row_stride }
            }
        }
    }
}
