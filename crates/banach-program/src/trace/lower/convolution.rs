//! Lowering of Burn's convolutions.

use super::{Lowered, Lowering};
use crate::language::geometry::{Span, Window};
use crate::language::primitive::{Bilinear, Primitive, Structure};
use crate::language::program::Var;
use burn::backend::ir::{ConvTranspose2dOpIr, ModuleOperationIr, TensorIr};

impl Lowering {
    pub(super) fn convolution(&mut self, op: &ModuleOperationIr) -> Lowered {
        use ModuleOperationIr as Op;
        match op {
            Op::Conv1d(op) => {
                let o = &op.options;
                let window = flat_window(o.stride[0], 0, o.dilation[0], o.groups);
                let x = self.padded(&op.x, &[o.padding[0]])?;
                self.along_one_axis(x, &op.weight, op.bias.as_ref(), &op.out, Bilinear::Convolution(window))
            }
            Op::Conv2d(op) => {
                let o = &op.options;
                let symmetric = o.padding.iter().all(|(before, after)| before == after);
                let (x, padding) = if symmetric {
                    (self.operand(&op.x)?, o.padding.map(|(before, _)| before))
                } else {
                    (self.padded(&op.x, &o.padding)?, [0, 0])
                };
                let weight = self.operand(&op.weight)?;
                let window = Window { stride: o.stride, padding, dilation: o.dilation, groups: o.groups };
                let y = self.builder.push(Primitive::Bilinear(Bilinear::Convolution(window)), &[x, weight]);
                self.with_bias(y, op.bias.as_ref(), &op.out)
            }
            Op::ConvTranspose1d(op) => {
                let o = &op.options;
                let window = flat_window(o.stride[0], o.padding[0], o.dilation[0], o.groups);
                let size = [1, op.out.shape.to_vec()[2]];
                let x = self.operand(&op.x)?;
                let form = Bilinear::ConvolutionInput(window, size);
                self.along_one_axis(x, &op.weight, op.bias.as_ref(), &op.out, form)
            }
            Op::ConvTranspose2d(op) => self.conv_transpose(op),
            other => self.pooling(other),
        }
    }

    /// Zeros around the last axes.
    pub(super) fn surrounded(&mut self, var: Var, padding: &[(usize, usize)]) -> Var {
        if padding.iter().all(|&pair| pair == (0, 0)) {
            return var;
        }
        let mut shape = self.builder.shape(var);
        let mut spans: Vec<Span> = shape.iter().map(|&end| Span { start: 0, end, step: 1 }).collect();
        let first = shape.len() - padding.len();
        for (axis, &(before, after)) in padding.iter().enumerate() {
            let axis = first + axis;
            spans[axis] = Span { start: before, end: before + shape[axis], step: 1 };
            shape[axis] += before + after;
        }
        self.builder.structure(Structure::Place(shape, spans), var)
    }

    fn padded(&mut self, x: &TensorIr, padding: &[(usize, usize)]) -> Lowered<Var> {
        let var = self.operand(x)?;
        Ok(self.surrounded(var, padding))
    }

    fn with_bias(&mut self, y: Var, bias: Option<&TensorIr>, out: &TensorIr) -> Lowered {
        let shape = out.shape.to_vec();
        let mut result = y;
        if let Some(bias) = bias {
            let bias = self.operand(bias)?;
            let mut channels = vec![1; shape.len()];
            channels[1] = shape[1];
            let bias = self.builder.reshape(bias, &channels);
            let bias = self.builder.broadcast(bias, &shape);
            result = self.builder.add(y, bias);
        }
        self.define(out, result)
    }

    /// A one-dimensional convolution as a two-dimensional one of height 1.
    fn along_one_axis(
        &mut self,
        x: Var,
        weight: &TensorIr,
        bias: Option<&TensorIr>,
        out: &TensorIr,
        form: Bilinear,
    ) -> Lowered {
        let weight = self.operand(weight)?;
        let (x, weight) = (self.raised(x), self.raised(weight));
        let y = self.builder.push(Primitive::Bilinear(form), &[x, weight]);
        let y = self.builder.reshape(y, &out.shape.to_vec());
        self.with_bias(y, bias, out)
    }

    /// `[a, b, n] -> [a, b, 1, n]`; four axes stay as they are.
    pub(super) fn raised(&mut self, x: Var) -> Var {
        let mut shape = self.builder.shape(x);
        if shape.len() == 3 {
            shape.insert(2, 1);
        }
        self.builder.reshape(x, &shape)
    }

    fn conv_transpose(&mut self, op: &ConvTranspose2dOpIr) -> Lowered {
        let (x, weight) = (self.operand(&op.x)?, self.operand(&op.weight)?);
        let o = &op.options;
        let window = Window { stride: o.stride, padding: o.padding, dilation: o.dilation, groups: o.groups };
        let out = op.out.shape.to_vec();
        let form = Bilinear::ConvolutionInput(window, [out[2], out[3]]);
        let y = self.builder.push(Primitive::Bilinear(form), &[x, weight]);
        self.with_bias(y, op.bias.as_ref(), &op.out)
    }
}

fn flat_window(stride: usize, padding: usize, dilation: usize, groups: usize) -> Window {
    Window { stride: [1, stride], padding: [0, padding], dilation: [1, dilation], groups }
}
