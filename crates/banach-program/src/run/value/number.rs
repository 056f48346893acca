//! Precisions of the native engine, and the numbers of Burn's CPU tensors in them.

use banach_kernels::Real;
use burn::backend::Flex;
use burn::backend::tensor::FloatTensor;
use burn::tensor::{FloatDType, TensorData};

/// Numbers of a precision that the native engine has: `f32` and `f64`.
pub trait Number: Real {
    /// The numbers of a tensor without gaps.
    #[doc(hidden)]
    fn read(tensor: &FloatTensor<Flex>) -> Option<&[Self]>;
    /// The numbers of a tensor without gaps, to be changed; they are copied if the tensor has clones.
    #[doc(hidden)]
    fn write(tensor: &mut FloatTensor<Flex>) -> &mut [Self];
    /// The nearest number to an integer.
    #[doc(hidden)]
    fn of_whole(x: i64) -> Self;
    /// A tensor's data.
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

            fn of_whole(x: i64) -> Self {
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
