//! Simplification of elementwise functions, and of the product in which zero absorbs.

use super::Rewriter;
use crate::language::primitive::{Bilinear, Binary, Elementwise, Primitive, Unary};
use crate::language::program::Var;
use crate::language::tensor_type::Type;

impl Rewriter {
    /// Functions that zero, one or a repetition make superfluous.
    pub(super) fn elementwise(&mut self, function: Elementwise, operands: &[Var], ty: Type) -> Option<Var> {
        let x = operands[0];
        let float = ty.kind.is_float();
        match function {
            Elementwise::Scale(1.0) | Elementwise::Power(1.0) => Some(x),
            // 0 + -0 is 0, and x - 0 is x.
            Elementwise::Offset(0.0) if !float => Some(x),
            Elementwise::Offset(number) if is_zero(number, true) => Some(x),
            // Two factors round twice; a change of sign does not round.
            Elementwise::Scale(factor) if float => match self.function_of(x)? {
                (Elementwise::Scale(inner), operands) if factor.abs() == 1.0 || inner.abs() == 1.0 => {
                    Some(self.function(Elementwise::Scale(factor * inner), &operands))
                }
                _ => None,
            },
            Elementwise::Power(0.0) => Some(self.full(ty, 1.0)),
            Elementwise::Power(2.0) => {
                Some(self.line(&Primitive::Bilinear(Bilinear::Multiply), &[x, x], false))
            }
            Elementwise::Binary(Binary::Add) if float => {
                let known = self.with_number(Binary::Add, x, operands[1]);
                known.or_else(|| self.adjoined(x, operands[1]))
            }
            Elementwise::Binary(function) if float => self.with_number(function, x, operands[1]),
            Elementwise::Not => match self.function_of(x)? {
                (Elementwise::Not, operands) => Some(operands[0]),
                _ => None,
            },
            Elementwise::Choose => self.chosen(x, operands[1], operands[2]),
            Elementwise::Erase => match self.number(x)? {
                0.0 => Some(operands[1]),
                _ => {
                    let ty = self.builder.type_of(operands[1]).clone();
                    Some(self.full(ty, 0.0))
                }
            },
            Elementwise::Cast(kind) if kind == ty.kind => Some(x),
            _ => None,
        }
    }

    fn with_number(&mut self, function: Binary, a: Var, b: Var) -> Option<Var> {
        let (left, right) = (self.number(a), self.number(b));
        match (function, left, right) {
            (Binary::Add, Some(number), _) => Some(self.function(Elementwise::Offset(number), &[b])),
            (Binary::Add, _, Some(number)) => Some(self.function(Elementwise::Offset(number), &[a])),
            (Binary::Subtract, _, Some(number)) => Some(self.function(Elementwise::Offset(-number), &[a])),
            (Binary::Subtract, Some(number), _) => {
                let negative = self.function(Elementwise::Scale(-1.0), &[b]);
                Some(self.function(Elementwise::Offset(number), &[negative]))
            }
            (Binary::Divide, _, Some(number)) if is_power_of_two(number) => {
                Some(self.function(Elementwise::Scale(1.0 / number), &[a]))
            }
            (Binary::Divide, Some(number), _) if number.abs() == 1.0 => {
                let inverse = self.function(Elementwise::Unary(Unary::Reciprocal), &[b]);
                Some(self.function(Elementwise::Scale(number), &[inverse]))
            }
            // Powers with whole exponents are repeated products, which round otherwise than the function of
            // two tensors.
            (Binary::Power, _, Some(number))
                if number.fract() != 0.0 || [0.0, 1.0, 2.0].contains(&number) =>
            {
                Some(self.function(Elementwise::Power(number), &[a]))
            }
            _ => None,
        }
    }

    /// A product in which zero absorbs, where one factor is a known number.
    pub(super) fn absorbing_product(&mut self, a: Var, b: Var) -> Option<Var> {
        let (number, other) = match (self.number(a), self.number(b)) {
            (Some(number), _) => (number, b),
            (_, Some(number)) => (number, a),
            _ => return None,
        };
        if number == 0.0 {
            let ty = self.builder.type_of(other).clone();
            return Some(self.full(ty, 0.0));
        }
        number.is_finite().then(|| self.function(Elementwise::Scale(number), &[other]))
    }

    fn chosen(&mut self, mask: Var, yes: Var, no: Var) -> Option<Var> {
        match self.number(mask) {
            Some(0.0) => return Some(no),
            Some(_) => return Some(yes),
            None => {}
        }
        if yes == no {
            return Some(yes);
        }
        if self.number(yes).is_some_and(|number| is_zero(number, false)) {
            return Some(self.function(Elementwise::Erase, &[mask, no]));
        }
        None
    }
}

fn is_zero(number: f64, negative: bool) -> bool {
    number == 0.0 && number.is_sign_negative() == negative
}

/// Whether dividing by a number and multiplying by its inverse are the same in every precision.
fn is_power_of_two(number: f64) -> bool {
    let few = number.abs() <= 1024.0 && number.abs() >= 1.0 / 1024.0;
    few && number.abs().log2().fract() == 0.0
}
