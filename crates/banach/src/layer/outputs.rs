//! Auxiliary outputs at a solution, on the tape.

use crate::calculus::substitution::leaves_out_rows;
use crate::error::Error;
use crate::layer::call::Call;
use crate::layer::fixed_point::FixedPoint;
use crate::settings::configuration::OnFailure;
use crate::settings::report::{Report, Solution};
use crate::tracing::auxiliary::{Auxiliary, TracedOutputs};
use crate::tracing::parameters::Parameters;
use crate::tracing::row_substitution::{RowSubstitution, failed_rows, select_rows};
use banach_program::{Outputs, Tensors, Value, evaluate, record};
use burn::module::Module;

impl<M: Module + Auxiliary> FixedPoint<M> {
    /// Returns the fixed point, solved from [`Update::start`](crate::Update::start), and the auxiliary
    /// outputs there.
    ///
    /// # Panics
    /// If [`solve`](Self::solve) or [`outputs`](Self::outputs) returns an error.
    pub fn forward_with_outputs(&self, z: M::Input) -> (M::State, M::Outputs) {
        let solved = self.solve(z.clone());
        let both = solved.and_then(|solution| Ok((self.outputs(&solution, z)?, solution.into_value())));
        let (outputs, x) = both.unwrap_or_else(|error| panic!("{error}"));
        (x, outputs)
    }

    /// Returns the auxiliary outputs `h(x̂, z; θ)` of the update at a solution of this layer for z.
    ///
    /// h is evaluated once, on the device of the tensors, and is a function of x̂, z and θ on the tape. Rows
    /// that have no gradient in the solution have none here: those without a finite residual, and with
    /// [`OnFailure::Skip`] all that failed. They keep the values that h has there, which may be NaN, and do
    /// not affect the gradients of other rows. An output that mixes rows is a function of all rows, failed
    /// ones included.
    ///
    /// The solution may come from any method of the layer: [`solve`](Self::solve),
    /// [`solve_from`](Self::solve_from), [`solve_warm`](Self::solve_warm),
    /// [`solution_at`](Self::solution_at). [`Auxiliary`] has an example.
    ///
    /// # Errors
    /// Outputs that cannot be traced, and a solution of another batch.
    pub fn outputs(&self, solution: &Solution<M::State>, z: M::Input) -> Result<M::Outputs, Error> {
        let x = solution.value();
        let states = x.clone().into_values();
        if states.iter().chain(&z.clone().into_values()).any(Value::is_placeholder) {
            return self.recorded_outputs(x, z);
        }
        let call = self.call(x, &z)?;
        let rows = call.x0.dims()[0];
        let report = solution.report();
        if report.residuals.len() != rows {
            let (what, found) = ("the rows of the solution".into(), report.residuals.len());
            return Err(banach_program::Error::Count { what, found, expected: rows }.into());
        }
        let traced = self.traced_outputs(&call, x, &z)?;
        let point = [states, call.live()].concat();
        Ok(M::Outputs::from_values(evaluated(traced, point, &self.left_out(report))?)?)
    }

    /// Writes the outputs into the program that is being traced.
    fn recorded_outputs(&self, x: &M::State, z: M::Input) -> Result<M::Outputs, Error> {
        if !leaves_out_rows() {
            return Ok(self.update().outputs(x.clone(), z));
        }
        let call = self.call(x, &z)?;
        let traced = self.traced_outputs(&call, x, &z)?;
        let (packing, fixed_point) = (&call.traced.update.packing, &call.traced.fixed_point);
        let program = fixed_point.sound_outputs(&packing.pack, traced);
        let point = [x.clone().into_values(), call.fixed.clone()].concat();
        Ok(M::Outputs::from_values(record(&program, &point)?)?)
    }

    /// Returns the rows that have no gradient in a solution.
    fn left_out(&self, report: &Report) -> Vec<bool> {
        let mut failed = failed_rows(&report.residuals);
        if self.config().on_failure == OnFailure::Skip {
            let rows = failed.iter_mut().zip(&report.outcomes);
            rows.for_each(|(failed, outcome)| *failed |= outcome.is_failure());
        }
        failed
    }

    /// Returns the traced outputs for the tensors of a call.
    fn traced_outputs<'c>(
        &self,
        call: &'c Call,
        x: &M::State,
        z: &M::Input,
    ) -> Result<&'c TracedOutputs, Error> {
        let training = call.tape.is_some();
        let known = &call.traced.outputs[usize::from(training)];
        if let Some(traced) = known.get() {
            return Ok(traced);
        }
        let states = x.clone().into_values().into_iter().map(Value::detached);
        let point: Vec<Value> = states.chain(call.fixed.iter().cloned()).collect();
        let recorded = point.iter().any(Value::is_placeholder);
        let parameters = Parameters::of(self.update());
        let check = (self.config().check_trace && !recorded).then_some(training);
        let traced = TracedOutputs::new(self.update(), (x, z), &parameters, point, check)?;
        Ok(known.get_or_init(|| traced))
    }
}

/// Returns the outputs at a point `(states, z, θ)`, as functions of the rows that are not left out.
fn evaluated(traced: &TracedOutputs, point: Vec<Value>, left_out: &[bool]) -> Result<Vec<Value>, Error> {
    let TracedOutputs { program, by_row, mixed, per_row } = traced;
    if !left_out.contains(&true) {
        return Ok(evaluate(program, point)?);
    }
    let tape = point.iter().any(|value| value.device().is_autodiff());
    let mut outputs = evaluate(program, point.iter().cloned().map(Value::detached).collect())?;
    if !tape {
        return Ok(outputs);
    }
    outputs = outputs.into_iter().map(|output| output.leaf(true)).collect();
    let on_tape = |which: &[usize], point: Vec<Value>| evaluate(&program.clone().with_outputs(which), point);
    for (&output, value) in mixed.iter().zip(on_tape(mixed, point.clone())?) {
        outputs[output] = value;
    }
    // Without a sound row nothing is differentiated.
    let Some(substitution) = RowSubstitution::new(left_out) else { return Ok(outputs) };
    let sound = substitution.apply(per_row, point)?;
    for (&output, value) in by_row.iter().zip(on_tape(by_row, sound)?) {
        outputs[output] = with_rows_of(left_out, &outputs[output], value)?;
    }
    Ok(outputs)
}

/// Returns a value with rows of another one where the mask is true.
fn with_rows_of(mask: &[bool], other: &Value, value: Value) -> Result<Value, Error> {
    let ty = value.ty();
    if !ty.kind.is_float() {
        return Ok(other.clone()); // It has no derivative.
    }
    let flat = [mask.len(), ty.len().checked_div(mask.len()).unwrap_or(0)];
    let [other, value] = [other.clone(), value].map(|value| value.reshaped(&flat).try_into_tensor());
    Ok(Value::from(select_rows(mask, other?, value?)).reshaped(&ty.shape))
}
