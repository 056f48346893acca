//! Verification that a program is well formed, run after every transform in debug builds and in tests.

use crate::error::Error;
use crate::language::program::Program;
use crate::language::shape::result_type;

/// Checks that every variable is defined once, before its first use, and that every type follows from the
/// operands.
///
/// # Errors
/// [`Error::Malformed`] names the first equation or boundary that is wrong.
pub fn verify(program: &Program) -> Result<(), Error> {
    let mut given = vec![false; program.variables()];
    for &input in &program.inputs {
        give(&mut given, input.0, "the inputs")?;
    }
    for equation in &program.equations {
        let place = format!("`{} = {}`", equation.result, equation.primitive);
        let malformed = |found: String| Error::Malformed { place: place.clone(), found };
        if let Some(operand) = equation.operands.iter().find(|operand| !given[operand.0]) {
            return Err(malformed(format!("{operand} is used before it is given")));
        }
        let types: Vec<_> = equation.operands.iter().map(|&var| program.type_of(var)).collect();
        let ty = result_type(&equation.primitive, &types).map_err(malformed)?;
        if &ty != program.type_of(equation.result) {
            let written = program.type_of(equation.result);
            return Err(malformed(format!("the result is {ty}, but {written} is written")));
        }
        give(&mut given, equation.result.0, &place)?;
    }
    match program.outputs.iter().find(|output| !given[output.0]) {
        Some(output) => {
            Err(Error::Malformed { place: "the outputs".into(), found: format!("{output} is never given") })
        }
        None => Ok(()),
    }
}

fn give(given: &mut [bool], var: usize, place: &str) -> Result<(), Error> {
    if std::mem::replace(&mut given[var], true) {
        return Err(Error::Malformed { place: place.into(), found: format!("%{var} is given twice") });
    }
    Ok(())
}
