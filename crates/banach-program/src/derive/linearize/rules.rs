//! Tangents of elementwise and bilinear functions and of concatenations.

use super::Linearizer;
use crate::derive::slope::slope;
use crate::language::custom::TangentBuilder;
use crate::language::primitive::{Bilinear, Comparison, Elementwise, Linear, Side, Unary};
use crate::language::program::Var;

impl Linearizer {
    pub(super) fn elementwise(
        &mut self,
        function: Elementwise,
        operands: &[Var],
        result: Var,
    ) -> Option<Var> {
        match function {
            Elementwise::Unary(function) => self.unary(function, operands[0], result),
            Elementwise::Binary(function) => self.binary(function, operands[0], operands[1], result),
            Elementwise::Offset(_) => self.tangent(operands[0]),
            // A power of zero is constant, though 0 · x⁻¹ is NaN at 0.
            Elementwise::Power(0.0) => None,
            Elementwise::Power(exponent) => {
                let x = self.value(operands[0]);
                let lower = self.primal.push(Elementwise::Power(exponent - 1.0), &[x]);
                let slope = self.primal.scale(lower, exponent);
                self.times(self.tangent(operands[0]), slope)
            }
            Elementwise::Choose => self.choose(operands),
            Elementwise::Erase => {
                let mask = self.value(operands[0]);
                self.erase(self.tangent(operands[1]), mask)
            }
            Elementwise::Detach
            | Elementwise::Compare(_)
            | Elementwise::CompareScalar(..)
            | Elementwise::Logic(_)
            | Elementwise::Not
            | Elementwise::Cast(_) => None,
            Elementwise::Scale(_) => unreachable!("linear primitives are taken before the table"),
        }
    }

    fn erase(&mut self, tangent: Option<Var>, mask: Var) -> Option<Var> {
        let tangent = tangent?;
        let mask = self.residual(mask);
        Some(self.tangent.push(Linear::Erase, &[tangent], &[mask]))
    }

    fn choose(&mut self, operands: &[Var]) -> Option<Var> {
        let mask = self.value(operands[0]);
        let no = self.erase(self.tangent(operands[2]), mask);
        let yes = self.tangent(operands[1]);
        let yes = if yes.is_some() {
            let other = self.primal.push(Elementwise::Not, &[mask]);
            self.erase(yes, other)
        } else {
            None
        };
        self.tangent.add(yes, no)
    }

    pub(super) fn concat(&mut self, axis: usize, operands: &[Var]) -> Option<Var> {
        let tangents: Vec<Option<Var>> = operands.iter().map(|&var| self.tangent(var)).collect();
        if let Some(all) = tangents.iter().copied().collect::<Option<Vec<Var>>>() {
            return Some(self.tangent.push(Linear::Concat(axis), &all, &[]));
        }
        let sizes: Vec<usize> =
            operands.iter().map(|&var| self.primal.type_of(self.value(var)).shape[axis]).collect();
        let mut sum = None;
        for (position, tangent) in tangents.into_iter().enumerate() {
            let Some(tangent) = tangent else { continue };
            let placed = self.tangent.placed(axis, &sizes, position, tangent);
            sum = self.tangent.add(sum, Some(placed));
        }
        sum
    }

    pub(super) fn bilinear(&mut self, form: Bilinear, a: Var, b: Var) -> Option<Var> {
        let mut side = |side, varying: Var, fixed: Var| {
            let tangent = self.tangent(varying)?;
            let fixed = self.value(fixed);
            let form = if form == Bilinear::Multiply { self.product(fixed) } else { form };
            let fixed = self.residual(fixed);
            Some(self.tangent.push(Linear::Partial(form, side), &[tangent], &[fixed]))
        };
        let left = side(Side::Left, a, b);
        let right = side(Side::Right, b, a);
        self.tangent.add(left, right)
    }

    fn unary(&mut self, function: Unary, operand: Var, result: Var) -> Option<Var> {
        let (x, y) = (self.value(operand), self.value(result));
        let tangent = self.tangent(operand);
        if function == Unary::Relu {
            let mask = self.primal.compare(Comparison::LessEqual, x, 0.0);
            return self.erase(tangent, mask);
        }
        let slope = slope(&mut self.primal, function, x, y)?;
        self.times(tangent, slope)
    }
}
