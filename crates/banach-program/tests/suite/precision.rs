//! Programs converted to another precision.

use crate::harness::{assert_close, numbers, value};
use banach_program::{
    Builder, Custom, CustomOp, Elementwise, Error, Kind, Primitive, Program, TangentBuilder, Type, Value,
    Var, evaluate, in_precision, trace, verify,
};
use burn::tensor::{DType, Device, FloatDType, Tensor};
use std::sync::Arc;

fn traced(code: impl Fn(Tensor<2>) -> Tensor<2>) -> Program {
    let types = [Type::f64([2, 3])];
    trace(&Device::flex(), &types, |inputs| Ok(vec![code(inputs[0].clone().try_into_tensor()?).into()]))
        .unwrap()
}

fn single(program: &Program) -> Program {
    let single = in_precision(program, FloatDType::F32).unwrap();
    verify(&single).unwrap();
    single
}

fn run(program: &Program, precision: FloatDType) -> Value {
    let x = value(vec![0.1, -0.2, 0.3, 0.4, 1.5, -0.6], &[2, 3]).in_precision(precision);
    evaluate(program, vec![x]).unwrap().remove(0)
}

#[test]
fn there_and_back_a_program_is_what_it_was() {
    let program =
        traced(|x| x.clone().mask_where(x.clone().greater_elem(0.25), x.zeros_like()).tanh() * 2.5 + 0.1);
    let single = single(&program);
    assert_ne!(single, program);
    assert_eq!(in_precision(&single, FloatDType::F64).unwrap(), program);
    assert_eq!(in_precision(&program, FloatDType::F64).unwrap(), program);
}

#[test]
fn constants_are_rounded_and_those_too_large_become_infinite() {
    let program = traced(|x| {
        let weight = Tensor::<2>::from_data([[0.1, 0.2, 1e200]], (&x.device(), DType::F64));
        x.clone() * weight.expand([2, 3]) + x * 1e-3
    });
    let found = run(&single(&program), FloatDType::F32);
    assert_eq!(found.ty(), Type::f32([2, 3]));
    let (found, expected) = (numbers(&found), numbers(&run(&program, FloatDType::F64)));
    assert_close(&found[..2], &expected[..2], 1e-7, "rounded");
    assert_eq!([found[2], found[5]], [f64::INFINITY, f64::NEG_INFINITY]);
}

#[test]
fn a_cast_between_precisions_is_none_where_there_is_only_one() {
    let program =
        traced(|x| x.clone().cast(DType::F32).tanh().cast(DType::F64) + x.int().float().cast(DType::F64));
    let casts = |program: &Program| {
        program
            .equations()
            .iter()
            .filter(|equation| matches!(equation.primitive, Primitive::Elementwise(Elementwise::Cast(_))))
            .count()
    };
    let double = in_precision(&program, FloatDType::F64).unwrap();
    assert_eq!([casts(&program), casts(&double), casts(&single(&program))], [5, 2, 2], "{program}");
    let expected = run(&traced(|x| x.clone().tanh() + x.int().float().cast(DType::F64)), FloatDType::F64);
    assert_close(&numbers(&run(&double, FloatDType::F64)), &numbers(&expected), 1e-15, "in double");
    assert_close(&numbers(&run(&single(&program), FloatDType::F32)), &numbers(&expected), 1e-6, "in single");
}

/// The identity, defined elsewhere.
#[derive(Debug)]
struct Same;

impl Custom for Same {
    fn name(&self) -> String {
        "same".into()
    }

    fn result_type(&self, operands: &[&Type]) -> Result<Type, String> {
        Ok(operands[0].clone())
    }

    fn evaluate(&self, mut operands: Vec<Value>) -> Result<Value, Error> {
        Ok(operands.remove(0))
    }

    fn tangent(&self, point: &mut dyn TangentBuilder, operands: &[Var], _: Var) -> Option<Var> {
        point.tangent(operands[0])
    }

    fn row_by_row(&self, _: &[bool]) -> bool {
        true
    }
}

#[test]
fn what_is_defined_elsewhere_has_one_precision() {
    let mut builder = Builder::new();
    let x = builder.input(Type::f64([2]));
    let same = builder.push(Primitive::Custom(CustomOp(Arc::new(Same))), &[x]);
    let error = in_precision(&builder.finish(vec![same]), FloatDType::F32).unwrap_err();
    let expected = Kind::Float(FloatDType::F32).to_string();
    assert_eq!(error, Error::Precision { primitive: "same".into(), expected });
    assert!(error.to_string().contains("same") && error.to_string().contains("f32"), "{error}");
}

#[test]
fn integers_and_truth_values_have_no_precision() {
    let positions = Tensor::<1, burn::tensor::Int>::from_ints([3, 1], &Device::flex());
    let kept = Value::from(positions).in_precision(FloatDType::F32);
    assert!(matches!(kept.ty().kind, Kind::Int(_)));
    assert_eq!(numbers(&kept), [3.0, 1.0]);
}
