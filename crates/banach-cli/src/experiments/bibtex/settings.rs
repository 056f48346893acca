//! Which settings make a run, which of them contradict each other, and which must a resumed run repeat?

use crate::command::{AdjointName, BibtexArguments, LayerName, SolverName};
use crate::dataset::bibtex::VALIDATION_SHARE;
use crate::error::Error;
use banach::FixedPointConfig;
use banach::solve::{Anderson, FixedPointSolver, Gmres, LinearSolver, Neumann, Picard, Tolerance};
use serde::{Deserialize, Serialize};
use std::path::{Path, PathBuf};

/// Hidden units of the map g.
pub(crate) const HIDDEN: usize = 600;
/// Rows of a mini-batch.
pub(crate) const BATCH: usize = 40;
/// Step size of Adam.
pub(crate) const LEARNING_RATE: f64 = 1e-3;
/// Norm to which the gradient of all parameters together is clipped.
pub(crate) const GRADIENT_NORM: f64 = 1.0;

const TOLERANCE: f64 = 1e-4;
const MAX_STEPS: usize = 60;

/// Everything that decides the numbers of a run, as written to its report.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct Settings {
    /// Most epochs.
    pub(crate) epochs: usize,
    /// Epochs without a better validation F1 after which training stops.
    pub(crate) patience: usize,
    batch: usize,
    hidden: usize,
    learning_rate: f64,
    gradient_norm: f64,
    validation_share: f64,
    device: String,
    data: PathBuf,
    data_fingerprint: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    solver: Option<SolverName>,
    #[serde(skip_serializing_if = "Option::is_none")]
    adjoint: Option<AdjointName>,
    #[serde(skip_serializing_if = "Option::is_none")]
    tolerance: Option<f64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    max_steps: Option<usize>,
}

impl Settings {
    /// The settings that the arguments ask for; options that would be ignored are refused.
    pub(crate) fn new(arguments: &BibtexArguments, data_fingerprint: &str) -> Result<Self, Error> {
        check(arguments)?;
        let solves = arguments.layer == LayerName::FpiNn;
        Ok(Self {
            epochs: arguments.epochs,
            patience: arguments.patience,
            batch: BATCH,
            hidden: HIDDEN,
            learning_rate: LEARNING_RATE,
            gradient_norm: GRADIENT_NORM,
            validation_share: VALIDATION_SHARE,
            device: arguments.device.clone(),
            data: arguments.data.clone(),
            data_fingerprint: data_fingerprint.into(),
            solver: solves.then(|| arguments.solver.unwrap_or(SolverName::Anderson)),
            adjoint: solves.then(|| arguments.adjoint.unwrap_or(AdjointName::Gmres)),
            tolerance: solves.then(|| arguments.tolerance.unwrap_or(TOLERANCE)),
            max_steps: solves.then(|| arguments.max_steps.unwrap_or(MAX_STEPS)),
        })
    }

    /// How the layer solves forward and backward.
    pub(crate) fn fixed_point(&self) -> FixedPointConfig {
        let solver = match self.solver {
            Some(SolverName::Picard) => FixedPointSolver::Picard(Picard::default()),
            Some(SolverName::Anderson) | None => FixedPointSolver::Anderson(Anderson::default()),
        };
        let adjoint = match self.adjoint {
            Some(AdjointName::Neumann) => LinearSolver::Neumann(Neumann::default()),
            Some(AdjointName::Gmres) | None => LinearSolver::Gmres(Gmres::default()),
        };
        let relative = self.tolerance.unwrap_or(TOLERANCE);
        FixedPointConfig::new()
            .with_solver(solver)
            .with_adjoint(adjoint)
            .with_tolerance(Tolerance { relative, ..Tolerance::default() })
            .with_max_steps(self.max_steps.unwrap_or(MAX_STEPS))
    }

    /// Refuses to continue a run that was started with other settings.
    ///
    /// The number of epochs may grow, and the data may have moved as long as they are the same.
    pub(crate) fn check_same(&self, earlier: &Self, path: &Path) -> Result<(), Error> {
        let fields = |settings: &Self| serde_json::to_value(settings).unwrap_or_default();
        let (found, expected) = (fields(self), fields(earlier));
        let names = found.as_object().into_iter().flat_map(|fields| fields.keys());
        match names
            .filter(|name| !["epochs", "data"].contains(&name.as_str()))
            .find(|&name| found[name] != expected[name])
        {
            None => Ok(()),
            Some(name) => Err(Error::OtherSettings {
                path: path.to_path_buf(),
                name: name.clone(),
                found: found[name].to_string(),
                expected: expected[name].to_string(),
            }),
        }
    }
}

/// Refuses options that `--layer feedforward` would ignore.
pub(crate) fn check(arguments: &BibtexArguments) -> Result<(), Error> {
    let given = [
        ("--solver", arguments.solver.is_some()),
        ("--adjoint", arguments.adjoint.is_some()),
        ("--tolerance", arguments.tolerance.is_some()),
        ("--max-steps", arguments.max_steps.is_some()),
    ];
    match given.iter().find(|(_, given)| *given && arguments.layer == LayerName::Feedforward) {
        None => Ok(()),
        Some((option, _)) => Err(Error::Setting {
            found: format!("{option} with --layer feedforward"),
            expected: "no solver options where the map is applied once".into(),
            advice: format!("leave out {option}, or train --layer fpi-nn"),
        }),
    }
}
