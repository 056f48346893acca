//! Precisions of the native engine, and the numbers of Burn's CPU tensors in them.

use banach_kernels::Real;
use burn::backend::Flex;
use burn::backend::tensor::FloatTensor;
use burn::tensor::{FloatDType, TensorData};

/// A precision of the native engine: `f32` or `f64`.
pub trait Number: Real {
    /// Returns the elements of a contiguous tensor.
    #[doc(hidden)]
    fn read(tensor: &FloatTensor<Flex>) -> Option<&[Self]>;
    /// Returns the elements of a contiguous tensor for modification; copies them if the tensor has clones.
    #[doc(hidden)]
    fn write(tensor: &mut FloatTensor<Flex>) -> &mut [Self];
    /// Returns the nearest number to an integer.
    #[doc(hidden)]
    fn from_integer(x: i64) -> Self;
    /// Wraps numbers as tensor data.
    #[doc(hidden)]
    fn data(numbers: Vec<Self>, shape: &[usize]) -> TensorData;
}

macro_rules! number {
    ($real:ty) => {
        impl Number for $real {
            fn read(tensor: &FloatTensor<Flex>) -> Option<&[Self]> {
                tensor.as_slice()
            }

            fn write(tensor: &mut FloatTensor<Flex>) -> &mut [Self] {
                tensor.storage_mut()
            }

            fn from_integer(x: i64) -> Self {
                x as $real
            }

            fn data(numbers: Vec<Self>, shape: &[usize]) -> TensorData {
                TensorData::new(numbers, shape.to_vec())
            }
        }
    };
}

number!(f32);
number!(f64);

/// Returns the precision of `T` as Burn's dtype.
pub(crate) fn precision<T: Real>() -> FloatDType {
    if size_of::<T>() == size_of::<f32>() { FloatDType::F32 } else { FloatDType::F64 }
}
