//! Outputs of a program that are inputs, which nothing has to compute.

use banach_program::Program;

/// The origin of an output.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Origin {
    /// The input at this position.
    Input(usize),
    /// The computed output at this position among the computed ones.
    Computed(usize),
}

/// Returns the origins of the outputs of a program, and the program of the computed outputs.
pub(crate) fn computed(program: &Program) -> (Vec<Origin>, Program) {
    let mut kept = vec![];
    let mut origins = vec![];
    for (position, output) in program.outputs().iter().enumerate() {
        let input = program.inputs().iter().position(|input| input == output);
        origins.push(input.map_or(Origin::Computed(kept.len()), Origin::Input));
        if input.is_none() {
            kept.push(position);
        }
    }
    (origins, program.clone().with_outputs(&kept))
}
