//! Operands of a batch of problems: which there are, and which all rows share.

use crate::error::Error;
use crate::tensors::{Numbers, rows_of};
use banach::program::Type;

/// The operands of a batch, each shared by all rows or with one tensor a row.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Operands {
    /// The operands that there are, by their numbers in the problem, in order.
    pub(crate) present: Vec<usize>,
    /// Whether all rows share an operand, by its position in `present`.
    pub(crate) shared: Vec<bool>,
    pub(crate) rows: usize,
}

impl Operands {
    /// The operands of the types given, whose names and shapes in one row are known by number.
    pub(crate) fn new(
        names: &[&'static str],
        shapes: &[&[usize]],
        present: Vec<usize>,
        types: &[&Type],
    ) -> Result<Self, Error> {
        let (mut rows, mut shared) = (None, vec![]);
        for (&operand, &ty) in present.iter().zip(types) {
            let what = names[operand];
            if ty.is_empty() || ty.kind != types[0].kind {
                let expected = format!(
                    "a tensor with elements, of the dtype of {}, {}",
                    names[present[0]], types[0].kind
                );
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
        Ok(Operands { present, shared, rows: rows.unwrap_or(1) })
    }

    /// The position of an operand among those that there are.
    pub(crate) fn position(&self, operand: usize) -> Option<usize> {
        self.present.iter().position(|known| *known == operand)
    }

    /// The elements of an operand in one row, of which there are `len`; none for an operand that there is not.
    pub(crate) fn of_row<'a>(
        &self,
        data: &'a [Numbers],
        operand: usize,
        len: usize,
        row: usize,
    ) -> Option<&'a [f64]> {
        let at = self.position(operand)?;
        let numbers = data[at].slice();
        Some(if self.shared[at] { numbers } else { &numbers[row * len..(row + 1) * len] })
    }
}
