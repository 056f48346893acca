//! Native CPU solves: batch slices, one per core, each iterated to its own convergence.

use crate::engine::compiled_loop::{CompiledLoop, LoopSlice};
use crate::engine::linear_system::LinearSystem;
use crate::engine::number::Number;
use crate::engine::programs::LoopPrograms;
use crate::error::Error;
use crate::settings::configuration::Convolution;
use crate::tracing::cache::Bytes;
use banach_program::{Host, Kind, Operand, Unsuitable, Value, on_all_cores, parallel_operations};
use banach_solve::{
    FixedPointSolver, LinearSolver, Matrix, Rows as _, Settings, Solution, Unobserved, fixed_point,
    fixed_point_smooth, solve_linear_from,
};
use burn::tensor::{FloatDType, Tensor};
use std::fmt::Debug;
use std::ops::Range;
use web_time::Instant;

/// A loop compiled for the CPU in the precision of its state.
pub(crate) trait NativeLoop: Bytes + Debug + Send + Sync {
    /// Solves `x = g(x, q)`, by Newton's method if the loop has a Jacobian.
    fn fixed_point(
        &self,
        x0: &Tensor<2>,
        q: &[Value],
        settings: &Settings<FixedPointSolver>,
    ) -> Result<Solution<Tensor<2>>, Error>;

    /// Solves a linear system.
    fn linear(
        &self,
        system: LinearSystem<'_>,
        settings: &Settings<LinearSolver>,
    ) -> Result<Solution<Tensor<2>>, Error>;
}

/// Compiles a loop, or says what the native engine does not support.
pub(crate) fn compile(
    programs: &LoopPrograms,
    convolution: Convolution,
) -> Result<Box<dyn NativeLoop>, String> {
    fn boxed<T: Number>(
        compiled: Result<CompiledLoop<T>, Unsuitable>,
    ) -> Result<Box<dyn NativeLoop>, String> {
        compiled.map(|compiled| Box::new(compiled) as Box<dyn NativeLoop>).map_err(|error| error.to_string())
    }
    let method = convolution.method();
    match programs.map.input_types().next().map(|ty| ty.kind) {
        Some(Kind::Float(FloatDType::F32)) => boxed(CompiledLoop::<f32>::new(programs, method)),
        Some(Kind::Float(FloatDType::F64)) => boxed(CompiledLoop::<f64>::new(programs, method)),
        Some(kind) => Err(format!("found a state of {kind}, expected f32 or f64")),
        None => panic!("bug: found a map without a state, expected one input at least"),
    }
}

impl<T: Number> NativeLoop for CompiledLoop<T> {
    fn fixed_point(
        &self,
        x0: &Tensor<2>,
        q: &[Value],
        settings: &Settings<FixedPointSolver>,
    ) -> Result<Solution<Tensor<2>>, Error> {
        in_slices(self, (x0, None), q, settings, |g, x, _, settings| match self.has_jacobian() {
            true => fixed_point_smooth(g, x, settings),
            false => fixed_point(g, x, settings),
        })
    }

    fn linear(
        &self,
        LinearSystem { b, guess, q }: LinearSystem<'_>,
        settings: &Settings<LinearSolver>,
    ) -> Result<Solution<Tensor<2>>, Error> {
        in_slices(self, (b, guess), q, settings, |a, b, guess, settings| {
            solve_linear_from(a, b, guess, settings, &mut Unobserved)
        })
    }
}

/// The solution of a batch slice.
type Solved<T> = Result<Solution<Matrix<T>>, banach_solve::Error>;

/// Solves every batch slice on a core of its own, each to its own convergence and all within one time limit.
fn in_slices<T: Number, S: Clone + Sync>(
    compiled: &CompiledLoop<T>,
    (start, guess): (&Tensor<2>, Option<&Tensor<2>>),
    q: &[Value],
    settings: &Settings<S>,
    solver: impl Fn(&LoopSlice<'_, T>, &Matrix<T>, Option<&Matrix<T>>, &Settings<S>) -> Solved<T> + Sync,
) -> Result<Solution<Tensor<2>>, Error> {
    let inputs: Vec<Host<T>> = q.iter().map(host).collect::<Result<_, _>>()?;
    let [rows, width] = start.dims();
    let slice = rows_of_a_slice(compiled, [rows, width]);
    let bound = compiled.bind(&inputs, slice)?;
    let started = Instant::now();
    let state = |tensor: &Tensor<2>| host::<T>(&tensor.clone().into());
    let (start, guess) = (state(start)?, guess.map(state).transpose()?);
    let rows_of = |state: &Host<T>, range: &Range<usize>| {
        let Operand::Real(elements) = state.operand() else { panic!("bug: found integers as a state") };
        let elements = &elements[range.start * width..range.end * width];
        Matrix::written(range.len(), width, |x| x.copy_from_slice(elements))
    };
    let solve = |first: usize| {
        let range = first..rows.min(first + slice);
        let (x, guess) = (rows_of(&start, &range), guess.as_ref().map(|guess| rows_of(guess, &range)));
        let remaining = settings.clone().with_budget(settings.budget.after(started.elapsed()));
        let slice = bound.slice(&range.collect::<Vec<usize>>())?;
        Ok::<_, Error>(solver(&slice, &x, guess.as_ref(), &remaining)?)
    };
    let solution = if slice >= rows {
        solve(0)?
    } else {
        let slices = on_all_cores((0..rows).step_by(slice), solve);
        Solution::joined(slices.into_iter().collect::<Result<Vec<_>, _>>()?)
    };
    bound.failure().checked(solution.map(|x| {
        let shape = [x.rows(), x.width()];
        let tensor = Value::from_numbers(x.into_vec(), &shape).try_into_tensor();
        tensor.unwrap_or_else(|error| panic!("{error}"))
    }))
}

/// Returns the elements of a tensor in the memory of this machine.
fn host<T: Number>(value: &Value) -> Result<Host<T>, Error> {
    Ok(Host::new(value.clone()).map_err(banach_program::Error::from)?)
}

/// Steps of a solve that its batch slices take at least, to estimate whether a second core pays.
const STEPS: u64 = 8;
/// Operations of a row above which a batch slice may be a single row.
const LARGE_ROW: u64 = 10_000_000;
/// Rows of a batch slice that keep matrix products fast.
const FEWEST: usize = 16;
/// Bytes of a state above which a core takes its rows in two batch slices: several states stay in its second-level cache.
const LARGE_STATE: usize = 1 << 17;

/// Returns the rows of a batch slice. No result depends on it, since rows are independent.
fn rows_of_a_slice<T: Number>(compiled: &CompiledLoop<T>, [rows, width]: [usize; 2]) -> usize {
    let (cores, operations) = (rayon::current_num_threads(), compiled.operations());
    if !compiled.is_separable() || operations.saturating_mul(STEPS) < parallel_operations() || rows < 2 {
        return rows;
    }
    let fewest = if operations / rows as u64 > LARGE_ROW { 1 } else { FEWEST };
    let share = rows.div_ceil(cores);
    let slices = if share * width * size_of::<T>() > LARGE_STATE { 2 * cores } else { cores };
    let slice = rows.div_ceil(slices).max(fewest);
    if slice >= rows && cores > 1 && rows / 2 >= 4 { rows.div_ceil(2) } else { slice.min(rows) }
}
