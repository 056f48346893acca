//! Corners: integers and masks as inputs, empty tensors, mixed dtypes, several threads; right, or refused by
//! name.

use crate::harness::{assert_close, check, evaluate, numbers, one, value};
use banach_program::{Error, RowDependence, Type, Value, row_dependence, trace, verify, vjp};
use burn::tensor::module::attention;
use burn::tensor::ops::AttentionModuleOptions;
use burn::tensor::{Bool, DType, Device, Int, Slice, Tensor, TensorData, s};

fn flex() -> Device {
    Device::flex()
}

fn ints(dtype: DType) -> Value {
    let data = TensorData::from([[3i64, -2, 7], [-5, 4, 4]]);
    Tensor::<2, Int>::from_data(data, (&flex(), dtype)).into()
}

fn masks() -> Value {
    Tensor::<2, Bool>::from_data(TensorData::from([[true, false, true], [false, false, true]]), &flex())
        .into()
}

fn floats() -> Value {
    value(vec![0.3, -0.2, 0.9, -1.1, 0.0, 0.4], &[2, 3])
}

/// What a closure gives directly and through its program must be of one type and equal.
fn agree(name: &str, inputs: &[Value], closure: impl Fn(&[Value]) -> Vec<Value>) {
    let types: Vec<Type> = inputs.iter().map(Value::ty).collect();
    let program = trace(&flex(), &types, |inputs| Ok(closure(inputs)))
        .unwrap_or_else(|error| panic!("{name}: {error}"));
    verify(&program).unwrap();
    let direct = closure(inputs);
    let found = evaluate(&program, inputs.to_vec()).unwrap_or_else(|error| panic!("{name}: {error}"));
    for ((found, direct), ty) in found.iter().zip(&direct).zip(program.output_types()) {
        assert_eq!(found.ty(), *ty, "{name}: the type that is written");
        assert_eq!(found.ty().shape, direct.ty().shape, "{name}");
        let all =
            |value: &Value| value.clone().into_data().convert::<f64>().iter::<f64>().collect::<Vec<_>>();
        assert_close(&all(found), &all(direct), 1e-12, name);
    }
}

fn on_ints(closure: impl Fn(Tensor<2, Int>) -> Tensor<2, Int>) -> impl Fn(&[Value]) -> Vec<Value> {
    move |inputs| vec![closure(inputs[0].clone().try_into_int().unwrap()).into()]
}

fn on_masks(closure: impl Fn(Tensor<2, Bool>) -> Tensor<2, Bool>) -> impl Fn(&[Value]) -> Vec<Value> {
    move |inputs| vec![closure(inputs[0].clone().try_into_bool().unwrap()).into()]
}

#[test]
fn integers_of_any_width_compute_as_in_burn() {
    type Function = fn(Tensor<2, Int>) -> Tensor<2, Int>;
    let functions: &[(&str, Function)] = &[
        ("abs", |x| x.abs()),
        ("sign", |x| x.sign()),
        ("square", |x| x.powi_scalar(2)),
        ("cube", |x| x.powi_scalar(3)),
        ("mean", |x| x.mean().reshape([1, 1])),
        ("mean dim", |x| x.mean_dim(1)),
        ("sum", |x| x.sum_dim(0)),
        ("divide", |x| x / 2),
        ("remainder", |x| x % 3),
        ("remainder of a tensor", |x| x.clone().remainder(x.abs() + 2)),
        ("clamp", |x| x.clamp(-2, 4)),
        ("argmax", |x| x.argmax(1)),
        ("argmin", |x| x.argmin(0)),
        ("max", |x| x.max_dim(1)),
        ("max with indices", |x| {
            let (largest, _) = x.max_dim_with_indices(1);
            largest
        }),
        ("pad", |x| x.pad((1, 0, 0, 2), 9)),
        ("pad with zero", |x| x.pad((1, 0, 0, 2), 0)),
        ("repeat", |x| x.repeat_dim(1, 2)),
        ("flip", |x| x.flip([1])),
        ("mask", |x| x.clone().mask_fill(x.greater_elem(3), -1)),
        ("select", |x| x.clone().select(1, Tensor::from_data([2, 0], &x.device()))),
        ("neg", |x| x.neg()),
        ("scalars", |x| (x * 3 + 5 - 1) * 1),
        ("slice assign", |x| {
            let part = x.clone().slice(s![1..2, 0..2]);
            x.slice_assign(s![0..1, 1..3], part)
        }),
    ];
    for (name, function) in functions {
        for dtype in [DType::I64, DType::I32] {
            agree(&format!("{name} {dtype:?}"), &[ints(dtype)], on_ints(*function));
        }
    }
}

#[test]
fn masks_compute_as_in_burn() {
    type Function = fn(Tensor<2, Bool>) -> Tensor<2, Bool>;
    let functions: &[(&str, Function)] = &[
        ("not", |x| x.bool_not()),
        ("flip", |x| x.flip([1])),
        ("cat", |x| Tensor::cat(vec![x.clone(), x.bool_not()], 1)),
        ("repeat", |x| x.repeat_dim(0, 2)),
        ("select", |x| x.clone().select(1, Tensor::from_data([2, 0], &x.device()))),
        ("gather", |x| x.clone().gather(1, Tensor::from_data([[2, 0], [1, 1]], &x.device()))),
        ("slice", |x| x.slice(s![.., 1..])),
        ("equal", |x| x.clone().equal(x.flip([0]))),
        ("mask where", |x| x.clone().mask_where(x.clone().flip([1]), x.bool_not())),
        ("transpose", |x| x.transpose()),
    ];
    for (name, function) in functions {
        agree(name, &[masks()], on_masks(*function));
    }
    agree("to numbers", &[masks()], |inputs| {
        let x: Tensor<2, Bool> = inputs[0].clone().try_into_bool().unwrap();
        vec![x.clone().float().into(), x.int().into()]
    });
}

#[test]
fn indices_given_as_an_input_move_rows() {
    for dtype in [DType::I64, DType::I32] {
        let at = Tensor::<1, Int>::from_data(TensorData::from([1i64, 1, 0]), (&flex(), dtype));
        agree("select by an input", &[floats(), at.into()], |inputs| {
            let x: Tensor<2> = inputs[0].clone().try_into_tensor().unwrap();
            vec![x.select(0, inputs[1].clone().try_into_int().unwrap()).into()]
        });
        let at = Tensor::<2, Int>::from_data(TensorData::from([[1i64], [2]]), (&flex(), dtype));
        agree("gather by an input", &[floats(), at.into()], |inputs| {
            let x: Tensor<2> = inputs[0].clone().try_into_tensor().unwrap();
            vec![x.gather(1, inputs[1].clone().try_into_int().unwrap()).into()]
        });
    }
}

#[test]
fn padding_with_any_number_keeps_the_rest_exactly() {
    let shape: &[&[usize]] = &[&[2, 3]];
    for number in [1e18f32, -1e18] {
        agree("a number too large to add", &[floats()], one(move |x: Tensor<2>| x.pad((1, 2, 0, 1), number)));
    }
    check("a number", shape, one(|x: Tensor<2>| x.sin().pad((1, 2, 0, 1), 0.7).cos()));
    let padded = trace(&flex(), &[Type::f64([1, 2])], |inputs| {
        let x: Tensor<2> = inputs[0].clone().try_into_tensor()?;
        Ok(vec![x.pad((0, 1, 0, 0), f32::NEG_INFINITY).into()])
    });
    let found = evaluate(&padded.unwrap(), vec![value(vec![1.0, 2.0], &[1, 2])]).unwrap();
    assert_eq!(numbers(&found[0]), [1.0, 2.0, f64::NEG_INFINITY]);
}

#[test]
fn causal_attention_with_more_keys_than_queries_agrees() {
    for (queries, keys) in [(2, 4), (3, 3), (4, 2)] {
        let shapes: &[&[usize]] = &[&[1, 2, queries, 3], &[1, 2, keys, 3], &[1, 2, keys, 3]];
        check("causal", shapes, |inputs| {
            let [q, k, v] = [0, 1, 2].map(|at| inputs[at].clone().try_into_tensor::<4>().unwrap());
            let options = AttentionModuleOptions { is_causal: true, ..Default::default() };
            vec![attention(q, k, v, None, None, options).into()]
        });
    }
}

#[test]
fn queries_may_share_keys_and_values() {
    let shapes: &[&[usize]] = &[&[2, 4, 3, 2], &[2, 2, 3, 2], &[2, 2, 3, 2]];
    check("grouped", shapes, |inputs| {
        let [q, k, v] = [0, 1, 2].map(|at| inputs[at].clone().try_into_tensor::<4>().unwrap());
        vec![attention(q, k, v, None, None, AttentionModuleOptions::default()).into()]
    });
}

#[test]
fn a_power_of_zero_is_one_with_slope_zero_even_at_zero() {
    let program = trace(&flex(), &[Type::f64([1, 2])], |inputs| {
        let x: Tensor<2> = inputs[0].clone().try_into_tensor()?;
        Ok(vec![x.powf_scalar(0.0).into()])
    });
    let x = value(vec![0.0, 2.0], &[1, 2]);
    let found = evaluate(&vjp(&program.unwrap(), &[0]), vec![x, value(vec![1.0, 1.0], &[1, 2])]).unwrap();
    assert_eq!((numbers(&found[0]), numbers(&found[1])), (vec![1.0, 1.0], vec![0.0, 0.0]));
}

#[test]
fn an_empty_batch_is_traced_differentiated_and_judged() {
    let program = trace(&flex(), &[Type::f64([0, 3]), Type::f64([3, 3])], |inputs| {
        let x: Tensor<2> = inputs[0].clone().try_into_tensor()?;
        let w: Tensor<2> = inputs[1].clone().try_into_tensor()?;
        Ok(vec![x.matmul(w).reshape([0, 1, 3]).tanh().reshape([0, 3]).into()])
    });
    let program = program.unwrap();
    assert_eq!(row_dependence(&program, &[0]), RowDependence::Independent);
    let w = value(vec![0.1; 9], &[3, 3]);
    let found = evaluate(&program, vec![value(vec![], &[0, 3]), w]).unwrap();
    assert_eq!(found[0].ty().shape, [0, 3]);
}

#[test]
fn slices_that_run_backwards_or_hold_nothing_agree() {
    let backwards = |from: isize, to: Option<isize>, step: isize| Slice::new(from, to, step);
    for (name, slice) in [
        ("all", backwards(0, None, -1)),
        ("some", backwards(1, Some(4), -2)),
        ("others", backwards(0, Some(4), -3)),
        ("nothing", backwards(2, Some(2), 1)),
        ("nothing backwards", backwards(2, Some(2), -1)),
    ] {
        let x = value((0..10).map(f64::from).collect(), &[2, 5]);
        agree(name, &[x], one(move |x: Tensor<2>| x.slice([Slice::full(), slice])));
    }
}

#[test]
fn what_has_no_program_is_refused_by_name_whatever_its_kind() {
    type Function = fn(Tensor<2>) -> Tensor<2>;
    let functions: &[(&str, Function)] = &[
        ("Sort", |x| x.sort(1)),
        ("CumSum", |x| x.cumsum(1)),
        ("Unfold", |x| x.unfold::<3, _>(1, 2, 1).sum_dim(2).squeeze_dim::<2>(2)),
        ("ProdDim", |x| x.prod_dim(1)),
        ("Any", |x| x.clone().greater_elem(0.0).any().float().reshape([1, 1]) * x),
    ];
    for (operation, function) in functions {
        let traced = trace(&flex(), &[Type::f32([2, 3])], |inputs| {
            Ok(vec![function(inputs[0].clone().try_into_tensor()?).into()])
        });
        let found = traced.map(|_| ()).unwrap_err();
        let named = matches!(&found, Error::Unsupported { operation: name, .. } if name == operation);
        assert!(named, "{operation}: {found:?}");
    }
}

#[test]
fn tensors_of_two_precisions_in_one_operation_are_refused() {
    let traced = trace(&flex(), &[Type::f32([2, 3]), Type::f64([2, 3])], |inputs| {
        let (a, b): (Tensor<2>, Tensor<2>) =
            (inputs[0].clone().try_into_tensor()?, inputs[1].clone().try_into_tensor()?);
        Ok(vec![(a + b).into()])
    });
    let found = traced.map(|_| ()).unwrap_err();
    assert!(matches!(found, Error::Operands { .. }), "{found:?}");
    assert!(found.to_string().contains("cast one of them"), "{found}");
}

#[test]
fn many_threads_trace_at_once() {
    let programs: Vec<String> = std::thread::scope(|scope| {
        let work = |number: usize| {
            move || {
                let traced = trace(&Device::flex(), &[Type::f64([2, 3])], |inputs| {
                    let mut x: Tensor<2> = inputs[0].clone().try_into_tensor()?;
                    for _ in 0..50 {
                        x = x.sin() + number as f64;
                    }
                    Ok(vec![x.into()])
                });
                let x = value(vec![0.5; 6], &[2, 3]);
                format!("{:?}", numbers(&evaluate(&traced.unwrap(), vec![x]).unwrap()[0])[0])
            }
        };
        let threads: Vec<_> = (0..16).map(|number| scope.spawn(work(number % 2))).collect();
        threads.into_iter().map(|thread| thread.join().unwrap()).collect()
    });
    assert!(programs.iter().step_by(2).all(|program| *program == programs[0]), "{programs:?}");
    assert!(programs.iter().skip(1).step_by(2).all(|program| *program == programs[1]), "{programs:?}");
}

#[test]
fn a_program_of_thousands_of_lines_is_traced_and_differentiated() {
    let program = trace(&flex(), &[Type::f64([1, 2])], |inputs| {
        let mut x: Tensor<2> = inputs[0].clone().try_into_tensor()?;
        for _ in 0..3000 {
            x = x.sin() * 1.01;
        }
        Ok(vec![x.into()])
    });
    let reverse = vjp(&program.unwrap(), &[0]);
    let given = vec![value(vec![0.1, 0.2], &[1, 2]), value(vec![1.0, 1.0], &[1, 2])];
    assert!(numbers(&evaluate(&reverse, given).unwrap()[1]).iter().all(|x| x.is_finite()));
}

#[test]
fn half_precision_agrees() {
    for dtype in [DType::F16, DType::BF16] {
        let x = Tensor::<2>::from_data(TensorData::from([[0.5f32, -1.0, 2.0]]), (&flex(), dtype));
        agree(&format!("{dtype:?}"), &[x.into()], one(|x: Tensor<2>| (x * 0.5 + 1.0).tanh().sum_dim(1)));
    }
}

#[test]
fn sums_of_products_and_spreads_agree() {
    check("variance", &[&[3, 4]], one(|x: Tensor<2>| x.var(1)));
    check("biased variance", &[&[3, 4]], one(|x: Tensor<2>| x.var_bias(0)));
    check("five axes", &[&[2, 1, 3, 2, 2]], one(|x: Tensor<5>| x.permute([0, 4, 2, 1, 3]).sin().sum_dim(2)));
    check("square of sums", &[&[2, 3]], one(|x: Tensor<2>| x.clone().matmul(x.transpose()).tanh()));
}
