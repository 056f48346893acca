//! Every group of primitives over random shapes: value, differences, dot product, second derivative.

use crate::harness::check;
use banach_program::Value;
use burn::tensor::module::{conv_transpose2d, conv2d};
use burn::tensor::ops::{ConvOptions, ConvTransposeOptions};
use burn::tensor::{Int, Slice, Tensor, TensorData};
use proptest::prelude::*;

fn tensor<const D: usize>(value: &Value) -> Tensor<D> {
    value.clone().try_into_tensor().unwrap()
}

fn size() -> impl Strategy<Value = usize> {
    1usize..4
}

fn broadcastable() -> impl Strategy<Value = (usize, bool)> {
    (1usize..4, any::<bool>())
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 24, ..ProptestConfig::default() })]

    #[test]
    fn pairs_of_every_broadcastable_shape(axes in prop::array::uniform3(broadcastable()), flip in any::<bool>()) {
        let whole = axes.map(|(size, _)| size);
        let part = axes.map(|(size, keep)| if keep { size } else { 1 });
        let (a, b) = if flip { (part, whole) } else { (whole, part) };
        check("pairs", &[&a, &b], |v| {
            let (a, b) = (tensor::<3>(&v[0]), tensor::<3>(&v[1]));
            let sum = a.clone() * b.clone() + a.clone() - b.clone() / (a.clone().powi_scalar(2) + 2.0);
            vec![sum.into(), a.clone().max_pair(b.clone()).into(), a.mask_where(b.clone().greater_elem(0.1), b).into()]
        });
    }

    #[test]
    fn products_of_every_shape(batch in prop::array::uniform2(broadcastable()), m in size(), k in size(), n in size()) {
        let left = [batch[0].0, if batch[1].1 { batch[1].0 } else { 1 }, m, k];
        let right = [if batch[0].1 { batch[0].0 } else { 1 }, batch[1].0, k, n];
        check("products", &[&left, &right], |v| vec![tensor::<4>(&v[0]).matmul(tensor::<4>(&v[1])).into()]);
    }

    #[test]
    fn reductions_of_every_shape(shape in prop::array::uniform3(size()), axis in 0usize..3) {
        check("reductions", &[&shape], |v| {
            let x = tensor::<3>(&v[0]).sin();
            let all: [Value; 5] = [
                x.clone().sum_dim(axis).into(),
                x.clone().mean_dim(axis).into(),
                x.clone().max_dim(axis).into(),
                x.clone().min_dim(axis).into(),
                x.sum().into(),
            ];
            all.to_vec()
        });
    }

    #[test]
    fn structure_of_every_shape(
        shape in prop::array::uniform3(2usize..5),
        axes in Just([0usize, 1, 2]).prop_shuffle(),
        axis in 0usize..3,
        step in 1isize..3,
        back in any::<bool>(),
    ) {
        check("structure", &[&shape, &shape], |v| {
            let (x, y) = (tensor::<3>(&v[0]).sin(), tensor::<3>(&v[1]).cos());
            let cut = x.clone().slice([
                Slice::new(0, None, if back { -step } else { step }),
                Slice::new(1, None, 1),
                Slice::new(0, Some(-1), 1),
            ]);
            let joined = Tensor::cat(vec![x.clone(), y.clone()], axis);
            let count = shape.iter().product::<usize>();
            vec![
                x.clone().permute(axes.map(|axis| axis as isize)).into(),
                cut.into(),
                joined.into(),
                x.clone().flip([axis as isize]).into(),
                x.clone().repeat_dim(axis, 2).into(),
                (x.reshape([count]) * y.reshape([count])).into(),
            ]
        });
    }

    #[test]
    fn positions_of_every_shape(
        rows in size(),
        columns in size(),
        picks in prop::collection::vec(0usize..12, 1..4),
    ) {
        check("positions", &[&[rows, columns]], |v| {
            let x = tensor::<2>(&v[0]).sin();
            let device = x.device();
            let at = |limit: usize| picks.iter().map(|pick| (pick % limit) as i64).collect::<Vec<i64>>();
            let list = Tensor::<1, Int>::from_data(TensorData::new(at(rows), [picks.len()]), &device);
            let grid = at(columns).repeat(rows);
            let grid = Tensor::<2, Int>::from_data(TensorData::new(grid, [rows, picks.len()]), &device);
            vec![x.clone().select(0, list).into(), x.gather(1, grid).into()]
        });
    }

    #[test]
    fn convolutions_of_every_geometry(
        stride in prop::array::uniform2(1usize..3),
        padding in prop::array::uniform2(0usize..2),
        dilation in prop::array::uniform2(1usize..3),
        kernel in prop::array::uniform2(1usize..4),
        groups in 1usize..3,
    ) {
        let (x, w) = ([2, 2 * groups, 7, 6], [groups, 2, kernel[0], kernel[1]]);
        check("convolution", &[&x, &w], |v| {
            let options = ConvOptions::new(stride, padding, dilation, groups);
            vec![conv2d(tensor(&v[0]), tensor(&v[1]), None, options).into()]
        });
        let (x, w) = ([1, 2 * groups, 4, 3], [2 * groups, 2, kernel[0].max(2), kernel[1].max(2)]);
        check("transposed convolution", &[&x, &w], |v| {
            let options = ConvTransposeOptions::new(stride, padding, [0, 0], dilation, groups);
            vec![conv_transpose2d(tensor(&v[0]), tensor(&v[1]), None, options).into()]
        });
    }
}
