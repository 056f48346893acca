//! The layout of a batch of cone programs: sizes, and which operands are shared by all rows.

use super::row::{Pattern, Row};
use crate::error::Error;
use crate::operands::Operands;
use crate::projection::cone::Cone;
use crate::tensors::Numbers;
use banach::program::Type;
use std::sync::Arc;

/// The operands, by their names in the problem.
const OPERANDS: [&str; 4] = ["P", "q", "A", "b"];
pub(crate) const QUADRATIC: usize = 0;
pub(crate) const LINEAR: usize = 1;
pub(crate) const VALUES: usize = 2;
pub(crate) const B: usize = 3;

/// What all rows of a batch have in common.
#[derive(Clone, Debug)]
pub(crate) struct Structure {
    pub(crate) pattern: Arc<Pattern>,
    pub(crate) cones: Arc<[Cone]>,
    /// Whether there is a P.
    pub(crate) quadratic: bool,
}

/// The sizes of a batch.
#[derive(Clone, Debug)]
pub(crate) struct Layout {
    pub(crate) structure: Structure,
    pub(crate) operands: Operands,
}

impl Layout {
    /// The layout of operands of these types.
    pub(crate) fn new(structure: &Structure, types: &[&Type]) -> Result<Self, Error> {
        let present: Vec<usize> =
            (0..OPERANDS.len()).filter(|&operand| operand != QUADRATIC || structure.quadratic).collect();
        let Pattern { rows: m, columns: n, places } = &*structure.pattern;
        let (n, m, values) = (*n, *m, places.len());
        let shapes: [&[usize]; 4] = [&[n, n], &[n], &[values], &[m]];
        let operands = Operands::new(&OPERANDS, &shapes, present, types)?;
        Ok(Layout { structure: structure.clone(), operands })
    }

    pub(crate) fn n(&self) -> usize {
        self.structure.pattern.columns
    }

    pub(crate) fn m(&self) -> usize {
        self.structure.pattern.rows
    }

    /// The length of a point [x, s, y].
    pub(crate) fn point(&self) -> usize {
        self.n() + 2 * self.m()
    }

    /// The number of elements of an operand in one row.
    pub(crate) fn len(&self, operand: usize) -> usize {
        let n = self.n();
        [n * n, n, self.structure.pattern.places.len(), self.m()][operand]
    }

    /// The data of a row.
    pub(crate) fn row<'a>(&'a self, data: &'a [Numbers], row: usize) -> Row<'a> {
        let of = |operand: usize| self.operands.of_row(data, operand, self.len(operand), row);
        Row {
            quadratic: of(QUADRATIC),
            linear: of(LINEAR).unwrap_or(&[]),
            pattern: &self.structure.pattern,
            values: of(VALUES).unwrap_or(&[]),
            b: of(B).unwrap_or(&[]),
            cones: &self.structure.cones,
        }
    }
}
