//! Where does a program run, and how is a batch solved on several cores?

use crate::compiled::{Bound, CompiledLoop, Number, Part};
use crate::error::Error;
use crate::settings::{Convolution, Engine};
use banach_program::{Hoisted, Host, Kind, Machine, Operand, Program, Value, evaluate};
use banach_solve::{
    FixedPointSolver, LinearSolver, Matrix, Rows as _, Settings, Solution, Unobserved, fixed_point,
    solve_linear_from,
};
use burn::tensor::{FloatDType, Tensor};
use rayon::prelude::*;
use std::ops::Range;

/// A program for one evaluation at a time: on the engine where it can, else on the device of its inputs.
#[derive(Debug)]
pub(crate) struct Runner {
    /// What is computed.
    program: Program,
    /// The same compiled, if it can be and shall be.
    machine: Option<Compiled>,
    /// Where every output comes from.
    outputs: Vec<Origin>,
}

/// A program compiled in its precision.
#[derive(Debug)]
enum Compiled {
    Single(Machine<f32>),
    Double(Machine<f64>),
}

/// Where an output comes from.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Origin {
    /// It is an input.
    Input(usize),
    /// It is computed: which of the computed ones it is.
    Computed(usize),
}

/// Where the outputs of a program come from, and the program of those that are computed.
pub(crate) fn computed(program: &Program) -> (Vec<Origin>, Program) {
    let mut kept = vec![];
    let mut origins = vec![];
    for (position, output) in program.outputs().iter().enumerate() {
        let input = program.inputs().iter().position(|input| input == output);
        origins.push(input.map_or(Origin::Computed(kept.len()), Origin::Input));
        if input.is_none() {
            kept.push(position);
        }
    }
    (origins, program.clone().with_outputs(&kept))
}

impl Runner {
    /// The program for an engine.
    pub(crate) fn new(program: Program, engine: Engine, convolution: Convolution) -> Self {
        let kinds = program.input_types().chain(program.output_types()).map(|ty| ty.kind);
        let float = kinds.into_iter().find(|kind| kind.is_float());
        let single = float == Some(Kind::Float(FloatDType::F32));
        let (outputs, program) = computed(&program);
        let machine = match engine {
            Engine::Device => None,
            Engine::Native if single => compiled(&program, convolution).map(Compiled::Single),
            Engine::Native => compiled(&program, convolution).map(Compiled::Double),
        };
        Runner { program, machine, outputs }
    }

    /// Runs it on plain tensors.
    pub(crate) fn call(&self, inputs: Vec<Value>) -> Result<Vec<Value>, Error> {
        let machine = self.machine.as_ref().filter(|_| inputs.iter().all(Value::is_on_host));
        let results = match machine {
            Some(Compiled::Single(machine)) => machine.call(inputs.clone())?,
            Some(Compiled::Double(machine)) => machine.call(inputs.clone())?,
            None => evaluate(&self.program, inputs.clone())?,
        };
        let output = |origin: &Origin| match *origin {
            Origin::Input(input) => inputs[input].clone(),
            Origin::Computed(computed) => results[computed].clone(),
        };
        Ok(self.outputs.iter().map(output).collect())
    }
}

/// A program that may use all cores, if it can be compiled.
fn compiled<T: Number>(program: &Program, convolution: Convolution) -> Option<Machine<T>> {
    Machine::new(program, &[]).ok().map(|machine| machine.spread().convolving(convolution.method()))
}

/// A loop compiled for this machine, if it can be.
#[derive(Debug)]
pub(crate) enum Native {
    Single(CompiledLoop<f32>),
    Double(CompiledLoop<f64>),
    Unsuitable,
}

impl Native {
    pub(crate) fn new(parts: &Hoisted, convolution: Convolution) -> Self {
        let method = convolution.method();
        let kind = parts.body.input_types().next().map(|ty| ty.kind);
        let compiled = match kind {
            Some(Kind::Float(FloatDType::F32)) => CompiledLoop::new(parts, method).ok().map(Native::Single),
            Some(Kind::Float(FloatDType::F64)) => CompiledLoop::new(parts, method).ok().map(Native::Double),
            Some(_) | None => None,
        };
        compiled.unwrap_or(Native::Unsuitable)
    }

    /// Solves `x = g(x, q)`, if this engine can.
    pub(crate) fn fixed_point(
        &self,
        x0: &Tensor<2>,
        q: &[Value],
        settings: &Settings<FixedPointSolver>,
    ) -> Result<Option<Solution<Tensor<2>>>, Error> {
        if matches!(settings.solver, FixedPointSolver::Newton(_)) {
            return Ok(None); // It asks for derivatives, which are on the device.
        }
        let x0 = x0.clone().into();
        Ok(match self {
            Native::Single(compiled) => {
                Some(solve(compiled, (x0, None), q, |part, x, _| fixed_point(part, x, settings))?)
            }
            Native::Double(compiled) => {
                Some(solve(compiled, (x0, None), q, |part, x, _| fixed_point(part, x, settings))?)
            }
            Native::Unsuitable => None,
        })
    }

    /// Solves `c = A(q) c + b`, from a guess of c or without, if this engine can.
    pub(crate) fn linear(
        &self,
        b: &Tensor<2>,
        guess: Option<&Tensor<2>>,
        q: &[Value],
        settings: &Settings<LinearSolver>,
    ) -> Result<Option<Solution<Tensor<2>>>, Error> {
        let given = (b.clone().into(), guess.cloned().map(Value::from));
        Ok(match self {
            Native::Single(compiled) => Some(solve(compiled, given, q, |part, b, guess| {
                solve_linear_from(part, b, guess, settings, &mut Unobserved)
            })?),
            Native::Double(compiled) => Some(solve(compiled, given, q, |part, b, guess| {
                solve_linear_from(part, b, guess, settings, &mut Unobserved)
            })?),
            Native::Unsuitable => None,
        })
    }
}

/// Whether all of these lie in the memory of this machine.
pub(crate) fn on_host(x: &Tensor<2>, q: &[Value]) -> bool {
    Value::from(x.clone()).is_on_host() && q.iter().all(Value::is_on_host)
}

/// Operations of a step below which a second core is not worth waking.
const WORTH: u64 = 500_000;
/// Operations of a row above which it makes a part of its own.
const ALONE: u64 = 10_000_000;
/// Rows of a part that keep products fast.
const FEWEST: usize = 16;

/// How many rows a core takes at a time. Rows are independent, so no result depends on it.
fn rows_of_a_part<T: Number>(compiled: &CompiledLoop<T>, rows: usize) -> usize {
    let work = compiled.operations();
    let cores = rayon::current_num_threads();
    if !compiled.is_separable() || work < WORTH || rows < 2 {
        return rows;
    }
    let fewest = if work / rows as u64 > ALONE { 1 } else { FEWEST };
    let part = rows.div_ceil(2 * cores).max(fewest);
    if part >= rows && cores > 1 && rows / 2 >= 4 { rows.div_ceil(2) } else { part.min(rows) }
}

/// What a solver gives for a part.
type Solved<T> = Result<Solution<Matrix<T>>, banach_solve::Error>;

/// Solves every part of a batch on a core of its own, each to its own convergence, from a start and, for a linear solve,
/// from a guess.
fn solve<T: Number>(
    compiled: &CompiledLoop<T>,
    (start, guess): (Value, Option<Value>),
    q: &[Value],
    solver: impl Fn(&Part<'_, T>, &Matrix<T>, Option<&Matrix<T>>) -> Solved<T> + Sync,
) -> Result<Solution<Tensor<2>>, Error> {
    let host = |value: &Value| Host::new(value.clone()).map_err(banach_program::Error::from);
    let fixed = q.iter().map(host).collect::<Result<Vec<Host<T>>, _>>()?;
    let [rows, width] = [start.ty().shape[0], start.ty().shape[1]];
    let (start, guess) = (host(&start)?, guess.as_ref().map(host).transpose()?);
    let bound: Bound<'_, T> = compiled.bind(&fixed)?;
    let each = rows_of_a_part(compiled, rows);
    let shared = bound.shared(each);
    let rows_of = |state: &Host<T>, range: &Range<usize>| {
        let Operand::Real(numbers) = state.operand() else { panic!("a state is real") };
        let numbers = &numbers[range.start * width..range.end * width];
        Matrix::written(range.len(), width, |x| x.copy_from_slice(numbers))
    };
    let part = |first: usize| {
        let range = first..rows.min(first + each);
        let (x, guess) = (rows_of(&start, &range), guess.as_ref().map(|guess| rows_of(guess, &range)));
        Ok::<_, Error>(solver(&bound.part(range.collect(), &shared)?, &x, guess.as_ref())?)
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
