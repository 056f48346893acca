//! Lowering of Burn's pooling operations.

use super::{Lowered, Lowering};
use crate::language::geometry::{Pool, Window};
use crate::language::primitive::{Bilinear, Index, Primitive};
use crate::language::tensor_type::{Kind, Type};
use burn::backend::ir::{ModuleOperationIr, TensorIr};

impl Lowering {
    pub(super) fn pooling(&mut self, op: &ModuleOperationIr) -> Lowered {
        use ModuleOperationIr as Op;
        match op {
            Op::AvgPool1d(op) => {
                let pool = flat_pool(op.kernel_size, op.stride, op.padding, 1, op.ceil_mode);
                self.average_pool(&op.x, &op.out, pool, op.count_include_pad)
            }
            Op::AvgPool2d(op) => {
                let pool = Pool {
                    kernel: op.kernel_size,
                    stride: op.stride,
                    padding: op.padding,
                    dilation: [1, 1],
                    ceil: op.ceil_mode,
                };
                self.average_pool(&op.x, &op.out, pool, op.count_include_pad)
            }
            Op::AdaptiveAvgPool1d(op) => self.adaptive_average(&op.x, &op.out),
            Op::AdaptiveAvgPool2d(op) => self.adaptive_average(&op.x, &op.out),
            Op::MaxPool1d(op) => {
                let pool = flat_pool(op.kernel_size, op.stride, op.padding, op.dilation, op.ceil_mode);
                self.max_pool(&op.x, &op.out, None, pool)
            }
            Op::MaxPool2d(op) => {
                let (kernel, stride, padding) = (op.kernel_size, op.stride, op.padding);
                let pool = Pool { kernel, stride, padding, dilation: op.dilation, ceil: op.ceil_mode };
                self.max_pool(&op.x, &op.out, None, pool)
            }
            Op::MaxPool1dWithIndices(op) => {
                let pool = flat_pool(op.kernel_size, op.stride, op.padding, op.dilation, op.ceil_mode);
                self.max_pool(&op.x, &op.out, Some(&op.out_indices), pool)
            }
            Op::MaxPool2dWithIndices(op) => {
                let (kernel, stride, padding) = (op.kernel_size, op.stride, op.padding);
                let pool = Pool { kernel, stride, padding, dilation: op.dilation, ceil: op.ceil_mode };
                self.max_pool(&op.x, &op.out, Some(&op.out_indices), pool)
            }
            Op::Interpolate(op) => self.interpolate(op),
            Op::Attention(op) => self.attention(op),
            Op::Conv3d(_) | Op::ConvTranspose3d(_) => self.unsupported(
                op,
                "fold one spatial axis into the batch and use a two-dimensional convolution",
            ),
            Op::DeformableConv2d(_) => self.unsupported(op, "use `conv2d`"),
            Op::Unfold4d(_) => self.unsupported(op, "use `conv2d`, or concatenate slices"),
            Op::CtcLoss(_) => self.unsupported(op, "compute the loss outside the update"),
            other => self.unsupported(other, "record the forward operation; derivatives are made here"),
        }
    }

    /// A depthwise convolution with ones, divided by how many elements each window counts.
    fn average_pool(&mut self, x: &TensorIr, out: &TensorIr, pool: Pool, include_padding: bool) -> Lowered {
        let var = self.operand(x)?;
        let var = self.raised(var);
        let shape = self.builder.shape(var);
        let size = [shape[2], shape[3]];
        let target = out.shape.to_vec();
        let result_size = [if target.len() == 3 { 1 } else { target[2] }, target[target.len() - 1]];
        // Room for a last window that hangs over the edge.
        let needed = |axis: usize| (result_size[axis] - 1) * pool.stride[axis] + pool.kernel[axis];
        let extra = |axis: usize| needed(axis).saturating_sub(size[axis] + 2 * pool.padding[axis]);
        let flat = self.builder.reshape(var, &[shape[0] * shape[1], 1, size[0], size[1]]);
        let around = [0, 1].map(|axis| (pool.padding[axis], pool.padding[axis] + extra(axis)));
        let padded = self.surrounded(flat, &around);
        let kind = self.builder.type_of(var).kind;
        let kernel = self.builder.full(Type::new([1, 1, pool.kernel[0], pool.kernel[1]], kind), 1.0);
        let window = Window { stride: pool.stride, padding: [0, 0], dilation: [1, 1], groups: 1 };
        let sum = self.builder.push(Primitive::Bilinear(Bilinear::Convolution(window)), &[padded, kernel]);
        let counts = window_counts(&pool, size, result_size, include_padding);
        let counts = self.data(counts, &[1, 1, result_size[0], result_size[1]], kind);
        let sum_shape = self.builder.shape(sum);
        let counts = self.builder.broadcast(counts, &sum_shape);
        let mean = self.builder.multiply(sum, counts);
        let result = self.builder.reshape(mean, &target);
        self.define(out, result)
    }

    fn max_pool(&mut self, x: &TensorIr, out: &TensorIr, indices: Option<&TensorIr>, pool: Pool) -> Lowered {
        let var = self.operand(x)?;
        let var = self.raised(var);
        let shape = self.builder.shape(var);
        let position = self.builder.push(Primitive::MaxPoolIndices(pool), &[var]);
        let count = self.builder.shape(position)[2..].iter().product();
        let planes = [shape[0], shape[1]];
        let flat = self.builder.reshape(var, &[planes[0], planes[1], shape[2] * shape[3]]);
        let flat_position = self.builder.reshape(position, &[planes[0], planes[1], count]);
        let result = self.builder.push(Primitive::Index(Index::Gather(2)), &[flat, flat_position]);
        let result = self.builder.reshape(result, &out.shape.to_vec());
        self.define(out, result)?;
        if let Some(indices) = indices {
            let position = self.builder.reshape(position, &indices.shape.to_vec());
            let position = self.builder.cast(position, Kind::from(indices.dtype));
            self.define(indices, position)?;
        }
        Ok(())
    }
}

fn flat_pool(kernel: usize, stride: usize, padding: usize, dilation: usize, ceil: bool) -> Pool {
    Pool { kernel: [1, kernel], stride: [1, stride], padding: [0, padding], dilation: [1, dilation], ceil }
}

/// One over the number of elements each window averages.
fn window_counts(pool: &Pool, size: [usize; 2], result: [usize; 2], include_padding: bool) -> Vec<f64> {
    let count = |axis: usize, at: usize| {
        let start = at * pool.stride[axis];
        let end = start + pool.kernel[axis];
        let before = pool.padding[axis];
        let (first, last) =
            if include_padding { (0, size[axis] + 2 * before) } else { (before, before + size[axis]) };
        end.min(last).saturating_sub(start.max(first)) as f64
    };
    let row = |at: usize| (0..result[1]).map(move |column| 1.0 / (count(0, at) * count(1, column)));
    (0..result[0]).flat_map(row).collect()
}
