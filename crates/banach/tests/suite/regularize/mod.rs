//! Updates that contract: by construction, by initialisation, by penalty.

mod correction;
mod dropout;
mod monotone;
mod penalty;
mod small_gain;
mod spectral;
mod weight_norm;

use crate::update;
use burn::module::{Module, ModuleMapper, Param};
use burn::nn::{Linear, LinearConfig};
use burn::tensor::{DType, Device, Tensor, TensorData};

/// Numbers without a pattern between -1 and 1, in double precision, the same in every run.
pub(crate) fn noise<const D: usize>(shape: [usize; D], seed: u64) -> Tensor<D> {
    let mut state = seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) ^ 0x5851_f42d_4c95_7f2d;
    let count: usize = shape.iter().product();
    let numbers: Vec<f64> = (0..count)
        .map(|_| {
            state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
            (state >> 33) as f64 / f64::from(1u32 << 30) - 1.0
        })
        .collect();
    Tensor::from_data(TensorData::new(numbers, shape), (&Device::flex(), DType::F64))
}

/// The module on the tape in double precision, with the same noise times `size` in every run.
pub(crate) fn noisy<M: Module>(module: M, size: f64) -> M {
    struct Noise(u64, f64);
    impl ModuleMapper for Noise {
        fn map_float<const D: usize>(&mut self, param: Param<Tensor<D>>) -> Param<Tensor<D>> {
            self.0 += 1;
            let (id, tensor, _) = param.consume();
            let steady = !tensor.is_require_grad();
            let numbers = (noise(tensor.dims(), self.0) * self.1).autodiff();
            Param::initialized(id, if steady { numbers } else { numbers.require_grad() })
        }
    }
    module.map(&mut Noise(0, size))
}

/// The largest singular value of a matrix given row by row, by power iteration until nothing changes.
pub(crate) fn largest_singular_value(matrix: &[Vec<f64>]) -> f64 {
    let columns = matrix[0].len();
    let mut v: Vec<f64> = (0..columns).map(|at| 1.0 + (at as f64).sin()).collect();
    let mut value = 0.0;
    for _ in 0..20_000 {
        let u: Vec<f64> = matrix.iter().map(|row| row.iter().zip(&v).map(|(a, b)| a * b).sum()).collect();
        let next: Vec<f64> =
            (0..columns).map(|at| matrix.iter().zip(&u).map(|(row, u)| row[at] * u).sum()).collect();
        let length = next.iter().map(|x: &f64| x * x).sum::<f64>().sqrt();
        v = next.iter().map(|x| x / length).collect();
        if (length.sqrt() - value).abs() < 1e-15 * value {
            break;
        }
        value = length.sqrt();
    }
    value
}

/// The rows of a linear map of tensors with `count` numbers, its value at zero left out.
pub(crate) fn matrix_of<const D: usize>(
    shape: [usize; D],
    map: impl Fn(Tensor<D>) -> Tensor<D>,
) -> Vec<Vec<f64>> {
    let count: usize = shape.iter().product();
    let at_zero = map(noise(shape, 0) * 0.0);
    (0..count)
        .map(|at| {
            let mut unit = vec![0.0; count];
            unit[at] = 1.0;
            let unit = Tensor::from_data(TensorData::new(unit, shape), (&Device::flex(), DType::F64));
            (map(unit) - at_zero.clone()).into_data().iter::<f64>().collect()
        })
        .collect()
}

/// x = tanh(x W + b + z): what most tests here are about.
#[derive(Module, Debug)]
pub(crate) struct Cell {
    pub(crate) state: Linear,
}

update!(Cell, Tensor<2>, Tensor<2>, |this, z| z.zeros_like().inner(), |x, z| (this.state.forward(x) + z)
    .tanh());

/// The cell for rows of three, on the tape.
pub(crate) fn cell(size: f64) -> Cell {
    noisy(Cell { state: LinearConfig::new(3, 3).init(&Device::flex().autodiff()) }, size)
}
