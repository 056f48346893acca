//! Messages of solves on the engine of a server.

use crate::engine::programs::LoopPrograms;
use crate::error::Error;
use crate::settings::configuration::Convolution;
use banach_solve::{FixedPointSolver, LinearSolver, Settings, Solution};
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};

/// The operation of a server that solves: from a request and the tensors it speaks of to the solution and an answer.
pub(crate) const SOLVE: &str = "banach.solve";

/// The programs of a loop, sent with the first request that needs them.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct Definition {
    pub(crate) programs: LoopPrograms,
    pub(crate) convolution: Convolution,
}

/// A request. Its first operand is the request itself.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) enum Request {
    /// Whether the server solves.
    Greeting,
    /// A solve by the loop with a key, from operands `(start, guess?, q..)`.
    Solve {
        key: u64,
        /// An encoded [`Definition`], if the server may not have it.
        definition: Option<Vec<u8>>,
        problem: Box<Problem>,
    },
}

/// The problem of a solve.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) enum Problem {
    FixedPoint(Settings<FixedPointSolver>),
    Linear { settings: Settings<LinearSolver>, guess: bool },
}

/// An answer.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) enum Answer {
    /// The server solves; its version of Banach.
    Greeting(String),
    /// The solution, whose value is the other result.
    Solved(Box<Solution<()>>),
    /// The server has no loop of the key: it was dropped from its memory.
    UnknownLoop,
    /// Nothing was solved.
    Failed(String),
}

/// Encodes a message. `None` for one that holds what stays in its process: custom primitives and solvers of the user.
pub(crate) fn encoded(message: &impl Serialize) -> Option<Vec<u8>> {
    rmp_serde::to_vec_named(message).ok()
}

/// Decodes a message.
pub(crate) fn decoded<M: DeserializeOwned>(bytes: &[u8]) -> Result<M, Error> {
    rmp_serde::from_slice(bytes).map_err(|error| failure(&error.to_string()))
}

/// The failure of a solve on a server.
pub(crate) fn failure(found: &str) -> Error {
    banach_program::Error::Failed { primitive: "a solve on a server".into(), found: found.into() }.into()
}
