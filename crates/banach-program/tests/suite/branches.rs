//! Derivatives behind branches: a value that is not taken has no influence, however infinite its slope.

use crate::harness::{evaluate, numbers, value};
use banach_program::{Bilinear, Builder, Primitive, Program, Type, Value, jvp, simplify, trace, vjp};
use burn::tensor::{DType, Device, Tensor, TensorData, activation as act};

pub(crate) type Function = fn(Tensor<2>) -> Tensor<2>;

pub(crate) fn single(numbers: &[f64], shape: [usize; 2]) -> Value {
    let flat = Tensor::<1>::from_data(TensorData::from(numbers), (&Device::flex(), DType::F32));
    Value::from(flat).reshaped(&shape)
}

pub(crate) fn traced(ty: Type, function: Function) -> Program {
    trace(&Device::flex(), &[ty], |inputs| Ok(vec![function(inputs[0].clone().try_into_tensor()?).into()]))
        .unwrap()
}

/// The gradient of the sum of the results, and the tangent along ones, both on both engines.
pub(crate) fn slopes(program: &Program, x: Value) -> [Vec<f64>; 2] {
    let ones = Value::full(&x.ty(), 1.0, &Device::flex());
    [vjp(program, &[0]), jvp(program, &[0])].map(|derivative| {
        let found = evaluate(&derivative, vec![x.clone(), ones.clone()]).unwrap();
        numbers(&found[1])
    })
}

#[track_caller]
fn agree(name: &str, x: &[f64], function: Function, expected: &[f64]) {
    let found = slopes(&traced(Type::f32([1, x.len()]), function), single(x, [1, x.len()]));
    for (mode, found) in ["reverse", "forward"].iter().zip(found) {
        for (position, (found, expected)) in found.iter().zip(expected).enumerate() {
            let close = (found - expected).abs() <= 1e-6 * expected.abs() + 1e-30;
            assert!(close, "{name}, {mode} mode, position {position}: {found}, expected {expected}");
        }
    }
}

#[test]
#[allow(clippy::too_many_lines, reason = "one table")]
fn a_branch_that_is_not_taken_has_slope_zero() {
    let functions: &[(&str, &[f64], Function, &[f64])] = &[
        ("root", &[0.0, 0.25], |z| z.clone().sqrt().mask_where(z.clone().lower_scalar(1.0), z), &[1.0, 1.0]),
        (
            "exp",
            &[100.0, 1.0],
            |z| z.clone().exp().mask_where(z.clone().greater_elem(50.0), z * 3.0),
            &[3.0, std::f64::consts::E],
        ),
        (
            "log",
            &[0.0, -1.0, 2.0],
            |z| (z.clone() * 2.0).mask_where(z.clone().greater_elem(0.0), z.log()),
            &[2.0, 2.0, 0.5],
        ),
        ("log1p", &[-1.0, -2.0], |z| z.clone().log1p().mask_where(z.clone().lower_elem(0.0), z), &[1.0, 1.0]),
        (
            "inverse",
            &[0.0, 2.0],
            |z| z.clone().recip().mask_where(z.clone().equal_elem(0.0), z),
            &[1.0, -0.25],
        ),
        (
            "quotient",
            &[0.0, 2.0],
            |z| {
                let quotient = z.clone().sin() / z.clone();
                quotient.mask_where(z.clone().equal_elem(0.0), z * 0.0 + 1.0)
            },
            &[0.0, 2f64.cos() / 2.0 - 2f64.sin() / 4.0],
        ),
        (
            "power",
            &[0.0, 4.0],
            |z| z.clone().powf_scalar(0.5).mask_where(z.clone().lower_elem(1.0), z),
            &[1.0, 0.25],
        ),
        (
            "negative power",
            &[0.0, 1.0],
            |z| z.clone().powf_scalar(-2.0).mask_where(z.clone().lower_elem(0.5), z),
            &[1.0, -2.0],
        ),
        (
            "angle",
            &[0.0, 1.0],
            |z| z.clone().atan2(z.clone() * 2.0).mask_where(z.clone().equal_elem(0.0), z),
            &[1.0, 0.0],
        ),
        (
            "arc sine",
            &[1.0, 3.0],
            |z| z.clone().asin().mask_where(z.clone().greater_equal_elem(1.0), z),
            &[1.0, 1.0],
        ),
        (
            "product",
            &[1e30, 1.0],
            |z| {
                let high = z.clone().square() * z.clone();
                high.mask_where(z.clone().greater_elem(2.0), z)
            },
            &[1.0, 3.0],
        ),
        ("tanh of NaN", &[f64::NAN, 0.0], |z| z.clone().tanh().mask_fill(z.is_nan(), 0.0), &[0.0, 1.0]),
        (
            "product with infinity",
            &[f64::INFINITY, 2.0],
            |z| (z.clone() * z.clone()).mask_fill(z.is_inf(), 0.0),
            &[0.0, 4.0],
        ),
        (
            "norm",
            &[0.0, 0.0],
            |z| {
                let norm = z.clone().square().sum_dim(1).sqrt();
                z.clone() + norm.clone().mask_fill(norm.lower_equal_elem(0.0), 1.0)
            },
            &[1.0, 1.0],
        ),
        (
            "softmax of -inf",
            &[f64::NEG_INFINITY, f64::NEG_INFINITY],
            |z| {
                let weights = act::softmax(z.clone(), 1);
                weights.clone().mask_fill(weights.is_nan(), 0.0)
            },
            &[0.0, 0.0],
        ),
        ("saturated", &[100.0, -100.0], |z| (z.exp()).tanh(), &[0.0, 0.0]),
        ("double exponential", &[100.0, 0.0], |z| (-z.exp()).exp(), &[0.0, -(-1f64).exp()]),
    ];
    for (name, x, function, expected) in functions {
        agree(name, x, *function, expected);
    }
}

#[test]
fn elements_that_are_not_read_have_slope_zero() {
    let functions: &[(&str, Function)] = &[
        ("slice", |z| z.sqrt().slice([0..1, 1..2])),
        ("largest", |z| z.sqrt().max_dim(1)),
        ("selected", |z| z.clone().sqrt().select(1, Tensor::from_data([1], &z.device()))),
        ("gathered", |z| z.clone().sqrt().gather(1, Tensor::from_data([[1]], &z.device()))),
    ];
    for (name, function) in functions {
        let reverse = vjp(&traced(Type::f32([1, 2]), *function), &[0]);
        let found = evaluate(&reverse, vec![single(&[0.0, 4.0], [1, 2]), single(&[1.0], [1, 1])]).unwrap();
        assert_eq!(numbers(&found[1]), [0.0, 0.25], "{name}");
    }
}

#[test]
fn a_weight_has_a_gradient_though_some_exponentials_overflow() {
    let program = trace(&Device::flex(), &[Type::f32([2, 1]), Type::f32([1, 1])], |inputs| {
        let [z, w]: [Tensor<2>; 2] =
            [inputs[0].clone().try_into_tensor()?, inputs[1].clone().try_into_tensor()?];
        Ok(vec![act::elu(z.matmul(w), 1.0).into()])
    });
    let reverse = vjp(&program.unwrap(), &[0, 1]);
    let given = vec![single(&[120.0, 1.0], [2, 1]), single(&[2.0], [1, 1]), single(&[1.0, 1.0], [2, 1])];
    let found = evaluate(&reverse, given).unwrap();
    assert_eq!((numbers(&found[1]), numbers(&found[2])), (vec![2.0, 2.0], vec![121.0]));
}

#[test]
fn a_power_zero_is_constant_at_zero_whatever_says_so() {
    let program = trace(&Device::flex(), &[Type::f64([1, 4]), Type::f64([1, 4])], |inputs| {
        let [x, y]: [Tensor<2>; 2] =
            [inputs[0].clone().try_into_tensor()?, inputs[1].clone().try_into_tensor()?];
        Ok(vec![x.powf(y).into()])
    });
    let program = program.unwrap();
    let (x, y) = (value(vec![0.0; 4], &[1, 4]), value(vec![0.0, 1.0, 2.0, 3.0], &[1, 4]));
    let ones = value(vec![1.0; 4], &[1, 4]);
    let found = evaluate(&vjp(&program, &[0, 1]), vec![x, y, ones]).unwrap();
    assert_eq!(numbers(&found[0]), [1.0, 0.0, 0.0, 0.0]);
    assert_eq!(numbers(&found[1]), [0.0, 1.0, 0.0, 0.0]);
    assert_eq!(numbers(&found[2]), [0.0; 4]);
}

#[test]
fn second_derivatives_behind_branches_are_finite() {
    let function: Function = |z| z.clone().sqrt().mask_where(z.clone().lower_scalar(1.0), z.clone() * z);
    let program = traced(Type::f64([1, 2]), function);
    let x = value(vec![0.0, 4.0], &[1, 2]);
    let ones = value(vec![1.0, 1.0], &[1, 2]);
    let expected = [2.0, -0.25 / 8.0];
    let reverse = vjp(&program, &[0]);
    for (name, twice) in
        [("forward over reverse", jvp(&reverse, &[0])), ("reverse over reverse", vjp(&reverse, &[0]))]
    {
        let mut given = vec![x.clone(), ones.clone()];
        let seed = if name.starts_with("forward") {
            vec![ones.clone()]
        } else {
            vec![value(vec![0.0, 0.0], &[1, 2]), ones.clone()]
        };
        given.extend(seed);
        let found = evaluate(&twice, given).unwrap();
        let last = numbers(found.last().unwrap());
        assert!(last.iter().zip(expected).all(|(a, b)| (a - b).abs() < 1e-14), "{name}: {last:?}");
    }
}

/// Cells whose slopes are finite multiply by them plainly: on a device an absorbing product is five
/// operations.
#[test]
fn bounded_slopes_are_plain_products() {
    let functions: &[(&str, Function)] = &[
        ("tanh", |x| (x.clone().matmul(x.transpose()) + 1.0).tanh()),
        ("gate", |x| act::sigmoid(x.clone() * 2.0) * x.tanh()),
        ("gelu", act::gelu),
        ("sine", |x| x.sin() * 0.5),
        ("softmax", |x| act::softmax(x, 1)),
        ("log softmax", |x| act::log_softmax(x, 1)),
        ("layer norm", |x| {
            let centred = x.clone() - x.mean_dim(1);
            centred.clone() / (centred.square().mean_dim(1) + 1e-5).sqrt()
        }),
        ("relu", |x| act::relu(x.clone() * 2.0) + x),
    ];
    for (name, function) in functions {
        let reverse = vjp(&traced(Type::f32([3, 3]), *function), &[0]);
        assert!(!reverse.to_string().contains("absorbing"), "{name}: {reverse}");
    }
    let unbounded = vjp(&traced(Type::f32([3, 3]), |x| x.exp()), &[0]);
    assert!(unbounded.to_string().contains("absorbing"), "{unbounded}");
    assert_eq!(simplify(&unbounded), unbounded);
}

/// Burn's tape may run a program; a factor of zero does not hide the other factor from it.
#[test]
fn on_the_tape_a_product_in_which_zero_absorbs_has_the_derivatives_of_a_product() {
    let ty = Type::f64([1, 4]);
    let mut builder = Builder::new();
    let inputs = [builder.input(ty.clone()), builder.input(ty)];
    let product = builder.push(Primitive::Bilinear(Bilinear::AbsorbingProduct), &inputs);
    let program = builder.finish(vec![product]);
    let leaf = |numbers: &[f64]| value(numbers.to_vec(), &[1, 4]).leaf(true);
    let (a, b) = (leaf(&[0.0, 2.0, 0.0, f64::NAN]), leaf(&[3.0, 0.0, f64::INFINITY, 0.0]));
    let result = banach_program::evaluate(&program, vec![a.clone(), b.clone()]).unwrap().remove(0);
    assert_eq!(numbers(&result), [0.0; 4]);
    let gradients = result.try_into_tensor::<2>().unwrap().sum().backward();
    assert_eq!(numbers(&a.gradient(&gradients).unwrap()), [3.0, 0.0, 0.0, 0.0]);
    assert_eq!(numbers(&b.gradient(&gradients).unwrap()), [0.0, 2.0, 0.0, 0.0]);
}
