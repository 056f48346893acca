//! The pullback of a program with one output: `(∂g/∂q)ᵀ c` for a choice of inputs.

use crate::calculus::attach::join;
use crate::engine::runner::Runner;
use crate::error::Error;
use crate::settings::configuration::{Convolution, Engine, TRACE_MEMORY};
use crate::tracing::cache::{Bytes, Cache};
use banach_program::{Program, Value, simplify, vjp};
use burn::tensor::Tensor;

/// The pullbacks of a program, one for every choice of inputs, created when first needed.
#[derive(Debug)]
pub(crate) struct Pullbacks {
    program: Program,
    engine: Engine,
    convolution: Convolution,
    runners: Cache<Vec<usize>, Runner>,
}

impl Bytes for Pullbacks {
    fn bytes(&self) -> usize {
        self.program.bytes() + self.runners.bytes()
    }
}

impl Pullbacks {
    pub(crate) fn new(program: Program, engine: Engine, convolution: Convolution) -> Self {
        Pullbacks { program, engine, convolution, runners: Cache::default() }
    }

    /// Returns the cotangents of the inputs at these positions, at a point, for the cotangent c of the output.
    pub(crate) fn apply(&self, positions: &[usize], point: &[Value], c: Value) -> Result<Vec<Value>, Error> {
        let runner = self.runners.get_or_insert(positions.to_vec(), TRACE_MEMORY, &mut |positions| {
            let pulled = vjp(&self.program, positions);
            let gradients: Vec<usize> = (self.program.outputs().len()..pulled.outputs().len()).collect();
            let program = simplify(&pulled.with_outputs(&gradients));
            Ok::<_, Error>(Runner::new(program, self.engine, self.convolution))
        })?;
        runner.call(point.iter().cloned().chain([c]).collect())
    }
}

/// The adjoint of a solution, and the cotangents of the inputs that need one.
type Cotangents = Result<(Tensor<2>, Vec<Value>), Error>;

/// From a cotangent and the positions of inputs to their cotangents.
type Back = Box<dyn Fn(Tensor<2>, &[usize]) -> Cotangents + Send + Sync>;

/// Returns `x` as a function of the float tensors among `inputs`, which may be on the tape. `back` returns, for the cotangent
/// v of x, the adjoint c and the cotangents of the inputs at the given positions; position 0 is x, the inputs follow. If
/// `direct` is given, c is its cotangent.
pub(crate) fn join_inputs(
    x: Tensor<2>,
    inputs: Vec<Value>,
    direct: Option<Tensor<2>>,
    back: Back,
) -> Result<Tensor<2>, Error> {
    let floats: Vec<usize> = (0..inputs.len()).filter(|&input| inputs[input].ty().kind.is_float()).collect();
    let count = usize::from(direct.is_some());
    let mut flat: Vec<Tensor<2>> = direct.into_iter().collect();
    for &input in &floats {
        let value = inputs[input].clone();
        let len = value.ty().len();
        flat.push(value.reshaped(&[1, len]).try_into_tensor()?);
    }
    Ok(join(x, flat, move |v, needed| {
        let positions: Vec<usize> =
            (0..floats.len()).filter(|at| needed[count + at]).map(|at| floats[at] + 1).collect();
        let (c, cotangents) =
            back(v, &positions).unwrap_or_else(|error| panic!("the backward pass of a solution: {error}"));
        let mut cotangents = cotangents.into_iter();
        let mut shared = vec![Some(c); count];
        shared.extend(needed[count..].iter().map(|needed| {
            let value = if *needed { cotangents.next()? } else { return None };
            let len = value.ty().len();
            value.reshaped(&[1, len]).try_into_tensor().ok()
        }));
        shared
    }))
}
