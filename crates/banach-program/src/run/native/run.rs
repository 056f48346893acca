//! Runs of a machine on slices or on tensors.

use super::execute::Run;
use super::machine::Machine;
use super::packed::Packed;
use super::workspace::{Workspace, zeros};
use crate::error::Error;
use crate::language::tensor_type::{Kind, Type};
use crate::language::value::Value;
use crate::run::evaluate::check_types;
use crate::run::operand::{Operand, Target};
use crate::run::value::host::Host;
use crate::run::value::number::Number;

impl<T: Number> Machine<T> {
    /// Runs the program.
    ///
    /// # Errors
    /// [`Error::Failed`] if a custom primitive fails.
    ///
    /// # Panics
    /// If operands, workspace or targets belong to another machine.
    pub fn run(
        &self,
        workspace: &mut Workspace<T>,
        packed: &Packed<T>,
        inputs: &[Operand<'_, T>],
        outputs: &mut [Target<'_, T>],
    ) -> Result<(), Error> {
        self.run_on(Run { machine: self, workspace, packed, inputs, values: &[], outputs })
    }

    fn run_on(&self, mut run: Run<'_, '_, '_, T>) -> Result<(), Error> {
        assert_eq!(run.outputs.len(), self.plan.outputs.len(), "the number of outputs");
        for instruction in &self.plan.instructions {
            run.instruction(instruction)?;
        }
        Ok(())
    }

    /// Runs the program once on tensors.
    ///
    /// # Errors
    /// [`Error::Native`] for tensors on another device or of another precision, [`Error::Failed`] as [`run`](Self::run).
    pub fn call(&self, inputs: Vec<Value>) -> Result<Vec<Value>, Error> {
        check_types(&self.inputs, &inputs)?;
        let hosts = inputs.iter().cloned().map(Host::new).collect::<Result<Vec<Host<T>>, _>>()?;
        let operands: Vec<Operand<'_, T>> = hosts.iter().map(Host::operand).collect();
        let is_integer = |ty: &Type| matches!(ty.kind, Kind::Int(_));
        let result = |ty: &Type| {
            let [real, integers] = if is_integer(ty) { [0, ty.len()] } else { [ty.len(), 0] };
            Ok::<_, Error>((zeros(real, T::ZERO)?, zeros(integers, 0)?))
        };
        let mut results: Vec<(Vec<T>, Vec<i64>)> =
            self.outputs.iter().map(result).collect::<Result<_, _>>()?;
        let mut targets: Vec<Target<'_, T>> = results
            .iter_mut()
            .zip(&self.outputs)
            .map(
                |((real, integers), ty)| {
                    if is_integer(ty) { Target::Integer(integers) } else { Target::Real(real) }
                },
            )
            .collect();
        let mut workspace = self.workspace()?;
        let before = std::mem::replace(&mut workspace.given, Packed::nothing());
        let packed = self.pack_into(&operands, &Packed::nothing(), |_| true, before);
        let values = inputs.as_slice();
        self.run_on(Run {
            machine: self,
            workspace: &mut workspace,
            packed: &packed,
            inputs: &operands,
            values,
            outputs: &mut targets,
        })?;
        workspace.given = packed;
        self.keep(workspace);
        let values = results.into_iter().zip(&self.outputs).map(|((real, integers), ty)| match ty.kind {
            Kind::Int(_) => Value::from_integers(&integers, ty),
            Kind::Bool => Value::from_reals(&real, ty),
            Kind::Float(_) => Value::from_numbers(real, &ty.shape),
        });
        Ok(values.collect())
    }
}
