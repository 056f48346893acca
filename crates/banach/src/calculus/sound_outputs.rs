//! Auxiliary outputs inside programs that leave out rows without a finite derivative.

use crate::calculus::implicit::FixedPointOp;
use crate::calculus::row_choice::{SoundRows, left_out};
use crate::tracing::auxiliary::TracedOutputs;
use banach_program::{Builder, Program, Var};
use std::sync::Arc;

impl FixedPointOp {
    /// Returns the outputs as a program of `(states, z, θ)` in which rows that the fixed point leaves out
    /// keep their values, and have no derivative. `pack` packs the states into the flat state.
    pub(crate) fn sound_outputs(&self, pack: &Program, traced: &TracedOutputs) -> Program {
        let TracedOutputs { program, by_row, per_row, .. } = traced;
        if !self.per_row()[0] || by_row.is_empty() {
            return program.clone();
        }
        let floats: Vec<usize> = self
            .g
            .input_types()
            .enumerate()
            .skip(1)
            .filter(|(_, ty)| ty.kind.is_float())
            .map(|(at, _)| at)
            .collect();
        // The fixed point itself counts the rows that it leaves out.
        let rows = SoundRows::new(&self.g, &floats, &self.config, &Arc::default());
        let states = pack.inputs().len();
        let mut builder = Builder::new();
        let inputs: Vec<Var> = program.input_types().map(|ty| builder.input(ty.clone())).collect();
        let flat = builder.inline(pack, &inputs[..states]);
        let choice = rows.write_choice(&mut builder, &[&flat[..], &inputs[states..]].concat());
        let sound = rows.substituted(&mut builder, &inputs, (per_row, choice));
        let mut outputs = builder.inline(program, &inputs);
        let at_sound_rows = builder.inline(&program.clone().with_outputs(by_row), &sound);
        for (&output, sound) in by_row.iter().zip(at_sound_rows) {
            let kept = builder.detach(outputs[output]);
            let left_out = left_out(&mut builder, kept, choice);
            outputs[output] = builder.choose(left_out, kept, sound);
        }
        builder.finish(outputs)
    }
}
