//! A trained network applied to images of any size.

use super::network::{Network, Shape};
use super::tiles::{self, Stretch};
use crate::dataset::plane::Plane;
use crate::error::Error;
use crate::experiments::epoch::Work;
use crate::options::LayerName;
use banach::Compiled;
use banach::program::Value;
use burn::module::Module;
use burn::tensor::{Device, Tensor, TensorData};
use std::cell::RefCell;

/// Pixels of a tile along each axis, and the tiles that are computed together.
const TILES: (usize, usize) = (512, 2);
/// [`TILES`] of images that are not folded where a fixed point is solved for: its solver keeps a dozen states.
const SOLVED_TILES: (usize, usize) = (256, 4);

/// A trained network, off the tape.
#[derive(Clone, Debug)]
pub(crate) struct Denoiser {
    network: Network,
    device: Device,
    /// Pixels along each side of the blocks that are folded.
    fold: usize,
    side: usize,
    together: usize,
    margin: usize,
    /// The network compiled for shapes of tiles, with its parameters.
    programs: RefCell<Vec<Program>>,
}

/// A network compiled for images of a shape.
#[derive(Clone, Debug)]
struct Program {
    shape: [usize; 4],
    compiled: Compiled,
    parameters: Vec<Value>,
}

impl Denoiser {
    /// A denoiser by a network of this shape, with tiles of the usual size.
    pub(crate) fn new(network: Network, shape: &Shape, device: &Device) -> Self {
        let is_solved = shape.layer == LayerName::FpiNn;
        let (side, together) = if is_solved { (SOLVED_TILES.0 * shape.fold, SOLVED_TILES.1) } else { TILES };
        Self {
            network,
            device: device.clone(),
            fold: shape.fold,
            side,
            together,
            margin: tiles::MARGIN,
            programs: RefCell::default(),
        }
    }

    /// This denoiser with the weights of another network of its shape.
    pub(crate) fn with_weights(self, network: &Network) -> Result<Self, Error> {
        let record = network.valid().into_record();
        let network =
            self.network.try_load_record(record).map_err(|error| Error::Training(error.to_string()))?;
        Ok(Self { network, programs: RefCell::default(), ..self })
    }

    /// This denoiser with tiles of `side` pixels that overlap by `margin` on either side.
    #[cfg(test)]
    pub(crate) fn with_tiles(self, side: usize, margin: usize) -> Self {
        Self { side, margin, ..self }
    }

    /// What is made of an image after every step of the solver, with the residual there; empty where nothing is solved for.
    pub(crate) fn iterates(&self, noisy: &Plane) -> Result<Vec<(Plane, f64)>, Error> {
        let (size, fold) = ([noisy.width, noisy.height], self.fold);
        let [height, width] = noisy.folded_size(fold);
        let shape = [1, fold * fold, height, width];
        let z = Tensor::from_data(TensorData::new(noisy.folded(fold), shape), &self.device);
        let course = self.network.iterates(z)?.into_iter().map(|(noise, residual)| {
            let noise = Plane::unfolded(size, fold, &noise.into_data().iter::<f32>().collect::<Vec<f32>>());
            let values = noisy.values.iter().zip(&noise.values).map(|(noisy, noise)| noisy - noise);
            (Plane { values: values.collect(), ..noise }, residual)
        });
        Ok(course.collect())
    }

    /// The noise in folded images, by the compiled network where there is one.
    fn noise(&self, z: Tensor<4>) -> Vec<f32> {
        let shape = z.dims();
        let mut programs = self.programs.borrow_mut();
        if !programs.iter().any(|program| program.shape == shape)
            && let Some(compiled) = self.network.compiled(&z)
        {
            let (compiled, parameters) = compiled.unwrap_or_else(|error| panic!("bug: {error}"));
            programs.push(Program { shape, compiled, parameters });
        }
        let noise = match programs.iter().find(|program| program.shape == shape) {
            None => self.network.noise(z).into_data(),
            Some(Program { compiled, parameters, .. }) => {
                let found = compiled.call((z, parameters.clone()));
                found.unwrap_or_else(|error| panic!("bug: {error}")).remove(0).into_data()
            }
        };
        noise.iter().collect()
    }

    /// Number of tiles of an image of this width and height.
    pub(crate) fn tiles(&self, size: [usize; 2]) -> usize {
        size.map(|length| self.stretches(length).1.len()).iter().product()
    }

    fn stretches(&self, length: usize) -> (usize, Vec<Stretch>) {
        tiles::stretches(length.next_multiple_of(self.fold), self.side, self.margin)
    }

    /// The image without its noise, and what the solver did; `advance` is told how many more tiles are done, and says
    /// whether to go on. None where it says no.
    pub(crate) fn denoise(
        &self,
        noisy: &Plane,
        mut advance: impl FnMut(usize) -> bool,
    ) -> Option<(Plane, Work)> {
        let ((width, columns), (height, rows)) = (self.stretches(noisy.width), self.stretches(noisy.height));
        let (fold, mut clean, mut work) = (self.fold, noisy.clone(), Work::default());
        let all: Vec<[&Stretch; 2]> =
            rows.iter().flat_map(|row| columns.iter().map(move |column| [column, row])).collect();
        for group in all.chunks((self.together * self.side * self.side / (width * height)).max(1)) {
            let part = |[column, row]: &[&Stretch; 2]| {
                noisy.extended([column.start, row.start], [width, height]).folded(fold)
            };
            let parts = group.iter().map(part).collect::<Vec<Vec<f32>>>().concat();
            let shape = [group.len(), fold * fold, height / fold, width / fold];
            let z = Tensor::from_data(TensorData::new(parts, shape), &self.device);
            let noise = self.noise(z);
            work += self.network.take_work(group.len());
            for (noise, [column, row]) in noise.chunks_exact(width * height).zip(group) {
                let noise = Plane::unfolded([width, height], fold, noise);
                let kept = column.kept.start..column.kept.end.min(noisy.width);
                for y in row.kept.start..row.kept.end.min(noisy.height) {
                    let noise = &noise.row(y - row.start)[kept.start - column.start..];
                    let clean = &mut clean.values[y * noisy.width..][kept.clone()];
                    clean.iter_mut().zip(noise).for_each(|(level, noise)| *level -= noise);
                }
            }
            if !advance(group.len()) {
                return None;
            }
        }
        Some((clean, work))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::dataset::patches::NoiseLevel;
    use crate::experiments::denoise::settings;

    #[test]
    fn a_compiled_network_finds_the_noise_that_it_finds_by_burn() {
        let device = Device::flex();
        let shape = Shape {
            layer: LayerName::Feedforward,
            fold: 2,
            channels: 16,
            convolutions: 2,
            gain: None,
            sigma: NoiseLevel::Fixed(25.0),
        };
        let network = |seed| Network::new(shape, seed, &settings::evaluation(), &device).unwrap();
        let denoiser = Denoiser::new(network(1), &shape, &device);
        let other = denoiser.clone().with_weights(&network(2)).unwrap();
        for [rows, height, width] in [[2, 12, 9], [1, 12, 9]] {
            let values = (0..rows * 4 * height * width).map(|at| (at as f32 * 0.7).sin()).collect::<Vec<_>>();
            let z = Tensor::<4>::from_data(TensorData::new(values, [rows, 4, height, width]), &device);
            for denoiser in [&denoiser, &other] {
                let expected: Vec<f32> = denoiser.network.noise(z.clone()).into_data().iter().collect();
                let greatest = expected.iter().fold(0.0_f32, |most, noise| most.max(noise.abs()));
                let found = denoiser.noise(z.clone());
                let differs = |(found, expected): (&f32, &f32)| (found - expected).abs() > 1e-5 * greatest;
                assert!(greatest > 0.0 && !found.iter().zip(&expected).any(differs));
            }
        }
        assert_eq!(denoiser.programs.borrow().len(), 2);
    }
}
