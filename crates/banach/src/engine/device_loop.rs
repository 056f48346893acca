//! A loop on the device of its tensors, evaluated line by line.

use crate::engine::failure::Failure;
use crate::engine::programs::LoopPrograms;
use crate::error::Error;
use crate::tracing::layout::{point, run_single};
use banach_program::{Bilinear, Builder, Equation, Primitive, Program, Value, Var, evaluate, evaluate_on};
use banach_solve::{Map, Smooth};
use burn::tensor::{Device, Tensor};

/// A loop with its fixed operands, on one device.
#[derive(Debug)]
pub(crate) struct DeviceLoop<'a> {
    programs: &'a LoopPrograms,
    carried: Vec<Value>,
    /// The first error of an application; its result is NaN.
    pub(crate) failure: Failure,
}

impl<'a> DeviceLoop<'a> {
    /// Runs the prologue, and lays out the weights of convolutions as devices read them.
    pub(crate) fn new(programs: &'a LoopPrograms, q: &[Value], device: &Device) -> Result<Self, Error> {
        let carried = evaluate_on(&programs.prologue, q.to_vec(), device)?;
        let carried = carried.into_iter().zip(&programs.map.inputs()[1..]).map(|(value, &var)| {
            let lies_elsewhere = !value.is_on_host() && is_weight(&programs.map, var);
            if lies_elsewhere { channels_last(value) } else { Ok(value) }
        });
        let carried = carried.collect::<Result<_, _>>()?;
        Ok(DeviceLoop { programs, carried, failure: Failure::default() })
    }

    fn run(&self, x: &Tensor<2>) -> Result<Vec<Tensor<2>>, Error> {
        let results = evaluate(&self.programs.map, point(x, &self.carried))?;
        Ok(results.into_iter().map(Value::try_into_tensor).collect::<Result<_, _>>()?)
    }
}

impl Map<Tensor<2>> for DeviceLoop<'_> {
    fn apply(&self, x: &Tensor<2>) -> Tensor<2> {
        self.image_and_energy(x).0
    }

    fn energy(&self, x: &Tensor<2>) -> Option<Vec<f64>> {
        self.image_and_energy(x).1
    }

    fn image_and_energy(&self, x: &Tensor<2>) -> (Tensor<2>, Option<Vec<f64>>) {
        let (image, column) = match self.run(x) {
            Ok(mut results) => (Ok(results.swap_remove(0)), results.pop()),
            Err(error) => (Err(error), None),
        };
        let unknown = || vec![f64::NAN; x.dims()[0]];
        let numbers = |column: Tensor<2>| column.into_data().iter::<f64>().collect();
        let energies = self.programs.has_energy().then(|| column.map_or_else(unknown, numbers));
        (self.failure.or_nan(image, x), energies)
    }
}

impl Smooth<Tensor<2>> for DeviceLoop<'_> {
    fn derivative<'a>(&'a self, x: &Tensor<2>) -> Box<dyn Map<Tensor<2>> + 'a> {
        let Some(jacobian) = &self.programs.jacobian else {
            panic!("bug: found a loop without a Jacobian, expected one for Newton's method");
        };
        let coefficients = evaluate(&jacobian.coefficients, point(x, &self.carried));
        Box::new(move |t: &Tensor<2>| {
            let coefficients = coefficients.as_ref().map_err(|error| error.clone().into());
            let product = coefficients.and_then(|coefficients| applied(&jacobian.product, t, coefficients));
            self.failure.or_nan(product, t)
        })
    }
}

/// Evaluates a program `(x, q..)` with one result `[rows, n]`.
pub(crate) fn applied(program: &Program, x: &Tensor<2>, q: &[Value]) -> Result<Tensor<2>, Error> {
    Ok(run_single(program, point(x, q))?.try_into_tensor()?)
}

/// Whether a variable is the weight of convolutions, and nothing else.
fn is_weight(program: &Program, var: Var) -> bool {
    let convolves = |equation: &Equation| {
        matches!(equation.primitive, Primitive::Bilinear(Bilinear::Convolution(_)))
            && equation.operands[0] != var
    };
    let mut readers =
        program.equations().iter().filter(|equation| equation.operands.contains(&var)).peekable();
    readers.peek().is_some() && readers.all(convolves) && !program.outputs().contains(&var)
}

/// The same weight `[o, i, h, w]` with the channels side by side in memory. Devices convolve in that order, and copy weights
/// of another order in every convolution.
fn channels_last(weight: Value) -> Result<Value, Error> {
    let ty = weight.ty();
    let &[outputs, inputs, height, width] = &ty.shape[..] else { return Ok(weight) };
    let mut builder = Builder::new();
    let given = builder.input(ty.clone());
    let last = builder.permute(given, &[0, 2, 3, 1]);
    // A flat tensor is contiguous.
    let flat = builder.reshape(last, &[ty.len()]);
    let last = builder.reshape(flat, &[outputs, height, width, inputs]);
    let first = builder.permute(last, &[0, 3, 1, 2]);
    run_single(&builder.finish(vec![first]), vec![weight])
}
