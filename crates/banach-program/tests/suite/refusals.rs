//! What cannot be traced is refused with a typed error that says what to write instead.

use banach_program::{Error, Kind, Machine, Type, Value, evaluate, trace};
use burn::tensor::ops::{AttentionModuleOptions, ConvOptions, ConvTransposeOptions};
use burn::tensor::{DType, Device, Distribution, IndexingUpdateOp, Int, IntDType, Tensor, module};

fn refused(closure: impl Fn(Tensor<2>) -> Tensor<2>) -> Error {
    let traced = trace(&Device::flex(), &[Type::f32([2, 3])], |inputs| {
        Ok(vec![closure(inputs[0].clone().try_into_tensor()?).into()])
    });
    traced.expect_err("must be refused")
}

#[test]
fn an_unsupported_operation_is_named_with_its_place_and_a_way_out() {
    let error = refused(|x| x.tanh().cumsum(1));
    let Error::Unsupported { operation, position, hint } = &error else { panic!("{error:?}") };
    assert_eq!((operation.as_str(), *position), ("CumSum", 2));
    assert!(hint.contains("triangular"), "{error}");
}

#[test]
fn randomness_is_refused() {
    let error = refused(|x| x.random_like(Distribution::Default) + x);
    assert!(matches!(&error, Error::Unsupported { operation, .. } if operation == "Random"), "{error}");
}

#[test]
fn a_host_read_is_refused() {
    let error = refused(|x| if x.clone().sum().into_scalar::<f32>() > 0.0 { x.clone() } else { -x });
    assert!(matches!(error, Error::HostRead { .. }), "{error}");
    assert!(error.to_string().contains("mask_where"), "{error}");
}

#[test]
fn a_tensor_from_another_device_is_refused() {
    let weight = Tensor::<2>::ones([2, 3], &Device::flex());
    let error = refused(move |x| x * weight.clone());
    assert!(matches!(error, Error::ForeignTensor { .. }), "{error:?}");
}

#[test]
fn a_panic_inside_is_reported_with_its_message() {
    let error = refused(|x| x.matmul(Tensor::ones([5, 2], &Device::flex())));
    assert!(!error.to_string().is_empty());
    let error = refused(|_| panic!("the message"));
    assert_eq!(error, Error::Panicked { message: "the message".into() });
}

#[test]
fn a_trace_after_a_refused_trace_works() {
    let _ = refused(|_| panic!("first"));
    let traced = trace(&Device::flex(), &[Type::f32([1])], |inputs| Ok(inputs.to_vec()));
    assert_eq!(traced.map(|program| program.equations().len()), Ok(0));
}

#[test]
fn wrong_inputs_to_a_program_are_refused() {
    let program = trace(&Device::flex(), &[Type::f32([2, 3])], |inputs| Ok(inputs.to_vec())).unwrap();
    let wrong = Value::from(Tensor::<2>::ones([3, 3], &Device::flex()));
    let error = evaluate(&program, vec![wrong.clone()]).unwrap_err();
    assert_eq!(error.to_string(), "input 0 of a program: found f32[3, 3], expected f32[2, 3]");
    assert!(matches!(evaluate(&program, vec![wrong.clone(), wrong]).unwrap_err(), Error::Count { .. }));
}

type Code = fn(Value, Value) -> Result<Value, Error>;

fn both<const D: usize>(a: Value, b: Value) -> Result<(Tensor<D>, Tensor<D>), Error> {
    Ok((a.try_into_tensor()?, b.try_into_tensor()?))
}

/// Operations on two tensors of one shape, by the name Burn gives them.
fn pairs() -> Vec<(&'static str, Code)> {
    vec![
        ("matmul", |a, b| both::<4>(a, b).map(|(a, b)| a.matmul(b).into())),
        // Burn records it as a product.
        ("matmul", |a, b| {
            let (a, b) = both::<4>(a, b)?;
            Ok(module::linear(a, b.reshape([8, 2]).slice([0..2, 0..2]), None).into())
        }),
        ("conv2d", |a, b| {
            let (a, b) = both::<4>(a, b)?;
            Ok(module::conv2d(a, b, None, ConvOptions::new([1, 1], [0, 0], [1, 1], 1)).into())
        }),
        ("convtranspose2d", |a, b| {
            let (a, b) = both::<4>(a, b)?;
            let options = ConvTransposeOptions::new([1, 1], [0, 0], [0, 0], [1, 1], 1);
            Ok(module::conv_transpose2d(a, b, None, options).into())
        }),
        ("add", |a, b| both::<4>(a, b).map(|(a, b)| (a + b).into())),
        ("sub", |a, b| both::<4>(a, b).map(|(a, b)| (a - b).into())),
        ("mul", |a, b| both::<4>(a, b).map(|(a, b)| (a * b).into())),
        ("div", |a, b| both::<4>(a, b).map(|(a, b)| (a / b).into())),
        ("powf", |a, b| both::<4>(a, b).map(|(a, b)| a.powf(b).into())),
        ("atan2", |a, b| both::<4>(a, b).map(|(a, b)| a.atan2(b).into())),
        ("remainder", |a, b| both::<4>(a, b).map(|(a, b)| a.remainder(b).into())),
        ("greater", |a, b| both::<4>(a, b).map(|(a, b)| a.greater(b).float().into())),
        ("equal", |a, b| both::<4>(a, b).map(|(a, b)| a.equal(b).float().into())),
        ("cat", |a, b| both::<4>(a, b).map(|(a, b)| Tensor::cat(vec![a, b], 0).into())),
        ("maskwhere", |a, b| {
            let (a, b) = both::<4>(a, b)?;
            Ok(a.clone().mask_where(a.greater_elem(0.0), b).into())
        }),
        ("sliceassign", |a, b| {
            let (a, b) = both::<4>(a, b)?;
            Ok(a.slice_assign([0..2, 0..2, 0..2, 0..2], b).into())
        }),
        ("scatter", |a, b| {
            let (a, b) = both::<4>(a, b)?;
            let at = Tensor::zeros([2, 2, 2, 2], (&a.device(), DType::I64));
            Ok(a.scatter(0, at, b, IndexingUpdateOp::Add).into())
        }),
        ("selectassign", |a, b| {
            let (a, b) = both::<4>(a, b)?;
            let at = Tensor::zeros([2], (&a.device(), DType::I64));
            Ok(a.select_assign(0, at, b, IndexingUpdateOp::Add).into())
        }),
        ("attention", |a, b| {
            let (a, b) = both::<4>(a, b)?;
            Ok(module::attention(a.clone(), b, a, None, None, AttentionModuleOptions::default()).into())
        }),
    ]
}

#[test]
fn operands_of_two_precisions_are_refused_by_the_operations_name_and_both_types() {
    let mut wrong = vec![];
    for (name, code) in pairs() {
        for types in [[Type::f32([2; 4]), Type::f64([2; 4])], [Type::f64([2; 4]), Type::f32([2; 4])]] {
            let traced = trace(&Device::flex(), &types, |inputs| {
                Ok(vec![code(inputs[0].clone(), inputs[1].clone())?])
            });
            let Err(error) = traced else {
                wrong.push(format!("{name}: traced"));
                continue;
            };
            let text = error.to_string();
            let plain = |text: &str| text.to_lowercase().replace('_', "");
            let named = matches!(&error, Error::Operands { operation, .. } if plain(operation) == name);
            let both = ["f32[2, 2, 2, 2]", "f64[2, 2, 2, 2]"].iter().all(|ty| text.contains(ty));
            let halves = ["f32[", "f64["].iter().all(|ty| text.contains(ty));
            if !(named
                && (both || name == "matmul" && halves)
                && text.contains("cast")
                && !text.contains('\n'))
            {
                wrong.push(format!("{name}: {text}"));
            }
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn operands_of_wrong_shapes_are_refused_by_the_operations_name_and_both_shapes() {
    let types = [Type::f32([2, 3]), Type::f32([4, 5])];
    let codes: [(&str, Code); 4] = [
        ("Matmul", |a, b| both::<2>(a, b).map(|(a, b)| a.matmul(b).into())),
        ("Add", |a, b| both::<2>(a, b).map(|(a, b)| (a + b).into())),
        ("Cat", |a, b| both::<2>(a, b).map(|(a, b)| Tensor::cat(vec![a, b], 0).into())),
        ("Reshape", |a, _| a.try_into_tensor::<2>().map(|a| a.reshape([4, 5]).into())),
    ];
    for (name, code) in codes {
        let traced =
            trace(&Device::flex(), &types, |inputs| Ok(vec![code(inputs[0].clone(), inputs[1].clone())?]));
        let error = traced.expect_err(name);
        let text = error.to_string();
        let named =
            matches!(&error, Error::Operands { operation, .. } if operation.eq_ignore_ascii_case(name));
        assert!(named && !text.contains('\n'), "{name}: {text}");
        assert!(text.contains('2') && text.contains('5'), "{name}: {text}");
    }
}

#[test]
fn an_index_outside_its_axis_is_an_error_on_both_engines() {
    let types = [Type::f32([3, 2]), Type::new([2], Kind::Int(IntDType::I64))];
    let program = trace(&Device::flex(), &types, |inputs| {
        let (x, at): (Tensor<2>, Tensor<1, Int>) =
            (inputs[0].clone().try_into_tensor()?, inputs[1].clone().try_into_int()?);
        Ok(vec![x.select(0, at).into()])
    });
    let program = program.unwrap();
    for outside in [-1i64, 3] {
        let at = Tensor::<1, Int>::from_data([0, outside], (&Device::flex(), DType::I64));
        let given = vec![Value::from(Tensor::<2>::ones([3, 2], &Device::flex())), Value::from(at)];
        let expected = Error::Index { found: outside, size: 3 };
        assert_eq!(evaluate(&program, given.clone()).unwrap_err(), expected);
        assert_eq!(Machine::<f32>::new(&program, &[]).unwrap().call(given).unwrap_err(), expected);
    }
}
