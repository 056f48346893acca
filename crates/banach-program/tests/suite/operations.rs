//! Every elementwise, structural and reducing operation: value, tangent, cotangent, second derivative.

use crate::harness::{check, check_from, one, two};
use burn::tensor::{DType, Device, IndexingUpdateOp, Int, Tensor, TensorData, activation as act, s};

fn ints<const D: usize>(data: TensorData, device: &Device) -> Tensor<D, Int> {
    Tensor::from_data(data, device)
}

#[test]
fn functions_of_one_number_agree_with_burn_and_with_differences() {
    let shape: &[&[usize]] = &[&[3, 4]];
    type Function = fn(Tensor<2>) -> Tensor<2>;
    let functions: &[(&str, Function)] = &[
        ("exp", |x| x.exp()),
        ("sin", |x| x.sin()),
        ("cos", |x| x.cos()),
        ("tan", |x| x.tan()),
        ("sinh", |x| x.sinh()),
        ("cosh", |x| x.cosh()),
        ("tanh", |x| x.tanh()),
        ("asin", |x| (x * 0.9).asin()),
        ("acos", |x| (x * 0.9).acos()),
        ("atan", |x| x.atan()),
        ("asinh", |x| x.asinh()),
        ("atanh", |x| (x * 0.9).atanh()),
        ("erf", |x| x.erf()),
        ("abs", |x| x.abs()),
        ("neg", |x| -x),
        ("square", |x| x.powf_scalar(2.0)),
        ("cube", |x| x.powi_scalar(3)),
        ("relu", |x| act::relu(x)),
        ("leaky relu", |x| act::leaky_relu(x, 0.1)),
        ("gelu", |x| act::gelu(x)),
        ("gelu approximate", |x| act::gelu_approximate(x)),
        ("silu", |x| act::silu(x)),
        ("sigmoid", |x| act::sigmoid(x)),
        ("log sigmoid", |x| act::log_sigmoid(x)),
        ("softplus", |x| act::softplus(x, 1.0)),
        ("softplus steep", |x| act::softplus(x * 5.0, 3.0)),
        ("mish", |x| act::mish(x)),
        ("elu", |x| act::elu(x, 1.3)),
        ("hard sigmoid", |x| act::hard_sigmoid(x, 0.2, 0.5)),
        ("softmax", |x| act::softmax(x, 1)),
        ("softmax over rows", |x| act::softmax(x, 0)),
        ("softmin", |x| act::softmin(x, 1)),
        ("log softmax", |x| act::log_softmax(x, 1)),
        ("clamp", |x| x.clamp(-0.5, 0.5)),
        ("clamp min", |x| x.clamp_min(0.1)),
        ("clamp max", |x| x.clamp_max(0.1)),
        ("floor beside x", |x| x.clone() * x.floor()),
        ("ceil round trunc", |x| x.clone() * 3.3 + x.clone().ceil() + x.clone().round() + x.trunc()),
        ("sign", |x| x.clone() * x.sign()),
        ("scalars", |x| (x * 3.0 + 2.0 - 0.5) / 7.0),
    ];
    for (name, function) in functions {
        check(name, shape, one(*function));
    }
}

#[test]
fn functions_of_positive_numbers_agree() {
    let shape: &[&[usize]] = &[&[2, 5]];
    type Function = fn(Tensor<2>) -> Tensor<2>;
    let functions: &[(&str, Function)] = &[
        ("log", |x| x.log()),
        ("log1p", |x| x.log1p()),
        ("sqrt", |x| x.sqrt()),
        ("recip", |x| x.recip()),
        ("power", |x| x.powf_scalar(1.7)),
        ("negative power", |x| x.powf_scalar(-2.5)),
        ("acosh", |x| x.acosh()),
        ("remainder by a number", |x| x.clone() * x.remainder_scalar(0.7)),
    ];
    for (name, function) in functions {
        check_from(name, shape, 2.2, one(*function));
    }
}

#[test]
fn functions_of_two_tensors_agree_and_broadcast() {
    let same: &[&[usize]] = &[&[3, 4], &[3, 4]];
    check("add", same, two(|a: Tensor<2>, b: Tensor<2>| a + b));
    check("sub", same, two(|a: Tensor<2>, b: Tensor<2>| a - b));
    check("mul", same, two(|a: Tensor<2>, b: Tensor<2>| a * b));
    check("max pair", same, two(|a: Tensor<2>, b: Tensor<2>| a.max_pair(b)));
    check("min pair", same, two(|a: Tensor<2>, b: Tensor<2>| a.min_pair(b)));
    check_from("div", same, 2.0, two(|a: Tensor<2>, b: Tensor<2>| a / b));
    check_from("powf", same, 2.0, two(|a: Tensor<2>, b: Tensor<2>| a.powf(b)));
    check_from("atan2", same, 2.0, two(|a: Tensor<2>, b: Tensor<2>| a.atan2(b)));
    check_from("remainder", same, 2.0, two(|a: Tensor<2>, b: Tensor<2>| (a * 3.1).remainder(b)));
    check("rows", &[&[3, 4], &[1, 4]], two(|a: Tensor<2>, b: Tensor<2>| a * b));
    check("columns", &[&[3, 1], &[3, 4]], two(|a: Tensor<2>, b: Tensor<2>| a - b));
    check("both ways", &[&[3, 1], &[1, 4]], two(|a: Tensor<2>, b: Tensor<2>| a * b));
    check("middle", &[&[2, 1, 3], &[1, 4, 3]], two(|a: Tensor<3>, b: Tensor<3>| a * b.clone() + b));
    check("expand", &[&[3]], one(|a: Tensor<1>| a.expand::<2, _>([4, 3]).sin()));
}

#[test]
fn structure_moves_elements_both_ways() {
    let cube: &[&[usize]] = &[&[2, 3, 4]];
    check("reshape", cube, one(|x: Tensor<3>| x.reshape([6, 4]).sin()));
    check("permute", cube, one(|x: Tensor<3>| x.permute([2, 0, 1]).sin()));
    check("swap", cube, one(|x: Tensor<3>| x.swap_dims(0, 2).sin()));
    check("flip", cube, one(|x: Tensor<3>| x.flip([0, 2]).sin()));
    check("slice", cube, one(|x: Tensor<3>| x.slice([0..1, 1..3, 2..4]).sin()));
    check("slice with steps", cube, one(|x: Tensor<3>| x.slice(s![.., ..;2, ..;3]).sin()));
    check("slice backwards", cube, one(|x: Tensor<3>| x.slice(s![.., .., ..;-2]).sin()));
    check("squeeze", &[&[2, 1, 4]], one(|x: Tensor<3>| x.squeeze_dim::<2>(1).sin()));
    check("unsqueeze", &[&[2, 4]], one(|x: Tensor<2>| x.unsqueeze_dim::<3>(1).sin()));
    check("repeat", cube, one(|x: Tensor<3>| x.repeat_dim(1, 3).sin()));
    check("pad with zeros", &[&[2, 3]], one(|x: Tensor<2>| x.pad((1, 2, 0, 1), 0.0).cos()));
    check("pad with a number", &[&[2, 3]], one(|x: Tensor<2>| x.pad((1, 2, 0, 1), 0.7).cos()));
    check("cat", &[&[2, 3], &[2, 2]], two(|a: Tensor<2>, b: Tensor<2>| Tensor::cat(vec![a, b], 1).sin()));
    check("cat of one twice", &[&[2, 3]], one(|a: Tensor<2>| Tensor::cat(vec![a.clone(), a.sin()], 0)));
    check(
        "cat with a constant",
        &[&[2, 3]],
        one(|a: Tensor<2>| {
            let ones = Tensor::ones([2, 1], (&a.device(), DType::F64));
            Tensor::cat(vec![ones, a.sin()], 1)
        }),
    );
    check(
        "stack",
        &[&[2, 3], &[2, 3]],
        two(|a: Tensor<2>, b: Tensor<2>| Tensor::stack::<3>(vec![a, b], 1).sin()),
    );
    check(
        "chunk",
        &[&[4, 3]],
        one(|a: Tensor<2>| {
            let parts = a.chunk(2, 0);
            parts[0].clone() * parts[1].clone()
        }),
    );
    check(
        "slice assign",
        &[&[3, 4], &[2, 2]],
        two(|a: Tensor<2>, b: Tensor<2>| a.sin().slice_assign([1..3, 0..2], b)),
    );
}

#[test]
fn reductions_agree() {
    let cube: &[&[usize]] = &[&[2, 3, 4]];
    check("sum", cube, one(|x: Tensor<3>| x.sin().sum()));
    check("mean", cube, one(|x: Tensor<3>| x.sin().mean()));
    check("sum dim", cube, one(|x: Tensor<3>| x.sin().sum_dim(1)));
    check("mean dim", cube, one(|x: Tensor<3>| x.sin().mean_dim(2)));
    check("max", cube, one(|x: Tensor<3>| x.sin().max()));
    check("min", cube, one(|x: Tensor<3>| x.sin().min()));
    check("max dim", cube, one(|x: Tensor<3>| x.sin().max_dim(1)));
    check("min dim", cube, one(|x: Tensor<3>| x.sin().min_dim(2)));
    check("max abs", cube, one(|x: Tensor<3>| x.sin().max_abs()));
    check("max abs dim", cube, one(|x: Tensor<3>| x.sin().max_abs_dim(1)));
    check("variance", cube, one(|x: Tensor<3>| x.var(2)));
    check(
        "max with indices",
        cube,
        one(|x: Tensor<3>| {
            let (largest, at) = x.sin().max_dim_with_indices(1);
            largest * (at.float().cast(DType::F64) + 1.0)
        }),
    );
}

#[test]
fn indexing_and_masks_agree() {
    check(
        "select",
        &[&[4, 3]],
        one(|x: Tensor<2>| {
            let at = ints::<1>(TensorData::from([2i64, 0, 2]), &x.device());
            x.sin().select(0, at)
        }),
    );
    check(
        "gather",
        &[&[3, 4]],
        one(|x: Tensor<2>| {
            let at = ints::<2>(TensorData::from([[1i64, 3], [0, 0], [2, 1]]), &x.device());
            x.sin().gather(1, at)
        }),
    );
    check(
        "scatter",
        &[&[3, 4], &[3, 2]],
        two(|x: Tensor<2>, v: Tensor<2>| {
            let at = ints::<2>(TensorData::from([[1i64, 3], [0, 0], [2, 1]]), &x.device());
            x.sin().scatter(1, at, v.cos(), IndexingUpdateOp::Add)
        }),
    );
    check(
        "select assign",
        &[&[4, 3], &[2, 3]],
        two(|x: Tensor<2>, v: Tensor<2>| {
            let at = ints::<1>(TensorData::from([2i64, 0]), &x.device());
            x.sin().select_assign(0, at, v.cos(), IndexingUpdateOp::Add)
        }),
    );
    check(
        "mask where",
        &[&[3, 4], &[3, 4]],
        two(|a: Tensor<2>, b: Tensor<2>| {
            let mask = a.clone().greater(b.clone());
            a.sin().mask_where(mask, b.cos())
        }),
    );
    check(
        "mask fill",
        &[&[3, 4]],
        one(|x: Tensor<2>| {
            let mask = x.clone().lower_elem(0.2).bool_and(x.clone().greater_elem(-0.4)).bool_not();
            x.sin().mask_fill(mask, 2.0)
        }),
    );
    check(
        "comparisons",
        &[&[3, 4], &[3, 4]],
        two(|a: Tensor<2>, b: Tensor<2>| {
            let one = a.clone().greater_equal(b.clone()).bool_or(a.clone().equal_elem(0.0));
            let two = a.clone().lower_equal(b.clone()).bool_xor(b.clone().not_equal_elem(0.0));
            a * one.float().cast(DType::F64) + b * two.int().float().cast(DType::F64)
        }),
    );
    check("triangle", &[&[3, 3]], one(|x: Tensor<2>| x.sin().tril(0)));
}

#[test]
fn several_inputs_and_outputs_keep_their_order() {
    check("outputs", &[&[2, 3], &[3, 2]], |inputs| {
        let a: Tensor<2> = inputs[0].clone().try_into_tensor().unwrap();
        let b: Tensor<2> = inputs[1].clone().try_into_tensor().unwrap();
        let product = a.clone().matmul(b.clone());
        vec![product.clone().into(), (a + b.transpose()).into(), product.tanh().into()]
    });
}

#[test]
fn casts_between_precisions_carry_derivatives() {
    let closure =
        one(|x: Tensor<2>| (x.clone().cast(DType::F32).cast(DType::F64) - x.clone()) * 0.0 + x.sin());
    check("a cast there and back", &[&[2, 2]], closure);
}
