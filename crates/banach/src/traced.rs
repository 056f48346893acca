//! What is known about an update before any number is? Its program, its loop, its derivative, for one set of shapes.

use crate::error::Error;
use crate::flatten::Layout;
use crate::parameters::{Parameters, Replacement};
use crate::update::Update;
use banach_program::{
    Builder, Hoisted, Program, Rows, Tensors, Type, Value, Var, hoist, linearize, rows, simplify, trace,
    transpose,
};
use burn::module::Module;
use burn::tensor::Device;
use std::sync::OnceLock;

/// An update as programs on the flat state.
#[derive(Debug)]
pub(crate) struct TracedUpdate {
    /// As the user wrote it: `(states, z, θ) -> states`.
    pub(crate) program: Program,
    /// `(flat x, z, θ) -> flat g`.
    pub(crate) flat: Program,
    /// The same, split for the loop over x.
    pub(crate) forward: Hoisted,
    /// Which inputs of `flat` hold one row for each row of the state.
    pub(crate) per_row: Vec<bool>,
    pub(crate) packing: Program,
    pub(crate) unpacking: Program,
    adjoint: OnceLock<Hoisted>,
}

impl TracedUpdate {
    /// Traces `update` for tensors of these types.
    pub(crate) fn new<M: Module + Update>(
        update: &M,
        x: &M::State,
        z: &M::Input,
        parameters: &Parameters,
        types: &[Type],
        device: &Device,
    ) -> Result<Self, Error> {
        let states = x.clone().into_values().len();
        let inputs = z.clone().into_values().len();
        let program = trace(device, types, |placeholders| {
            let mut values = placeholders.iter().cloned();
            let (x, z) = (x.rebuild(&mut values)?, z.rebuild(&mut values)?);
            let there = Replacement::new(&parameters.ids, &placeholders[states + inputs..]);
            let mut recording = update.valid().map(&mut { there });
            if let Some(placeholder) = placeholders.first() {
                // Tensors in fields that are no parameters become constants of the program.
                recording = recording.to_device(&placeholder.device());
            }
            Ok(recording.update(x, z).into_values())
        })?;
        if program.outputs().len() != states {
            let (what, found) = ("the result of the update".into(), program.outputs().len());
            return Err(banach_program::Error::Count { what, found, expected: states }.into());
        }
        let layout = Layout::of(&program, states)?;
        let flat = layout.flattened(&program);
        let forward = hoist(&flat, &[0]);
        let per_row = (0..flat.inputs().len()).map(|at| rows(&flat, &[0, at]) == Rows::Independent).collect();
        let (packing, unpacking) = (layout.packing(), layout.unpacking());
        Ok(TracedUpdate { program, flat, forward, per_row, packing, unpacking, adjoint: OnceLock::new() })
    }

    /// The pullback at a point, split for the loop over the cotangent: the prologue takes `(flat x, z, θ)`, linearizes
    /// and gives what the body needs; the body maps a cotangent c and those values to `Jᵀ c`.
    pub(crate) fn adjoint(&self) -> &Hoisted {
        self.adjoint.get_or_init(|| {
            let parts = linearize(&self.flat, &[0]);
            let pullback = transpose(&parts.tangent).into_program();
            let mut builder = Builder::new();
            let point: Vec<Var> = self.flat.input_types().map(|ty| builder.input(ty.clone())).collect();
            let cotangent = builder.input(self.flat.type_of(self.flat.outputs()[0]).clone());
            let mut operands = builder.inline(&parts.primal, &point).split_off(1);
            operands.push(cotangent);
            let pulled = builder.inline(&pullback, &operands);
            let position = point.len();
            hoist(&simplify(&builder.finish(pulled)), &[position])
        })
    }
}

/// The types of the tensors of a call.
pub(crate) fn types_of(values: &[Value]) -> Vec<Type> {
    values.iter().map(Value::ty).collect()
}
