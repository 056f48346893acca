//! Comparison of a traced closure with Burn itself, finite differences and the dot-product identity.

use banach_program::{
    ConvolutionMethod, Error, Kind, Machine, Number, Program, Type, Value, in_precision, jvp, linearize,
    simplify, trace, transpose, verify, vjp,
};
use burn::tensor::{DType, Device, FloatDType, Tensor, TensorData};

/// A small reproducible stream of numbers in (-1, 1).
pub(crate) struct Numbers(u64);

impl Numbers {
    pub(crate) fn new(seed: u64) -> Self {
        Numbers(seed.wrapping_mul(0x9E37_79B9_7F4A_7C15) | 1)
    }

    pub(crate) fn next(&mut self) -> f64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        (self.0 >> 11) as f64 / (1u64 << 52) as f64 - 1.0
    }

    pub(crate) fn value(&mut self, ty: &Type) -> Value {
        let numbers: Vec<f64> = (0..ty.len()).map(|_| self.next()).collect();
        value(numbers, &ty.shape)
    }
}

pub(crate) fn value(numbers: Vec<f64>, shape: &[usize]) -> Value {
    let count = numbers.len();
    let flat = Tensor::<1>::from_data(TensorData::new(numbers, [count]), (&Device::flex(), DType::F64));
    Value::from(flat).reshaped(shape)
}

pub(crate) fn numbers(value: &Value) -> Vec<f64> {
    value.clone().into_data().iter::<f64>().collect()
}

fn all(values: &[Value]) -> Vec<f64> {
    values.iter().filter(|value| value.ty().kind.is_float()).flat_map(numbers).collect()
}

fn dot(a: &[f64], b: &[f64]) -> f64 {
    a.iter().zip(b).map(|(a, b)| a * b).sum()
}

pub(crate) fn assert_close(found: &[f64], expected: &[f64], tolerance: f64, what: &str) {
    assert_eq!(found.len(), expected.len(), "{what}: {} numbers, expected {}", found.len(), expected.len());
    let scale = expected.iter().fold(1.0f64, |scale, x| scale.max(x.abs()));
    for (position, (a, b)) in found.iter().zip(expected).enumerate() {
        let same = a == b || (a - b).abs() <= tolerance * scale;
        assert!(same, "{what}: number {position} is {a}, expected {b} (scale {scale})");
    }
}

/// The results on the device, after the native engine gave the same.
pub(crate) fn evaluate(program: &Program, inputs: Vec<Value>) -> Result<Vec<Value>, Error> {
    let expected = banach_program::evaluate(program, inputs.clone())?;
    let single = program.input_types().any(|ty| ty.kind == Kind::Float(FloatDType::F32));
    if single {
        natively::<f32>(program, &inputs, &expected, 1e-6);
    } else {
        natively::<f64>(program, &inputs, &expected, 1e-12);
    }
    Ok(expected)
}

/// With nothing fixed, with all but the first input fixed, spread over cores, and with Winograd's
/// convolutions.
fn natively<T: Number>(program: &Program, inputs: &[Value], expected: &[Value], tolerance: f64) {
    let fixed: Vec<usize> = (1..inputs.len()).collect();
    use ConvolutionMethod::{Auto, Direct, Winograd};
    let machines = [
        (&[][..], false, Direct),
        (&fixed, false, Direct),
        (&fixed, true, Auto),
        (&[], true, Winograd),
        (&fixed, false, Winograd),
    ];
    for (fixed, spread, method) in machines {
        let machine = match Machine::<T>::new(program, fixed).map(|machine| machine.convolving(method)) {
            Ok(machine) if spread => machine.spread(),
            Ok(machine) => machine,
            Err(error) => {
                let reason = error.to_string();
                let known = ["beside numbers of", "of integers"].iter().any(|known| reason.contains(known));
                assert!(known, "{reason}\n{program}");
                return;
            }
        };
        let found = machine.call(inputs.to_vec()).unwrap();
        for (found, expected) in found.iter().zip(expected) {
            assert_eq!(found.ty().shape, expected.ty().shape, "{program}");
            let (found, expected) = (numbers(found), numbers(expected));
            let scale = expected.iter().filter(|x| x.is_finite()).fold(1.0f64, |scale, x| scale.max(x.abs()));
            for (position, (a, b)) in found.iter().zip(&expected).enumerate() {
                let same = a == b || (a.is_nan() && b.is_nan()) || (a - b).abs() <= tolerance * scale;
                assert!(same, "native number {position} is {a}, on the device {b}\n{program}");
            }
        }
    }
}

/// Traces the closure, then holds its program against the closure itself and its derivatives against finite
/// differences and the dot-product identity.
pub(crate) fn check(name: &str, shapes: &[&[usize]], closure: impl Fn(&[Value]) -> Vec<Value>) -> Program {
    check_from(name, shapes, 0.0, closure)
}

/// Checks a closure at inputs moved up, for functions of positive numbers.
pub(crate) fn check_from(
    name: &str,
    shapes: &[&[usize]],
    above: f64,
    closure: impl Fn(&[Value]) -> Vec<Value>,
) -> Program {
    let types: Vec<Type> = shapes.iter().map(|shape| Type::f64(*shape)).collect();
    let program = trace(&Device::flex(), &types, |inputs| Ok(closure(inputs)))
        .unwrap_or_else(|error| panic!("{name}: {error}"));
    verify(&program).unwrap();
    assert!(program.to_string().starts_with("program("), "{name}");
    let mut stream = Numbers::new(name.len() as u64 + 17 * shapes.len() as u64);
    let moved = |value: Value, ty: &Type| value_plus(&value, above, ty);
    let inputs: Vec<Value> = types.iter().map(|ty| moved(stream.value(ty), ty)).collect();
    let direct = closure(&inputs);
    let found = evaluate(&program, inputs.clone()).unwrap();
    assert_close(&all(&found), &all(&direct), 1e-12, &format!("{name}: value"));
    in_single(name, &program, inputs.clone(), &found);
    derivatives(name, &program, &inputs, &mut stream);
    program
}

/// In single precision the program gives the same up to rounding, and back in double it is of the same types.
fn in_single(name: &str, program: &Program, inputs: Vec<Value>, expected: &[Value]) {
    let single = in_precision(program, FloatDType::F32).unwrap();
    verify(&single).unwrap();
    let inputs = inputs.into_iter().map(|value| value.in_precision(FloatDType::F32)).collect();
    let found = banach_program::evaluate(&single, inputs).unwrap();
    assert!(found.iter().all(|value| value.ty().kind != Kind::Float(FloatDType::F64)), "{name}: {single}");
    assert_close(&all(&found), &all(expected), 1e-5, &format!("{name}: in single precision"));
    let back = in_precision(&single, FloatDType::F64).unwrap();
    assert!(back.input_types().eq(program.input_types()) && back.output_types().eq(program.output_types()));
}

fn value_plus(value_: &Value, number: f64, ty: &Type) -> Value {
    value(numbers(value_).iter().map(|x| x + number).collect(), &ty.shape)
}

/// J t against a central difference, ⟨v, J t⟩ against ⟨Jᵀ v, t⟩, and the derivative of J t against its
/// difference.
pub(crate) fn derivatives(name: &str, program: &Program, inputs: &[Value], stream: &mut Numbers) {
    let which: Vec<usize> = (0..inputs.len()).collect();
    let types: Vec<Type> = program.input_types().cloned().collect();
    let directions: Vec<Value> = types.iter().map(|ty| stream.value(ty)).collect();
    let forward = jvp(program, &which);
    verify(&forward).unwrap();
    let given = [inputs.to_vec(), directions.clone()].concat();
    let tangents = evaluate(&forward, given.clone()).unwrap().split_off(program.outputs().len());
    let step = 1e-5;
    let at = |program: &Program, inputs: &[Value], directions: &[Value], step: f64| {
        let moved = inputs.iter().zip(directions).map(|(x, t)| {
            let pairs = numbers(x).into_iter().zip(numbers(t));
            value(pairs.map(|(x, t)| x + step * t).collect(), &x.ty().shape)
        });
        all(&evaluate(program, moved.collect()).unwrap())
    };
    let difference = |program: &Program, inputs: &[Value], directions: &[Value]| -> Vec<f64> {
        let (up, down) = (at(program, inputs, directions, step), at(program, inputs, directions, -step));
        up.iter().zip(&down).map(|(up, down)| (up - down) / (2.0 * step)).collect()
    };
    let expected = difference(program, inputs, &directions);
    assert_close(&all(&tangents), &expected, 1e-7, &format!("{name}: finite difference"));

    let cotangents: Vec<Value> = program.output_types().map(|ty| stream.value(ty)).collect();
    let reverse = vjp(program, &which);
    verify(&reverse).unwrap();
    let back = [inputs.to_vec(), cotangents.clone()].concat();
    let gradients = evaluate(&reverse, back).unwrap().split_off(program.outputs().len());
    let (left, right) = (dot(&all(&cotangents), &all(&tangents)), dot(&all(&gradients), &all(&directions)));
    assert!(
        (left - right).abs() <= 1e-10 * left.abs().max(1.0),
        "{name}: ⟨v, Jt⟩ = {left}, ⟨Jᵀv, t⟩ = {right}"
    );

    let twice = jvp(&forward, &(0..given.len()).collect::<Vec<_>>());
    let more: Vec<Value> = given.iter().map(|value| stream.value(&value.ty())).collect();
    let second = evaluate(&twice, [given.clone(), more.clone()].concat()).unwrap();
    let second = second[2 * program.outputs().len()..].to_vec();
    let expected = difference(&forward, &given, &more);
    assert_close(&all(&second), &expected, 1e-5, &format!("{name}: second derivative"));

    let tangent = linearize(program, &which).tangent;
    let back_again = transpose(&transpose(&tangent));
    let (once, again) = (simplify(&tangent.into_program()), simplify(&back_again.into_program()));
    let given: Vec<Value> = once
        .input_types()
        .map(|ty| match ty.kind {
            kind if kind.is_float() => stream.value(ty),
            _ => Value::full(ty, 0.0, &Device::flex()),
        })
        .collect();
    let (once, again) = (evaluate(&once, given.clone()).unwrap(), evaluate(&again, given).unwrap());
    assert_close(&all(&once), &all(&again), 1e-12, &format!("{name}: transposing twice"));
}

/// One typed tensor in, one out.
pub(crate) fn one<const D: usize, const E: usize>(
    function: impl Fn(Tensor<D>) -> Tensor<E>,
) -> impl Fn(&[Value]) -> Vec<Value> {
    move |inputs| vec![function(inputs[0].clone().try_into_tensor().unwrap()).into()]
}

/// Two typed tensors in, one out.
pub(crate) fn two<const D: usize, const E: usize, const F: usize>(
    function: impl Fn(Tensor<D>, Tensor<E>) -> Tensor<F>,
) -> impl Fn(&[Value]) -> Vec<Value> {
    move |inputs| {
        let (a, b) = (inputs[0].clone(), inputs[1].clone());
        vec![function(a.try_into_tensor().unwrap(), b.try_into_tensor().unwrap()).into()]
    }
}
