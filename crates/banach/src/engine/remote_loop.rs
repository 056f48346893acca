//! Solves on the engine of a server: one message with the programs of a loop, then one request and one answer a solve.
//!
//! The tensors stay on the server. Without its engine, every number that a solver reads would be a round trip.

use crate::engine::linear_system::LinearSystem;
use crate::engine::programs::LoopPrograms;
use crate::engine::wire::{Answer, Problem, Request, SOLVE, decoded, encoded, failure};
use crate::error::Error;
use crate::settings::configuration::Convolution;
use crate::settings::lock::locked;
use banach_program::{Kind, Type, Value, call_remote};
use banach_solve::{FixedPointSolver, LinearSolver, Settings, Solution};
use burn::tensor::{Device, IntDType, Tensor};
use serde::Serialize;
use std::collections::HashSet;
use std::hash::{DefaultHasher, Hash, Hasher};
use std::sync::{Mutex, OnceLock};

/// The devices whose servers solve, with the keys of the loops that were sent to each.
static SERVERS: Mutex<Vec<(Device, HashSet<u64>)>> = Mutex::new(vec![]);

/// Notes that the server of a device solves.
pub(crate) fn note_server(device: &Device) {
    let mut servers = locked(&SERVERS);
    if !servers.iter().any(|(known, _)| known == device) {
        servers.push((device.clone(), HashSet::new()));
    }
}

/// Calls a function with the keys of the loops that were sent to the server of a device; `None` if it does not solve.
fn with_sent<T>(device: &Device, function: impl FnOnce(&mut HashSet<u64>) -> T) -> Option<T> {
    locked(&SERVERS).iter_mut().find(|(known, _)| known == device).map(|(_, sent)| function(sent))
}

/// A loop by reference, with the method for its convolutions.
pub(crate) type LocalLoop<'a> = (&'a LoopPrograms, Convolution);

/// A loop as the message that defines it on servers.
#[derive(Debug, Default)]
pub(crate) struct RemoteLoop {
    /// `None` if its programs cannot leave the process.
    definition: OnceLock<Option<Encoded>>,
}

/// An encoded [`Definition`](crate::engine::wire::Definition) and its hash.
#[derive(Debug)]
struct Encoded {
    key: u64,
    bytes: Vec<u8>,
}

/// A [`Definition`](crate::engine::wire::Definition) by reference.
#[derive(Serialize)]
struct DefinitionOf<'a> {
    programs: &'a LoopPrograms,
    convolution: Convolution,
}

impl RemoteLoop {
    /// Solves `x = g(x, q)` on the server of its tensors; `None` if that server does not solve, or not this loop.
    pub(crate) fn fixed_point(
        &self,
        whole: LocalLoop<'_>,
        x0: &Tensor<2>,
        q: &[Value],
        settings: &Settings<FixedPointSolver>,
    ) -> Result<Option<Solution<Tensor<2>>>, Error> {
        if matches!(settings.solver, FixedPointSolver::User(_)) {
            return Ok(None);
        }
        self.solve(whole, x0, &|| Problem::FixedPoint(settings.clone()), &|| {
            std::iter::once(x0.clone().into()).chain(q.iter().cloned()).collect()
        })
    }

    /// Solves a linear system on the server of its tensors, as [`fixed_point`](Self::fixed_point) does.
    pub(crate) fn linear(
        &self,
        whole: LocalLoop<'_>,
        LinearSystem { b, guess, q }: LinearSystem<'_>,
        settings: &Settings<LinearSolver>,
    ) -> Result<Option<Solution<Tensor<2>>>, Error> {
        if matches!(settings.solver, LinearSolver::User(_)) {
            return Ok(None);
        }
        let problem = || Problem::Linear { settings: settings.clone(), guess: guess.is_some() };
        self.solve(whole, b, &problem, &|| {
            let guess = guess.map(|guess| guess.clone().into());
            std::iter::once(b.clone().into()).chain(guess).chain(q.iter().cloned()).collect()
        })
    }

    fn solve(
        &self,
        whole: LocalLoop<'_>,
        start: &Tensor<2>,
        problem: &dyn Fn() -> Problem,
        operands: &dyn Fn() -> Vec<Value>,
    ) -> Result<Option<Solution<Tensor<2>>>, Error> {
        let (value, device) = (Value::from(start.clone()), start.device());
        if !value.is_remote() || with_sent(&device, |_| ()).is_none() {
            return Ok(None);
        }
        let Some(Encoded { key, bytes }) = self.encoded(whole) else { return Ok(None) };
        let results = [value.ty(), answer_type()];
        drop(value);
        for _ in 0..2 {
            let sent = with_sent(&device, |sent| sent.contains(key)).unwrap_or_default();
            let definition = (!sent).then(|| bytes.clone());
            let request = Request::Solve { key: *key, definition, problem: Box::new(problem()) };
            let (x, answer) = called(&request, operands(), &results, &device)?;
            let known = !matches!(answer, Answer::UnknownLoop);
            with_sent(&device, |sent| if known { sent.insert(*key) } else { sent.remove(key) });
            match answer {
                Answer::Solved(solution) => {
                    let x = x.try_into_tensor()?;
                    return Ok(Some(solution.map(|()| x)));
                }
                Answer::Failed(found) => return Err(failure(&found)),
                Answer::UnknownLoop => {}
                Answer::Greeting(_) => return Err(failure("found a greeting, expected a solution")),
            }
        }
        Err(failure("the server forgets a loop that it was sent; it needs more memory for traces"))
    }

    fn encoded(&self, whole: LocalLoop<'_>) -> Option<&Encoded> {
        let encode = || {
            let definition = DefinitionOf { programs: whole.0, convolution: whole.1 };
            let bytes = encoded(&definition)?;
            let mut hasher = DefaultHasher::new();
            bytes.hash(&mut hasher);
            Some(Encoded { key: hasher.finish(), bytes })
        };
        self.definition.get_or_init(encode).as_ref()
    }
}

/// The type of an answer before it is read: its length is not known.
fn answer_type() -> Type {
    Type::new([1], Kind::Int(IntDType::I32))
}

/// Sends a request with its operands. Returns the solution, on the server, and the answer, which is waited for.
fn called(
    request: &Request,
    operands: Vec<Value>,
    results: &[Type; 2],
    device: &Device,
) -> Result<(Value, Answer), Error> {
    let request = encoded(request).ok_or_else(|| failure("the request cannot be encoded"))?;
    let request = Value::from_bytes(&request, device);
    let operands = std::iter::once(request).chain(operands).collect();
    let mut found = call_remote(SOLVE, operands, results)?;
    let answer = found.pop().map(Value::try_into_bytes).transpose()?.unwrap_or_default();
    let x = found.pop().ok_or_else(|| failure("found no solution"))?;
    Ok((x, decoded(&answer)?))
}

/// Returns the version of Banach by which the server of a device solves.
pub(crate) fn greeted(device: &Device) -> Result<String, Error> {
    let nothing = Value::from(Tensor::<2>::zeros([1, 1], device));
    let results = [nothing.ty(), answer_type()];
    match called(&Request::Greeting, vec![nothing], &results, device)?.1 {
        Answer::Greeting(version) => Ok(version),
        Answer::Solved(_) | Answer::UnknownLoop | Answer::Failed(_) => Err(failure("found no greeting")),
    }
}
