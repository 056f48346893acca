//! Lowering of Burn's reductions.

use super::{Lowered, Lowering};
use crate::language::primitive::{Index, Primitive, Unary};
use crate::language::program::Var;
use crate::language::tensor_type::Kind;
use burn::backend::ir::{NumericOperationIr, ReduceDimOpIr, ReduceDimWithIndicesOpIr, ReduceOpIr, TensorIr};

impl Lowering {
    pub(super) fn reduction(&mut self, op: &NumericOperationIr) -> Lowered {
        use NumericOperationIr as Op;
        match op {
            Op::Sum(op) => self.total(op, 1),
            Op::Mean(op) => self.total(op, op.input.shape.num_elements()),
            Op::SumDim(op) => self.summed(&op.input, &op.out, &[op.axis]),
            Op::SumDims(op) => self.summed(&op.input, &op.out, &op.axes),
            Op::MeanDim(op) => {
                let x = self.operand(&op.input)?;
                let result = self.mean(x, &[op.axis]);
                self.define(&op.out, result)
            }
            Op::Max(op) => self.extreme_of_all(op, true),
            Op::Min(op) => self.extreme_of_all(op, false),
            Op::MaxAbs(op) => {
                let x = self.operand(&op.input)?;
                let size = self.builder.unary(Unary::Abs, x);
                let result = self.flat_extreme(size, true);
                self.define(&op.out, result)
            }
            Op::MaxDim(op) => self.extreme(op, true),
            Op::MinDim(op) => self.extreme(op, false),
            Op::MaxAbsDim(op) => {
                let x = self.operand(&op.input)?;
                let size = self.builder.unary(Unary::Abs, x);
                let result = self.builder.push(Primitive::Extreme { axis: op.axis, largest: true }, &[size]);
                self.define(&op.out, result)
            }
            Op::MaxDimWithIndices(op) => self.extreme_with_position(op, true),
            Op::MinDimWithIndices(op) => self.extreme_with_position(op, false),
            Op::ArgMax(op) => self.position(op, true),
            Op::ArgMin(op) => self.position(op, false),
            Op::Pad(op) => self.pad(op),
            Op::Prod(_) | Op::ProdDim(_) => {
                self.unsupported(op, "multiply slices, or take `exp` of the sum of `log`")
            }
            Op::CumSum(_) | Op::CumProd(_) | Op::CumMin(_) | Op::CumMax(_) => {
                self.unsupported(op, "write a running sum as a product with a triangular matrix")
            }
            Op::ArgTopK(_)
            | Op::TopK(_)
            | Op::TopKWithIndices(_)
            | Op::Sort(_)
            | Op::SortWithIndices(_)
            | Op::ArgSort(_) => {
                self.unsupported(op, "sort outside the update, or take `max_dim` and `gather`")
            }
            Op::IntRandom(_) => {
                self.unsupported(op, "an update must be a function: pass random numbers as an input")
            }
            other => self.unsupported(other, "write it with sums, products and comparisons"),
        }
    }

    /// The mean over axes, which stay with size 1.
    pub(super) fn mean(&mut self, x: Var, axes: &[usize]) -> Var {
        let shape = self.builder.shape(x);
        let count: usize = axes.iter().map(|&axis| shape[axis]).product();
        let sum = self.builder.sum(x, axes);
        self.shared_out(sum, count)
    }

    /// A sum over its count; integers are divided as integers.
    fn shared_out(&mut self, sum: Var, count: usize) -> Var {
        let ty = self.builder.type_of(sum).clone();
        if ty.kind.is_float() {
            return self.builder.scale(sum, 1.0 / count as f64);
        }
        let count = self.builder.full(ty, count as f64);
        self.builder.divide(sum, count)
    }

    fn summed(&mut self, input: &TensorIr, out: &TensorIr, axes: &[usize]) -> Lowered {
        let x = self.operand(input)?;
        let sum = self.builder.sum(x, axes);
        let result = self.builder.reshape(sum, &out.shape.to_vec());
        self.define(out, result)
    }

    fn total(&mut self, op: &ReduceOpIr, count: usize) -> Lowered {
        let x = self.operand(&op.input)?;
        let axes: Vec<usize> = (0..op.input.shape.num_dims()).collect();
        let sum = self.builder.sum(x, &axes);
        let sum = self.builder.reshape(sum, &op.out.shape.to_vec());
        let result = if count == 1 { sum } else { self.shared_out(sum, count) };
        self.define(&op.out, result)
    }

    fn extreme_of_all(&mut self, op: &ReduceOpIr, largest: bool) -> Lowered {
        let x = self.operand(&op.input)?;
        let result = self.flat_extreme(x, largest);
        let result = self.builder.reshape(result, &op.out.shape.to_vec());
        self.define(&op.out, result)
    }

    fn flat_extreme(&mut self, x: Var, largest: bool) -> Var {
        let count = self.builder.type_of(x).len();
        let flat = self.builder.reshape(x, &[count]);
        self.builder.push(Primitive::Extreme { axis: 0, largest }, &[flat])
    }

    fn extreme(&mut self, op: &ReduceDimOpIr, largest: bool) -> Lowered {
        let x = self.operand(&op.input)?;
        let result = self.builder.push(Primitive::Extreme { axis: op.axis, largest }, &[x]);
        self.define(&op.out, result)
    }

    fn extreme_with_position(&mut self, op: &ReduceDimWithIndicesOpIr, largest: bool) -> Lowered {
        let x = self.operand(&op.tensor)?;
        let axis = op.dim;
        let position = self.builder.push(Primitive::ArgExtreme { axis, largest }, &[x]);
        let result = self.builder.push(Primitive::Index(Index::Gather(axis)), &[x, position]);
        self.define(&op.out, result)?;
        let position = self.builder.cast(position, Kind::from(op.out_indices.dtype));
        self.define(&op.out_indices, position)
    }

    fn position(&mut self, op: &ReduceDimOpIr, largest: bool) -> Lowered {
        let x = self.operand(&op.input)?;
        let position = self.builder.push(Primitive::ArgExtreme { axis: op.axis, largest }, &[x]);
        let position = self.builder.cast(position, Kind::from(op.out.dtype));
        self.define(&op.out, position)
    }

    /// exp(sign x) over its sum along the axis, or its logarithm; shifted by the largest element, which
    /// changes neither the value nor any derivative, so the shift is detached.
    pub(super) fn normalised(
        &mut self,
        input: &TensorIr,
        out: &TensorIr,
        axis: usize,
        sign: f64,
        logarithm: bool,
    ) -> Lowered {
        let x = self.operand(input)?;
        let x = if sign == 1.0 { x } else { self.builder.scale(x, sign) };
        let shape = self.builder.shape(x);
        let largest = self.builder.push(Primitive::Extreme { axis, largest: true }, &[x]);
        let largest = self.builder.detach(largest);
        let largest = self.builder.broadcast(largest, &shape);
        let shifted = self.builder.subtract(x, largest);
        let exponential = self.builder.unary(Unary::Exp, shifted);
        let sum = self.builder.sum(exponential, &[axis]);
        let result = if logarithm {
            let log = self.builder.unary(Unary::Log, sum);
            let log = self.builder.broadcast(log, &shape);
            self.builder.subtract(shifted, log)
        } else {
            let sum = self.builder.broadcast(sum, &shape);
            self.builder.divide(exponential, sum)
        };
        self.define(out, result)
    }
}
