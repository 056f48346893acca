//! A trained network applied to pairs of images of any size.

use super::flownet::MULTIPLE;
use super::network::Network;
use crate::dataset::colour_image::ColourImage;
use crate::dataset::flow_field::FlowField;
use crate::dataset::pair_batches::{BLOCK, UNIT, channels};
use crate::error::Error;
use crate::experiments::epoch::Work;
use banach::Compiled;
use banach::program::Value;
use burn::module::Module;
use burn::tensor::{Device, Tensor, TensorData};
use std::cell::RefCell;

/// A trained network, off the tape.
#[derive(Clone, Debug)]
pub(crate) struct Estimator {
    network: Network,
    device: Device,
    /// FlowNet compiled for sizes of images, with its parameters.
    programs: RefCell<Vec<Program>>,
}

/// FlowNet compiled for images of a shape.
#[derive(Clone, Debug)]
struct Program {
    shape: [usize; 4],
    compiled: Compiled,
    parameters: Vec<Value>,
}

/// The flow between two images.
#[derive(Clone, Debug)]
pub(crate) struct Estimate {
    /// As FlowNet finds it.
    pub(crate) before: FlowField,
    /// As the layer makes it; none without a layer.
    pub(crate) behind: Option<FlowField>,
    /// What the solver did.
    pub(crate) work: Work,
}

impl Estimate {
    /// The flow that the network ends with.
    pub(crate) fn flow(&self) -> &FlowField {
        self.behind.as_ref().unwrap_or(&self.before)
    }
}

impl Estimator {
    /// An estimator by a network.
    pub(crate) fn new(network: Network, device: &Device) -> Self {
        Self { network, device: device.clone(), programs: RefCell::default() }
    }

    /// This estimator with the weights of another network of its shape.
    pub(crate) fn with_weights(self, network: &Network) -> Result<Self, Error> {
        let record = network.valid().into_record();
        let network =
            self.network.try_load_record(record).map_err(|error| Error::Training(error.to_string()))?;
        Ok(Self { network, programs: RefCell::default(), ..self })
    }

    /// The flow from the first image to the second, of one size.
    pub(crate) fn estimate(&self, first: &ColourImage, second: &ColourImage) -> Estimate {
        let (images, size) = self.images(first, second);
        let found = self.finest(images.clone());
        let behind = self.network.refined(found.clone(), images).map(|flow| enlarged(flow, size));
        Estimate { before: enlarged(found, size), behind, work: self.network.take_work(1) }
    }

    /// The flow after every step of the solver, with the residual there; empty where nothing is solved for.
    pub(crate) fn iterates(
        &self,
        first: &ColourImage,
        second: &ColourImage,
    ) -> Result<Vec<(FlowField, f64)>, Error> {
        let (images, size) = self.images(first, second);
        let course = self.network.iterates(self.finest(images.clone()), images)?;
        Ok(course.into_iter().map(|(flow, residual)| (enlarged(flow, size), residual)).collect())
    }

    /// Both images as one tensor, continued to a size that can be halved six times, and their own size.
    fn images(&self, first: &ColourImage, second: &ColourImage) -> (Tensor<4>, [usize; 2]) {
        let size = [first.width, first.height];
        let [width, height] = size.map(|length| length.next_multiple_of(MULTIPLE));
        let values = TensorData::new(channels(first, second, [width, height]), [1, 6, height, width]);
        (Tensor::from_data(values, &self.device), size)
    }

    /// The finest flow of FlowNet.
    fn finest(&self, images: Tensor<4>) -> Tensor<4> {
        let shape = images.dims();
        let mut programs = self.programs.borrow_mut();
        if !programs.iter().any(|program| program.shape == shape) {
            let compiled = self.network.compiled(&images);
            let (compiled, parameters) = compiled.unwrap_or_else(|error| panic!("bug: {error}"));
            programs.push(Program { shape, compiled, parameters });
        }
        let Some(Program { compiled, parameters, .. }) =
            programs.iter().find(|program| program.shape == shape)
        else {
            panic!("bug: no program for images of {shape:?}");
        };
        let found = compiled.call((images, parameters.clone()));
        let mut found = found.unwrap_or_else(|error| panic!("bug: {error}"));
        found.remove(0).try_into_tensor().unwrap_or_else(|error| panic!("bug: {error}"))
    }
}

/// A flow `[1, 2, rows, columns]` in its units, bilinear between the middles of its blocks, as a field of `size`.
fn enlarged(flow: Tensor<4>, size: [usize; 2]) -> FlowField {
    let [_, _, rows, columns] = flow.dims();
    let values: Vec<f32> = flow.into_data().iter().collect();
    let place = |at: usize, length: usize| {
        let place = (at as f32 + 0.5) / BLOCK as f32 - 0.5;
        let first = place.max(0.0) as usize;
        let next = (first + 1).min(length - 1);
        (first, next, (place - first as f32).clamp(0.0, 1.0))
    };
    FlowField::from_vectors(size, |x, y| {
        let ((left, right, across), (top, bottom, along)) = (place(x, columns), place(y, rows));
        Some([0, 1].map(|part: usize| {
            let at = |row: usize, column: usize| values[(part * rows + row) * columns + column];
            let upper = at(top, left) + across * (at(top, right) - at(top, left));
            let lower = at(bottom, left) + across * (at(bottom, right) - at(bottom, left));
            UNIT * (upper + along * (lower - upper))
        }))
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::experiments::flow::flownet::Variant;
    use crate::experiments::flow::network::Shape;
    use crate::experiments::flow::settings;
    use crate::options::LayerName;

    #[test]
    fn a_flow_is_bilinear_between_the_middles_of_its_blocks() {
        let values = [[[[0.0, 1.0], [2.0, 3.0]], [[5.0, 5.0], [5.0, 5.0]]]];
        let field = enlarged(Tensor::from_data(values, &Device::flex()), [7, 8]);
        let at = |x, y| field.at(x, y).unwrap().map(|part: f32| part / UNIT);
        assert_eq!((at(0, 0), at(6, 7), at(0, 7)), ([0.0, 5.0], [1.0 + 2.0, 5.0], [2.0, 5.0]));
        let [u, v] = at(2, 3);
        assert!((u - (0.25 / 2.0 * 1.0 + (3.5 / 4.0 - 0.5) * 2.0)).abs() < 1e-5 && v == 5.0, "{u} {v}");
    }

    #[test]
    fn images_of_odd_sizes_have_a_flow_of_their_size_as_burn_finds_it() {
        let device = Device::flex();
        let (layer, variant) = (LayerName::FpiNn, Variant::Paper);
        let shape = Shape { layer, width: 0.03, gain: Some(0.9), variant };
        let network = |seed| Network::new(shape, seed, &settings::evaluation(), &device).unwrap();
        let estimator = Estimator::new(network(1), &device).with_weights(&network(2)).unwrap();
        let image = |phase: f32| ColourImage {
            width: 67,
            height: 41,
            pixels: (0..67 * 41)
                .map(|at| [0.1, 0.2, 0.3].map(|step| (step * at as f32 + phase).sin().abs()))
                .collect(),
        };
        let (first, second) = (image(0.0), image(0.3));
        let estimate = estimator.estimate(&first, &second);
        let (images, _) = estimator.images(&first, &second);
        assert_eq!(images.dims(), [1, 6, 64, 128]);
        let expected = enlarged(network(2).flows(images).pop().unwrap(), [67, 41]);
        assert_eq!((estimate.before.width, estimate.flow().height), (67, 41));
        for (found, expected) in
            estimate.before.vectors.iter().flatten().zip(expected.vectors.iter().flatten())
        {
            assert!((found[0] - expected[0]).abs() < 1e-3 && (found[1] - expected[1]).abs() < 1e-3);
        }
        assert!(estimate.behind.is_some() && estimate.work.forward_rows == 1);
        assert!(estimator.iterates(&first, &second).unwrap().len() > 2);
    }
}
