//! Lowering of Burn's attention.

use super::{Lowered, Lowering, number};
use crate::language::primitive::{Comparison, Elementwise, Logic, Primitive, Unary};
use crate::language::program::Var;
use crate::language::tensor_type::Kind;
use burn::backend::ir::AttentionOpIr;
use burn::tensor::FloatDType;

impl Lowering {
    /// softmax(scale q kᵀ + bias) v, with zero weight on masked positions.
    pub(super) fn attention(&mut self, op: &AttentionOpIr) -> Lowered {
        let (q, k, v) = (self.operand(&op.query)?, self.operand(&op.key)?, self.operand(&op.value)?);
        let width = op.query.shape.to_vec()[3];
        let scale = op.options.scale.map_or(1.0 / (width as f64).sqrt(), number);
        let heads = op.query.shape.to_vec()[1];
        let (k, v) = (self.for_heads(k, heads), self.for_heads(v, heads));
        let turned = self.builder.swap(k, 2, 3);
        let scores = self.product(q, turned);
        let mut scores = self.builder.scale(scores, scale);
        if let Some(cap) = op.options.softcap.map(number) {
            let small = self.builder.scale(scores, 1.0 / cap);
            let bent = self.builder.unary(Unary::Tanh, small);
            scores = self.builder.scale(bent, cap);
        }
        let shape = self.builder.shape(scores);
        if let Some(bias) = &op.attn_bias {
            let bias = self.operand(bias)?;
            let bias = self.builder.broadcast(bias, &shape);
            scores = self.builder.add(scores, bias);
        }
        let mask = self.attention_mask(op, &shape)?;
        let weights = self.masked_softmax(scores, mask);
        let result = self.product(weights, v);
        self.define(&op.out, result)
    }

    /// Every head of k or v serves as many neighbouring heads of q as there are more of those.
    fn for_heads(&mut self, x: Var, heads: usize) -> Var {
        let [batch, own, length, width] = self.builder.shape(x)[..] else { return x };
        if own == 0 || own == heads {
            return x;
        }
        let x = self.builder.reshape(x, &[batch, own, 1, length, width]);
        let x = self.builder.broadcast(x, &[batch, own, heads / own, length, width]);
        self.builder.reshape(x, &[batch, heads, length, width])
    }

    fn attention_mask(&mut self, op: &AttentionOpIr, shape: &[usize]) -> Lowered<Option<Var>> {
        let mut mask = None;
        if let Some(given) = &op.mask {
            let given = self.operand(given)?;
            mask = Some(self.builder.broadcast(given, shape));
        }
        if op.options.is_causal {
            let (rows, columns) = (shape[2], shape[3]);
            // The last query sees every key.
            let hidden = |at: usize| at % columns + rows > at / columns + columns;
            let future = (0..rows * columns).map(|at| f64::from(u8::from(hidden(at))));
            let kind = Kind::Float(FloatDType::F32);
            let future = self.data(future.collect(), &[1, 1, rows, columns], kind);
            let future = self.builder.broadcast(future, shape);
            let future = self.builder.compare(Comparison::Greater, future, 0.5);
            mask = Some(match mask {
                None => future,
                Some(mask) => self.builder.push(Elementwise::Logic(Logic::Or), &[mask, future]),
            });
        }
        Ok(mask)
    }

    fn masked_softmax(&mut self, scores: Var, mask: Option<Var>) -> Var {
        let shape = self.builder.shape(scores);
        let axis = shape.len() - 1;
        let ty = self.builder.type_of(scores).clone();
        let scores = match mask {
            Some(mask) => {
                let low = self.builder.full(ty, -1e30);
                self.builder.choose(mask, low, scores)
            }
            None => scores,
        };
        let largest = self.builder.push(Primitive::Extreme { axis, largest: true }, &[scores]);
        let largest = self.builder.detach(largest);
        // Where every score is -∞ there is nothing to shift by, and the weights are zero.
        let hidden = self.builder.compare(Comparison::Equal, largest, f64::NEG_INFINITY);
        let zero = self.builder.type_of(largest).clone();
        let zero = self.builder.full(zero, 0.0);
        let largest = self.builder.choose(hidden, zero, largest);
        let largest = self.builder.broadcast(largest, &shape);
        let shifted = self.builder.subtract(scores, largest);
        let mut weights = self.builder.unary(Unary::Exp, shifted);
        if let Some(mask) = mask {
            weights = self.builder.push(Elementwise::Erase, &[mask, weights]);
        }
        let sum = self.builder.sum(weights, &[axis]);
        let empty = self.builder.compare(Comparison::LessEqual, sum, 0.0);
        let one = self.builder.type_of(sum).clone();
        let one = self.builder.full(one, 1.0);
        let sum = self.builder.choose(empty, one, sum);
        let sum = self.builder.broadcast(sum, &shape);
        self.builder.divide(weights, sum)
    }
}
