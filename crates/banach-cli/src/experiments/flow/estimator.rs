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
use rayon::prelude::*;
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

    /// The flow from the first image to the second, of one size, and what the solver did.
    pub(crate) fn estimate(&self, first: &ColourImage, second: &ColourImage) -> (Estimate, Work) {
        let (mut estimates, work) = self.estimates(&[[first, second]]);
        (estimates.remove(0), work)
    }

    /// The flow of pairs whose images all have one size, found together.
    pub(crate) fn estimates(&self, pairs: &[[&ColourImage; 2]]) -> (Vec<Estimate>, Work) {
        let (images, size) = self.images(pairs);
        let found = self.finest(images.clone());
        let mut behind =
            self.network.refined(found.clone(), images).map(|flow| enlarged(flow, size).into_iter());
        let next = |before| Estimate { before, behind: behind.as_mut().and_then(Iterator::next) };
        (enlarged(found, size).into_iter().map(next).collect(), self.network.take_work(pairs.len()))
    }

    /// The flow after every step of the solver, with the residual there; empty where nothing is solved for.
    pub(crate) fn iterates(
        &self,
        first: &ColourImage,
        second: &ColourImage,
    ) -> Result<Vec<(FlowField, f64)>, Error> {
        let (images, size) = self.images(&[[first, second]]);
        let course = self.network.iterates(self.finest(images.clone()), images)?;
        Ok(course.into_iter().map(|(flow, residual)| (enlarged(flow, size).remove(0), residual)).collect())
    }

    /// The images of all pairs as one tensor, continued to a size that can be halved six times, and their own size.
    fn images(&self, pairs: &[[&ColourImage; 2]]) -> (Tensor<4>, [usize; 2]) {
        let size = pairs.first().map_or([0; 2], |[first, _]| [first.width, first.height]);
        let [width, height] = size.map(|length| length.next_multiple_of(MULTIPLE));
        let values = pairs.par_iter().map(|[first, second]| channels(first, second, [width, height]));
        let values = values.collect::<Vec<Vec<f32>>>().concat();
        let values = TensorData::new(values, [pairs.len(), 6, height, width]);
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

/// Flows `[batch, 2, rows, columns]` in their units, bilinear between the middles of their blocks, as fields of `size`.
fn enlarged(flows: Tensor<4>, size: [usize; 2]) -> Vec<FlowField> {
    let [_, parts, rows, columns] = flows.dims();
    let values: Vec<f32> = flows.into_data().iter().collect();
    values.par_chunks(parts * rows * columns).map(|flow| field(flow, [rows, columns], size)).collect()
}

/// A flow `[2, rows, columns]` as a field.
fn field(values: &[f32], [rows, columns]: [usize; 2], size: [usize; 2]) -> FlowField {
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
        let flow = Tensor::from_data(values, &Device::flex());
        let fields = enlarged(Tensor::cat(vec![flow.clone() + 1.0, flow], 0), [7, 8]);
        let field = &fields[1];
        assert!((fields[0].at(2, 3).unwrap()[0] - field.at(2, 3).unwrap()[0] - UNIT).abs() < 1e-4);
        let at = |x, y| field.at(x, y).unwrap().map(|part: f32| part / UNIT);
        assert_eq!((at(0, 0), at(6, 7), at(0, 7)), ([0.0, 5.0], [1.0 + 2.0, 5.0], [2.0, 5.0]));
        let [u, v] = at(2, 3);
        assert!((u - (0.25 / 2.0 * 1.0 + (3.5 / 4.0 - 0.5) * 2.0)).abs() < 1e-5 && v == 5.0, "{u} {v}");
    }

    #[test]
    fn images_of_odd_sizes_have_a_flow_of_their_size_as_burn_finds_it() {
        for variant in [Variant::Paper, Variant::Pytorch] {
            check(variant);
        }
    }

    fn check(variant: Variant) {
        let device = Device::flex();
        let shape = Shape { layer: LayerName::FpiNn, width: 0.03, gain: Some(0.9), variant };
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
        let pairs = [[&first, &second], [&second, &first], [&first, &first]];
        let (estimates, work) = estimator.estimates(&pairs);
        let (images, _) = estimator.images(&pairs);
        assert_eq!(images.dims(), [3, 6, 64, 128]);
        let expected = enlarged(network(2).flows(images).pop().unwrap(), [67, 41]);
        assert_eq!((estimates.len(), work.forward_rows), (3, 3));
        for ((estimate, expected), [first, second]) in estimates.iter().zip(&expected).zip(pairs) {
            assert_eq!((estimate.before.width, estimate.flow().height), (67, 41));
            assert!(distance(&estimate.before, expected) < 1e-3);
            let (alone, _) = estimator.estimate(first, second);
            assert!(distance(&estimate.before, &alone.before) < 1e-3);
            // Each row of a batch is solved to its own tolerance.
            assert!(distance(estimate.flow(), alone.flow()) < 1e-2 && estimate.behind.is_some());
        }
        assert!(distance(estimates[0].flow(), estimates[1].flow()) > 1e-2);
        assert!(estimator.iterates(&first, &second).unwrap().len() > 2);
    }

    /// The greatest difference of two fields.
    fn distance(one: &FlowField, other: &FlowField) -> f32 {
        let vectors = one.vectors.iter().flatten().zip(other.vectors.iter().flatten());
        vectors.map(|(one, other)| (one[0] - other[0]).hypot(one[1] - other[1])).fold(0.0, f32::max)
    }
}
