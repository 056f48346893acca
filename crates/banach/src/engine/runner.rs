//! Single evaluations of a program: native where possible, else on the device of the inputs.

use crate::engine::number::Number;
use crate::engine::origin::{Origin, computed};
use crate::error::Error;
use crate::settings::configuration::{Convolution, Engine};
use crate::tracing::cache::Bytes;
use banach_program::{Bilinear, Equation, Kind, Machine, Primitive, Program, Value, Var, evaluate};
use burn::tensor::FloatDType;
use std::fmt::Debug;

/// A program for single evaluations.
#[derive(Debug)]
pub(crate) struct Runner {
    /// The computed outputs.
    program: Program,
    machine: Option<Box<dyn CompiledProgram>>,
    /// The origin of every output.
    outputs: Vec<Origin>,
}

/// A program compiled in its precision.
trait CompiledProgram: Bytes + Debug + Send + Sync {
    fn run(&self, inputs: Vec<Value>) -> Result<Vec<Value>, Error>;
}

impl<T: Number> CompiledProgram for Machine<T> {
    fn run(&self, inputs: Vec<Value>) -> Result<Vec<Value>, Error> {
        Ok(self.call(inputs)?)
    }
}

impl Bytes for Runner {
    fn bytes(&self) -> usize {
        self.program.bytes() + self.machine.bytes()
    }
}

impl Runner {
    /// Compiles a program for an engine, as far as the engine supports it.
    pub(crate) fn new(program: Program, engine: Engine, convolution: Convolution) -> Self {
        let kinds = program.input_types().chain(program.output_types()).map(|ty| ty.kind);
        let single = kinds.into_iter().find(|kind| kind.is_float()) == Some(Kind::Float(FloatDType::F32));
        let (outputs, program) = computed(&program);
        let machine = match engine {
            Engine::Device => None,
            Engine::Native if single => compiled::<f32>(&program, convolution),
            Engine::Native => compiled::<f64>(&program, convolution),
        };
        Runner { program, machine, outputs }
    }

    /// Evaluates the program on tensors off the tape.
    pub(crate) fn call(&self, inputs: Vec<Value>) -> Result<Vec<Value>, Error> {
        let machine = self.machine.as_ref().filter(|_| inputs.iter().all(Value::is_on_host));
        let results = match machine {
            Some(machine) => machine.run(inputs.clone())?,
            None => evaluate(&self.program, inputs.clone())?,
        };
        let output = |origin: &Origin| match *origin {
            Origin::Input(input) => inputs[input].clone(),
            Origin::Computed(computed) => results[computed].clone(),
        };
        Ok(self.outputs.iter().map(output).collect())
    }
}

/// The inputs that are weights of convolutions, which a call packs side by side on all cores.
fn convolution_weights(program: &Program) -> Vec<usize> {
    let convolution = |line: &&Equation| {
        let Primitive::Bilinear(form) = &line.primitive else { return false };
        matches!(form, Bilinear::Convolution(_) | Bilinear::ConvolutionInput(..))
    };
    let weights: Vec<Var> =
        program.equations().iter().filter(convolution).map(|line| line.operands[1]).collect();
    let inputs = program.inputs().iter().enumerate();
    inputs.filter(|(_, input)| weights.contains(input)).map(|(position, _)| position).collect()
}

/// Compiles a program that may use all cores. None if the engine does not support it.
fn compiled<T: Number>(program: &Program, convolution: Convolution) -> Option<Box<dyn CompiledProgram>> {
    let machine = Machine::<T>::new(program, &convolution_weights(program)).ok()?;
    Some(Box::new(machine.spread().convolving(convolution.method())))
}
