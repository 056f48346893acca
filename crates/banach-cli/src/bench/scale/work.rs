//! The solves that are measured: a dense and a convolutional cell with a fixed number of steps.

use super::cost::Cost;
use crate::bench::cell::Cell;
use crate::bench::conv::{self, Network, Size, forced};
use crate::bench::matrix::Matrix;
use crate::error::Error;
use crate::options::{ConvolutionName, EngineName};
use crate::random::Generator;
use banach::FixedPoint;
use burn::tensor::{Device, Tensor};

const WEIGHT_STREAM: u64 = 26;

/// One solve of a sweep.
#[derive(Clone, Copy, Debug)]
pub(super) enum Work {
    /// `x = tanh(x W + z U)`.
    Dense { batch: usize, width: usize, count: usize },
    /// `x = second(relu(first(x) + inject(image)))`.
    Images(Size),
}

impl Work {
    /// The sizes, as a part of a setting.
    pub(super) fn sizes(self) -> String {
        match self {
            Self::Dense { batch, width, count } => format!("B{batch} n{width} K{count}"),
            Self::Images(Size { channels, batch, side, count }) => {
                format!("C{channels} B{batch} {side}x{side} K{count}")
            }
        }
    }

    /// The number of steps.
    pub(super) fn count(self) -> usize {
        match self {
            Self::Dense { count, .. } => count,
            Self::Images(size) => size.count,
        }
    }

    /// The layer and what it is given.
    pub(super) fn prepared(self, engine: EngineName) -> Result<Prepared, Error> {
        let device = Device::flex();
        match self {
            Self::Dense { batch, width, count } => {
                let mut generator = Generator::new(0, WEIGHT_STREAM);
                // A square matrix of normal numbers has a spectral norm of about two square roots of its width.
                let state = Matrix::normal(width, width, &mut generator);
                let state = state.scaled(0.45 / (width as f64).sqrt());
                let cell = Cell::with_state(&state, &mut generator, &device);
                let z = Matrix::normal(batch, width, &mut generator).tensor(&device);
                let layer = forced(count, engine).init(cell).map_err(Error::layer)?;
                Ok(Prepared::Dense(Box::new(layer), z))
            }
            Self::Images(size) => {
                let network = Network::new(size, engine, ConvolutionName::Auto, &device)?;
                Ok(Prepared::Images(Box::new(network.cell), size.image(&device)))
            }
        }
    }
}

/// A layer, ready to be solved.
pub(super) enum Prepared {
    Dense(Box<FixedPoint<Cell>>, Tensor<2>),
    Images(Box<FixedPoint<conv::Cell>>, Tensor<4>),
}

impl Prepared {
    pub(super) fn solve(&self) -> Result<(), Error> {
        match self {
            Self::Dense(layer, z) => layer.solve(z.clone()).map(|_| ()),
            Self::Images(layer, image) => layer.solve(image.clone()).map(|_| ()),
        }
        .map_err(Error::layer)
    }

    /// The cost of a solve with so many steps.
    pub(super) fn cost(&self, count: usize) -> Result<Cost, Error> {
        let program = match self {
            Self::Dense(layer, z) => layer.program(z.clone()),
            Self::Images(layer, image) => layer.program(image.clone()),
        };
        Ok(Cost::of(&program.map_err(Error::layer)?, count))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn cost(work: Work) -> Cost {
        work.prepared(EngineName::Native).unwrap().cost(work.count()).unwrap()
    }

    #[test]
    fn a_dense_solve_costs_what_its_shapes_say() {
        let (batch, width, count) = (7.0, 24.0, 5.0);
        let found = cost(Work::Dense { batch: 7, width: 24, count: 5 });
        let product = 2.0 * batch * width * width;
        // A sum and a tanh for every number of the state.
        assert_eq!(found.operations, product + count * (product + 2.0 * batch * width));
        let (state, weights) = (batch * width, width * width);
        assert_eq!(found.bytes, 4.0 * (2.0 * state + weights + count * (3.0 * state + weights)));
    }

    #[test]
    fn a_solve_takes_the_steps_that_were_said() {
        let work = Work::Dense { batch: 3, width: 8, count: 6 };
        let Prepared::Dense(layer, z) = work.prepared(EngineName::Native).unwrap() else { panic!("dense") };
        assert_eq!(layer.solve(z).unwrap().report().evaluations, 6);
    }

    #[test]
    fn a_convolution_takes_nine_products_for_every_pair_of_channels() {
        let size = Size { channels: 6, batch: 2, side: 5, count: 1 };
        let [one, two] = [1, 2].map(|count| cost(Work::Images(Size { count, ..size })));
        let (pixels, channels) = (2.0 * 25.0, 6.0);
        let convolution = 2.0 * 9.0 * pixels * channels * channels;
        // The sum with the injected image, the rectifier, and the bias of the second convolution.
        let step = 2.0 * convolution + 3.0 * pixels * channels;
        assert_eq!(two.operations - one.operations, step);
    }
}
