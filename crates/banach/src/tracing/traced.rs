//! What is known about an update before any number is? Its program, its loop, its derivative, for one set of shapes.

use crate::calculus::implicit::Fix;
use crate::error::Error;
use crate::settings::configuration::{Engine, FixedPointConfig};
use crate::settings::journal::Journal;
use crate::tracing::flatten::Layout;
use crate::tracing::lost::rows_of_inputs;
use crate::tracing::parameters::{Parameters, Replacement};
use crate::tracing::update::Update;
use banach_program::{Program, Tensors, Type, Value, trace};
use banach_solve::FixedPointSolver;
use burn::module::Module;
use burn::tensor::Device;
use std::sync::Arc;

/// An update as programs on the flat state.
#[derive(Debug)]
pub(crate) struct TracedUpdate {
    /// As the user wrote it: `(states, z, θ) -> states`.
    pub(crate) program: Program,
    /// The fixed point of `(flat x, z, θ) -> flat g`.
    pub(crate) fix: Arc<Fix>,
    /// Which inputs of `flat` hold one row for each row of the state.
    pub(crate) per_row: Vec<bool>,
    pub(crate) packing: Program,
    pub(crate) unpacking: Program,
}

impl TracedUpdate {
    /// Traces `update` for tensors of these types.
    pub(crate) fn new<M: Module + Update>(
        update: &M,
        x: &M::State,
        z: &M::Input,
        parameters: &Parameters,
        types: &[Type],
        (config, journal): (&FixedPointConfig, &Arc<Journal>),
    ) -> Result<Self, Error> {
        let device = &x.clone().into_values().first().map_or_else(Device::default, Value::device);
        let states = x.clone().into_values().len();
        let program = trace_module(update, (x, z), parameters, (device, types), |update, x, z| {
            update.update(x, z).into_values()
        })?;
        if program.outputs().len() != states {
            let (what, found) = ("the result of the update".into(), program.outputs().len());
            return Err(banach_program::Error::Count { what, found, expected: states }.into());
        }
        // Where a trace will run is not known inside another one: here, as a rule.
        let here = |value: Value| value.is_placeholder() || value.detached().is_on_host();
        let on_host = x.clone().into_values().into_iter().all(here);
        let engine = if on_host { config.engine } else { Engine::Device };
        let layout = Layout::of(&program, states, engine)?;
        let flat = layout.flattened(&program);
        let per_row = rows_of_inputs(&flat);
        let (packing, unpacking) = (layout.packing(), layout.unpacking());
        let energy = if matches!(config.forward.solver, FixedPointSolver::Newton(_)) {
            let traced = trace_module(update, (x, z), parameters, (device, types), |update, x, z| {
                update.descended(x, z).map(Value::from).into_iter().collect()
            })?;
            (!traced.outputs().is_empty()).then(|| layout.column(&traced))
        } else {
            None
        };
        let fix = Fix::new(flat, config.clone(), Arc::clone(journal)).with_energy(energy);
        Ok(TracedUpdate { program, fix: Arc::new(fix), per_row, packing, unpacking })
    }
}

/// The program of what a closure does with a module, a state and an input: `(x.., z.., θ..) -> results`.
pub(crate) fn trace_module<M: Module, X: Tensors, Z: Tensors>(
    module: &M,
    (x, z): (&X, &Z),
    parameters: &Parameters,
    (device, types): (&Device, &[Type]),
    closure: impl FnOnce(&M, X, Z) -> Vec<Value>,
) -> Result<Program, Error> {
    let others = types.len() - parameters.values.len();
    let program = trace(device, types, |placeholders| {
        let mut values = placeholders.iter().cloned();
        let (x, z) = (x.rebuild(&mut values)?, z.rebuild(&mut values)?);
        let there = Replacement::new(&parameters.ids, &placeholders[others..]);
        let mut recording = module.valid().map(&mut { there });
        if let Some(placeholder) = placeholders.first() {
            // Tensors in fields that are no parameters become constants of the program.
            recording = recording.to_device(&placeholder.device());
        }
        Ok(closure(&recording, x, z))
    })?;
    Ok(program)
}

/// The types of the tensors of a call.
pub(crate) fn types_of(values: &[Value]) -> Vec<Type> {
    values.iter().map(Value::ty).collect()
}
