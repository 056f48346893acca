//! Auxiliary outputs of updates: what an update computes beside the next state.

use crate::error::Error;
use crate::tracing::cache::Bytes;
use crate::tracing::layout::types_of;
use crate::tracing::parameters::Parameters;
use crate::tracing::traced::{compare_module, trace_module};
use crate::tracing::update::Update;
use banach_program::{Outputs, Program, RowDependence, Tensors, Type, Value, Var, row_dependence, simplify};
use burn::module::Module;
use burn::tensor::Device;

/// An update with auxiliary outputs `h(x, z; θ)` beside the next state, such as attention maps, dual
/// variables or an energy.
///
/// [`FixedPoint::outputs`](crate::FixedPoint::outputs) returns them at the solution, where h is evaluated
/// once. Their derivatives are exact: `dh = ∂h/∂x dx̂ + ∂h/∂(z, θ) d(z, θ)`, with dx̂ from the implicit
/// function theorem.
///
/// ```
/// use banach::{Auxiliary, FixedPointConfig, Update};
/// use burn::module::Module;
/// use burn::nn::{Linear, LinearConfig};
/// use burn::tensor::{Device, Tensor, activation};
///
/// /// A cell in which each token looks at the others.
/// #[derive(Module, Debug)]
/// struct Attention {
///     query: Linear,
/// }
///
/// impl Attention {
///     /// The next state, and the attention map that led to it.
///     fn step(&self, x: Tensor<3>, z: Tensor<3>) -> (Tensor<3>, Tensor<3>) {
///         let scores = self.query.forward(x.clone()).matmul(x.clone().swap_dims(1, 2));
///         let map = activation::softmax(scores * 0.5, 2);
///         (map.clone().matmul(x) * 0.5 + z, map)
///     }
/// }
///
/// impl Update for Attention {
///     type State = Tensor<3>;
///     type Input = Tensor<3>;
///
///     fn start(&self, z: &Tensor<3>) -> Tensor<3> {
///         z.zeros_like()
///     }
///
///     fn update(&self, x: Tensor<3>, z: Tensor<3>) -> Tensor<3> {
///         self.step(x, z).0
///     }
/// }
///
/// impl Auxiliary for Attention {
///     type Outputs = Tensor<3>;
///
///     fn outputs(&self, x: Tensor<3>, z: Tensor<3>) -> Tensor<3> {
///         self.step(x, z).1
///     }
/// }
///
/// let device = Device::flex().autodiff();
/// let layer = FixedPointConfig::new().init(Attention { query: LinearConfig::new(4, 4).init(&device) })?;
/// let (x, map) = layer.forward_with_outputs(Tensor::<3>::ones([2, 5, 4], &device));
/// assert_eq!((x.dims(), map.dims()), ([2, 5, 4], [2, 5, 5]));
/// let gradients = map.slice([0..2, 0..1, 0..1]).sum().backward();
/// assert!(layer.update().query.weight.grad(&gradients).is_some());
/// # Ok::<(), banach::Error>(())
/// ```
pub trait Auxiliary: Update {
    /// The auxiliary outputs: any number of tensors of any shapes.
    type Outputs: Tensors + Outputs;

    /// Returns the auxiliary outputs at x. As the [`update`](Update::update), it must be a function.
    fn outputs(&self, x: Self::State, z: Self::Input) -> Self::Outputs;
}

/// The traced auxiliary outputs of an update, for one set of shapes.
#[derive(Debug)]
pub(crate) struct TracedOutputs {
    /// `(states, z, θ) -> outputs`.
    pub(crate) program: Program,
    /// The outputs whose row i is a function of row i of the state and the input.
    pub(crate) by_row: Vec<usize>,
    /// The other outputs.
    pub(crate) mixed: Vec<usize>,
    /// Which inputs hold one row for each row of the state, for the outputs by row.
    pub(crate) per_row: Vec<bool>,
}

impl Bytes for TracedOutputs {
    fn bytes(&self) -> usize {
        self.program.bytes()
    }
}

impl TracedOutputs {
    /// Traces the outputs at a point `(states, z, θ)` off the tape, and compares the trace with Burn if
    /// `training` says whether the call is on the tape.
    pub(crate) fn new<M: Module + Auxiliary>(
        update: &M,
        (x, z): (&M::State, &M::Input),
        parameters: &Parameters,
        point: Vec<Value>,
        training: Option<bool>,
    ) -> Result<Self, Error> {
        let code = |update: &M, x, z| update.outputs(x, z).into_values();
        let device = point.first().map_or_else(Device::default, Value::device);
        let types = types_of(&point);
        let program = trace_module(update, (x, z), parameters, (&device, &types), code)?;
        if let Some(training) = training {
            compare_module(
                "auxiliary outputs",
                (update, parameters),
                &program,
                (x, z),
                (point, training),
                &code,
            )?;
        }
        let (states, given) = (x.clone().into_values().len(), types.len() - parameters.values.len());
        let by_row = |output: &usize| is_by_row(&program, *output, (states, given));
        let (by_row, mixed): (Vec<usize>, Vec<usize>) = (0..program.outputs().len()).partition(by_row);
        let rows = simplify(&program.clone().with_outputs(&by_row));
        let per_row = (0..types.len()).map(|input| follows_rows(&rows, states, input)).collect();
        Ok(TracedOutputs { program, by_row, mixed, per_row })
    }
}

/// Returns whether rows stay apart where the states and one more input change row by row.
fn follows_rows(program: &Program, states: usize, input: usize) -> bool {
    let mut changing: Vec<usize> = (0..states).collect();
    if input >= states {
        changing.push(input);
    }
    row_dependence(program, &changing) == RowDependence::Independent
}

/// Returns whether row i of an output is a function of row i of the states and the input, the first `given`
/// inputs, and not of parameters alone.
fn is_by_row(program: &Program, output: usize, (states, given): (usize, usize)) -> bool {
    let alone = simplify(&program.clone().with_outputs(&[output]));
    let rows = |ty: &Type| ty.shape.first().copied();
    let batch = alone.input_types().next().and_then(rows);
    let used = |input: usize| {
        let var: Var = alone.inputs()[input];
        alone.outputs().contains(&var) || alone.equations().iter().any(|line| line.operands.contains(&var))
    };
    let has_rows = alone.output_types().all(|ty| rows(ty) == batch);
    has_rows && (0..given).any(|input| used(input) && follows_rows(&alone, states, input))
}
