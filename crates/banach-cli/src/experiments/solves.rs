//! How the fixed points of a run are solved, as its report says it.

use crate::options::{AdjointName, EngineName, SolverName};
use banach::FixedPointConfig;
use banach::solve::Tolerance;
use serde::{Deserialize, Serialize};

/// Solver, adjoint, engine and budget of a run.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(crate) struct Solves {
    pub(crate) solver: SolverName,
    pub(crate) adjoint: AdjointName,
    /// None where the experiment has no choice.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) engine: Option<EngineName>,
    /// The relative residual at which a fixed point counts as found.
    pub(crate) tolerance: f64,
    pub(crate) max_steps: usize,
}

impl Solves {
    /// The configuration of a layer, forward and adjoint alike.
    pub(crate) fn config(&self) -> FixedPointConfig {
        let relative = self.tolerance;
        let config = FixedPointConfig::new()
            .with_solver(self.solver.solver())
            .with_adjoint(self.adjoint.solver())
            .with_tolerance(Tolerance { relative, ..Tolerance::default() })
            .with_max_steps(self.max_steps);
        match self.engine {
            Some(engine) => config.with_engine(engine.engine()),
            None => config,
        }
    }
}
