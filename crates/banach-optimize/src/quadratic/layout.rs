//! The layout of a batch: sizes, and which operands are shared by all rows.

use super::row::{Row, Sizes};
use crate::error::Error;
use crate::tensors::{Numbers, rows_of};
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
    pub(crate) rows: usize,
    pub(crate) operands: Vec<usize>,
    /// Whether all rows share an operand, by its position in `operands`.
    pub(crate) shared: Vec<bool>,
}

impl Layout {
    /// The layout of operands of these types.
    pub(crate) fn new(constraints: Constraints, types: &[&Type]) -> Result<Self, Error> {
        let operands = constraints.operands();
        let ty = |operand: usize| operands.iter().position(|known| *known == operand).map(|at| types[at]);
        let last = |operand: usize| ty(operand).map_or(0, |ty| ty.shape.last().copied().unwrap_or(0));
        let (n, m, p) = (last(LINEAR), last(H), last(B));
        let sizes = Sizes { n, m, p };
        let shapes: [&[usize]; 6] = [&[n, n], &[n], &[m, n], &[m], &[p, n], &[p]];
        let (mut rows, mut shared) = (None, vec![]);
        for (&operand, &ty) in operands.iter().zip(types) {
            let what = OPERANDS[operand];
            if ty.is_empty() || ty.kind != types[0].kind {
                let expected = format!("a tensor with elements, of the dtype of Q, {}", types[0].kind);
                return Err(Error::Tensor { what, found: ty.to_string(), expected });
            }
            let own = rows_of(what, ty, shapes[operand])?;
            if let (Some(own), Some(rows)) = (own, rows)
                && own != rows
            {
                let expected = format!("{rows} rows, as the operands before it have");
                return Err(Error::Tensor { what, found: ty.to_string(), expected });
            }
            rows = rows.or(own);
            shared.push(own.is_none());
        }
        Ok(Layout { sizes, rows: rows.unwrap_or(1), operands, shared })
    }

    /// The number of elements of an operand in one row.
    pub(crate) fn len(&self, operand: usize) -> usize {
        let Sizes { n, m, p } = self.sizes;
        [n * n, n, m * n, m, p * n, p][operand]
    }

    /// Returns whether all rows share the operands given.
    pub(crate) fn shares(&self, operands: &[usize]) -> bool {
        let shared = |operand: &usize| self.operands.iter().position(|known| known == operand);
        operands.iter().all(|operand| shared(operand).is_none_or(|at| self.shared[at]))
    }

    /// The data of a row.
    pub(crate) fn row<'a>(&self, data: &'a [Numbers], row: usize) -> Row<'a> {
        let of = |operand: usize| -> &'a [f64] {
            let Some(at) = self.operands.iter().position(|known| *known == operand) else { return &[] };
            let (len, numbers) = (self.len(operand), data[at].slice());
            if self.shared[at] { numbers } else { &numbers[row * len..(row + 1) * len] }
        };
        Row {
            sizes: self.sizes,
            hessian: of(HESSIAN),
            linear: of(LINEAR),
            g: of(G),
            h: of(H),
            a: of(A),
            b: of(B),
        }
    }
}
