//! A compiled map on a batch slice.

use crate::engine::number::Number;
use crate::engine::operands::{BoundMap, Elements};
use crate::error::Error;
use banach_program::{Machine, Operand, Packed, Target, Workspace};
use banach_solve::{Map, Matrix};
use smallvec::SmallVec;
use std::cell::RefCell;
use std::ops::Range;
use std::sync::Arc;

/// A map on some rows of the batch.
#[derive(Debug)]
pub(crate) struct BatchSlice<'b, T: Number> {
    bound: BoundMap<'b, T>,
    rows: Vec<usize>,
    machine: Arc<Machine<T>>,
    /// The operands after x.
    operands: Vec<SlicedOperand<T>>,
    packed: Packed<T>,
    workspace: RefCell<Option<Workspace<T>>>,
}

/// The rows of an operand that belong to a batch slice.
#[derive(Debug)]
enum SlicedOperand<T> {
    /// A range of its elements.
    Range(Range<usize>),
    /// A copy of scattered rows.
    Copied(Elements<T>),
}

impl<'b, T: Number> BatchSlice<'b, T> {
    /// Takes these rows in increasing order: all rows, if the map is not separable.
    pub(crate) fn new(bound: BoundMap<'b, T>, rows: Vec<usize>) -> Result<Self, Error> {
        let machine = bound.map.machine(rows.len());
        let all: Vec<usize> = (0..bound.rows).collect();
        let sliced = |position: usize| {
            let rows = if bound.map.is_per_row(position) { &rows } else { &all };
            match bound.operands.get(position) {
                Operand::Real(elements) => sliced(elements, all.len(), rows, Elements::Real),
                Operand::Integer(elements) => sliced(elements, all.len(), rows, Elements::Integer),
            }
        };
        let operands = (1..=bound.operands.origins.len()).map(sliced).collect();
        let workspace = RefCell::new(Some(machine.workspace()?));
        let mut slice = BatchSlice { bound, rows, machine, operands, packed: Packed::nothing(), workspace };
        let packed = slice.machine.pack(&slice.inputs(&[]), &slice.bound.packed, |_| true);
        slice.packed = packed;
        Ok(slice)
    }

    /// Returns its rows of the batch.
    pub(crate) fn rows(&self) -> &[usize] {
        &self.rows
    }

    /// Returns its rows of the operand at a position of the map's inputs, where x is at 0.
    pub(crate) fn operand(&self, position: usize) -> Operand<'_, T> {
        match (&self.operands[position - 1], self.bound.operands.get(position)) {
            (SlicedOperand::Range(range), Operand::Real(elements)) => Operand::Real(&elements[range.clone()]),
            (SlicedOperand::Range(range), Operand::Integer(elements)) => {
                Operand::Integer(&elements[range.clone()])
            }
            (SlicedOperand::Copied(elements), _) => elements.operand(),
        }
    }

    fn inputs<'s>(&'s self, x: &'s [T]) -> SmallVec<[Operand<'s, T>; 8]> {
        let operands = (1..=self.operands.len()).map(|position| self.operand(position));
        std::iter::once(Operand::Real(x)).chain(operands).collect()
    }

    /// Computes the results of the map at x. If the run fails, the results are NaN and the failure is recorded.
    fn run(&self, x: &Matrix<T>, results: &mut [Target<'_, T>]) {
        let mut workspace = self.workspace.borrow_mut();
        let workspace = workspace
            .as_mut()
            .unwrap_or_else(|| panic!("bug: a batch slice lost its workspace before its end"));
        let done = self.machine.run(workspace, &self.packed, &self.inputs(x.as_slice()), results);
        if let Err(error) = done {
            self.bound.operands.failure.record(error);
            for result in results {
                match result {
                    Target::Real(elements) => elements.fill(T::from_f64(f64::NAN)),
                    Target::Integer(elements) => elements.fill(0),
                }
            }
        }
    }

    /// Returns all results of the map at x.
    pub(crate) fn results(&self, x: &Matrix<T>) -> Vec<Elements<T>> {
        let mut results: Vec<Elements<T>> = self.machine.output_types().map(Elements::zeros).collect();
        self.run(x, &mut results.iter_mut().map(Elements::target).collect::<Vec<_>>());
        results
    }
}

/// Slices the rows of an operand of a batch with `all` rows.
fn sliced<E: Clone, T>(
    elements: &[E],
    all: usize,
    rows: &[usize],
    copied: impl FnOnce(Vec<E>) -> Elements<T>,
) -> SlicedOperand<T> {
    let width = elements.len() / all.max(1);
    match (rows.first(), rows.last()) {
        _ if rows.len() == all => SlicedOperand::Range(0..elements.len()),
        (Some(&first), Some(&last)) if last - first + 1 == rows.len() => {
            SlicedOperand::Range(first * width..(last + 1) * width)
        }
        (_, _) => SlicedOperand::Copied(copied(
            rows.iter().flat_map(|row| &elements[row * width..(row + 1) * width]).cloned().collect(),
        )),
    }
}

impl<T: Number> Drop for BatchSlice<'_, T> {
    fn drop(&mut self) {
        if let Some(workspace) = self.workspace.take() {
            self.machine.keep(workspace);
        }
    }
}

/// A second result of the map is the energy of every row, a column.
impl<T: Number> Map<Matrix<T>> for BatchSlice<'_, T> {
    fn apply(&self, x: &Matrix<T>) -> Matrix<T> {
        self.image_and_energy(x).0
    }

    fn energy(&self, x: &Matrix<T>) -> Option<Vec<f64>> {
        self.image_and_energy(x).1
    }

    fn image_and_energy(&self, x: &Matrix<T>) -> (Matrix<T>, Option<Vec<f64>>) {
        let has_energy = self.machine.output_types().count() > 1;
        let mut column = has_energy.then(|| vec![T::ZERO; self.rows.len()]);
        let image = Matrix::written(self.rows.len(), self.bound.map.width(), |out| {
            let energy = column.as_mut().map(|column| Target::Real(column));
            let mut targets: SmallVec<[Target<'_, T>; 2]> =
                std::iter::once(Target::Real(out)).chain(energy).collect();
            self.run(x, &mut targets);
        });
        (image, column.map(|column| column.into_iter().map(T::to_f64).collect()))
    }

    fn narrowed<'a>(&'a self, rows: &[usize]) -> Option<Box<dyn Map<Matrix<T>> + 'a>> {
        if !self.bound.map.is_separable() {
            return None;
        }
        let rows = rows.iter().map(|&row| self.rows[row]).collect();
        // Without memory for it the solve goes on with all rows.
        Some(Box::new(BatchSlice::new(self.bound.clone(), rows).ok()?))
    }
}
