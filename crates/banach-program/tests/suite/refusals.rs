//! What cannot be traced is refused with a typed error that says what to write instead.

use banach_program::{Error, Type, Value, evaluate, trace};
use burn::tensor::{Device, Distribution, Tensor};

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
