//! The pullback of a program with one output: `(∂g/∂q)ᵀ c`, for the inputs that are asked for.

use crate::calculus::attach::join;
use crate::engine::runner::Runner;
use crate::error::Error;
use crate::settings::configuration::{Convolution, Engine, TRACE_MEMORY};
use crate::tracing::cache::{Bytes, Cache};
use banach_program::{Program, Value, simplify, vjp};
use burn::tensor::Tensor;

/// The pullbacks of a program, made when they are first asked for.
#[derive(Debug)]
pub(crate) struct Pullbacks {
    program: Program,
    engine: Engine,
    convolution: Convolution,
    known: Cache<Vec<usize>, Runner>,
}

impl Bytes for Pullbacks {
    fn bytes(&self) -> usize {
        self.program.bytes() + self.known.bytes()
    }
}

impl Pullbacks {
    pub(crate) fn new(program: Program, engine: Engine, convolution: Convolution) -> Self {
        Pullbacks { program, engine, convolution, known: Cache::default() }
    }

    /// The cotangents of the inputs at the positions given, at a point, for the cotangent c of the output.
    pub(crate) fn apply(&self, positions: &[usize], point: &[Value], c: Value) -> Result<Vec<Value>, Error> {
        let runner = self.known.get_or_insert(positions.to_vec(), TRACE_MEMORY, |positions| {
            let pulled = vjp(&self.program, positions);
            let gradients: Vec<usize> = (self.program.outputs().len()..pulled.outputs().len()).collect();
            let program = simplify(&pulled.with_outputs(&gradients));
            Ok::<_, Error>(Runner::new(program, self.engine, self.convolution))
        })?;
        runner.call(point.iter().cloned().chain([c]).collect())
    }
}

/// The adjoint of a solution, and the cotangents of those of its inputs that are asked for.
type Cotangents = Result<(Tensor<2>, Vec<Value>), Error>;

/// `x` as it depends on the float tensors among `inputs`, which may be on the tape. `back` turns the cotangent v of x into
/// the adjoint c and the cotangents of the inputs at the positions given, counted from 1: position 0 is x's. Where
/// `direct` is given, c is its cotangent.
pub(crate) fn join_inputs(
    x: Tensor<2>,
    inputs: Vec<Value>,
    direct: Option<Tensor<2>>,
    back: impl Fn(Tensor<2>, &[usize]) -> Cotangents + Send + Sync + 'static,
) -> Result<Tensor<2>, Error> {
    let floats: Vec<usize> = (0..inputs.len()).filter(|&input| inputs[input].ty().kind.is_float()).collect();
    let count = usize::from(direct.is_some());
    let mut flat: Vec<Tensor<2>> = direct.into_iter().collect();
    for &input in &floats {
        let value = inputs[input].clone();
        let len = value.ty().len();
        flat.push(value.reshaped(&[1, len]).try_into_tensor()?);
    }
    Ok(join(x, flat, move |v, wanted| {
        let positions: Vec<usize> =
            (0..floats.len()).filter(|at| wanted[count + at]).map(|at| floats[at] + 1).collect();
        let (c, cotangents) =
            back(v, &positions).unwrap_or_else(|error| panic!("the backward pass of a solution: {error}"));
        let mut cotangents = cotangents.into_iter();
        let mut shared = vec![Some(c); count];
        shared.extend(wanted[count..].iter().map(|wanted| {
            let value = if *wanted { cotangents.next()? } else { return None };
            let len = value.ty().len();
            value.reshaped(&[1, len]).try_into_tensor().ok()
        }));
        shared
    }))
}
