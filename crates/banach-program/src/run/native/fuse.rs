//! Fusion of elementwise equations whose results only the next equation of the chain reads.

use crate::language::program::{Equation, Program, Var};
use crate::language::tensor_type::Kind;

/// Lines of a chain, so that what lies between them stays in the fastest cache.
const LONGEST: usize = 64;

/// For every variable, the line of whose chain it is a part: elementwise lines run with the last of their
/// chain.
#[derive(Debug)]
pub(crate) struct Fusion {
    chains: Vec<Option<Var>>,
    readers: Vec<Vec<usize>>,
    outputs: Vec<bool>,
}

impl Fusion {
    pub(crate) fn new(program: &Program) -> Self {
        let mut readers = vec![vec![]; program.variables()];
        for (line, equation) in program.equations().iter().enumerate() {
            for operand in &equation.operands {
                readers[operand.0].push(line);
            }
        }
        let mut outputs = vec![false; program.variables()];
        program.outputs().iter().for_each(|output| outputs[output.0] = true);
        let mut fusion = Fusion { chains: vec![None; program.variables()], readers, outputs };
        let mut lengths = vec![0; program.variables()];
        for equation in program.equations().iter().rev() {
            if is_elementwise(program, equation) {
                let result = equation.result;
                let reader = fusion.only_reader(program, result).filter(|reader| lengths[reader.0] < LONGEST);
                let chain = reader.unwrap_or(result);
                lengths[chain.0] += 1;
                fusion.chains[result.0] = Some(chain);
            }
        }
        fusion
    }

    /// The last line of the chain a variable is computed in, if it is elementwise.
    pub(crate) fn chain(&self, var: Var) -> Option<Var> {
        self.chains[var.0]
    }

    /// The chain that alone reads a variable.
    pub(crate) fn only_reader(&self, program: &Program, var: Var) -> Option<Var> {
        if self.outputs[var.0] {
            return None;
        }
        let mut chains =
            self.readers[var.0].iter().map(|&line| self.chains[program.equations()[line].result.0]);
        let first = chains.next()??;
        chains.all(|chain| chain == Some(first)).then_some(first)
    }
}

/// Whether a line is elementwise, on real numbers or truth values alone.
fn is_elementwise(program: &Program, equation: &Equation) -> bool {
    let real = |var: &Var| !matches!(program.type_of(*var).kind, Kind::Int(_));
    equation.primitive.is_elementwise() && equation.operands.iter().all(real) && real(&equation.result)
}
