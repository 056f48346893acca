//! Assembly of a result from blocks: concatenation in place of a sum, and inside a product.

use super::Rewriter;
use crate::language::geometry::Span;
use crate::language::primitive::{Bilinear, Primitive, Structure};
use crate::language::program::Var;

impl Rewriter {
    /// `place(a) + place(b) = concat(a, b)` where they fill the whole side by side.
    pub(super) fn adjoined(&mut self, a: Var, b: Var) -> Option<Var> {
        let placed = |var: Var| match self.primitive_of(var)? {
            (Primitive::Structure(Structure::Place(shape, spans)), operands) => {
                Some((shape, spans, operands[0]))
            }
            (_, _) => None,
        };
        let ((shape, first, a), (_, second, b)) = (placed(a)?, placed(b)?);
        let axis = (0..shape.len()).find(|&axis| first[axis] != second[axis])?;
        let (lower, low, upper, high) =
            if first[axis].start == 0 { (a, first, b, second) } else { (b, second, a, first) };
        let border = self.builder.shape(lower)[axis];
        let fills = |spans: &[Span], from: usize, to: usize| {
            let part = |other: usize| if other == axis { (from, to) } else { (0, shape[other]) };
            let is_part =
                |other: usize| spans[other] == Span { start: part(other).0, end: part(other).1, step: 1 };
            (0..shape.len()).all(is_part)
        };
        (fills(&low, 0, border) && fills(&high, border, shape[axis]))
            .then(|| self.line(&Primitive::Concat(axis), &[lower, upper], false))
    }

    /// `concat(a₁ w, a₂ w) = concat(a₁, a₂) w`: one product that writes all rows.
    pub(super) fn stacked_product(&mut self, axis: usize, parts: &[Var]) -> Option<Var> {
        let mut lefts = vec![];
        let mut common = None;
        for &part in parts {
            let (Primitive::Bilinear(Bilinear::Matmul(turned)), factors) = self.primitive_of(part)? else {
                return None;
            };
            let matrices = factors.iter().all(|factor| self.builder.shape(*factor).len() == 2);
            if axis != 0 || !matrices || *common.get_or_insert((turned, factors[1])) != (turned, factors[1]) {
                return None;
            }
            lefts.push(factors[0]);
        }
        let (turned, right) = common?;
        let left = self.line(&Primitive::Concat(usize::from(turned[0])), &lefts, false);
        Some(self.line(&Primitive::Bilinear(Bilinear::Matmul(turned)), &[left, right], false))
    }
}
