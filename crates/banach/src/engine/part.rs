//! A compiled loop on a batch slice.

use crate::engine::compiled::{Bound, Number, Numbers};
use crate::error::Error;
use banach_program::{Machine, Operand, Packed, Target, Workspace};
use banach_solve::{Map, Matrix};
use smallvec::SmallVec;
use std::cell::RefCell;
use std::ops::Range;
use std::sync::Arc;

/// A loop on some rows of the batch.
#[derive(Debug)]
pub(crate) struct Part<'b, T: Number> {
    bound: Arc<Bound<'b, T>>,
    /// What was made of the tensors that all rows share.
    shared: Arc<Packed<T>>,
    rows: Vec<usize>,
    machine: Arc<Machine<T>>,
    /// The inputs of the body after x.
    carried: Vec<Piece<T>>,
    packed: Packed<T>,
    workspace: RefCell<Option<Workspace<T>>>,
}

/// The rows of a tensor that belong to a part.
#[derive(Debug)]
enum Piece<T> {
    /// They follow one another: these numbers of it.
    Run(Range<usize>),
    /// Copied from here and there.
    Picked(Numbers<T>),
}

impl<'b, T: Number> Part<'b, T> {
    pub(crate) fn new(
        bound: Arc<Bound<'b, T>>,
        rows: Vec<usize>,
        shared: Arc<Packed<T>>,
    ) -> Result<Self, Error> {
        let machine = bound.body.machine(rows.len()).unwrap_or_else(|error| panic!("{error}"));
        let all: Vec<usize> = (0..bound.rows).collect();
        let piece = |position: usize| {
            let rows = if bound.body.is_per_row(position) { &rows } else { &all };
            match bound.operand(position) {
                Operand::Real(numbers) => piece(numbers, &all, rows, Numbers::Real),
                Operand::Integer(numbers) => piece(numbers, &all, rows, Numbers::Whole),
            }
        };
        let carried = (1..=bound.carried.len()).map(piece).collect();
        let workspace = RefCell::new(Some(machine.workspace()?));
        let mut part = Part { bound, shared, rows, machine, carried, packed: Packed::nothing(), workspace };
        let packed = part.machine.pack(&part.operands(&[]), &part.shared, |_| true);
        part.packed = packed;
        Ok(part)
    }

    /// The rows of the batch it is of.
    pub(crate) fn rows(&self) -> &[usize] {
        &self.rows
    }

    /// The body's input at a position after that of x.
    pub(crate) fn operand(&self, position: usize) -> Operand<'_, T> {
        match (&self.carried[position - 1], self.bound.operand(position)) {
            (Piece::Run(run), Operand::Real(numbers)) => Operand::Real(&numbers[run.clone()]),
            (Piece::Run(run), Operand::Integer(numbers)) => Operand::Integer(&numbers[run.clone()]),
            (Piece::Picked(numbers), _) => numbers.operand(),
        }
    }

    fn operands<'s>(&'s self, x: &'s [T]) -> SmallVec<[Operand<'s, T>; 8]> {
        let carried = (1..=self.carried.len()).map(|position| self.operand(position));
        std::iter::once(Operand::Real(x)).chain(carried).collect()
    }

    /// Computes the results of the body at `x`; no numbers where there are none, of which [`Bound::failed`] tells.
    pub(crate) fn run(&self, x: &Matrix<T>, results: &mut [Target<'_, T>]) {
        let mut workspace = self.workspace.borrow_mut();
        let workspace = workspace.as_mut().unwrap_or_else(|| panic!("a part in use has a workspace"));
        let done = self.machine.run(workspace, &self.packed, &self.operands(x.as_slice()), results);
        if let Err(error) = done {
            self.bound.failed.note(error);
            for result in results {
                match result {
                    Target::Real(numbers) => numbers.fill(T::from_f64(f64::NAN)),
                    Target::Integer(numbers) => numbers.fill(0),
                }
            }
        }
    }

    /// All results of the body at `x`.
    pub(crate) fn results(&self, x: &Matrix<T>) -> Vec<Numbers<T>> {
        let mut results: Vec<Numbers<T>> = self.machine.output_types().map(Numbers::zeros).collect();
        self.run(x, &mut results.iter_mut().map(Numbers::target).collect::<Vec<_>>());
        results
    }

    /// The same on these of its rows, if it can be.
    pub(crate) fn fewer(&self, rows: &[usize]) -> Option<Part<'b, T>> {
        if !self.bound.body.is_separable() {
            return None;
        }
        let rows = rows.iter().map(|&row| self.rows[row]).collect();
        // Without memory for it the loop goes on as it is.
        self.bound.part(rows, &self.shared).ok()
    }
}

/// The runs of some rows of a tensor.
fn piece<E: Clone, T>(
    numbers: &[E],
    all: &[usize],
    rows: &[usize],
    picked: impl FnOnce(Vec<E>) -> Numbers<T>,
) -> Piece<T> {
    let each = numbers.len() / all.len().max(1);
    match (rows.first(), rows.last()) {
        _ if rows.len() == all.len() => Piece::Run(0..numbers.len()),
        (Some(&first), Some(&last)) if last - first + 1 == rows.len() => {
            Piece::Run(first * each..(last + 1) * each)
        }
        (_, _) => Piece::Picked(picked(
            rows.iter().flat_map(|row| &numbers[row * each..(row + 1) * each]).cloned().collect(),
        )),
    }
}

impl<T: Number> Drop for Part<'_, T> {
    fn drop(&mut self) {
        if let Some(workspace) = self.workspace.take() {
            self.machine.keep(workspace);
        }
    }
}

impl<T: Number> Map<Matrix<T>> for Part<'_, T> {
    fn apply(&self, x: &Matrix<T>) -> Matrix<T> {
        self.image_and_energy(x).0
    }

    fn energy(&self, x: &Matrix<T>) -> Option<Vec<f64>> {
        self.image_and_energy(x).1
    }

    /// A second result of the body is the energy of every row, a column.
    fn image_and_energy(&self, x: &Matrix<T>) -> (Matrix<T>, Option<Vec<f64>>) {
        let mut column = (self.machine.output_types().count() > 1).then(|| vec![T::ZERO; self.rows.len()]);
        let image = Matrix::written(self.rows.len(), self.bound.body.width(), |out| {
            let energy = column.as_mut().map(|column| Target::Real(column));
            let mut targets: SmallVec<[Target<'_, T>; 2]> =
                std::iter::once(Target::Real(out)).chain(energy).collect();
            self.run(x, &mut targets);
        });
        (image, column.map(|column| column.into_iter().map(T::to_f64).collect()))
    }

    fn narrowed<'a>(&'a self, rows: &[usize]) -> Option<Box<dyn Map<Matrix<T>> + 'a>> {
        Some(Box::new(self.fewer(rows)?))
    }
}
