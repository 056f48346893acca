//! Mixed precision: solves in double precision that begin in single precision.

use crate::error::Error;
use banach_program::{Error as ProgramError, Kind, Program, Value, in_precision};
use banach_solve::{Budget, Outcome, Patience, Rows, Settings, Solution, Statistics, Tolerance};
use burn::tensor::{FloatDType, Tensor};
use serde::{Deserialize, Serialize};
use std::sync::OnceLock;
use web_time::Instant;

/// The least relative tolerance in single precision: rounding leaves residuals of a few units in the last place of the
/// state.
const ATTAINABLE: f64 = 8.0 * f32::EPSILON as f64;

/// The largest patience in single precision, in steps.
const PATIENCE: usize = 20;

/// The precision in which a layer iterates.
///
/// A step in single precision moves half as many bytes as one in double precision, and computes twice as many numbers at a
/// time. The solution and its derivative depend on the last iterate alone, so a solve in single precision may provide the
/// start of one in double precision.
///
/// The solve in single precision ends, row by row, at the configured tolerance, or at a relative tolerance of `9.5e-7` (8
/// units in the last place) if that is larger. It ends earlier where the residual has not improved for 20 steps (the
/// configured improvement, in proportion). None of this is a failure, and neither are overflow and divergence. Double
/// precision then begins at the best iterate of the row. It begins at the given start if single precision took no step, met
/// a value that is not finite, or stalled at a state of more than twice its first size, relative to which a residual may
/// only seem small. So a row ends as it would from another start: if there are several fixed points, perhaps at another one.
///
/// `budget.steps` holds for each precision separately; evaluations and seconds are shared. Reports contain the sums, and
/// the evaluations [in single precision](crate::Report::single_evaluations).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Precision {
    /// The precision of the state.
    #[default]
    Stated,
    /// For states of `f64`: first `f32`, then `f64`, forward and backward. States of other precisions, adjoints by
    /// approximation ([`Truncated`](banach_solve::LinearSolver::Truncated),
    /// [`Identity`](banach_solve::LinearSolver::Identity)) and by elimination
    /// ([`Dense`](banach_solve::LinearSolver::Dense)) are solved as with [`Stated`](Self::Stated).
    ///
    /// An update with fixed points inside has one precision only: its solve is an [`Error::Setting`].
    Mixed,
}

impl Precision {
    /// Returns the program in single precision, if solves for its first input begin there.
    fn single(self, program: &Program) -> Result<Option<Program>, Error> {
        let state = program.input_types().next().map(|ty| ty.kind);
        if self == Precision::Stated || state != Some(Kind::Float(FloatDType::F64)) {
            return Ok(None);
        }
        single(program).map(Some)
    }
}

/// Rewrites a program in single precision.
pub(crate) fn single(program: &Program) -> Result<Program, Error> {
    in_precision(program, FloatDType::F32).map_err(|error| {
        let ProgramError::Precision { primitive, .. } = error else { return error.into() };
        let found = format!("mixed, and the update holds a {primitive}");
        Error::setting("precision", found, "stated: fixed points inside an update have one precision only")
    })
}

/// A solve in single precision, created when it is first needed; None if the configured precision is that of the state.
#[derive(Debug)]
pub(crate) struct Single<T>(OnceLock<Result<Option<Box<T>>, Error>>);

impl<T> Single<T> {
    /// Creates no solve yet.
    pub(crate) fn new() -> Self {
        Single(OnceLock::new())
    }

    /// Returns the solve if it was made.
    pub(crate) fn known(&self) -> Option<&T> {
        self.0.get()?.as_ref().ok()?.as_deref()
    }

    /// Returns the solve; creates it from the program in single precision.
    pub(crate) fn get(
        &self,
        precision: Precision,
        program: &Program,
        create: impl FnOnce(Program) -> Result<T, Error>,
    ) -> Result<Option<&T>, Error> {
        let created = || precision.single(program)?.map(|program| create(program).map(Box::new)).transpose();
        self.0.get_or_init(created).as_ref().map(Option::as_deref).map_err(Error::clone)
    }
}

type Solved = Result<Solution<Tensor<2>>, Error>;

/// Solves in single precision, then in double precision from there; rows that made no progress begin at `x0`.
pub(crate) fn in_both<S: Clone>(
    settings: &Settings<S>,
    x0: &Tensor<2>,
    single: impl FnOnce(&Settings<S>) -> Solved,
    double: impl FnOnce(&Tensor<2>, &Settings<S>) -> Solved,
) -> Solved {
    let started = Instant::now();
    let Some(coarse) = coarse(settings) else { return double(x0, settings) };
    let first = single(&coarse)?;
    let moved = |row: usize| {
        let (outcome, growth) = (first.outcomes[row], first.statistics.growth[row]);
        let grown = matches!(outcome, Outcome::Stalled | Outcome::Diverged) && growth > 2.0;
        first.statistics.steps[row] > 0 && outcome != Outcome::NonFinite && !grown
    };
    let moved: Vec<bool> = (0..first.outcomes.len()).map(moved).collect();
    let mut x = x0.clone();
    if moved.contains(&true) {
        x.replace(&moved, &first.value.cast(FloatDType::F64));
    }
    let budget = remaining(settings.budget, &first.statistics, started);
    Ok(double(&x, &settings.clone().with_budget(budget))?.continuing(first.statistics))
}

/// Casts a tensor to single precision.
pub(crate) fn lowered(x: &Tensor<2>) -> Tensor<2> {
    x.clone().cast(FloatDType::F32)
}

/// Casts tensors to single precision.
pub(crate) fn all_lowered(values: &[Value]) -> Vec<Value> {
    values.iter().map(|value| value.clone().in_precision(FloatDType::F32)).collect()
}

/// Returns the settings in single precision; None if the budget does not suffice for two solves.
fn coarse<S: Clone>(settings: &Settings<S>) -> Option<Settings<S>> {
    let Tolerance { relative, .. } = settings.tolerance;
    let tolerance = Tolerance { relative: relative.max(ATTAINABLE), ..settings.tolerance };
    // One evaluation is reserved for double precision.
    let evaluations = settings.budget.evaluations.map(|evaluations| evaluations - 1);
    let budget = Budget { evaluations, ..settings.budget };
    let stated = settings.patience.unwrap_or_default();
    let steps = stated.steps.min(PATIENCE);
    let improvement = stated.improvement * steps as f64 / stated.steps as f64;
    let patience = Some(Patience { steps, improvement });
    let settings = Settings { patience, ..settings.clone() }.with_tolerance(tolerance).with_budget(budget);
    (evaluations != Some(0)).then_some(settings)
}

/// Returns the rest of a budget.
pub(crate) fn remaining(budget: Budget, spent: &Statistics, started: Instant) -> Budget {
    let calls = spent.evaluations + spent.derivative_applications + spent.energy_evaluations;
    let evaluations = budget.evaluations.map(|limit| limit.saturating_sub(calls).max(1));
    Budget { evaluations, ..budget.after(started.elapsed()) }
}
