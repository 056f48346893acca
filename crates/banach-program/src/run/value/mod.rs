//! Operations on tensors of run-time rank and kind. Only this folder and the type `Value` name Burn's
//! dispatch layer.

mod bilinear;
mod elementwise;
pub(crate) mod host;
pub(crate) mod number;
#[cfg(feature = "remote")]
pub(crate) mod remote;
mod structure;

use crate::error::Error;
use crate::language::primitive::Structure;
use crate::language::tensor_type::{Constant, Kind, Literal, Type};
use crate::language::value::Value;
use burn::backend::ir::TensorId;
use burn::backend::ops::{BoolTensorOps, FloatTensorOps, IntTensorOps};
use burn::backend::{Capture, Dispatch, DispatchDevice, Scalar, TensorMetadata};
use burn::tensor::{Bool, DType, Device, Gradients, Int, Shape, Tensor, TensorData};

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
        // Burn's CPU backend calls a mask that came out of `select` numbers.
        let named = tensor.dtype().is_bool();
        Value(if named { tensor } else { tensor.int().not_equal_elem(0) }.into_dispatch())
    }
}

macro_rules! try_into_tensor {
    ($name:ident, $tensor:ty, $what:literal, $kind:pat) => {
        #[doc = concat!("Converts to ", $what, " of rank `D`.")]
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

    /// Returns the shape and kind.
    pub fn ty(&self) -> Type {
        Type::new(self.0.shape().to_vec(), Kind::from(self.0.dtype()))
    }

    /// Returns the device.
    pub fn device(&self) -> Device {
        Device::new(self.0.device())
    }

    /// Checks that all values are on one device, on or off the tape.
    ///
    /// # Errors
    /// [`Error::Devices`] names the first value on another device.
    pub fn on_one_device(values: &[Value]) -> Result<(), Error> {
        let devices: Vec<Device> = values.iter().map(|value| value.device().without_autodiff()).collect();
        match devices.iter().position(|device| *device != devices[0]) {
            None => Ok(()),
            Some(position) => {
                let (found, expected) = (format!("{:?}", devices[position]), format!("{:?}", devices[0]));
                Err(Error::Devices { position, found, expected })
            }
        }
    }

    /// Returns whether the tensor is quantized. Quantized tensors have no [`ty`](Self::ty).
    pub fn is_quantized(&self) -> bool {
        matches!(self.0.dtype(), DType::QFloat(_))
    }

    /// Returns whether the tensor is a placeholder of a trace under way, without elements.
    pub fn is_placeholder(&self) -> bool {
        matches!(self.0.device(), DispatchDevice::Capture(_))
    }

    /// Detaches the tensor from Burn's tape.
    #[must_use]
    pub fn detached(self) -> Self {
        match self.ty().kind {
            Kind::Float(_) => Tensor::<1>::from_dispatch(self.0).without_autodiff().into(),
            Kind::Int(_) => Tensor::<1, Int>::from_dispatch(self.0).without_autodiff().into(),
            Kind::Bool => Tensor::<1, Bool>::from_dispatch(self.0).without_autodiff().into(),
        }
    }

    /// Returns the tensor as a leaf of Burn's tape. A tracked leaf receives a gradient.
    #[must_use]
    pub fn leaf(self, tracked: bool) -> Self {
        let value = self.detached();
        match value.ty().kind {
            Kind::Float(_) => {
                let leaf = Tensor::<1>::from_dispatch(value.0).autodiff();
                if tracked { leaf.require_grad() } else { leaf }.into()
            }
            Kind::Int(_) => Tensor::<1, Int>::from_dispatch(value.0).autodiff().into(),
            Kind::Bool => Tensor::<1, Bool>::from_dispatch(value.0).autodiff().into(),
        }
    }

    /// Returns whether the tensor is a tracked leaf of Burn's tape, as trained parameters are.
    pub fn is_tracked_leaf(&self) -> bool {
        let float = matches!(self.ty().kind, Kind::Float(_)) && self.device().is_autodiff();
        float && Tensor::<1>::from_dispatch(self.0.clone()).is_require_grad()
    }

    /// Returns the gradient of a tracked float tensor, off the tape; `None` where backward did not reach it.
    pub fn gradient(&self, gradients: &Gradients) -> Option<Self> {
        let float = self.ty().kind.is_float();
        float.then(|| Tensor::<1>::from_dispatch(self.0.clone()).grad(gradients))?.map(Value::from)
    }

    /// Reshapes the tensor, for a state to `[rows, n]`.
    pub fn reshaped(self, shape: &[usize]) -> Self {
        self.structure(&Structure::Reshape(shape.to_vec()))
    }

    /// Copies all elements to the host.
    pub fn into_data(self) -> TensorData {
        match self.ty().kind {
            Kind::Float(_) => Tensor::<1>::from_dispatch(self.0).into_data(),
            Kind::Int(_) => Tensor::<1, Int>::from_dispatch(self.0).into_data(),
            Kind::Bool => Tensor::<1, Bool>::from_dispatch(self.0).into_data(),
        }
    }

    /// Returns the identifier of the tensor in its recording.
    pub(crate) fn recorded_id(&self) -> Result<TensorId, String> {
        let tensor = self.0.clone();
        let found = |error| format!("{error:?}");
        match self.ty().kind {
            Kind::Float(_) => Tensor::<1>::from_dispatch(tensor)
                .try_into_primitive::<Capture>()
                .map(|t| t.id())
                .map_err(found),
            Kind::Int(_) => Tensor::<1, Int>::from_dispatch(tensor)
                .try_into_primitive::<Capture>()
                .map(|t| t.id())
                .map_err(found),
            Kind::Bool => Tensor::<1, Bool>::from_dispatch(tensor)
                .try_into_primitive::<Capture>()
                .map(|t| t.id())
                .map_err(found),
        }
    }

    /// A tensor filled with one number.
    pub fn full(ty: &Type, number: f64, device: &Device) -> Self {
        Value::constant(&Constant { ty: ty.clone(), literal: Literal::Full(number) }, device)
    }

    /// Creates a constant tensor on a device.
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
            (Literal::Data(data), Kind::Float(_)) => {
                Dispatch::float_from_data(TensorData::clone(data), place)
            }
            (Literal::Data(data), Kind::Int(_)) => Dispatch::int_from_data(TensorData::clone(data), place),
            (Literal::Data(data), Kind::Bool) => Dispatch::bool_from_data(TensorData::clone(data), place),
        })
    }
}
