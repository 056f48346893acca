//! The networks on which solvers are compared, with weights that are equal on every machine.

use super::cell::Cell;
use super::conv::{self, Size};
use super::matrix::Matrix;
use crate::dataset::bibtex::WIDTHS;
use crate::error::Error;
use crate::experiments::multilabel::{self, PUBLISHED_HIDDEN};
use crate::options::{ConvolutionName, EngineName};
use crate::random::Generator;
use banach::Update;
use burn::module::{Module, Param};
use burn::tensor::{DType, Device, Tensor};

const WEIGHT_STREAM: u64 = 25;
const BATCH: usize = 64;
const WIDTH: usize = 256;
const IMAGES: Size = Size { channels: 32, batch: 4, side: 16, count: 1 };
/// Documents of Bibtex, and the share of the features that one has.
const DOCUMENTS: usize = 40;
const PRESENT: f64 = 0.0375;

/// The network, and what it is given.
pub(super) type Network<M> = (M, <M as Update>::Input);

/// Which W the dense cell `x = tanh(x W + z U)` has.
#[derive(Clone, Copy, Debug)]
pub(super) enum Recurrence {
    /// Symmetric, with this norm. The state is so small that plain iteration contracts by nearly that.
    Symmetric(f64),
    /// A rotation times this norm: every direction turns, and all are about as slow.
    Turning(f64),
    /// Less than nothing of itself, and normal numbers, with this norm: the state swings to the other side in every step.
    Swinging(f64),
}

impl Recurrence {
    /// A name for settings.
    pub(super) fn name(self) -> String {
        match self {
            Self::Symmetric(norm) => format!("cell symmetric {norm}"),
            Self::Turning(norm) => format!("cell turning {norm}"),
            Self::Swinging(norm) => format!("cell swinging {norm}"),
        }
    }

    /// The cell, 64 rows of 256.
    pub(super) fn network(self, device: &Device) -> Network<Cell> {
        let mut generator = Generator::new(0, WEIGHT_STREAM);
        let (state, size) = match self {
            Self::Symmetric(norm) => (Matrix::symmetric(WIDTH, &mut generator).with_norm(norm), 0.1),
            Self::Turning(norm) => (Matrix::orthogonal(WIDTH, &mut generator).scaled(norm), 0.5),
            Self::Swinging(norm) => {
                let mut state = Matrix::normal(WIDTH, WIDTH, &mut generator).with_norm(1.0);
                (0..WIDTH).for_each(|place| state.numbers[place * (WIDTH + 1)] -= 1.0);
                (state.with_norm(norm), 0.1)
            }
        };
        let cell = Cell::with_state(&state, &mut generator, device);
        let z = Matrix::normal(BATCH, WIDTH, &mut generator).scaled(size);
        (cell, z.tensor(device))
    }
}

/// The convolutional cell, its weights times a factor.
pub(super) fn images(factor: f64, device: &Device) -> Result<Network<conv::Cell>, Error> {
    let network = conv::Network::new(IMAGES, EngineName::Native, ConvolutionName::Auto, device)?;
    Ok((network.cell.into_update().scaled(factor), IMAGES.image(device)))
}

/// The published map of Bibtex before training, and documents whose words are drawn.
pub(super) fn documents(device: &Device) -> Network<multilabel::Cell> {
    let mut generator = Generator::new(0, WEIGHT_STREAM);
    let cell = multilabel::Cell::new(WIDTHS, PUBLISHED_HIDDEN, &mut generator, device);
    let mut word = || f64::from(u8::from(generator.uniform() < PRESENT));
    let columns = WIDTHS.features;
    let numbers = (0..DOCUMENTS * columns).map(|_| word()).collect();
    let z = Matrix { rows: DOCUMENTS, columns, numbers };
    (cell, (z.tensor(device), None))
}

/// A problem of the zoo whose input is a parameter; what it is given is where it starts.
#[derive(Module, Debug)]
pub(super) struct Known {
    #[module(skip)]
    problem: banach_zoo::Problem,
    z: Param<Tensor<2>>,
}

impl Update for Known {
    type State = Tensor<2>;
    type Input = Tensor<2>;

    fn start(&self, x0: &Tensor<2>) -> Tensor<2> {
        x0.clone()
    }

    fn update(&self, x: Tensor<2>, _: Tensor<2>) -> Tensor<2> {
        (self.problem.map)(x, self.z.val())
    }
}

/// The layer of the zoo that feeds itself.
pub(super) fn layer(device: &Device) -> Result<Network<Known>, Error> {
    let found = banach_zoo::all().into_iter().find(|problem| problem.name == "layer");
    let problem = found.ok_or_else(|| Error::Training("the zoo has no problem called layer".into()))?;
    let x0 = problem.x0(device, DType::F32);
    let z = Param::from_tensor(problem.z(device, DType::F32));
    Ok((Known { problem, z }, x0))
}

#[cfg(test)]
mod tests {
    use super::*;
    use banach::FixedPointConfig;
    use banach::solve::Picard;

    fn rate<M: Module + Update>((update, z): Network<M>) -> f64 {
        let config = FixedPointConfig::new().with_solver(Picard::default());
        let report = config.init(update).unwrap().solve(z).unwrap().report().clone();
        report.rates.iter().sum::<f64>() / report.rates.len() as f64
    }

    #[test]
    fn the_networks_contract_as_fast_as_is_said() {
        let device = Device::flex();
        let within = |rate: f64, least: f64, most: f64| {
            assert!(least < rate && rate < most, "found {rate}, expected {least} to {most}");
        };
        within(rate(Recurrence::Symmetric(0.5).network(&device)), 0.4, 0.5);
        within(rate(Recurrence::Symmetric(0.95).network(&device)), 0.88, 0.95);
        within(rate(Recurrence::Turning(1.2).network(&device)), 0.8, 0.95);
        within(rate(Recurrence::Swinging(1.2).network(&device)), 1.0, 1.1);
        within(rate(images(1.0, &device).unwrap()), 0.0, 0.1);
        within(rate(images(3.5, &device).unwrap()), 0.9, 0.97);
        within(rate(documents(&device)), 0.0, 0.1);
        within(rate(layer(&device).unwrap()), 0.3, 0.5);
    }
}
