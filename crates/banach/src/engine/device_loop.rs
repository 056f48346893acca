//! A loop on the device of its tensors, evaluated line by line.

use crate::engine::failure::Failure;
use crate::engine::programs::LoopPrograms;
use crate::error::Error;
use crate::tracing::layout::{point, run_single};
use banach_program::{Program, Value, evaluate, evaluate_on};
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
    /// Runs the prologue.
    pub(crate) fn new(programs: &'a LoopPrograms, q: &[Value], device: &Device) -> Result<Self, Error> {
        let carried = evaluate_on(&programs.prologue, q.to_vec(), device)?;
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
