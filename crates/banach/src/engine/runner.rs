//! Single evaluations of a program: on the engine where it can, else on the device of its inputs.

use crate::engine::compiled::Number;
use crate::error::Error;
use crate::settings::configuration::{Convolution, Engine};
use crate::tracing::cache::Bytes;
use banach_program::{Kind, Machine, Program, Value, evaluate};
use burn::tensor::{FloatDType, Tensor};

/// A program for one evaluation at a time: on the engine where it can, else on the device of its inputs.
#[derive(Debug)]
pub(crate) struct Runner {
    /// What is computed.
    program: Program,
    /// The same compiled, if it can be and shall be.
    machine: Option<Compiled>,
    /// Where every output comes from.
    outputs: Vec<Origin>,
}

/// A program compiled in its precision.
#[derive(Debug)]
enum Compiled {
    Single(Machine<f32>),
    Double(Machine<f64>),
}

/// Where an output comes from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Origin {
    /// It is an input.
    Input(usize),
    /// It is computed: which of the computed ones it is.
    Computed(usize),
}

/// Where the outputs of a program come from, and the program of those that are computed.
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

impl Bytes for Runner {
    fn bytes(&self) -> usize {
        let machine = match &self.machine {
            Some(Compiled::Single(machine)) => machine.bytes(),
            Some(Compiled::Double(machine)) => machine.bytes(),
            None => 0,
        };
        self.program.bytes() + machine
    }
}

impl Runner {
    /// The program for an engine.
    pub(crate) fn new(program: Program, engine: Engine, convolution: Convolution) -> Self {
        let kinds = program.input_types().chain(program.output_types()).map(|ty| ty.kind);
        let float = kinds.into_iter().find(|kind| kind.is_float());
        let single = float == Some(Kind::Float(FloatDType::F32));
        let (outputs, program) = computed(&program);
        let machine = match engine {
            Engine::Device => None,
            Engine::Native if single => compiled(&program, convolution).map(Compiled::Single),
            Engine::Native => compiled(&program, convolution).map(Compiled::Double),
        };
        Runner { program, machine, outputs }
    }

    /// Runs it on plain tensors.
    pub(crate) fn call(&self, inputs: Vec<Value>) -> Result<Vec<Value>, Error> {
        let machine = self.machine.as_ref().filter(|_| inputs.iter().all(Value::is_on_host));
        let results = match machine {
            Some(Compiled::Single(machine)) => machine.call(inputs.clone())?,
            Some(Compiled::Double(machine)) => machine.call(inputs.clone())?,
            None => evaluate(&self.program, inputs.clone())?,
        };
        let output = |origin: &Origin| match *origin {
            Origin::Input(input) => inputs[input].clone(),
            Origin::Computed(computed) => results[computed].clone(),
        };
        Ok(self.outputs.iter().map(output).collect())
    }
}

/// A program that may use all cores, if it can be compiled.
fn compiled<T: Number>(program: &Program, convolution: Convolution) -> Option<Machine<T>> {
    Machine::new(program, &[]).ok().map(|machine| machine.spread().convolving(convolution.method()))
}

/// Whether all of these lie in the memory of this machine.
pub(crate) fn on_host(x: &Tensor<2>, q: &[Value]) -> bool {
    Value::from(x.clone()).is_on_host() && q.iter().all(Value::is_on_host)
}
