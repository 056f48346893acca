//! Operations on devices of other processes, which their server defines from values to values.

use crate::error::Error;
use crate::language::tensor_type::{Kind, Type};
use crate::language::value::Value;
use burn::backend::ir::{CustomOpIr, TensorIr};
use burn::backend::{DispatchDevice, Flex, Remote, TensorMetadata};
use burn::remote::CustomOpClient;
use burn::server::RemoteServer;
use burn::tensor::{Bool, DType, Device, Int, Shape, Tensor, TensorData};

/// Bytes of a word, an integer that every device has.
const WORD: usize = 4;

impl Value {
    /// Returns whether the tensor is on a device of another process, and off the tape.
    pub fn is_remote(&self) -> bool {
        matches!(self.0.device(), DispatchDevice::Remote(_))
    }

    /// Creates a tensor of integers that holds bytes: their number, then the bytes, four in a word.
    pub fn from_bytes(bytes: &[u8], device: &Device) -> Self {
        let word = |part: &[u8]| {
            let mut word = [0; WORD];
            word[..part.len()].copy_from_slice(part);
            i32::from_le_bytes(word)
        };
        let words: Vec<i32> =
            std::iter::once(bytes.len() as i32).chain(bytes.chunks(WORD).map(word)).collect();
        let count = words.len();
        Tensor::<1, Int>::from_data(TensorData::new(words, [count]), (device, DType::I32)).into()
    }

    /// Reads the bytes of a tensor created by [`from_bytes`](Self::from_bytes). The tensor of a remote operation may hold
    /// more of them than its type says.
    ///
    /// # Errors
    /// [`Error::Failed`] if the device does not answer.
    pub fn try_into_bytes(self) -> Result<Vec<u8>, Error> {
        let data = Tensor::<1, Int>::from_dispatch(self.0).try_into_data();
        let data = data.map_err(|error| failed("the bytes of a remote operation", error))?;
        let mut words = data.iter::<i32>();
        let count = words.next().unwrap_or_default() as usize;
        let mut bytes: Vec<u8> = words.flat_map(i32::to_le_bytes).collect();
        if count > bytes.len() {
            return Err(failed(
                "the bytes of a remote operation",
                format!("{} of {count} bytes", bytes.len()),
            ));
        }
        bytes.truncate(count);
        Ok(bytes)
    }
}

/// Runs an operation on the device of its operands, where [`with_operation`] defined it, and returns its results, which
/// have the types given. It does not wait for the operation.
///
/// # Errors
/// [`Error::Devices`] for an operand that is not on the remote device of the first.
pub fn call_remote(
    operation: &'static str,
    operands: Vec<Value>,
    results: &[Type],
) -> Result<Vec<Value>, Error> {
    Value::on_one_device(&operands)?;
    let Some(DispatchDevice::Remote(remote)) = operands.first().map(|value| value.0.device()) else {
        let found =
            operands.first().map_or_else(|| "no operand".into(), |value| format!("{:?}", value.device()));
        return Err(Error::Devices { position: 0, found, expected: "a remote device".into() });
    };
    let bool_dtype = operands[0].device().settings().bool_dtype;
    let client = CustomOpClient::new(&remote);
    let inputs = operands.into_iter().map(Value::into_remote_ir).collect::<Result<Vec<_>, _>>()?;
    let output = |ty: &Type| {
        let dtype = match ty.kind {
            Kind::Float(dtype) => dtype.into(),
            Kind::Int(dtype) => dtype.into(),
            Kind::Bool => bool_dtype.into(),
        };
        TensorIr::uninit(client.create_empty_handle(), Shape::from(ty.shape.clone()), dtype)
    };
    let outputs: Vec<TensorIr> = results.iter().map(output).collect();
    let tensors = client.register(CustomOpIr::new(operation, &inputs, &outputs));
    Ok(tensors
        .into_iter()
        .zip(results)
        .map(|(tensor, ty)| match ty.kind {
            Kind::Float(_) => Tensor::<1>::from_primitive::<Remote>(tensor).into(),
            Kind::Int(_) => Tensor::<1, Int>::from_primitive::<Remote>(tensor).into(),
            Kind::Bool => Value(Tensor::<1, Bool>::from_primitive::<Remote>(tensor).into_dispatch()),
        })
        .collect())
}

impl Value {
    fn into_remote_ir(self) -> Result<TensorIr, Error> {
        let failed = |error| failed("an operand of a remote operation", format!("{error:?}"));
        let tensor = match self.ty().kind {
            Kind::Float(_) => {
                Tensor::<1>::from_dispatch(self.0).try_into_primitive::<Remote>().map_err(failed)
            }
            Kind::Int(_) => {
                Tensor::<1, Int>::from_dispatch(self.0).try_into_primitive::<Remote>().map_err(failed)
            }
            Kind::Bool => {
                Tensor::<1, Bool>::from_dispatch(self.0).try_into_primitive::<Remote>().map_err(failed)
            }
        };
        Ok(tensor?.into_ir())
    }
}

/// An operation from values to values.
type Handler = dyn Fn(Vec<Value>) -> Vec<Value> + Send + Sync;

macro_rules! with_operation_on {
    ($backend:ty, $server:expr, $operation:expr, $handler:expr) => {{
        let handler: Box<Handler> = Box::new($handler);
        $server.with_custom_op::<$backend, _>($operation, move |handles, ir, _| {
            let operand = |ir: &TensorIr| match Kind::from(ir.dtype) {
                Kind::Float(_) => {
                    Tensor::<1>::from_primitive::<$backend>(handles.get_float_tensor::<$backend>(ir)).into()
                }
                Kind::Int(_) => {
                    Tensor::<1, Int>::from_primitive::<$backend>(handles.get_int_tensor::<$backend>(ir))
                        .into()
                }
                Kind::Bool => Value(
                    Tensor::<1, Bool>::from_primitive::<$backend>(handles.get_bool_tensor::<$backend>(ir))
                        .into_dispatch(),
                ),
            };
            let operands: Vec<Value> = ir.inputs.iter().map(operand).collect();
            for (value, ir) in handler(operands).into_iter().zip(&ir.outputs) {
                match value.ty().kind {
                    Kind::Float(_) => {
                        let tensor = Tensor::<1>::from_dispatch(value.0).try_into_primitive::<$backend>();
                        handles.register_float_tensor::<$backend>(&ir.id, on_its_device(tensor));
                    }
                    Kind::Int(_) => {
                        let tensor =
                            Tensor::<1, Int>::from_dispatch(value.0).try_into_primitive::<$backend>();
                        handles.register_int_tensor::<$backend>(&ir.id, on_its_device(tensor));
                    }
                    Kind::Bool => {
                        let tensor =
                            Tensor::<1, Bool>::from_dispatch(value.0).try_into_primitive::<$backend>();
                        handles.register_bool_tensor::<$backend>(&ir.id, on_its_device(tensor));
                    }
                }
            }
        })
    }};
}

/// Defines an operation of a server of this device: a function from the operands of [`call_remote`], as values on the
/// device, to its results.
pub fn with_operation(
    server: RemoteServer,
    device: &Device,
    operation: &'static str,
    handler: impl Fn(Vec<Value>) -> Vec<Value> + Send + Sync + 'static,
) -> RemoteServer {
    let device = device.clone().without_autodiff();
    if let DispatchDevice::Flex(_) = device.as_dispatch() {
        return with_operation_on!(Flex, server, operation, handler);
    }
    #[cfg(feature = "graphics")]
    if let DispatchDevice::Cube(_) = device.as_dispatch() {
        return with_operation_on!(burn::backend::Cube, server, operation, handler);
    }
    server
}

fn on_its_device<T>(tensor: Result<T, impl std::fmt::Debug>) -> T {
    tensor
        .unwrap_or_else(|error| panic!("bug: found a result on another device than the operands: {error:?}"))
}

fn failed(primitive: &str, found: impl ToString) -> Error {
    Error::Failed { primitive: primitive.into(), found: found.to_string() }
}
