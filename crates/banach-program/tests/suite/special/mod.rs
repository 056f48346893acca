//! NaN, infinities, signed zeros, ties and extreme magnitudes: every primitive on the native engine, at every
//! level of instructions, against Burn.

mod elementwise;
mod meaning;
mod moving;
mod products;

use banach_kernels::Level;
use banach_program::{
    Builder, ConvolutionMethod, Kind, Machine, Number, Primitive, Program, Type, Value, Var, evaluate,
};
use burn::tensor::{DType, Device, FloatDType, Int, Tensor, TensorData};

/// Both precisions of the engine.
const PRECISIONS: [FloatDType; 2] = [FloatDType::F32, FloatDType::F64];

/// The values every primitive meets.
fn special(precision: FloatDType) -> Vec<f64> {
    let (largest, normal, least) = match precision {
        FloatDType::F32 => (f64::from(f32::MAX), f64::from(f32::MIN_POSITIVE), f64::from(f32::from_bits(1))),
        FloatDType::F64 | FloatDType::F16 | FloatDType::BF16 | FloatDType::Flex32 => {
            (f64::MAX, f64::MIN_POSITIVE, f64::from_bits(1))
        }
    };
    let mut values = vec![f64::NAN, 0.0, -0.0];
    let sizes = [f64::INFINITY, 1.0, 0.5, 1.5, 2.5, 3.0, 7.25, 40.0, 1e-20, 1e20, largest, normal, least];
    values.extend(sizes.iter().flat_map(|size| [*size, -*size]));
    values
}

/// How near results must be.
#[derive(Clone, Copy, Debug)]
enum Nearness {
    /// Equal numbers, zeros of equal sign.
    Exact,
    /// Equal numbers, zeros of either sign.
    Value,
    /// Numbers within the given units in the last place, zeros of equal sign.
    Ulps(f64),
    /// As `Ulps` relative to the largest finite result; a sum that is zero may have either sign.
    Sum(f64),
}

fn tensor(numbers: &[f64], shape: &[usize], precision: FloatDType) -> Value {
    let data = TensorData::new(numbers.to_vec(), [numbers.len()]);
    Value::from(Tensor::<1>::from_data(data, (&Device::flex(), DType::from(precision)))).reshaped(shape)
}

fn integers(numbers: &[i64], shape: &[usize], dtype: DType) -> Value {
    let data = TensorData::new(numbers.to_vec(), [numbers.len()]);
    Value::from(Tensor::<1, Int>::from_data(data, (&Device::flex(), dtype))).reshaped(shape)
}

fn numbers(value: &Value) -> Vec<f64> {
    value.clone().into_data().iter::<f64>().collect()
}

/// The first difference of two results, in words.
fn difference(found: &Value, expected: &Value, nearness: Nearness) -> Option<String> {
    if found.ty() != expected.ty() {
        return Some(format!("{} beside {}", found.ty(), expected.ty()));
    }
    let single = matches!(found.ty().kind, Kind::Float(FloatDType::F32));
    let epsilon = if single { f64::from(f32::EPSILON) } else { f64::EPSILON };
    let least = if single { f64::from(f32::MIN_POSITIVE) } else { f64::MIN_POSITIVE };
    let (found, expected) = (numbers(found), numbers(expected));
    let finite = expected.iter().filter(|x| x.is_finite());
    let largest = finite.fold(0.0f64, |largest, x| largest.max(x.abs()));
    let same = |a: f64, b: f64| match nearness {
        _ if a.is_nan() || b.is_nan() => a.is_nan() && b.is_nan(),
        _ if a.is_infinite() || b.is_infinite() => a == b,
        Nearness::Exact => a == b && a.is_sign_negative() == b.is_sign_negative(),
        Nearness::Value => a == b,
        Nearness::Ulps(_) if a == 0.0 && b == 0.0 => a.is_sign_negative() == b.is_sign_negative(),
        Nearness::Ulps(ulps) => (a - b).abs() <= ulps * epsilon * b.abs().max(least),
        Nearness::Sum(ulps) => (a - b).abs() <= ulps * epsilon * largest.max(least),
    };
    let at = found.iter().zip(&expected).position(|(a, b)| !same(*a, *b))?;
    Some(format!("number {at} is {:e}, expected {:e}", found[at], expected[at]))
}

/// Differences found so far, each with its case.
#[derive(Default)]
struct Differences(Vec<String>);

impl Differences {
    fn add(&mut self, case: &str, difference: Option<String>) {
        self.0.extend(difference.map(|difference| format!("{case}: {difference}")));
    }

    fn none(self) {
        assert!(self.0.is_empty(), "{} differences:\n{}", self.0.len(), self.0.join("\n"));
    }

    /// Runs a program on the native engine at every level, and notes what differs from Burn.
    fn native(&mut self, case: &str, program: &Program, inputs: &[Value], nearness: Nearness) {
        let expected = evaluate(program, inputs.to_vec()).unwrap();
        self.native_against(case, program, inputs, &expected, nearness);
    }

    /// Compares with known results.
    fn native_against(
        &mut self,
        case: &str,
        program: &Program,
        inputs: &[Value],
        expected: &[Value],
        nearness: Nearness,
    ) {
        let double = program.input_types().any(|ty| ty.kind == Kind::Float(FloatDType::F64));
        if double {
            self.machines::<f64>(case, program, inputs, expected, nearness);
        } else {
            self.machines::<f32>(case, program, inputs, expected, nearness);
        }
    }

    fn machines<T: Number>(
        &mut self,
        case: &str,
        program: &Program,
        inputs: &[Value],
        expected: &[Value],
        nearness: Nearness,
    ) {
        let fixed: Vec<usize> = (1..inputs.len()).collect();
        for level in Level::all() {
            for fixed in [&[][..], &fixed] {
                let machine =
                    Machine::<T>::new(program, fixed).unwrap_or_else(|error| panic!("{case}: {error}"));
                let found = machine.at(level).convolving(ConvolutionMethod::Direct).call(inputs.to_vec());
                for (found, expected) in found.unwrap().iter().zip(expected) {
                    let case = format!("{case} {level} {:?}", expected.ty().kind);
                    self.add(&case, difference(found, expected, nearness));
                }
            }
        }
    }

    /// Compares the engines on one primitive.
    fn primitive(&mut self, primitive: Primitive, inputs: &[Value], nearness: Nearness) {
        let types: Vec<Type> = inputs.iter().map(Value::ty).collect();
        let program = program(&types, |builder, operands| vec![builder.push(primitive.clone(), operands)]);
        self.native(&primitive.to_string(), &program, inputs, nearness);
    }
}

fn program(types: &[Type], build: impl FnOnce(&mut Builder, &[Var]) -> Vec<Var>) -> Program {
    let mut builder = Builder::new();
    let inputs: Vec<Var> = types.iter().map(|ty| builder.input(ty.clone())).collect();
    let outputs = build(&mut builder, &inputs);
    builder.finish(outputs)
}
