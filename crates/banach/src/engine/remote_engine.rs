//! The engine of a server, which solves what clients ask for.

use crate::engine::engine_loop::EngineLoop;
use crate::engine::linear_system::LinearSystem;
use crate::engine::wire::{Answer, Definition, Problem, Request, decoded, encoded};
use crate::error::Error;
use crate::settings::configuration::{Engine, TRACE_MEMORY};
use crate::tracing::cache::Cache;
use banach_program::{Program, Value, verify};
use banach_solve::Solution;
use burn::tensor::Tensor;

/// The loops of all clients, by the hash of their definitions.
#[derive(Debug, Default)]
pub(crate) struct RemoteEngine {
    loops: Cache<u64, EngineLoop>,
}

impl RemoteEngine {
    /// Answers a request, with the solution before the answer.
    pub(crate) fn answered(&self, mut operands: Vec<Value>) -> Vec<Value> {
        let tensors = operands.split_off(1.min(operands.len()));
        let (start, request) = (tensors.first().cloned(), operands.pop());
        let (Some(start), Some(request)) = (start, request) else { return vec![] };
        let device = start.device();
        let request = request.try_into_bytes().map_err(Error::from).and_then(|bytes| decoded(&bytes));
        let (x, answer) = match request {
            Ok(Request::Greeting) => (None, Answer::Greeting(env!("CARGO_PKG_VERSION").into())),
            Ok(Request::Solve { key, definition, problem }) => {
                match self.solved(key, definition.as_deref(), &problem, tensors) {
                    Ok(Some(solution)) => {
                        let mut x = None;
                        let solution = solution.map(|value| x = Some(Value::from(value)));
                        (x, Answer::Solved(Box::new(solution)))
                    }
                    Ok(None) => (None, Answer::UnknownLoop),
                    Err(error) => (None, Answer::Failed(error.to_string())),
                }
            }
            Err(error) => (None, Answer::Failed(error.to_string())),
        };
        let answer = encoded(&answer).unwrap_or_else(|| panic!("bug: an answer cannot be encoded"));
        vec![x.unwrap_or(start), Value::from_bytes(&answer, &device)]
    }

    /// Solves by the loop of a key; `None` if neither the memory nor the request has it.
    fn solved(
        &self,
        key: u64,
        definition: Option<&[u8]>,
        problem: &Problem,
        mut tensors: Vec<Value>,
    ) -> Result<Option<Solution<Tensor<2>>>, Error> {
        let mut define = |_: &u64| -> Result<EngineLoop, Option<Error>> {
            let Some(definition) = definition else { return Err(None) };
            decoded(definition).and_then(defined).map_err(Some)
        };
        let whole = match self.loops.get_or_insert(key, TRACE_MEMORY, &mut define) {
            Ok(whole) => whole,
            Err(None) => return Ok(None),
            Err(Some(error)) => return Err(error),
        };
        let mut take = || tensors.remove(0).try_into_tensor().map_err(Error::from);
        let start = take()?;
        Ok(Some(match problem {
            Problem::FixedPoint(settings) => whole.fixed_point(&start, &tensors, settings)?,
            Problem::Linear { settings, guess } => {
                let guess = guess.then(take).transpose()?;
                let system = LinearSystem::new(&start, &tensors).with_guess(guess.as_ref());
                whole.linear(system, settings)?
            }
        }))
    }
}

/// Returns the loop of a definition whose programs are well formed.
fn defined(Definition { programs, convolution }: Definition) -> Result<EngineLoop, Error> {
    let mut all: Vec<&Program> = vec![&programs.prologue, &programs.map];
    if let Some(jacobian) = &programs.jacobian {
        all.extend([&jacobian.coefficients, &jacobian.product]);
    }
    all.into_iter().try_for_each(verify)?;
    Ok(EngineLoop::new(programs, Engine::Native, convolution))
}
