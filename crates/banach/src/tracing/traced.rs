//! A traced update: its program and the layout of its state, for one set of shapes.

use crate::error::Error;
use crate::settings::configuration::{Engine, FixedPointConfig};
use crate::settings::lock::locked;
use crate::settings::trial::record_error;
use crate::tracing::cache::Bytes;
use crate::tracing::compare::Comparison;
use crate::tracing::device_precision;
use crate::tracing::layout::{Layout, Packing};
use crate::tracing::parameters::{Parameters, Replacement};
use crate::tracing::update::Update;
use banach_program::{Program, Tensors, Type, Value, trace};
use burn::module::Module;
use burn::tensor::Device;
use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::sync::{Arc, Mutex};

/// An update as a program, with the layout of its state.
#[derive(Debug)]
pub(crate) struct TracedUpdate {
    /// `(states, z, θ) -> states`.
    pub(crate) program: Program,
    pub(crate) packing: Arc<Packing>,
    /// The last comparison with Burn.
    compared: Mutex<Option<Compared>>,
}

/// An update and its energy on the flat state.
#[derive(Debug)]
pub(crate) struct FlatUpdate {
    /// `(flat x, z, θ) -> flat g`.
    pub(crate) g: Program,
    /// `(flat x, z, θ)` to a column with the energy of every row, where g is a gradient step.
    pub(crate) energy: Option<Program>,
}

/// A part of an update that is traced.
#[derive(Clone, Copy)]
enum Part {
    Update,
    Energy,
}

impl Bytes for TracedUpdate {
    fn bytes(&self) -> usize {
        self.program.bytes() + self.packing.bytes()
    }
}

impl TracedUpdate {
    /// Traces an update for tensors of these types.
    pub(crate) fn new<M: Module + Update>(
        update: &M,
        (x, z): (&M::State, &M::Input),
        parameters: &Parameters,
        types: &[Type],
        config: &FixedPointConfig,
    ) -> Result<(Self, FlatUpdate), Error> {
        let states = x.clone().into_values();
        let mut traced = |device: &Device, part: Part| {
            trace_module(update, (x, z), parameters, (device, types), |update, x, z| match part {
                Part::Update => update.update(x, z).into_values(),
                Part::Energy => update.energy(x, z).map(Value::from).into_iter().collect(),
            })
        };
        Self::of(&states, config, &mut traced)
    }

    /// Traces an update and its energy from a start.
    fn of(
        states: &[Value],
        config: &FixedPointConfig,
        traced: &mut dyn FnMut(&Device, Part) -> Result<Program, Error>,
    ) -> Result<(Self, FlatUpdate), Error> {
        let device = &states.first().map_or_else(Device::default, Value::device);
        states.iter().try_for_each(device_precision::check)?;
        let program = traced(device, Part::Update)?;
        if program.outputs().len() != states.len() {
            let (what, found) = ("the result of the update".into(), program.outputs().len());
            return Err(banach_program::Error::Count { what, found, expected: states.len() }.into());
        }
        // Inside another trace the device is not known yet; it is the host as a rule.
        let on_host = |value: &Value| value.is_placeholder() || value.clone().detached().is_on_host();
        let channels_last = config.engine == Engine::Native || !states.iter().all(on_host);
        let layout = Layout::of(&program, states.len(), channels_last)?;
        let energy = traced(device, Part::Energy)?;
        let energy = (!energy.outputs().is_empty()).then(|| layout.column(&energy));
        let flat = FlatUpdate { g: layout.flattened(&program), energy };
        let (packing, compared) = (Arc::new(layout.packing()), Mutex::default());
        Ok((TracedUpdate { program, packing, compared }, flat))
    }

    /// Compares the trace with Burn at a point `(states, z, θ)` off the tape, unless an earlier comparison included all
    /// gradients needed now.
    ///
    /// # Errors
    /// As [`Comparison::check`].
    pub(crate) fn compare<M: Module + Update>(
        &self,
        update: &M,
        (x, z): (&M::State, &M::Input),
        parameters: &Parameters,
        point: Vec<Value>,
        training: bool,
    ) -> Result<(), Error> {
        let mut compared = locked(&self.compared);
        let wanted = if training { parameters.tracked() } else { vec![] };
        if compared.as_ref().is_some_and(|known| {
            known.training >= training && wanted.iter().all(|at| known.trained.contains(at))
        }) {
            return Ok(());
        }
        let code = |update: &M, x, z| update.update(x, z).into_values();
        compare_module("update", (update, parameters), &self.program, (x, z), (point, training), &code)?;
        *compared = Some(Compared { training, trained: wanted });
        Ok(())
    }
}

/// An earlier comparison with Burn.
#[derive(Debug)]
struct Compared {
    /// Whether pullbacks were compared as well as values.
    training: bool,
    /// The parameters whose gradients were compared.
    trained: Vec<usize>,
}

/// Compares the trace of a closure of a module, a state and an input with Burn, at a point off the tape.
///
/// # Errors
/// As [`Comparison::check`].
pub(crate) fn compare_module<M: Module, X: Tensors, Z: Tensors>(
    subject: &'static str,
    (module, parameters): (&M, &Parameters),
    program: &Program,
    (x, z): (&X, &Z),
    (point, training): (Vec<Value>, bool),
    closure: &dyn Fn(&M, X, Z) -> Vec<Value>,
) -> Result<(), Error> {
    let states = x.clone().into_values().len();
    let first = point.len() - parameters.ids.len();
    let tracked = training.then(|| {
        // The gradient of a loss is taken for the parameters only.
        let floats = (0..first).filter(|&at| subject != "loss" && point[at].ty().kind.is_float());
        floats.chain(parameters.tracked().into_iter().map(|at| first + at)).collect()
    });
    let parameter_names = Parameters::names_of(module);
    let named = |at| match at {
        at if at < states => format!("state {at}"),
        at if at < first => format!("input {}", at - states),
        at => format!("the parameter `{}`", parameter_names[at - first]),
    };
    let names = (0..point.len()).map(named).collect();
    let random = parameters.random(&z.clone().into_values());
    let comparison = Comparison { subject, program, point, names, tracked, random };
    let done = comparison.check(&|values: &[Value]| {
        let live = live(module, parameters, &values[first..], training);
        let mut values = values.iter().cloned();
        let (x, z) = (x.rebuild(&mut values)?, z.rebuild(&mut values)?);
        Ok(closure(&live, x, z))
    });
    done.inspect_err(record_error)
}

/// Returns a copy of a module with other parameters, in training mode on the tape, or off the tape.
fn live<M: Module>(module: &M, parameters: &Parameters, values: &[Value], training: bool) -> M {
    // A clone may share running statistics with the original; a validation copy does not.
    let copy = module.valid();
    let mut replacement = Replacement::new(&parameters.ids, values);
    if training {
        replacement = replacement.with_flags(&parameters.flags);
        copy.train().map(&mut replacement)
    } else {
        copy.map(&mut replacement)
    }
}

/// Traces a closure of a module, a state and an input: `(x.., z.., θ..) -> results`.
pub(crate) fn trace_module<M: Module, X: Tensors, Z: Tensors>(
    module: &M,
    (x, z): (&X, &Z),
    parameters: &Parameters,
    (device, types): (&Device, &[Type]),
    closure: impl FnOnce(&M, X, Z) -> Vec<Value>,
) -> Result<Program, Error> {
    let others = types.len() - parameters.values.len();
    trace_code(device, types, |placeholders| {
        let mut values = placeholders.iter().cloned();
        let (x, z) = (x.rebuild(&mut values)?, z.rebuild(&mut values)?);
        let there = Replacement::new(&parameters.ids, &placeholders[others..]);
        let mut recording = module.valid().map(&mut { there });
        if let Some(placeholder) = placeholders.first() {
            // Tensors in fields that are no parameters become constants of the program.
            recording = recording.to_device(&placeholder.device());
        }
        Ok(closure(&recording, x, z))
    })
}

/// Traces a closure for inputs of these types. A panic of the closure with an [`Error`] of this crate as its payload is
/// returned as that error.
pub(crate) fn trace_code(
    device: &Device,
    types: &[Type],
    closure: impl FnOnce(&[Value]) -> Result<Vec<Value>, banach_program::Error>,
) -> Result<Program, Error> {
    let mut closure = Some(closure);
    traced_once(device, types, &mut |placeholders| match closure.take() {
        Some(closure) => closure(placeholders),
        None => panic!("bug: an update was traced twice"),
    })
}

/// Code from inputs to outputs, without its type.
type Code<'a> = dyn FnMut(&[Value]) -> Result<Vec<Value>, banach_program::Error> + 'a;

/// Traces a closure that is called once. One copy of this code serves all closures.
fn traced_once(device: &Device, types: &[Type], closure: &mut Code<'_>) -> Result<Program, Error> {
    let mut refused = None;
    let program = trace(device, types, |placeholders| {
        let traced = catch_unwind(AssertUnwindSafe(|| closure(placeholders)));
        traced.unwrap_or_else(|payload| match payload.downcast::<Error>() {
            Ok(error) => {
                let message = error.to_string();
                refused = Some(*error);
                Err(banach_program::Error::Panicked { message })
            }
            Err(payload) => resume_unwind(payload),
        })
    });
    refused.map_or_else(|| Ok(program?), Err)
}
