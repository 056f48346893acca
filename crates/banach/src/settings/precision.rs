//! Solves in double precision that begin in single.

use crate::error::Error;
use banach_program::{Error as ProgramError, Kind, Program, Value, in_precision};
use banach_solve::{Budget, Outcome, Patience, Rows, Settings, Solution, Statistics, Tolerance};
use burn::tensor::{FloatDType, Tensor};
use serde::{Deserialize, Serialize};
use std::sync::OnceLock;
use std::time::Instant;

/// The relative tolerance that single precision has to meet, at the least: rounding leaves residuals of a few units in the
/// last place of the state.
const ATTAINABLE: f64 = 8.0 * f32::EPSILON as f64;

/// Steps without improvement after which single precision gives up, at the most.
const PATIENCE: usize = 20;

/// In which precision a layer iterates.
///
/// A step in single precision moves half as many bytes and computes twice as many numbers at a time as one in double, and
/// what it finds is as good a place to begin as any: the derivative and the answer depend on the last point alone.
///
/// The way in single precision ends, row by row, where the stated tolerance or a relative one of `9.5e-7` (8 units in the
/// last place) is met, or earlier: where the residual has not fallen by the stated part, in proportion, for 20 steps. That
/// is no failure, and neither are overflow and divergence there. Double precision then begins at the best point of the row;
/// at the given start where single precision has taken no step, met a number that is not finite, or stalled at a state of more than
/// twice its first size, beside which a residual may only seem small. So a row ends as it
/// would have from another start: with several fixed points it may be another one.
///
/// `budget.steps` counts in each precision for itself; evaluations and seconds are shared. Reports tell the sum of both, and
/// how many evaluations were [in single precision](crate::Report::single_evaluations).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Precision {
    /// That of the state.
    #[default]
    Stated,
    /// States of `f64` in `f32` as far as that goes, and then in `f64`, forward and backward; states of other precisions,
    /// adjoints by approximation ([`Truncated`](banach_solve::LinearSolver::Truncated),
    /// [`Identity`](banach_solve::LinearSolver::Identity)) and by elimination
    /// ([`Dense`](banach_solve::LinearSolver::Dense)) as with [`Stated`](Self::Stated).
    ///
    /// An update with fixed points inside has one precision alone: [`Error::Setting`] when it is solved.
    Mixed,
}

impl Precision {
    /// The program in single precision, if solves of its first input begin there.
    fn single(self, program: &Program) -> Result<Option<Program>, Error> {
        let state = program.input_types().next().map(|ty| ty.kind);
        if self == Precision::Stated || state != Some(Kind::Float(FloatDType::F64)) {
            return Ok(None);
        }
        single(program).map(Some)
    }
}

/// The program in single precision.
pub(crate) fn single(program: &Program) -> Result<Program, Error> {
    in_precision(program, FloatDType::F32).map_err(|error| {
        let ProgramError::Precision { primitive, .. } = error else { return error.into() };
        let found = format!("mixed, and the update holds a {primitive}");
        Error::setting("precision", found, "stated: fixed points inside an update have one precision alone")
    })
}

/// The same solve in single precision, made when it is first asked for; none where it is solved as stated.
#[derive(Debug)]
pub(crate) struct Single<T>(OnceLock<Result<Option<Box<T>>, Error>>);

impl<T> Single<T> {
    /// Not asked for yet.
    pub(crate) fn new() -> Self {
        Single(OnceLock::new())
    }

    /// Returns the solve if it was made.
    pub(crate) fn known(&self) -> Option<&T> {
        self.0.get()?.as_ref().ok()?.as_deref()
    }

    /// It, made of the program in single precision.
    pub(crate) fn get(
        &self,
        precision: Precision,
        program: &Program,
        make: impl FnOnce(Program) -> Result<T, Error>,
    ) -> Result<Option<&T>, Error> {
        let made = || precision.single(program)?.map(|program| make(program).map(Box::new)).transpose();
        self.0.get_or_init(made).as_ref().map(Option::as_deref).map_err(Error::clone)
    }
}

type Solved = Result<Solution<Tensor<2>>, Error>;

/// Solves in single precision, and then in double from there; from `x0` in rows that have not moved.
pub(crate) fn in_both<S: Clone>(
    settings: &Settings<S>,
    x0: &Tensor<2>,
    single: impl FnOnce(&Settings<S>) -> Solved,
    double: impl FnOnce(&Tensor<2>, &Settings<S>) -> Solved,
) -> Solved {
    let started = Instant::now();
    let Some(roughly) = rough(settings) else { return double(x0, settings) };
    let first = single(&roughly)?;
    let moved = |row: usize| {
        let (outcome, growth) = (first.outcomes[row], first.statistics.growth[row]);
        let gone = matches!(outcome, Outcome::Stalled | Outcome::Diverged) && growth > 2.0;
        first.statistics.steps[row] > 0 && outcome != Outcome::NonFinite && !gone
    };
    let moved: Vec<bool> = (0..first.outcomes.len()).map(moved).collect();
    let mut x = x0.clone();
    if moved.contains(&true) {
        x.replace(&moved, &first.value.cast(FloatDType::F64));
    }
    let budget = left(settings.budget, &first.statistics, started);
    Ok(double(&x, &settings.clone().with_budget(budget))?.continuing(first.statistics))
}

/// The tensor in single precision.
pub(crate) fn lowered(x: &Tensor<2>) -> Tensor<2> {
    x.clone().cast(FloatDType::F32)
}

/// All tensors in single precision.
pub(crate) fn all_lowered(values: &[Value]) -> Vec<Value> {
    values.iter().map(|value| value.clone().in_precision(FloatDType::F32)).collect()
}

/// The settings of the part in single precision; none where the budget does not suffice for two parts.
fn rough<S: Clone>(settings: &Settings<S>) -> Option<Settings<S>> {
    let Tolerance { relative, .. } = settings.tolerance;
    let tolerance = Tolerance { relative: relative.max(ATTAINABLE), ..settings.tolerance };
    // One evaluation is left for a look in double precision.
    let evaluations = settings.budget.evaluations.map(|evaluations| evaluations - 1);
    let budget = Budget { evaluations, ..settings.budget };
    let stated = settings.patience.unwrap_or_default();
    let steps = stated.steps.min(PATIENCE);
    let improvement = stated.improvement * steps as f64 / stated.steps as f64;
    let patience = Some(Patience { steps, improvement });
    let settings = Settings { patience, ..settings.clone() }.with_tolerance(tolerance).with_budget(budget);
    (evaluations != Some(0)).then_some(settings)
}

/// What is left of a budget.
pub(crate) fn left(budget: Budget, spent: &Statistics, started: Instant) -> Budget {
    let calls = spent.evaluations + spent.derivative_applications + spent.energy_evaluations;
    let evaluations = budget.evaluations.map(|limit| limit.saturating_sub(calls).max(1));
    Budget { evaluations, ..budget.after(started.elapsed()) }
}
