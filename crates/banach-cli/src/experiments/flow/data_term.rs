//! What the images say about a flow: the data term of Horn and Schunck, linearised at that flow.

use crate::dataset::pair_batches::{BLOCK, UNIT};
use crate::dataset::picture::GRAY;
use banach::detached;
use burn::tensor::ops::PadMode;
use burn::tensor::{Int, Tensor};

/// What is added to |∇I|² where the normal flow divides by it.
const FLAT: f64 = 0.01;
/// Colours and differences are shifted and scaled to about the deviation 1.
const SHIFT: f64 = 0.45;
const SCALE: f64 = 4.0;

/// The data term at a flow, whose images are `[batch, 6, height, width]` in its own size: (f, ∇I, δ). The place of the
/// linearisation is held fixed.
pub(crate) fn linearised(flow: Tensor<4>, images: Tensor<4>) -> (Tensor<4>, Tensor<4>, Tensor<4>) {
    let [first, second] = [0, 3].map(|channel| gray(images.clone(), channel));
    // Pixels of this size in a unit of flow.
    let unit = f64::from(UNIT) / BLOCK as f64;
    let carried = carried_back(second, detached(flow.clone()) * unit);
    let difference = carried.clone() - first;
    let [_, _, height, width] = carried.dims();
    let padded = carried.pad([(1, 1), (1, 1)], PadMode::Edge);
    let part = |y: usize, x: usize| padded.clone().narrow(2, y, height).narrow(3, x, width);
    let right = (part(1, 2) - part(1, 0)) * 0.5;
    let down = (part(2, 1) - part(0, 1)) * 0.5;
    (flow, Tensor::cat(vec![right, down], 1) * unit, difference)
}

/// The gray levels of one of both images, `[batch, 1, height, width]`.
fn gray(images: Tensor<4>, channel: usize) -> Tensor<4> {
    let level = |part: usize| images.clone().narrow(1, channel + part, 1) * GRAY[part];
    level(0) + level(1) + level(2)
}

/// An image of one channel read at the places that a flow in pixels leads to, bilinear, with its edges continued.
fn carried_back(image: Tensor<4>, flow: Tensor<4>) -> Tensor<4> {
    let [rows, _, height, width] = image.dims();
    let device = image.device();
    let levels = image.reshape([rows, height * width]);
    let axis = |length: usize| Tensor::<1, Int>::arange(0..length as i64, &device).float();
    let across = axis(width).reshape([1, 1, 1, width]);
    let along = axis(height).reshape([1, 1, height, 1]);
    let place = |part: usize, axis: Tensor<4>, length: usize| {
        (flow.clone().narrow(1, part, 1) + axis)
            .clamp(0.0, (length - 1) as f64)
            .reshape([rows, height * width])
    };
    let (x, y) = (place(0, across, width), place(1, along, height));
    let (left, top) = (x.clone().floor(), y.clone().floor());
    let (right, down) = (x - left.clone(), y - top.clone());
    let next = |at: Tensor<2>, length: usize| (at + 1.0).clamp_max((length - 1) as f64);
    let level = |y: Tensor<2>, x: Tensor<2>| levels.clone().gather(1, (y * width as f64 + x).int());
    let (after, below) = (next(left.clone(), width), next(top.clone(), height));
    let upper =
        level(top.clone(), left.clone()) * (-right.clone() + 1.0) + level(top, after.clone()) * right.clone();
    let lower = level(below.clone(), left) * (-right.clone() + 1.0) + level(below, after) * right;
    (upper * (-down.clone() + 1.0) + lower * down).reshape([rows, 1, height, width])
}

/// What is seen at a flow, `[batch, 6, height, width]`: the first image, the difference δ, and the normal flow
/// `-∇I δ / (|∇I|² + ε)`, the shortest change of the flow that the difference asks for.
pub(crate) fn seen(flow: Tensor<4>, images: Tensor<4>) -> Tensor<4> {
    let first = images.clone().narrow(1, 0, 3);
    let (_, gradient, difference) = linearised(flow, images);
    let size = gradient.clone().square().sum_dim(1) + FLAT;
    let normal = gradient * (difference.clone() / size).neg();
    Tensor::cat(vec![(first - SHIFT) * SCALE, difference * SCALE, normal], 1)
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;
    use burn::tensor::{Device, TensorData};

    /// A smooth pattern that moves by (u, v) pixels.
    pub(crate) fn pattern([u, v]: [f32; 2], device: &Device) -> Tensor<4> {
        let level = |x: f32, y: f32| 0.5 + 0.2 * (0.5 * x).sin() + 0.2 * (0.4 * y + 0.2 * x).cos();
        let image =
            |u: f32, v: f32| (0..24 * 32).map(move |at| level((at % 32) as f32 - u, (at / 32) as f32 - v));
        let values: Vec<f32> =
            (0..3).flat_map(|_| image(0.0, 0.0)).chain((0..3).flat_map(|_| image(u, v))).collect();
        Tensor::from_data(TensorData::new(values, [1, 6, 24, 32]), device)
    }

    pub(crate) fn constant([u, v]: [f32; 2], device: &Device) -> Tensor<4> {
        let values: Vec<f32> = [u, v].iter().flat_map(|part| vec![*part; 24 * 32]).collect();
        Tensor::from_data(TensorData::new(values, [1, 2, 24, 32]), device) / (UNIT / BLOCK as f32)
    }

    #[test]
    fn an_image_is_carried_back_onto_the_first_by_the_true_flow() {
        let device = Device::flex();
        let (_, _, difference) = linearised(constant([2.0, 1.0], &device), pattern([2.0, 1.0], &device));
        let inner = difference.slice([0..1, 0..1, 0..22, 0..29]).abs().max().into_scalar::<f32>();
        assert!(inner < 1e-5, "{inner}");
        let (_, _, difference) = linearised(constant([0.0, 0.0], &device), pattern([2.0, 1.0], &device));
        assert!(difference.abs().mean().into_scalar::<f32>() > 0.05);
    }

    #[test]
    fn the_normal_flow_leads_to_the_true_flow_across_edges() {
        let device = Device::flex();
        // Bands across the image, moved to the right by a quarter of a pixel.
        let level = |x: f32| 0.5 + 0.3 * (0.5 * x).sin();
        let image = |u: f32| (0..24 * 32).map(move |at| level((at % 32) as f32 - u));
        let values: Vec<f32> =
            (0..3).flat_map(|_| image(0.0)).chain((0..3).flat_map(|_| image(0.25))).collect();
        let images = Tensor::from_data(TensorData::new(values, [1, 6, 24, 32]), &device);
        let seen = seen(constant([0.0, 0.0], &device), images);
        let inner = |channel: usize| seen.clone().slice([0..1, channel..channel + 1, 0..24, 2..30]);
        let right = inner(4) * (UNIT / BLOCK as f32);
        // Where the bands have no slope, the square that is added keeps the normal flow small.
        assert!((right.clone().max().into_scalar::<f32>() - 0.25).abs() < 0.02, "{right}");
        assert!(right.min().into_scalar::<f32>() > -0.02);
        assert!(inner(5).abs().max().into_scalar::<f32>() < 1e-5);
    }
}
