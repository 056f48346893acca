//! The layout of a batch: sizes, and which operands are shared by all rows.

use super::row::{Row, Sizes};
use crate::error::Error;
use crate::operands::Operands;
use crate::tensors::Numbers;
use banach::program::Type;

/// The operands in their order, by their names in the problem.
pub(crate) const OPERANDS: [&str; 6] = ["Q", "q", "G", "h", "A", "b"];
pub(crate) const HESSIAN: usize = 0;
pub(crate) const LINEAR: usize = 1;
pub(crate) const G: usize = 2;
pub(crate) const H: usize = 3;
pub(crate) const A: usize = 4;
pub(crate) const B: usize = 5;

/// Which constraints a problem has.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Constraints {
    pub(crate) inequalities: bool,
    pub(crate) equalities: bool,
}

impl Constraints {
    /// The operands that there are.
    pub(crate) fn operands(self) -> Vec<usize> {
        let there = |operand: &usize| match *operand {
            G | H => self.inequalities,
            A | B => self.equalities,
            _ => true,
        };
        (0..OPERANDS.len()).filter(there).collect()
    }
}

/// The sizes of a batch of problems.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Layout {
    pub(crate) sizes: Sizes,
    pub(crate) operands: Operands,
}

impl Layout {
    /// The layout of operands of these types.
    pub(crate) fn new(constraints: Constraints, types: &[&Type]) -> Result<Self, Error> {
        let present = constraints.operands();
        let ty = |operand: usize| present.iter().position(|known| *known == operand).map(|at| types[at]);
        let last = |operand: usize| ty(operand).map_or(0, |ty| ty.shape.last().copied().unwrap_or(0));
        let (n, m, p) = (last(LINEAR), last(H), last(B));
        let sizes = Sizes { n, m, p };
        let shapes: [&[usize]; 6] = [&[n, n], &[n], &[m, n], &[m], &[p, n], &[p]];
        let operands = Operands::new(&OPERANDS, &shapes, present, types)?;
        Ok(Layout { sizes, operands })
    }

    /// The number of elements of an operand in one row.
    pub(crate) fn len(&self, operand: usize) -> usize {
        let Sizes { n, m, p } = self.sizes;
        [n * n, n, m * n, m, p * n, p][operand]
    }

    /// Returns whether all rows share the operands given.
    pub(crate) fn shares(&self, operands: &[usize]) -> bool {
        let shared =
            |&operand: &usize| self.operands.position(operand).is_none_or(|at| self.operands.shared[at]);
        operands.iter().all(shared)
    }

    /// The data of a row.
    pub(crate) fn row<'a>(&self, data: &'a [Numbers], row: usize) -> Row<'a> {
        let of =
            |operand: usize| self.operands.of_row(data, operand, self.len(operand), row).unwrap_or_default();
        Row {
            sizes: self.sizes,
            hessian: of(HESSIAN),
            is_symmetric: false,
            linear: of(LINEAR),
            g: of(G),
            h: of(H),
            a: of(A),
            b: of(B),
        }
    }
}
