//! What is a tensor whose rank and kind are known only at run time? The only file that knows Burn's dispatch layer.

use crate::error::Error;
use crate::primitive::{
    Bilinear, Binary, Comparison, Constant, Index, Kind, Literal, Logic, Pool, Span, Structure, Type, Unary, Window,
};
use burn::backend::ops::{ActivationOps, BoolTensorOps, FloatTensorOps, IntTensorOps, ModuleOps};
use burn::backend::ir::TensorId;
use burn::backend::{Capture, Dispatch, DispatchTensor, Scalar, TensorMetadata};
use burn::tensor::ops::{ConvOptions, ConvTransposeOptions};
use burn::tensor::{Bool, Device, FloatDType, IndexingUpdateOp, Int, IntDType, Shape, Slice, Tensor, TensorData};

/// A tensor of any rank and kind on any device.
#[derive(Clone, Debug)]
pub struct Value(DispatchTensor);

impl<const D: usize> From<Tensor<D>> for Value {
    fn from(tensor: Tensor<D>) -> Self {
        Value(tensor.into_dispatch())
    }
}

impl<const D: usize> From<Tensor<D, Int>> for Value {
    fn from(tensor: Tensor<D, Int>) -> Self {
        Value(tensor.into_dispatch())
    }
}

impl<const D: usize> From<Tensor<D, Bool>> for Value {
    fn from(tensor: Tensor<D, Bool>) -> Self {
        Value(tensor.into_dispatch())
    }
}

macro_rules! try_into_tensor {
    ($name:ident, $tensor:ty, $what:literal, $kind:pat) => {
        #[doc = concat!("The same tensor as ", $what, " of rank `D`.")]
        ///
        /// # Errors
        /// [`Error::Mismatch`] where the rank or the kind is another.
        pub fn $name<const D: usize>(self) -> Result<$tensor, Error> {
            if self.0.shape().num_dims() == D && matches!(self.ty().kind, $kind) {
                return Ok(<$tensor>::from_dispatch(self.0));
            }
            Err(Error::Mismatch {
                what: "a tensor".into(),
                found: self.ty().to_string(),
                expected: format!(concat!($what, " of rank {}"), D),
            })
        }
    };
}

impl Value {
    try_into_tensor!(try_into_tensor, Tensor<D>, "a float tensor", Kind::Float(_));
    try_into_tensor!(try_into_int, Tensor<D, Int>, "an integer tensor", Kind::Int(_));
    try_into_tensor!(try_into_bool, Tensor<D, Bool>, "a boolean tensor", Kind::Bool);

    /// Its shape and kind.
    pub fn ty(&self) -> Type {
        Type::new(self.0.shape().to_vec(), Kind::from(self.0.dtype()))
    }

    /// Its device.
    pub fn device(&self) -> Device {
        Device::new(self.0.device())
    }

    /// The same numbers off the tape.
    #[must_use]
    pub fn detached(self) -> Self {
        match self.ty().kind {
            Kind::Float(_) => Tensor::<1>::from_dispatch(self.0).without_autodiff().into(),
            Kind::Int(_) => Tensor::<1, Int>::from_dispatch(self.0).without_autodiff().into(),
            Kind::Bool => Tensor::<1, Bool>::from_dispatch(self.0).without_autodiff().into(),
        }
    }

    /// The same numbers in another shape, `[rows, n]` for a state.
    pub fn reshaped(self, shape: &[usize]) -> Self {
        self.structure(&Structure::Reshape(shape.to_vec()))
    }

    /// All numbers, on the host.
    pub fn into_data(self) -> TensorData {
        match self.ty().kind {
            Kind::Float(_) => Tensor::<1>::from_dispatch(self.0).into_data(),
            Kind::Int(_) => Tensor::<1, Int>::from_dispatch(self.0).into_data(),
            Kind::Bool => Tensor::<1, Bool>::from_dispatch(self.0).into_data(),
        }
    }

    /// The name of the tensor in the recording it belongs to.
    pub(crate) fn recorded_id(&self) -> Result<TensorId, String> {
        let tensor = self.0.clone();
        let found = |error| format!("{error:?}");
        match self.ty().kind {
            Kind::Float(_) => {
                Tensor::<1>::from_dispatch(tensor).try_into_primitive::<Capture>().map(|t| t.id()).map_err(found)
            }
            Kind::Int(_) => {
                Tensor::<1, Int>::from_dispatch(tensor).try_into_primitive::<Capture>().map(|t| t.id()).map_err(found)
            }
            Kind::Bool => {
                Tensor::<1, Bool>::from_dispatch(tensor).try_into_primitive::<Capture>().map(|t| t.id()).map_err(found)
            }
        }
    }

    /// The same number everywhere.
    pub fn full(ty: &Type, number: f64, device: &Device) -> Self {
        Value::constant(&Constant { ty: ty.clone(), literal: Literal::Full(number) }, device)
    }

    /// A known tensor on a device.
    pub(crate) fn constant(constant: &Constant, device: &Device) -> Self {
        let place = device.as_dispatch();
        let shape = Shape::from(constant.ty.shape.clone());
        Value(match (&constant.literal, constant.ty.kind) {
            (Literal::Full(number), Kind::Float(dtype)) => {
                Dispatch::float_full(shape, Scalar::Float(*number), place, dtype)
            }
            (Literal::Full(number), Kind::Int(dtype)) => {
                Dispatch::int_full(shape, Scalar::Int(*number as i64), place, dtype)
            }
            (Literal::Full(number), Kind::Bool) => {
                let dtype = device.settings().bool_dtype;
                if *number == 0.0 {
                    Dispatch::bool_zeros(shape, place, dtype)
                } else {
                    Dispatch::bool_ones(shape, place, dtype)
                }
            }
            (Literal::Data(data), Kind::Float(_)) => Dispatch::float_from_data(TensorData::clone(data), place),
            (Literal::Data(data), Kind::Int(_)) => Dispatch::int_from_data(TensorData::clone(data), place),
            (Literal::Data(data), Kind::Bool) => Dispatch::bool_from_data(TensorData::clone(data), place),
        })
    }

    pub(crate) fn unary(self, function: Unary) -> Self {
        let x = self.0;
        Value(match function {
            Unary::Abs => Dispatch::float_abs(x),
            Unary::Acos => Dispatch::float_acos(x),
            Unary::Acosh => Dispatch::float_acosh(x),
            Unary::Asin => Dispatch::float_asin(x),
            Unary::Asinh => Dispatch::float_asinh(x),
            Unary::Atan => Dispatch::float_atan(x),
            Unary::Atanh => Dispatch::float_atanh(x),
            Unary::Ceil => Dispatch::float_ceil(x),
            Unary::Cos => Dispatch::float_cos(x),
            Unary::Cosh => Dispatch::float_cosh(x),
            Unary::Erf => Dispatch::float_erf(x),
            Unary::Exp => Dispatch::float_exp(x),
            Unary::Floor => Dispatch::float_floor(x),
            Unary::Log => Dispatch::float_log(x),
            Unary::Log1p => Dispatch::float_log1p(x),
            Unary::LogSigmoid => Dispatch::log_sigmoid(x),
            Unary::Reciprocal => Dispatch::float_recip(x),
            Unary::Relu => Dispatch::relu(x),
            Unary::Round => Dispatch::float_round(x),
            Unary::Sigmoid => Dispatch::sigmoid(x),
            Unary::Sign => Dispatch::float_sign(x),
            Unary::Sin => Dispatch::float_sin(x),
            Unary::Sinh => Dispatch::float_sinh(x),
            Unary::Sqrt => Dispatch::float_sqrt(x),
            Unary::Tan => Dispatch::float_tan(x),
            Unary::Tanh => Dispatch::float_tanh(x),
            Unary::Trunc => Dispatch::float_trunc(x),
            Unary::Detach => Dispatch::float_detach(x),
        })
    }

    pub(crate) fn binary(self, function: Binary, other: Value) -> Self {
        let float = self.ty().kind.is_float();
        let (a, b) = (self.0, other.0);
        Value(match (function, float) {
            (Binary::Add, true) => Dispatch::float_add(a, b),
            (Binary::Add, false) => Dispatch::int_add(a, b),
            (Binary::Subtract, true) => Dispatch::float_sub(a, b),
            (Binary::Subtract, false) => Dispatch::int_sub(a, b),
            (Binary::Divide, true) => Dispatch::float_div(a, b),
            (Binary::Divide, false) => Dispatch::int_div(a, b),
            (Binary::Power, true) => Dispatch::float_powf(a, b),
            (Binary::Power, false) => Dispatch::int_powi(a, b),
            (Binary::Remainder, true) => Dispatch::float_remainder(a, b),
            (Binary::Remainder, false) => Dispatch::int_remainder(a, b),
            (Binary::Atan2, _) => Dispatch::float_atan2(a, b),
        })
    }

    pub(crate) fn scale(self, factor: f64) -> Self {
        Value(match self.ty().kind {
            Kind::Float(_) if factor == -1.0 => Dispatch::float_neg(self.0),
            Kind::Float(_) => Dispatch::float_mul_scalar(self.0, Scalar::Float(factor)),
            Kind::Int(_) | Kind::Bool => Dispatch::int_mul_scalar(self.0, Scalar::Int(factor as i64)),
        })
    }

    pub(crate) fn offset(self, number: f64) -> Self {
        Value(match self.ty().kind {
            Kind::Float(_) => Dispatch::float_add_scalar(self.0, Scalar::Float(number)),
            Kind::Int(_) | Kind::Bool => Dispatch::int_add_scalar(self.0, Scalar::Int(number as i64)),
        })
    }

    pub(crate) fn power(self, exponent: f64) -> Self {
        let whole = exponent.fract() == 0.0 && exponent.abs() < 64.0;
        Value(if whole {
            Dispatch::float_powi_scalar(self.0, Scalar::Int(exponent as i64))
        } else {
            Dispatch::float_powf_scalar(self.0, Scalar::Float(exponent))
        })
    }

    pub(crate) fn compare(self, comparison: Comparison, other: Value) -> Self {
        let (kind, dtype) = (self.ty().kind, self.device().settings().bool_dtype);
        let (a, b) = (self.0, other.0);
        Value(match (comparison, kind) {
            (Comparison::Equal, Kind::Float(_)) => Dispatch::float_equal(a, b, dtype),
            (Comparison::NotEqual, Kind::Float(_)) => Dispatch::float_not_equal(a, b, dtype),
            (Comparison::Greater, Kind::Float(_)) => Dispatch::float_greater(a, b, dtype),
            (Comparison::GreaterEqual, Kind::Float(_)) => Dispatch::float_greater_equal(a, b, dtype),
            (Comparison::Less, Kind::Float(_)) => Dispatch::float_lower(a, b, dtype),
            (Comparison::LessEqual, Kind::Float(_)) => Dispatch::float_lower_equal(a, b, dtype),
            (Comparison::Equal, Kind::Int(_)) => Dispatch::int_equal(a, b, dtype),
            (Comparison::NotEqual, Kind::Int(_)) => Dispatch::int_not_equal(a, b, dtype),
            (Comparison::Greater, _) => Dispatch::int_greater(a, b, dtype),
            (Comparison::GreaterEqual, _) => Dispatch::int_greater_equal(a, b, dtype),
            (Comparison::Less, _) => Dispatch::int_lower(a, b, dtype),
            (Comparison::LessEqual, _) => Dispatch::int_lower_equal(a, b, dtype),
            (Comparison::Equal, Kind::Bool) => Dispatch::bool_equal(a, b),
            (Comparison::NotEqual, Kind::Bool) => Dispatch::bool_not_equal(a, b),
        })
    }

    pub(crate) fn compare_scalar(self, comparison: Comparison, number: f64) -> Self {
        let (kind, dtype) = (self.ty().kind, self.device().settings().bool_dtype);
        let Kind::Float(_) = kind else {
            let full = Constant { ty: self.ty(), literal: Literal::Full(number) };
            let other = Value::constant(&full, &self.device());
            return self.compare(comparison, other);
        };
        let (x, number) = (self.0, Scalar::Float(number));
        Value(match comparison {
            Comparison::Equal => Dispatch::float_equal_elem(x, number, dtype),
            Comparison::NotEqual => Dispatch::float_not_equal_elem(x, number, dtype),
            Comparison::Greater => Dispatch::float_greater_elem(x, number, dtype),
            Comparison::GreaterEqual => Dispatch::float_greater_equal_elem(x, number, dtype),
            Comparison::Less => Dispatch::float_lower_elem(x, number, dtype),
            Comparison::LessEqual => Dispatch::float_lower_equal_elem(x, number, dtype),
        })
    }

    pub(crate) fn logic(self, logic: Logic, other: Value) -> Self {
        Value(match logic {
            Logic::And => Dispatch::bool_and(self.0, other.0),
            Logic::Or => Dispatch::bool_or(self.0, other.0),
            Logic::Xor => Dispatch::bool_xor(self.0, other.0),
        })
    }

    pub(crate) fn not(self) -> Self {
        Value(Dispatch::bool_not(self.0))
    }

    /// `yes` where this mask is true, `no` elsewhere.
    pub(crate) fn choose(self, yes: Value, no: Value) -> Self {
        Value(match no.ty().kind {
            Kind::Float(_) => Dispatch::float_mask_where(no.0, self.0, yes.0),
            Kind::Int(_) => Dispatch::int_mask_where(no.0, self.0, yes.0),
            Kind::Bool => Dispatch::bool_mask_where(no.0, self.0, yes.0),
        })
    }

    /// x with zeros where this mask is true.
    pub(crate) fn erase(self, x: Value) -> Self {
        Value(match x.ty().kind {
            Kind::Float(_) => Dispatch::float_mask_fill(x.0, self.0, Scalar::Float(0.0)),
            Kind::Int(_) => Dispatch::int_mask_fill(x.0, self.0, Scalar::Int(0)),
            Kind::Bool => Dispatch::bool_mask_fill(x.0, self.0, Scalar::Bool(false)),
        })
    }

    pub(crate) fn cast(self, kind: Kind) -> Self {
        let settings = self.device().settings();
        Value(match (self.ty().kind, kind) {
            (Kind::Float(_), Kind::Float(dtype)) => Dispatch::float_cast(self.0, dtype),
            (Kind::Float(_), Kind::Int(dtype)) => Dispatch::float_into_int(self.0, dtype),
            (Kind::Int(_), Kind::Float(dtype)) => Dispatch::int_into_float(self.0, dtype),
            (Kind::Int(_), Kind::Int(dtype)) => Dispatch::int_cast(self.0, dtype),
            (Kind::Bool, Kind::Float(dtype)) => Dispatch::bool_into_float(self.0, dtype),
            (Kind::Bool, Kind::Int(dtype)) => Dispatch::bool_into_int(self.0, dtype),
            (Kind::Float(_), Kind::Bool) => {
                Dispatch::float_not_equal_elem(self.0, Scalar::Float(0.0), settings.bool_dtype)
            }
            (Kind::Int(_), Kind::Bool) => {
                Dispatch::int_not_equal_elem(self.0, Scalar::Int(0), settings.bool_dtype)
            }
            (Kind::Bool, Kind::Bool) => self.0,
        })
    }

    pub(crate) fn concat(values: Vec<Value>, axis: usize) -> Self {
        let kind = values[0].ty().kind;
        let tensors = values.into_iter().map(|value| value.0).collect();
        Value(match kind {
            Kind::Float(_) => Dispatch::float_cat(tensors, axis),
            Kind::Int(_) => Dispatch::int_cat(tensors, axis),
            Kind::Bool => Dispatch::bool_cat(tensors, axis),
        })
    }

    pub(crate) fn extreme(self, axis: usize, largest: bool) -> Self {
        Value(match (self.ty().kind.is_float(), largest) {
            (true, true) => Dispatch::float_max_dim(self.0, axis),
            (true, false) => Dispatch::float_min_dim(self.0, axis),
            (false, true) => Dispatch::int_max_dim(self.0, axis),
            (false, false) => Dispatch::int_min_dim(self.0, axis),
        })
    }

    pub(crate) fn arg_extreme(self, axis: usize, largest: bool) -> Self {
        Value(match (self.ty().kind.is_float(), largest) {
            (true, true) => Dispatch::float_argmax(self.0, axis, IntDType::I64),
            (true, false) => Dispatch::float_argmin(self.0, axis, IntDType::I64),
            (false, true) => Dispatch::int_argmax(self.0, axis),
            (false, false) => Dispatch::int_argmin(self.0, axis),
        })
    }

    pub(crate) fn max_pool_indices(self, pool: &Pool) -> Self {
        let Pool { kernel, stride, padding, dilation, ceil } = *pool;
        let pooled = Dispatch::max_pool2d_with_indices(
            self.0,
            kernel,
            stride,
            padding,
            dilation,
            ceil,
            IntDType::I64,
        );
        Value(pooled.indices)
    }

    pub(crate) fn structure(self, structure: &Structure) -> Self {
        match structure {
            Structure::Reshape(shape) => {
                let (kind, shape) = (self.ty().kind, Shape::from(shape.clone()));
                Value(match kind {
                    Kind::Float(_) => Dispatch::float_reshape(self.0, shape),
                    Kind::Int(_) => Dispatch::int_reshape(self.0, shape),
                    Kind::Bool => Dispatch::bool_reshape(self.0, shape),
                })
            }
            Structure::Permute(axes) => Value(match self.ty().kind {
                Kind::Float(_) => Dispatch::float_permute(self.0, axes),
                Kind::Int(_) => Dispatch::int_permute(self.0, axes),
                Kind::Bool => Dispatch::bool_permute(self.0, axes),
            }),
            Structure::Broadcast(shape) => {
                let (kind, shape) = (self.ty().kind, Shape::from(shape.clone()));
                Value(match kind {
                    Kind::Float(_) => Dispatch::float_expand(self.0, shape),
                    Kind::Int(_) => Dispatch::int_expand(self.0, shape),
                    Kind::Bool => Dispatch::bool_expand(self.0, shape),
                })
            }
            Structure::Sum(axes) => {
                let float = self.ty().kind.is_float();
                let sum = |tensor, axis: &usize| {
                    if float { Dispatch::float_sum_dim(tensor, *axis) } else { Dispatch::int_sum_dim(tensor, *axis) }
                };
                Value(axes.iter().fold(self.0, sum))
            }
            Structure::Slice(spans) => self.slice(&slices(spans)),
            Structure::Place(shape, spans) => self.place(shape, &slices(spans)),
            Structure::Flip(axes) => Value(match self.ty().kind {
                Kind::Float(_) => Dispatch::float_flip(self.0, axes),
                Kind::Int(_) => Dispatch::int_flip(self.0, axes),
                Kind::Bool => Dispatch::bool_flip(self.0, axes),
            }),
        }
    }

    fn slice(self, slices: &[Slice]) -> Self {
        Value(match self.ty().kind {
            Kind::Float(_) => Dispatch::float_slice(self.0, slices),
            Kind::Int(_) => Dispatch::int_slice(self.0, slices),
            Kind::Bool => Dispatch::bool_slice(self.0, slices),
        })
    }

    fn place(self, shape: &[usize], slices: &[Slice]) -> Self {
        let kind = self.ty().kind;
        let zeros = self.zeros(shape);
        if self.ty().is_empty() {
            return zeros;
        }
        Value(match kind {
            Kind::Float(_) => Dispatch::float_slice_assign(zeros.0, slices, self.0),
            Kind::Int(_) => Dispatch::int_slice_assign(zeros.0, slices, self.0),
            Kind::Bool => Dispatch::bool_slice_assign(zeros.0, slices, self.0),
        })
    }

    /// Zeros of the same kind on the same device.
    fn zeros(&self, shape: &[usize]) -> Self {
        let ty = Type::new(shape, self.ty().kind);
        Value::constant(&Constant { ty, literal: Literal::Full(0.0) }, &self.device())
    }

    pub(crate) fn index(self, index: &Index, positions: Value) -> Self {
        let float = self.ty().kind.is_float();
        let at = positions.0;
        Value(match (index, float) {
            (Index::Gather(axis), true) => Dispatch::float_gather(*axis, self.0, at),
            (Index::Gather(axis), false) => Dispatch::int_gather(*axis, self.0, at),
            (Index::Select(axis), true) => Dispatch::float_select(self.0, *axis, at),
            (Index::Select(axis), false) => Dispatch::int_select(self.0, *axis, at),
            (Index::GatherTransposed(axis, shape), true) => {
                let zeros = self.zeros(shape).0;
                Dispatch::float_scatter(*axis, zeros, at, self.0, IndexingUpdateOp::Add)
            }
            (Index::GatherTransposed(axis, shape), false) => {
                let zeros = self.zeros(shape).0;
                Dispatch::int_scatter(*axis, zeros, at, self.0, IndexingUpdateOp::Add)
            }
            (Index::SelectTransposed(axis, shape), true) => {
                let zeros = self.zeros(shape).0;
                Dispatch::float_select_assign(zeros, *axis, at, self.0, IndexingUpdateOp::Add)
            }
            (Index::SelectTransposed(axis, shape), false) => {
                let zeros = self.zeros(shape).0;
                Dispatch::int_select_assign(zeros, *axis, at, self.0, IndexingUpdateOp::Add)
            }
        })
    }

    pub(crate) fn bilinear(self, form: &Bilinear, other: Value) -> Self {
        match form {
            Bilinear::Multiply if self.ty().kind.is_float() => Value(Dispatch::float_mul(self.0, other.0)),
            Bilinear::Multiply => Value(Dispatch::int_mul(self.0, other.0)),
            Bilinear::Matmul([left, right]) => {
                Value(Dispatch::float_matmul(self.turned(*left).0, other.turned(*right).0))
            }
            Bilinear::Convolution(window) => {
                Value(Dispatch::conv2d(self.0, other.0, None, conv_options(window)))
            }
            Bilinear::ConvolutionInput(window, size) => self.convolution_input(window, *size, other),
            Bilinear::ConvolutionWeight(window, size) => {
                let (x, y) = (self.ty().shape, other.ty().shape);
                let weight = self.zeros(&[y[1], x[1] / window.groups, size[0], size[1]]).0;
                Value(Dispatch::conv2d_weight_backward(self.0, weight, other.0, conv_options(window)))
            }
        }
    }

    fn turned(self, turn: bool) -> Self {
        let rank = self.0.shape().num_dims();
        if turn { Value(Dispatch::float_swap_dims(self.0, rank - 2, rank - 1)) } else { self }
    }

    /// The transposed convolution. Burn pads its result at the end only; what a stride skipped is padded, and what
    /// lies beyond the size asked for is cut.
    fn convolution_input(self, window: &Window, size: [usize; 2], weight: Value) -> Self {
        let (y, kernel) = (self.ty().shape, weight.ty().shape);
        let natural = [0, 1].map(|axis| {
            let extent = window.dilation[axis] * (kernel[axis + 2] - 1) + 1;
            ((y[axis + 2] - 1) * window.stride[axis] + extent) as isize - 2 * window.padding[axis] as isize
        });
        let missing = [0, 1].map(|axis| (size[axis] as isize - natural[axis]).max(0) as usize);
        let Window { stride, padding, dilation, groups } = *window;
        let options = ConvTransposeOptions::new(stride, padding, missing, dilation, groups);
        let x = Value(Dispatch::conv_transpose2d(self.0, weight.0, None, options));
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

fn slices(spans: &[Span]) -> Vec<Slice> {
    let slice = |span: &Span| Slice::new(span.start as isize, Some(span.end as isize), span.step as isize);
    spans.iter().map(slice).collect()
}

/// The name of a floating-point type as Burn writes it on tensors.
impl From<FloatDType> for Kind {
    fn from(dtype: FloatDType) -> Self {
        Kind::Float(dtype)
    }
}
