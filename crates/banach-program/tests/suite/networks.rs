//! Every layer a user may put into an update: linear, convolutions, norms, pooling, attention, interpolation.

use crate::harness::{check, one, two};
use banach_program::Value;
use burn::tensor::module::{
    adaptive_avg_pool1d, adaptive_avg_pool2d, attention, avg_pool1d, avg_pool2d, conv_transpose1d,
    conv_transpose2d, conv1d, conv2d, embedding, interpolate, layer_norm, linear, max_pool1d, max_pool2d,
};
use burn::tensor::ops::{
    AttentionModuleOptions, AvgPoolOptions, ConvOptions, ConvTransposeOptions, InterpolateMode,
    InterpolateOptions, MaxPoolOptions,
};
use burn::tensor::{Device, Int, Tensor, TensorData};

fn three<const A: usize, const B: usize, const C: usize, const D: usize>(
    function: impl Fn(Tensor<A>, Tensor<B>, Tensor<C>) -> Tensor<D>,
) -> impl Fn(&[Value]) -> Vec<Value> {
    move |inputs| {
        let [a, b, c] = [0, 1, 2].map(|at| inputs[at].clone());
        let (a, b, c) = (a.try_into_tensor(), b.try_into_tensor(), c.try_into_tensor());
        vec![function(a.unwrap(), b.unwrap(), c.unwrap()).into()]
    }
}

#[test]
fn products_of_any_batch_rank() {
    check("matrix", &[&[2, 3], &[3, 4]], two(|a: Tensor<2>, b: Tensor<2>| a.matmul(b)));
    check(
        "turned",
        &[&[3, 2], &[4, 3]],
        two(|a: Tensor<2>, b: Tensor<2>| a.transpose().matmul(b.transpose())),
    );
    check("batch", &[&[5, 2, 3], &[5, 3, 4]], two(|a: Tensor<3>, b: Tensor<3>| a.matmul(b)));
    check("right shared", &[&[5, 2, 3], &[1, 3, 4]], two(|a: Tensor<3>, b: Tensor<3>| a.matmul(b)));
    check("left shared", &[&[1, 2, 3], &[5, 3, 4]], two(|a: Tensor<3>, b: Tensor<3>| a.matmul(b)));
    check("rank four", &[&[2, 1, 2, 3], &[2, 3, 3, 2]], two(|a: Tensor<4>, b: Tensor<4>| a.matmul(b)));
    let layer = |x: Tensor<2>, w: Tensor<2>, b: Tensor<1>| linear(x, w, Some(b)).tanh();
    check("linear", &[&[2, 3], &[3, 4], &[4]], three(layer));
    let deep = |x: Tensor<4>, w: Tensor<2>, b: Tensor<1>| linear(x, w, Some(b)).tanh();
    check("linear of rank four", &[&[2, 2, 1, 3], &[3, 4], &[4]], three(deep));
}

#[test]
fn convolutions_of_many_channels() {
    for (padding, side) in [([1, 1], [5, 6]), ([0, 2], [7, 4]), ([2, 1], [4, 5])] {
        let options = ConvOptions::new([1, 1], padding, [1, 1], 1);
        let layer =
            move |x: Tensor<4>, w: Tensor<4>, b: Tensor<1>| conv2d(x, w, Some(b), options.clone()).tanh();
        let name = format!("conv2d of many channels {padding:?}");
        check(&name, &[&[2, 17, side[0], side[1]], &[16, 17, 3, 3], &[16]], three(layer));
    }
}

#[test]
fn convolutions_with_stride_padding_dilation_and_groups() {
    type Setting = ([usize; 2], [usize; 2], [usize; 2], usize);
    let settings: [Setting; 6] = [
        ([1, 1], [1, 1], [1, 1], 1),
        ([2, 1], [0, 1], [1, 1], 1),
        ([2, 2], [1, 1], [2, 1], 1),
        ([1, 2], [2, 0], [1, 2], 2),
        ([3, 2], [1, 2], [1, 1], 2),
        ([2, 2], [0, 0], [1, 1], 1),
    ];
    for (stride, padding, dilation, groups) in settings {
        let name = format!("conv2d {stride:?} {padding:?} {dilation:?} {groups}");
        let options = ConvOptions::new(stride, padding, dilation, groups);
        let layer =
            move |x: Tensor<4>, w: Tensor<4>, b: Tensor<1>| conv2d(x, w, Some(b), options.clone()).tanh();
        check(&name, &[&[2, 4, 7, 6], &[4, 4 / groups, 3, 2], &[4]], three(layer));
        let out = [0, 1].map(|axis| stride[axis] - 1);
        let options = ConvTransposeOptions::new(stride, padding, out, dilation, groups);
        let layer = move |x: Tensor<4>, w: Tensor<4>, b: Tensor<1>| {
            conv_transpose2d(x, w, Some(b), options.clone()).tanh()
        };
        let name = format!("transposed {name}");
        check(&name, &[&[2, 4, 4, 5], &[4, 6 / groups, 3, 2], &[6]], three(layer));
    }
    let uneven = ConvOptions::new_with_padding([1, 1], [(0, 2), (1, 0)], [1, 1], 1);
    let layer = move |x: Tensor<4>, w: Tensor<4>| conv2d(x, w, None, uneven.clone());
    check("uneven padding", &[&[2, 3, 5, 5], &[2, 3, 3, 3]], two(layer));
}

#[test]
fn convolutions_along_one_axis() {
    let options = ConvOptions::new([2], [1], [2], 2);
    let layer = move |x: Tensor<3>, w: Tensor<3>, b: Tensor<1>| conv1d(x, w, Some(b), options.clone());
    check("conv1d", &[&[2, 4, 9], &[6, 2, 3], &[6]], three(layer));
    let options = ConvTransposeOptions::new([2], [1], [1], [1], 1);
    let layer =
        move |x: Tensor<3>, w: Tensor<3>, b: Tensor<1>| conv_transpose1d(x, w, Some(b), options.clone());
    check("transposed conv1d", &[&[2, 3, 4], &[3, 2, 3], &[2]], three(layer));
}

#[test]
fn norms() {
    let layer = |x: Tensor<3>, gamma: Tensor<1>, beta: Tensor<1>| layer_norm(x, gamma, Some(beta), 1e-5);
    check("layer norm", &[&[2, 3, 4], &[4], &[4]], three(layer));
    check(
        "group norm",
        &[&[2, 4, 3]],
        one(|x: Tensor<3>| {
            burn::nn::GroupNormConfig::new(2, 4).with_affine(false).init(&Device::flex()).forward(x)
        }),
    );
    check(
        "instance norm",
        &[&[2, 4, 3]],
        one(|x: Tensor<3>| {
            burn::nn::InstanceNormConfig::new(4).with_affine(false).init(&Device::flex()).forward(x)
        }),
    );
}

pub(crate) fn average<const N: usize>(
    kernel: [usize; N],
    stride: [usize; N],
    padding: [usize; N],
    count_padding: bool,
    ceil: bool,
) -> AvgPoolOptions<N> {
    let options = AvgPoolOptions::new(kernel).with_stride(stride).with_padding(padding);
    options.with_count_include_pad(count_padding).with_ceil_mode(ceil)
}

pub(crate) fn largest<const N: usize>(
    kernel: [usize; N],
    stride: [usize; N],
    padding: [usize; N],
    dilation: [usize; N],
    ceil: bool,
) -> MaxPoolOptions<N> {
    let options = MaxPoolOptions::new(kernel).with_stride(stride).with_padding(padding);
    options.with_dilation(dilation).with_ceil_mode(ceil)
}

#[test]
fn pooling() {
    let image: &[&[usize]] = &[&[2, 3, 7, 6]];
    check(
        "average",
        image,
        one(|x: Tensor<4>| avg_pool2d(x, average([3, 2], [2, 2], [1, 1], true, false)).sin()),
    );
    check(
        "average of what is there",
        image,
        one(|x: Tensor<4>| avg_pool2d(x, average([3, 2], [2, 2], [1, 1], false, false))),
    );
    check(
        "average over the edge",
        image,
        one(|x: Tensor<4>| avg_pool2d(x, average([3, 3], [2, 2], [1, 0], true, true))),
    );
    check(
        "average over the edge, what is there",
        image,
        one(|x: Tensor<4>| avg_pool2d(x, average([3, 3], [2, 2], [0, 1], false, true))),
    );
    check(
        "largest",
        image,
        one(|x: Tensor<4>| max_pool2d(x.sin(), largest([3, 2], [2, 2], [1, 1], [1, 1], false))),
    );
    check(
        "largest dilated",
        image,
        one(|x: Tensor<4>| max_pool2d(x.sin(), largest([2, 2], [1, 2], [0, 1], [2, 1], true))),
    );
    check("adaptive", image, one(|x: Tensor<4>| adaptive_avg_pool2d(x, [3, 4]).sin()));
    let line: &[&[usize]] = &[&[2, 3, 8]];
    check(
        "average along a line",
        line,
        one(|x: Tensor<3>| avg_pool1d(x, average([3], [2], [1], false, false)).sin()),
    );
    check(
        "largest along a line",
        line,
        one(|x: Tensor<3>| max_pool1d(x.sin(), largest([3], [2], [1], [1], false))),
    );
    check("adaptive along a line", line, one(|x: Tensor<3>| adaptive_avg_pool1d(x, 3).sin()));
}

#[test]
fn interpolation() {
    for (size, align) in [([5, 9], false), ([7, 3], true), ([2, 2], false), ([6, 8], true)] {
        for mode in [InterpolateMode::Nearest, InterpolateMode::Bilinear] {
            let name = format!("{mode:?} to {size:?}, corners {align}");
            let align = align && matches!(mode, InterpolateMode::Bilinear);
            let options = InterpolateOptions::new(mode).with_output_size(size).with_align_corners(align);
            check(&name, &[&[2, 2, 3, 4]], one(move |x: Tensor<4>| interpolate(x.sin(), options.clone())));
        }
    }
}

#[test]
fn attention_written_out_and_as_one_operation() {
    let shapes: &[&[usize]] = &[&[1, 2, 3, 4], &[1, 2, 5, 4], &[1, 2, 5, 4]];
    check(
        "by hand",
        shapes,
        three(|q: Tensor<4>, k: Tensor<4>, v: Tensor<4>| {
            burn::tensor::activation::softmax(q.matmul(k.swap_dims(2, 3)) * 0.5, 3).matmul(v)
        }),
    );
    let plain = AttentionModuleOptions::default();
    check(
        "one operation",
        shapes,
        three(move |q: Tensor<4>, k: Tensor<4>, v: Tensor<4>| attention(q, k, v, None, None, plain)),
    );
    let causal = AttentionModuleOptions { is_causal: true, scale: Some(0.3), softcap: Some(2.0) };
    let square: &[&[usize]] = &[&[1, 2, 4, 3], &[1, 2, 4, 3], &[1, 2, 4, 3]];
    check(
        "causal",
        square,
        three(move |q: Tensor<4>, k: Tensor<4>, v: Tensor<4>| attention(q, k, v, None, None, causal)),
    );
}

#[test]
fn embeddings() {
    check(
        "embedding",
        &[&[5, 3]],
        one(|weights: Tensor<2>| {
            let at = Tensor::<2, Int>::from_data(TensorData::from([[1i64, 4], [0, 1]]), &weights.device());
            embedding(weights.sin(), at)
        }),
    );
}
