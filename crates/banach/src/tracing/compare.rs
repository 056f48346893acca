//! Comparison of a new trace with Burn: values, and pullbacks of a random cotangent, at one point.
//!
//! A trace does not record what leaves no operation: `detach`, `set_require_grad(false)`, random numbers of a layer in
//! training mode, and values that the host reads or a closure captures. The traced code therefore runs once on Burn's own
//! tensors, and a difference beyond rounding is an error.
//!
//! The point is the point of the call. Tensors of one repeated element (a start of zeros, a bias of zeros, a scale of ones)
//! are perturbed, since derivatives may vanish or jump there. A difference must show again at a second point near by, so
//! that a jump of the function between two roundings is no difference. The effect of rounding is measured on the program.
//! Values that are not finite are not compared, and neither are fixed points in which a row failed.

use crate::error::Error;
use crate::settings::trial::trial;
use crate::tracing::layout::types_of;
use banach_program::{Kind, Primitive, Program, Type, Value, evaluate, panics_as_errors, vjp};
use burn::tensor::{FloatDType, Gradients, Tensor, TensorData};

/// A trace and the code it was traced from.
pub(crate) struct Comparison<'a> {
    /// The traced code, for messages: "update", "energy", "loss" or "function".
    pub(crate) subject: &'static str,
    pub(crate) program: &'a Program,
    /// The inputs, off the tape.
    pub(crate) point: Vec<Value>,
    /// The names of the inputs.
    pub(crate) names: Vec<String>,
    /// The inputs whose cotangents are compared, if the code runs on a training device.
    pub(crate) tracked: Option<Vec<usize>>,
    /// A layer of the module that is not a function in training mode.
    pub(crate) random: Option<String>,
}

/// The elements of values and cotangents.
struct Evaluation {
    values: Vec<Vec<f64>>,
    cotangents: Vec<Vec<f64>>,
}

/// A difference beyond rounding.
struct Difference {
    at: Quantity,
    /// The distance, relative to the size.
    relative: f64,
    tolerance: f64,
}

/// A compared quantity.
enum Quantity {
    /// The value of an output.
    Value(usize),
    /// The cotangent of an input.
    Cotangent(usize),
}

/// The traced code, on Burn's own tensors.
type Code<'a> = dyn Fn(&[Value]) -> Result<Vec<Value>, banach_program::Error> + 'a;

impl Comparison<'_> {
    /// Compares the trace with the code.
    ///
    /// # Errors
    /// [`Error::NoFunction`] for a layer that is not a function in training mode, [`Error::Untraced`] for every other
    /// difference.
    pub(crate) fn check(&self, code: &Code<'_>) -> Result<(), Error> {
        if self.point.iter().any(|value| value.ty().is_empty()) {
            return Ok(()); // An empty batch has nothing to compare.
        }
        let point = self.regular_point();
        let Some(difference) = self.difference(&point, code)? else { return Ok(()) };
        let mut random = RandomNumbers::new(3);
        let near: Vec<Value> = point.iter().map(|value| moved_by(value, 1e-2, &mut random)).collect();
        let comparable = self.undefined(&near) <= self.undefined(&point);
        if comparable && self.difference(&near, code)?.is_none() {
            return Ok(());
        }
        Err(self.explained(&difference, &point, code))
    }

    /// Returns the point with tensors of one repeated element perturbed, if the program is defined there.
    fn regular_point(&self) -> Vec<Value> {
        if self.iterates() {
            return self.point.clone();
        }
        let mut random = RandomNumbers::new(1);
        let regular: Vec<Value> = self
            .point
            .iter()
            .map(|value| {
                let numbers = numbers(value);
                let one = numbers.first().is_some_and(|first| numbers.iter().all(|number| number == first));
                let float = value.ty().kind.is_float();
                if one && float { changed(value, |x| x + 0.05 + 0.2 * random.next()) } else { value.clone() }
            })
            .collect();
        let regular_is_defined = self.undefined(&regular) <= self.undefined(&self.point);
        if regular_is_defined { regular } else { self.point.clone() }
    }

    /// Counts the elements of the program's values and pullbacks that are not finite.
    fn undefined(&self, point: &[Value]) -> usize {
        let count = |numbers: &[Vec<f64>]| numbers.iter().flatten().filter(|x| !x.is_finite()).count();
        match trial(|| self.by_program(point)).0 {
            Some(found) => count(&found.values) + count(&found.cotangents),
            None => usize::MAX,
        }
    }

    /// Returns the first difference at a point; None if there is none, or nothing can be compared.
    fn difference(&self, point: &[Value], code: &Code<'_>) -> Result<Option<Difference>, Error> {
        let (ran, record) = trial(|| panics_as_errors(&types_of(point), || self.by_code(point, code)));
        if let Some(error) = record.error {
            return Err(error);
        }
        let found = match ran {
            Ok(Ok(found)) => found,
            Ok(Err(error @ banach_program::Error::Failed { .. }))
            | Err(error @ banach_program::Error::Failed { .. }) => return Err(error.into()),
            // Burn cannot evaluate or differentiate the code, so there is nothing to compare with.
            Ok(Err(_)) | Err(_) => {
                return self.random.as_ref().map_or(Ok(None), |found| Err(self.random(found)));
            }
        };
        let (expected, other) = trial(|| self.by_program(point));
        let Some(expected) = expected.filter(|_| !record.failed && !other.failed) else { return Ok(None) };
        let rounded = if self.iterates() { None } else { self.rounded(point) };
        let rounded = rounded.as_ref();
        let precision = self.precision();
        let values = differing(&found.values, &expected.values, rounded.map(|r| &r.values), precision);
        let cotangents =
            || differing(&found.cotangents, &expected.cotangents, rounded.map(|r| &r.cotangents), precision);
        let value = values.map(|(at, relative)| (Quantity::Value(at), relative));
        let different = value.or_else(|| {
            let (at, relative) = cotangents()?;
            Some((Quantity::Cotangent(self.tracked.as_ref()?[at]), relative))
        });
        Ok(different.map(|(at, relative)| Difference { at, relative, tolerance: precision.tolerance }))
    }

    /// Evaluates the program at a point that differs by about the rounding of the inputs.
    fn rounded(&self, point: &[Value]) -> Option<Evaluation> {
        let (mut random, epsilon) = (RandomNumbers::new(2), 4.0 * self.precision().epsilon);
        let beside: Vec<Value> =
            point.iter().map(|value| changed(value, |x| x * (1.0 + epsilon * random.signed()))).collect();
        self.by_program(&beside)
    }

    fn by_program(&self, point: &[Value]) -> Option<Evaluation> {
        let run = |program: &Program, inputs| panics_as_errors(&[], || evaluate(program, inputs)).ok()?.ok();
        let Some(tracked) = self.differentiated() else {
            let values = run(self.program, point.to_vec())?;
            return Some(Evaluation { values: values.iter().map(numbers).collect(), cotangents: vec![] });
        };
        let inputs = point.iter().cloned().chain(self.cotangents(point)).collect();
        let mut values: Vec<Vec<f64>> =
            run(&vjp(self.program, tracked), inputs)?.iter().map(numbers).collect();
        let cotangents = values.split_off(self.program.outputs().len());
        Some(Evaluation { values, cotangents })
    }

    fn by_code(&self, point: &[Value], code: &Code<'_>) -> Result<Evaluation, banach_program::Error> {
        let Some(all) = &self.tracked else {
            let values = code(point)?;
            return Ok(Evaluation { values: values.iter().map(numbers).collect(), cotangents: vec![] });
        };
        let leaves: Vec<Value> =
            point.iter().enumerate().map(|(at, value)| value.clone().leaf(all.contains(&at))).collect();
        let outputs = code(&leaves)?;
        let values = outputs.iter().cloned().map(Value::detached).map(|value| numbers(&value)).collect();
        let Some(tracked) = self.differentiated() else {
            return Ok(Evaluation { values, cotangents: vec![] });
        };
        let gradients = pulled_back(outputs, self.cotangents(point));
        let of = |at: &usize| match gradients.as_ref().and_then(|found| leaves[*at].gradient(found)) {
            Some(gradient) => numbers(&gradient),
            None => vec![0.0; point[*at].ty().len()],
        };
        Ok(Evaluation { values, cotangents: tracked.iter().map(of).collect() })
    }

    /// Returns the inputs whose cotangents are compared; None if an output has no cotangent.
    fn differentiated(&self) -> Option<&[usize]> {
        let floats = self.program.output_types().all(|ty| ty.kind.is_float());
        self.tracked.as_deref().filter(|tracked| floats && !tracked.is_empty())
    }

    /// Returns a random cotangent for every output.
    fn cotangents(&self, point: &[Value]) -> Vec<Value> {
        let mut random = RandomNumbers::new(0);
        let device = point.first().map(Value::device).unwrap_or_default();
        let cotangent = |ty: &Type| changed(&Value::full(ty, 0.0, &device), |_| random.signed());
        self.program.output_types().map(cotangent).collect()
    }

    /// Returns whether the program contains fixed points or linear solves, which are computed to a tolerance.
    fn iterates(&self) -> bool {
        self.program.equations().iter().any(|line| matches!(line.primitive, Primitive::Custom(_)))
    }

    fn precision(&self) -> Precision {
        let program = self.program;
        let kinds = program.equations().iter().map(|line| program.type_of(line.result).kind);
        let kinds = kinds.chain(program.input_types().map(|ty| ty.kind));
        let (epsilon, tolerance) =
            kinds.map(rounding).fold((0.0, 0.0), |(a, b): (f64, f64), (c, d)| (a.max(c), b.max(d)));
        if self.iterates() {
            return Precision { epsilon, tolerance: 0.1, floor: 1e-4 };
        }
        Precision { epsilon, tolerance, floor: 64.0 * epsilon }
    }

    fn random(&self, found: &str) -> Error {
        Error::NoFunction { place: self.subject.into(), found: found.into() }
    }

    /// Returns the error of a difference, with its likely cause.
    fn explained(&self, difference: &Difference, point: &[Value], code: &Code<'_>) -> Error {
        let again =
            || trial(|| panics_as_errors(&types_of(point), || self.by_code(point, code))).0.ok()?.ok();
        let same = |a: &Evaluation, b: &Evaluation| {
            let bits = |numbers: &Evaluation| -> Vec<u64> {
                numbers
                    .values
                    .iter()
                    .chain(&numbers.cotangents)
                    .flatten()
                    .map(|number| number.to_bits())
                    .collect()
            };
            bits(a) == bits(b)
        };
        let repeats = again().zip(again()).is_some_and(|(a, b)| same(&a, &b));
        if let Some(found) = &self.random
            && (!repeats || matches!(difference.at, Quantity::Value(_)))
        {
            return self.random(found);
        }
        let (quantity, cause) = match difference.at {
            Quantity::Value(at) if !repeats => (
                format!("value of output {at}"),
                "two calls on equal tensors differ, so the code draws random numbers or reads something that changes; draw or \
                 read outside, and pass the result as an input",
            ),
            Quantity::Value(at) => (
                format!("value of output {at}"),
                "the code computes something else on a training device or with values at hand, or a captured value has changed; \
                 write one computation in tensor operations, and pass what changes as an input",
            ),
            Quantity::Cotangent(at) => (
                format!("gradient for {}", self.names[at]),
                "`detach`, `set_require_grad(false)` and `no_grad` leave no trace; use `banach::detached(tensor)` inside, \
                 freeze the parameter, or detach the input outside",
            ),
        };
        Error::Untraced {
            subject: self.subject.into(),
            quantity,
            relative: difference.relative,
            tolerance: difference.tolerance,
            cause: match self.subject {
                "function" => cause.into(),
                _ => format!("{cause}; `with_check_trace(false)` turns the comparison off"),
            },
        }
    }
}

/// The agreement expected of two evaluations.
#[derive(Clone, Copy)]
struct Precision {
    /// The rounding unit of the least precise kind of number.
    epsilon: f64,
    /// The largest relative distance that rounding explains.
    tolerance: f64,
    /// The largest distance that rounding explains, relative to the largest quantity.
    floor: f64,
}

/// Returns the rounding unit and the relative tolerance of a kind of numbers. Burn rounds some slopes of `f64` to `f32`.
fn rounding(kind: Kind) -> (f64, f64) {
    match kind {
        Kind::Float(FloatDType::F64) => (f64::EPSILON, 1e-5),
        Kind::Float(FloatDType::F32 | FloatDType::Flex32) => (f64::from(f32::EPSILON), 1e-3),
        Kind::Float(FloatDType::F16) => (1e-3, 0.1),
        Kind::Float(FloatDType::BF16) => (8e-3, 0.2),
        Kind::Int(_) | Kind::Bool => (0.0, 0.0),
    }
}

/// Returns the first quantity that differs by more than rounding, and its relative difference.
fn differing(
    found: &[Vec<f64>],
    expected: &[Vec<f64>],
    rounded: Option<&Vec<Vec<f64>>>,
    precision: Precision,
) -> Option<(usize, f64)> {
    let size = |numbers: &[f64]| distance(numbers, &vec![0.0; numbers.len()]);
    let largest = expected.iter().chain(found).map(|numbers| size(numbers)).fold(0.0, f64::max);
    found.iter().zip(expected).enumerate().find_map(|(at, (found, expected))| {
        let size = size(found).max(size(expected));
        let moved = rounded.map_or(0.0, |rounded| distance(&rounded[at], expected));
        let allowed = precision.tolerance * size + precision.floor * largest + 64.0 * moved;
        let far = distance(found, expected);
        (far > allowed).then(|| (at, far / size.max(f64::MIN_POSITIVE)))
    })
}

/// Returns the Euclidean distance over elements that are finite in both, scaled against overflow.
fn distance(a: &[f64], b: &[f64]) -> f64 {
    let finite = || a.iter().zip(b).map(|(a, b)| (a - b).abs()).filter(|far| far.is_finite());
    let largest = finite().fold(0.0, f64::max);
    if largest == 0.0 {
        0.0
    } else {
        largest * finite().map(|far| (far / largest).powi(2)).sum::<f64>().sqrt()
    }
}

/// Returns Burn's gradients of the pairing of outputs with cotangents; None if nothing is tracked.
fn pulled_back(outputs: Vec<Value>, cotangents: Vec<Value>) -> Option<Gradients> {
    let mut total: Option<Tensor<1>> = None;
    for (output, cotangent) in outputs.into_iter().zip(cotangents) {
        let len = [output.ty().len()];
        let output: Tensor<1> = output.reshaped(&len).try_into_tensor().ok()?;
        let cotangent: Tensor<1> = cotangent.reshaped(&len).leaf(false).try_into_tensor().ok()?;
        let sum = (output * cotangent).sum();
        total = Some(match total {
            Some(total) => total + sum,
            None => sum,
        });
    }
    total.filter(Tensor::is_tracked).map(|total| total.backward())
}

/// Returns the elements of a tensor.
fn numbers(value: &Value) -> Vec<f64> {
    value.clone().into_data().iter::<f64>().collect()
}

/// Changes the elements of a float tensor; any other tensor is unchanged.
fn changed(value: &Value, mut change: impl FnMut(f64) -> f64) -> Value {
    let Type { shape, kind: Kind::Float(dtype) } = value.ty() else { return value.clone() };
    let numbers: Vec<f64> = numbers(value).into_iter().map(&mut change).collect();
    let data = TensorData::new(numbers, [value.ty().len()]);
    Value::from(Tensor::<1>::from_data(data, (&value.device(), dtype.into()))).reshaped(&shape)
}

/// Perturbs a float tensor at random, relative to its elements and their mean modulus.
fn moved_by(value: &Value, part: f64, random: &mut RandomNumbers) -> Value {
    let numbers = numbers(value);
    let size =
        numbers.iter().filter(|x| x.is_finite()).map(|x| x.abs()).sum::<f64>() / numbers.len().max(1) as f64;
    changed(value, |x| x + part * (x.abs() + size) * random.signed())
}

/// A linear congruential generator, so that every comparison draws equal numbers.
struct RandomNumbers(u64);

impl RandomNumbers {
    fn new(seed: u64) -> Self {
        RandomNumbers(seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) ^ 0x5851_f42d_4c95_7f2d)
    }

    /// Returns a number in `[0, 1)`.
    fn next(&mut self) -> f64 {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (self.0 >> 11) as f64 / (1u64 << 53) as f64
    }

    /// Returns a number in `[-1, 1)`.
    fn signed(&mut self) -> f64 {
        2.0 * self.next() - 1.0
    }
}
