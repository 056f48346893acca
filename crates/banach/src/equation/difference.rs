//! The update x - F(x) of an equation, written as a program.

use crate::error::Error;
use crate::tracing::layout::type_list;
use banach_program::{Builder, Program, Type, Var};

/// Returns the program `(x.., F..) -> x - F` for unknowns and residuals of these types.
///
/// # Errors
/// [`Error::Equation`] unless each residual has the type of its unknown.
pub(super) fn difference(unknowns: &[Type], residuals: &[Type]) -> Result<Program, Error> {
    if unknowns != residuals {
        return Err(Error::Equation { found: type_list(residuals), expected: type_list(unknowns) });
    }
    let mut builder = Builder::new();
    let [xs, residuals] = [unknowns, residuals]
        .map(|types| types.iter().map(|ty| builder.input(ty.clone())).collect::<Vec<Var>>());
    let outputs = xs.into_iter().zip(residuals).map(|(x, residual)| builder.subtract(x, residual)).collect();
    Ok(builder.finish(outputs))
}
