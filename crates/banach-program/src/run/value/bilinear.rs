//! Values of products and convolutions.

use super::structure::slices;
use crate::language::geometry::{Span, Window};
use crate::language::primitive::{Bilinear, Comparison, Logic};
use crate::language::value::Value;
use burn::backend::Dispatch;
use burn::backend::TensorMetadata;
use burn::backend::ops::{FloatTensorOps, IntTensorOps, ModuleOps};
use burn::tensor::ops::{ConvOptions, ConvTransposeOptions};

impl Value {
    pub(crate) fn bilinear(self, form: &Bilinear, other: Value) -> Self {
        match form {
            Bilinear::Multiply if self.ty().kind.is_float() => Value(Dispatch::float_mul(self.0, other.0)),
            Bilinear::Multiply => Value(Dispatch::int_mul(self.0, other.0)),
            Bilinear::AbsorbingProduct => self.absorbing_product(other),
            Bilinear::Matmul([left, right]) => {
                Value(Dispatch::float_matmul(self.turned(*left).0, other.turned(*right).0))
            }
            Bilinear::Convolution(window) => self.convolution(window, other, None),
            Bilinear::ConvolutionInput(window, size) => self.convolution_input(window, *size, other),
            Bilinear::ConvolutionWeight(window, size) => {
                let (x, y) = (self.ty().shape, other.ty().shape);
                let weight = self.zeros(&[y[1], x[1] / window.groups, size[0], size[1]]).0;
                Value(Dispatch::conv2d_weight_backward(self.0, weight, other.0, conv_options(window)))
                    .laid_out()
            }
        }
    }

    /// The convolution, with a bias `[channels]` added to every pixel.
    pub(crate) fn convolution(self, window: &Window, weight: Value, bias: Option<Value>) -> Self {
        let bias = bias.map(|bias| bias.0);
        Value(Dispatch::conv2d(self.0, weight.0, bias, conv_options(window))).laid_out()
    }

    /// This, laid out anew where one of the first two axes has one entry: in Burn 0.22.1 fused operations behind a convolution or a
    /// pooling read wrong numbers there on CubeCL's devices.
    pub(super) fn laid_out(self) -> Self {
        let shape = self.ty().shape;
        if shape[0] != 1 && shape[1] != 1 {
            return self;
        }
        self.reshaped(&[shape.iter().product()]).reshaped(&shape)
    }

    /// The product, and 0 where either operand is 0.
    ///
    /// On the tape only operands that are not finite are replaced, by 0 where the other operand is 0: the
    /// derivative of a b by a is b also at a = 0.
    fn absorbing_product(self, other: Value) -> Self {
        let zero = |value: &Value| value.clone().compare_scalar(Comparison::Equal, 0.0);
        let (left_zero, right_zero) = (zero(&self), zero(&other));
        if !self.device().is_autodiff() && !other.device().is_autodiff() {
            return left_zero.logic(Logic::Or, right_zero).erase(Value(Dispatch::float_mul(self.0, other.0)));
        }
        let infinite =
            |value: &Value| value.clone().detach().scale(0.0).compare_scalar(Comparison::NotEqual, 0.0);
        let (left_infinite, right_infinite) = (infinite(&self), infinite(&other));
        let left = right_zero.logic(Logic::And, left_infinite).erase(self);
        let right = left_zero.logic(Logic::And, right_infinite).erase(other);
        Value(Dispatch::float_mul(left.0, right.0))
    }

    fn turned(self, turn: bool) -> Self {
        let rank = self.0.shape().num_dims();
        if turn { Value(Dispatch::float_swap_dims(self.0, rank - 2, rank - 1)) } else { self }
    }

    /// The transposed convolution. Burn pads its result at the end only; what a stride skipped is padded, and
    /// what lies beyond the size asked for is cut.
    fn convolution_input(self, window: &Window, size: [usize; 2], weight: Value) -> Self {
        let (y, kernel) = (self.ty().shape, weight.ty().shape);
        let natural = [0, 1].map(|axis| {
            let extent = window.dilation[axis] * (kernel[axis + 2] - 1) + 1;
            ((y[axis + 2] - 1) * window.stride[axis] + extent) as isize - 2 * window.padding[axis] as isize
        });
        let missing = [0, 1].map(|axis| (size[axis] as isize - natural[axis]).max(0) as usize);
        let Window { stride, padding, dilation, groups } = *window;
        let options = ConvTransposeOptions::new(stride, padding, missing, dilation, groups);
        let x = Value(Dispatch::conv_transpose2d(self.0, weight.0, None, options)).laid_out();
        let shape = x.ty().shape;
        if shape[2..] == size {
            return x;
        }
        let spans = [shape[0], shape[1], size[0], size[1]].map(|end| Span { start: 0, end, step: 1 });
        x.slice(&slices(&spans))
    }
}

fn conv_options(window: &Window) -> ConvOptions<2> {
    ConvOptions::new(window.stride, window.padding, window.dilation, window.groups)
}
