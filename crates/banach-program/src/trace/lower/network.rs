//! Lowering of Burn's network operations: linear maps, norms and embeddings.

use super::{Lowered, Lowering, number};
use crate::language::primitive::{Index, Primitive, Unary};
use crate::language::program::Var;
use burn::backend::ir::{BatchNormOpIr, LayerNormOpIr, LinearOpIr, ModuleOperationIr};

impl Lowering {
    pub(super) fn network(&mut self, op: &ModuleOperationIr) -> Lowered {
        use ModuleOperationIr as Op;
        match op {
            Op::Linear(op) => self.linear(op),
            Op::LayerNorm(op) => self.layer_norm(op),
            Op::BatchNorm(op) => self.batch_norm(op),
            Op::Embedding(op) => {
                let (weights, indices) = (self.operand(&op.weights)?, self.operand(&op.indices)?);
                let count = self.builder.type_of(indices).len();
                let flat = self.builder.reshape(indices, &[count]);
                let rows = self.builder.push(Primitive::Index(Index::Select(0)), &[weights, flat]);
                let result = self.builder.reshape(rows, &op.out.shape.to_vec());
                self.define(&op.out, result)
            }
            other => self.convolution(other),
        }
    }

    fn linear(&mut self, op: &LinearOpIr) -> Lowered {
        let (x, weight) = (self.operand(&op.x)?, self.operand(&op.weight)?);
        let mut result = self.product(x, weight);
        if let Some(bias) = &op.bias {
            let bias = self.operand(bias)?;
            let bias = self.builder.broadcast(bias, &op.out.shape.to_vec());
            result = self.builder.add(result, bias);
        }
        self.define(&op.out, result)
    }

    /// A product of any batch rank; leading axes broadcast, and a plain matrix on the right takes all rows at
    /// once.
    pub(super) fn product(&mut self, a: Var, b: Var) -> Var {
        let (left, right) = (self.builder.shape(a), self.builder.shape(b));
        let (rank, other) = (left.len(), right.len());
        let leading_ones = other >= 2 && right[..other - 2].iter().all(|&size| size == 1);
        if rank > 2 && leading_ones {
            let rows = left[..rank - 1].iter().product();
            let a = self.builder.reshape(a, &[rows, left[rank - 1]]);
            let b = self.builder.reshape(b, &right[other - 2..]);
            let product = self.builder.matmul(a, b);
            let mut shape = left;
            shape[rank - 1] = right[other - 1];
            return self.builder.reshape(product, &shape);
        }
        let batch = rank.max(other) - 2;
        let size = |shape: &[usize], axis: usize| {
            let missing = batch + 2 - shape.len();
            if axis < missing { 1 } else { shape[axis - missing] }
        };
        let leading: Vec<usize> = (0..batch).map(|axis| size(&left, axis).max(size(&right, axis))).collect();
        let whole = |shape: &[usize]| [leading.as_slice(), &shape[shape.len() - 2..]].concat();
        let (a, b) = (self.builder.broadcast(a, &whole(&left)), self.builder.broadcast(b, &whole(&right)));
        self.builder.matmul(a, b)
    }

    fn layer_norm(&mut self, op: &LayerNormOpIr) -> Lowered {
        let x = self.operand(&op.input)?;
        let shape = self.builder.shape(x);
        let last = [shape.len() - 1];
        let mean = self.mean(x, &last);
        let mean = self.builder.broadcast(mean, &shape);
        let centred = self.builder.subtract(x, mean);
        let square = self.builder.multiply(centred, centred);
        let variance = self.mean(square, &last);
        let variance = self.builder.offset(variance, number(op.epsilon));
        let deviation = self.builder.unary(Unary::Sqrt, variance);
        let deviation = self.builder.broadcast(deviation, &shape);
        let normal = self.builder.divide(centred, deviation);
        let gamma = self.operand(&op.gamma)?;
        let gamma = self.builder.broadcast(gamma, &shape);
        let mut result = self.builder.multiply(normal, gamma);
        if let Some(beta) = &op.beta {
            let beta = self.operand(beta)?;
            let beta = self.builder.broadcast(beta, &shape);
            result = self.builder.add(result, beta);
        }
        self.define(&op.out, result)
    }

    fn batch_norm(&mut self, op: &BatchNormOpIr) -> Lowered {
        let x = self.operand(&op.x)?;
        let shape = self.builder.shape(x);
        let mut channels = vec![1; shape.len()];
        channels[1] = shape[1];
        let mut all = [x; 4];
        for (place, tensor) in all.iter_mut().zip([&op.gamma, &op.beta, &op.mean, &op.variance]) {
            let var = self.operand(tensor)?;
            *place = self.builder.reshape(var, &channels);
        }
        let [gamma, beta, mean, variance] = all;
        let variance = self.builder.offset(variance, number(op.epsilon));
        let deviation = self.builder.unary(Unary::Sqrt, variance);
        let slope = self.builder.divide(gamma, deviation);
        let slope = self.builder.broadcast(slope, &shape);
        let (mean, beta) = (self.builder.broadcast(mean, &shape), self.builder.broadcast(beta, &shape));
        let centred = self.builder.subtract(x, mean);
        let scaled = self.builder.multiply(centred, slope);
        let result = self.builder.add(scaled, beta);
        self.define(&op.out, result)
    }
}
