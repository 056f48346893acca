//! Native CPU solves: batch slices, one per core, each iterated to its own convergence.

use crate::engine::compiled::{CompiledLoop, Number};
use crate::engine::part::Part;
use crate::engine::smooth::{CompiledSmooth, Derivative};
use crate::error::Error;
use crate::settings::configuration::Convolution;
use crate::tracing::cache::Bytes;
use banach_program::{Hoisted, Host, Kind, Operand, Program, Unsuitable, Value};
use banach_solve::{
    FixedPointSolver, LinearSolver, Matrix, Rows as _, Settings, Solution, Unobserved, fixed_point,
    fixed_point_smooth, solve_linear_from,
};
use burn::tensor::{FloatDType, Tensor};
use rayon::prelude::*;
use std::ops::Range;
use std::time::Instant;

/// Something compiled in the precision of its state, if it can be.
#[derive(Debug)]
pub(crate) enum Native<S, D> {
    Single(S),
    Double(D),
    Unsuitable,
}

/// A loop compiled for this machine.
pub(crate) type NativeLoop = Native<CompiledLoop<f32>, CompiledLoop<f64>>;

/// A loop with its derivative compiled for this machine.
pub(crate) type NativeSmooth = Native<CompiledSmooth<f32>, CompiledSmooth<f64>>;

impl<S: Bytes, D: Bytes> Bytes for Native<S, D> {
    fn bytes(&self) -> usize {
        match self {
            Native::Single(compiled) => compiled.bytes(),
            Native::Double(compiled) => compiled.bytes(),
            Native::Unsuitable => 0,
        }
    }
}

impl<S, D> Native<S, D> {
    /// What is made for the precision of a program's state.
    fn of(
        program: &Program,
        single: impl FnOnce() -> Result<S, Unsuitable>,
        double: impl FnOnce() -> Result<D, Unsuitable>,
    ) -> Self {
        let compiled = match program.input_types().next().map(|ty| ty.kind) {
            Some(Kind::Float(FloatDType::F32)) => single().map(Native::Single),
            Some(Kind::Float(FloatDType::F64)) => double().map(Native::Double),
            Some(_) | None => return Native::Unsuitable,
        };
        compiled.unwrap_or(Native::Unsuitable)
    }

    /// What it solves, if this engine can.
    fn solved(
        &self,
        single: impl FnOnce(&S) -> Result<Solution<Tensor<2>>, Error>,
        double: impl FnOnce(&D) -> Result<Solution<Tensor<2>>, Error>,
    ) -> Result<Option<Solution<Tensor<2>>>, Error> {
        match self {
            Native::Single(compiled) => single(compiled).map(Some),
            Native::Double(compiled) => double(compiled).map(Some),
            Native::Unsuitable => Ok(None),
        }
    }
}

impl NativeLoop {
    pub(crate) fn new(parts: &Hoisted, convolution: Convolution) -> Self {
        let method = convolution.method();
        Native::of(&parts.body, || CompiledLoop::new(parts, method), || CompiledLoop::new(parts, method))
    }

    /// Solves `x = g(x, q)`, if this engine can.
    pub(crate) fn fixed_point(
        &self,
        x0: &Tensor<2>,
        q: &[Value],
        settings: &Settings<FixedPointSolver>,
    ) -> Result<Option<Solution<Tensor<2>>>, Error> {
        self.solved(
            |g| loop_by(g, (x0, None), q, settings, |g, (x, _), settings| fixed_point(g, x, settings)),
            |g| loop_by(g, (x0, None), q, settings, |g, (x, _), settings| fixed_point(g, x, settings)),
        )
    }

    /// Solves `c = A(q) c + b`, from a guess of c or without, if this engine can.
    pub(crate) fn linear(
        &self,
        b: &Tensor<2>,
        guess: Option<&Tensor<2>>,
        q: &[Value],
        settings: &Settings<LinearSolver>,
    ) -> Result<Option<Solution<Tensor<2>>>, Error> {
        self.solved(|a| linear_by(a, (b, guess), q, settings), |a| linear_by(a, (b, guess), q, settings))
    }
}

impl NativeSmooth {
    pub(crate) fn new(
        g: &Program,
        energy: Option<&Program>,
        derivative: &Derivative,
        convolution: Convolution,
    ) -> Self {
        let method = convolution.method();
        Native::of(
            g,
            || CompiledSmooth::new(g, energy, derivative, method),
            || CompiledSmooth::new(g, energy, derivative, method),
        )
    }

    /// Solves `x = g(x, q)` by Newton's method, if this engine can.
    pub(crate) fn fixed_point(
        &self,
        x0: &Tensor<2>,
        q: &[Value],
        settings: &Settings<FixedPointSolver>,
    ) -> Result<Option<Solution<Tensor<2>>>, Error> {
        self.solved(|g| newton_by(g, x0, q, settings), |g| newton_by(g, x0, q, settings))
    }
}

fn linear_by<T: Number>(
    compiled: &CompiledLoop<T>,
    given: (&Tensor<2>, Option<&Tensor<2>>),
    q: &[Value],
    settings: &Settings<LinearSolver>,
) -> Result<Solution<Tensor<2>>, Error> {
    loop_by(compiled, given, q, settings, |a, (b, guess), settings| {
        solve_linear_from(a, b, guess, settings, &mut Unobserved)
    })
}

/// Solves a loop from a start and, for a linear solve, from a guess.
fn loop_by<T: Number, S: Clone + Sync>(
    compiled: &CompiledLoop<T>,
    given: (&Tensor<2>, Option<&Tensor<2>>),
    q: &[Value],
    settings: &Settings<S>,
    solver: impl Fn(&Part<'_, T>, Given<'_, T>, &Settings<S>) -> Solved<T> + Sync,
) -> Result<Solution<Tensor<2>>, Error> {
    let fixed = hosts(q)?;
    let bound = compiled.bind(&fixed)?;
    let work = Work { operations: compiled.body.operations(), separable: compiled.body.is_separable() };
    let rows = work.rows_of_a_part(given.0.dims()[0]);
    let shared = bound.shared(rows);
    let solution = in_parts(rows, given, settings, |rows, given, settings| {
        Ok(solver(&bound.part(rows, &shared)?, given, settings)?)
    })?;
    bound.failed.checked(solution)
}

fn newton_by<T: Number>(
    compiled: &CompiledSmooth<T>,
    x0: &Tensor<2>,
    q: &[Value],
    settings: &Settings<FixedPointSolver>,
) -> Result<Solution<Tensor<2>>, Error> {
    let fixed = hosts(q)?;
    let work = Work { operations: compiled.operations(), separable: compiled.is_separable() };
    let rows = work.rows_of_a_part(x0.dims()[0]);
    let bound = compiled.bind(&fixed, rows)?;
    let solution = in_parts::<T, _>(rows, (x0, None), settings, |rows, (x, _), settings| {
        Ok(fixed_point_smooth(&bound.part(&rows)?, x, settings)?)
    })?;
    bound.failed().checked(solution)
}

/// Operations of a step below which a second core is not worth waking.
const WORTH: u64 = 500_000;
/// Operations of a row above which it makes a part of its own.
const ALONE: u64 = 10_000_000;
/// Rows of a part that keep products fast.
const FEWEST: usize = 16;

/// What a step on the whole batch takes.
#[derive(Clone, Copy, Debug)]
struct Work {
    operations: u64,
    /// Whether rows can be solved in several parts.
    separable: bool,
}

impl Work {
    /// How many rows a core takes at a time. Rows are independent, so no result depends on it.
    fn rows_of_a_part(self, rows: usize) -> usize {
        let cores = rayon::current_num_threads();
        if !self.separable || self.operations < WORTH || rows < 2 {
            return rows;
        }
        let fewest = if self.operations / rows as u64 > ALONE { 1 } else { FEWEST };
        let part = rows.div_ceil(2 * cores).max(fewest);
        if part >= rows && cores > 1 && rows / 2 >= 4 { rows.div_ceil(2) } else { part.min(rows) }
    }
}

/// A value in the memory of this machine.
fn host<T: Number>(value: &Value) -> Result<Host<T>, Error> {
    Ok(Host::new(value.clone()).map_err(banach_program::Error::from)?)
}

fn hosts<T: Number>(values: &[Value]) -> Result<Vec<Host<T>>, Error> {
    values.iter().map(host).collect()
}

/// Where a part begins: its start and, for a linear solve, its guess.
type Given<'a, T> = (&'a Matrix<T>, Option<&'a Matrix<T>>);

/// What a solver gives for a part.
type Solved<T> = Result<Solution<Matrix<T>>, banach_solve::Error>;

/// Solves every part of a batch on a core of its own, each to its own convergence and all by one clock.
fn in_parts<T: Number, S: Clone + Sync>(
    each: usize,
    (start, guess): (&Tensor<2>, Option<&Tensor<2>>),
    settings: &Settings<S>,
    solver: impl Fn(Vec<usize>, Given<'_, T>, &Settings<S>) -> Result<Solution<Matrix<T>>, Error> + Sync,
) -> Result<Solution<Tensor<2>>, Error> {
    let started = Instant::now();
    let [rows, width] = start.dims();
    let state = |tensor: &Tensor<2>| host::<T>(&tensor.clone().into());
    let (start, guess) = (state(start)?, guess.map(state).transpose()?);
    let rows_of = |state: &Host<T>, range: &Range<usize>| {
        let Operand::Real(numbers) = state.operand() else { panic!("a state is real") };
        let numbers = &numbers[range.start * width..range.end * width];
        Matrix::written(range.len(), width, |x| x.copy_from_slice(numbers))
    };
    let part = |first: usize| {
        let range = first..rows.min(first + each);
        let (x, guess) = (rows_of(&start, &range), guess.as_ref().map(|guess| rows_of(guess, &range)));
        let left = settings.clone().with_budget(settings.budget.after(started.elapsed()));
        solver(range.collect(), (&x, guess.as_ref()), &left)
    };
    let solution = if each >= rows {
        part(0)?
    } else {
        let firsts: Vec<usize> = (0..rows).step_by(each).collect();
        Solution::joined(firsts.into_par_iter().map(part).collect::<Result<Vec<_>, _>>()?)
    };
    Ok(solution.map(|x| {
        let shape = [x.rows(), x.width()];
        let tensor = Value::from_numbers(x.into_vec(), &shape).try_into_tensor();
        tensor.unwrap_or_else(|error| panic!("{error}"))
    }))
}
