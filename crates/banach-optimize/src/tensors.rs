//! Tensors as slices of f64, and results in the dtype and on the device of the inputs.

use crate::dense::buffer::{Buffer, Pooled};
use crate::error::Error;
use banach::program::{Host, Kind, Operand, Type, Value};
use burn::tensor::{AllocationProperty, Bytes, DType, Device, FloatDType, Tensor, TensorData};

/// The elements of a float tensor in double precision, without a copy where the tensor lies so in host memory.
#[derive(Debug)]
pub(crate) enum Numbers {
    /// A tensor of f64 in host memory.
    Host(Host<f64>),
    /// Converted elements.
    Copied(Vec<f64>),
}

impl Numbers {
    /// Reads a tensor off the tape.
    pub(crate) fn of(value: &Value) -> Self {
        let value = value.clone().detached();
        match Host::new(value.clone()) {
            Ok(host) if matches!(host.operand(), Operand::Real(_)) => Numbers::Host(host),
            Ok(_) | Err(_) => Numbers::Copied(value.into_data().iter::<f64>().collect()),
        }
    }

    /// Returns the elements in row-major order.
    pub(crate) fn slice(&self) -> &[f64] {
        match self {
            Numbers::Copied(numbers) => numbers,
            Numbers::Host(host) => match host.operand() {
                Operand::Real(numbers) => numbers,
                Operand::Integer(_) => panic!("bug: found integers, expected a float tensor"),
            },
        }
    }
}

/// The dtype and the device of results.
#[derive(Clone, Debug)]
pub(crate) struct Place {
    kind: Kind,
    device: Device,
}

impl Place {
    /// The place of a tensor's results, off the tape.
    pub(crate) fn of(value: &Value) -> Self {
        Place { kind: value.ty().kind, device: value.device().without_autodiff() }
    }

    /// Creates a tensor there.
    pub(crate) fn value(&self, numbers: Vec<f64>, shape: &[usize]) -> Result<Value, Error> {
        let value = match self.kind {
            Kind::Float(FloatDType::F32) => {
                let numbers: Vec<f32> = numbers.into_iter().map(|number| number as f32).collect();
                Value::from_numbers(numbers, shape)
            }
            Kind::Float(_) | Kind::Int(_) | Kind::Bool => Value::from_numbers(numbers, shape),
        };
        self.placed(value, shape)
    }

    /// Creates a tensor there of a buffer, whose memory is used again when the tensor is dropped.
    pub(crate) fn value_of_buffer(&self, numbers: Buffer<f64>, shape: &[usize]) -> Result<Value, Error> {
        let value = match self.kind {
            Kind::Float(FloatDType::F32) => {
                let numbers = Buffer::collect(numbers.len(), numbers.iter().map(|number| *number as f32));
                of_buffer(numbers, DType::F32)
            }
            Kind::Float(_) | Kind::Int(_) | Kind::Bool => of_buffer(numbers, DType::F64),
        };
        self.placed(value.reshaped(shape), shape)
    }

    fn placed(&self, value: Value, shape: &[usize]) -> Result<Value, Error> {
        if self.device == value.device() {
            return Ok(value);
        }
        let count = value.ty().len();
        let flat: Tensor<1> = value.reshaped(&[count]).try_into_tensor()?;
        Ok(Value::from(flat.to_device(&self.device)).reshaped(shape))
    }
}

/// A buffer as the bytes of a tensor.
struct Owner<T: Pooled>(Buffer<T>);

impl<T: Pooled + bytemuck::NoUninit> AsRef<[u8]> for Owner<T> {
    fn as_ref(&self) -> &[u8] {
        bytemuck::cast_slice(&self.0)
    }
}

/// A vector in host memory that owns a buffer; it is copied where it is modified in place.
fn of_buffer<T: Pooled + bytemuck::NoUninit + Send>(numbers: Buffer<T>, dtype: DType) -> Value {
    let count = numbers.len();
    let bytes = bytes::Bytes::from_owner(Owner(numbers));
    let bytes = Bytes::from_shared(bytes, AllocationProperty::Native);
    let data = TensorData::from_bytes(bytes, [count], dtype);
    Value::from(Tensor::<1>::from_data(data, (&Device::flex(), dtype)))
}

/// Checks that a tensor is of single or double precision and has one of the shapes expected; returns whether it
/// has one matrix or vector for every row, and how many.
pub(crate) fn rows_of(what: &'static str, ty: &Type, shape: &[usize]) -> Result<Option<usize>, Error> {
    let float = matches!(ty.kind, Kind::Float(FloatDType::F32 | FloatDType::F64));
    if float && ty.shape == shape {
        return Ok(None);
    }
    if float && ty.shape.len() == shape.len() + 1 && ty.shape[1..] == *shape {
        return Ok(Some(ty.shape[0]));
    }
    let sizes: Vec<String> = shape.iter().map(ToString::to_string).collect();
    let sizes = sizes.join(", ");
    let expected = format!("f32 or f64 of shape [{sizes}] for all rows, or [rows, {sizes}]");
    Err(Error::Tensor { what, found: ty.to_string(), expected })
}
