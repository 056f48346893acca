//! Tensors in host memory as slices of numbers, without copies where the layout allows it.

use super::number::{Number, precision};
use crate::error::Unsuitable;
use crate::language::tensor_type::{Kind, Type};
use crate::language::value::Value;
use crate::run::operand::Operand;
use burn::backend::tensor::FloatTensor;
use burn::backend::{DispatchDevice, Flex, TensorMetadata};
use burn::tensor::{Bool, DType, Device, Int, Tensor, TensorData};
use std::marker::PhantomData;

/// The elements of a tensor in host memory, in row-major order.
#[derive(Debug)]
pub struct Host<T>(Numbers<T>);

#[derive(Debug)]
enum Numbers<T> {
    Tensor(FloatTensor<Flex>),
    Real(Vec<T>),
    Integer(Vec<i64>),
}

impl<T: Number> Host<T> {
    /// Borrows or copies the elements of a tensor off the tape.
    ///
    /// # Errors
    /// [`Unsuitable`] if the tensor is on another device or has another precision.
    pub fn new(value: Value) -> Result<Self, Unsuitable> {
        if !value.is_on_host() {
            return Err(Unsuitable::new(format!("a tensor on {:?}", value.device())));
        }
        Ok(Host(match value.ty().kind {
            Kind::Float(found) if found != precision::<T>() => {
                return Err(Unsuitable::new(format!("a tensor of {}", Kind::Float(found))));
            }
            Kind::Float(_) => {
                let tensor = Tensor::<1>::from_dispatch(value.0).try_into_primitive::<Flex>();
                let tensor = tensor.map_err(|error| Unsuitable::new(format!("{error:?}")))?;
                let dense = tensor.is_contiguous();
                Numbers::Tensor(if dense { tensor } else { tensor.to_contiguous() })
            }
            Kind::Int(_) => Numbers::Integer(value.into_data().iter::<i64>().collect()),
            Kind::Bool => {
                let bits = value.into_data();
                Numbers::Real(bits.iter::<bool>().map(|bit| if bit { T::ONE } else { T::ZERO }).collect())
            }
        }))
    }

    /// Returns the elements as an operand of a machine.
    pub fn operand(&self) -> Operand<'_, T> {
        match &self.0 {
            Numbers::Tensor(tensor) => {
                Operand::Real(T::read(tensor).unwrap_or_else(|| panic!("bug: a tensor of another precision")))
            }
            Numbers::Real(numbers) => Operand::Real(numbers),
            Numbers::Integer(numbers) => Operand::Integer(numbers),
        }
    }
}

/// A float tensor in host memory that is modified in place.
#[derive(Debug)]
pub struct Owned<T> {
    tensor: FloatTensor<Flex>,
    number: PhantomData<T>,
}

impl<T: Number> Owned<T> {
    /// Takes a tensor off the tape; copies it if it has clones or is not contiguous.
    ///
    /// # Errors
    /// [`Unsuitable`] if the tensor is on another device or has another kind or precision.
    pub fn new(value: Value) -> Result<Self, Unsuitable> {
        let kind = value.ty().kind;
        if !value.is_on_host() || kind != Kind::Float(precision::<T>()) {
            return Err(Unsuitable::new(format!("a tensor of {kind} on {:?}", value.device())));
        }
        let tensor = Tensor::<1>::from_dispatch(value.0).try_into_primitive::<Flex>();
        let mut tensor = tensor.map_err(|error| Unsuitable::new(format!("{error:?}")))?;
        let numbers = tensor.shape().num_elements();
        if !tensor.is_contiguous() || tensor.bytes().len() != numbers * size_of::<T>() {
            tensor = tensor.to_contiguous();
        }
        Ok(Owned { tensor, number: PhantomData })
    }

    /// Returns the elements, in row-major order.
    pub fn numbers(&mut self) -> &mut [T] {
        T::write(&mut self.tensor)
    }

    /// Returns the tensor.
    pub fn into_value(self) -> Value {
        Tensor::<1>::from_primitive::<Flex>(self.tensor).into()
    }
}

impl Value {
    /// Moves the tensor to the memory of this machine.
    #[must_use]
    pub fn on_host(self) -> Self {
        if self.is_on_host() {
            return self;
        }
        let host = &Device::flex();
        match self.ty().kind {
            Kind::Float(_) => Tensor::<1>::from_dispatch(self.0).to_device(host).into(),
            Kind::Int(_) => Tensor::<1, Int>::from_dispatch(self.0).to_device(host).into(),
            Kind::Bool => Tensor::<1, Bool>::from_dispatch(self.0).to_device(host).into(),
        }
    }

    /// Returns whether the tensor is in host memory and off the tape.
    pub fn is_on_host(&self) -> bool {
        matches!(self.0.device(), DispatchDevice::Flex(_))
    }

    /// Returns whether the tensor is off the tape on a device other than this machine's processor.
    pub(super) fn is_elsewhere(&self) -> bool {
        !(self.is_on_host() || self.is_placeholder() || self.device().is_autodiff())
    }

    /// Creates a tensor in host memory.
    pub fn from_numbers<T: Number>(numbers: Vec<T>, shape: &[usize]) -> Self {
        let tensor = FloatTensor::<Flex>::from_data(T::data(numbers, shape));
        Tensor::<1>::from_primitive::<Flex>(tensor).into()
    }

    /// Creates a tensor of real numbers, or of truth values encoded as 0 and 1.
    pub(crate) fn from_reals<T: Number>(numbers: &[T], ty: &Type) -> Self {
        if ty.kind != Kind::Bool {
            return Value::from_numbers(numbers.to_vec(), &ty.shape);
        }
        let bits: Vec<bool> = numbers.iter().map(|number| *number != T::ZERO).collect();
        let data = TensorData::new(bits, [ty.len()]);
        Value::from(Tensor::<1, Bool>::from_data(data, &Device::flex())).reshaped(&ty.shape)
    }

    /// Creates a tensor of integers.
    pub(crate) fn from_integers(numbers: &[i64], ty: &Type) -> Self {
        let data = TensorData::new(numbers.to_vec(), [ty.len()]);
        let tensor = Tensor::<1, Int>::from_data(data, (&Device::flex(), DType::I64));
        Value::from(tensor).cast(ty.kind).reshaped(&ty.shape)
    }

    /// Copies the real elements to `target`.
    pub(crate) fn read_real<T: Number>(self, target: &mut [T]) {
        match Host::new(self.detached()).map(|host: Host<T>| match host.operand() {
            Operand::Real(numbers) => target.copy_from_slice(numbers),
            Operand::Integer(_) => panic!("bug: integers where real numbers are written"),
        }) {
            Ok(()) => {}
            Err(error) => panic!("{error}"),
        }
    }
}
