//! The states of the tests: tensors, and matrices in memory.

use banach_solve::{Map, Matrix, Rows, Smooth};
use burn::tensor::{DType, Device, Tensor, TensorData};

/// Rows that have a tensor's numbers.
pub(crate) trait State: Rows {
    fn of(tensor: &Tensor<2>) -> Self;
    fn tensor(&self) -> Tensor<2>;
}

impl State for Tensor<2> {
    fn of(tensor: &Tensor<2>) -> Self {
        tensor.clone()
    }

    fn tensor(&self) -> Tensor<2> {
        self.clone()
    }
}

macro_rules! native {
    ($real:ident, $dtype:ident) => {
        impl State for Matrix<$real> {
            fn of(tensor: &Tensor<2>) -> Self {
                assert_eq!(tensor.dtype(), DType::$dtype);
                let [rows, width] = tensor.dims();
                Matrix::new(rows, width, tensor.clone().into_data().iter::<$real>().collect())
            }

            fn tensor(&self) -> Tensor<2> {
                let data = TensorData::new(self.as_slice().to_vec(), [self.rows(), self.width()]);
                Tensor::from_data(data, (&Device::flex(), DType::$dtype))
            }
        }
    };
}
native!(f32, F32);
native!(f64, F64);

/// A map of tensors on any rows.
pub(crate) struct On<M>(pub(crate) M);

impl<R: State, M: Map<Tensor<2>>> Map<R> for On<M> {
    fn apply(&self, x: &R) -> R {
        R::of(&self.0.apply(&x.tensor()))
    }

    fn energy(&self, x: &R) -> Option<Vec<f64>> {
        self.0.energy(&x.tensor())
    }
}

impl<R: State, M: Smooth<Tensor<2>>> Smooth<R> for On<M> {
    fn derivative<'a>(&'a self, x: &R) -> Box<dyn Map<R> + 'a> {
        let derivative = self.0.derivative(&x.tensor());
        Box::new(move |t: &R| R::of(&derivative.apply(&t.tensor())))
    }
}
