//! The layout of state tensors in one flat state `[rows, n]`.

use crate::error::Error;
use crate::tracing::cache::Bytes;
use banach_program::{
    Bilinear, Builder, Primitive, Program, RowDependence, Span, Structure, Type, Value, Var, evaluate,
    row_dependence, simplify,
};
use burn::tensor::Tensor;

/// The layout of the states of an update, side by side in one matrix.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Layout {
    states: Vec<Type>,
    rows: usize,
    /// Whether images `[b, c, h, w]` are stored channels last, as the native engine and devices convolve them.
    channels_last: bool,
}

impl Layout {
    /// Returns the layout of a traced update whose first inputs are the states. Every sample has a row of its own, unless
    /// samples depend on one another: then the whole batch is one row. Images of convolutions are stored channels last if
    /// the loop convolves them that way.
    pub(crate) fn of(program: &Program, count: usize, channels_last: bool) -> Result<Self, Error> {
        let states: Vec<Type> = program.input_types().take(count).cloned().collect();
        let kind = states.first().map(|ty| ty.kind);
        let uniform =
            kind.is_some_and(|kind| kind.is_float()) && states.iter().all(|ty| Some(ty.kind) == kind);
        if !uniform {
            let found = if states.is_empty() { "no tensor".into() } else { type_list(&states) };
            return Err(Error::StateKind { found });
        }
        for (position, (found, returned)) in states.iter().zip(program.output_types()).enumerate() {
            if found != returned {
                let (found, returned) = (found.to_string(), returned.to_string());
                return Err(Error::State { position, found, returned });
            }
        }
        let batch = states[0].shape.first().copied().unwrap_or(1);
        let changing: Vec<usize> = (0..count).collect();
        let independent =
            row_dependence(program, &changing) == RowDependence::Independent && !states[0].shape.is_empty();
        let channels_last = channels_last && convolves(program);
        Ok(Layout { states, rows: if independent { batch } else { 1 }, channels_last })
    }

    fn width(&self, state: &Type) -> usize {
        state.len().checked_div(self.rows).unwrap_or(0)
    }

    /// The type of the flat state.
    fn flat(&self) -> Type {
        let width = self.states.iter().map(|state| self.width(state)).sum();
        Type::new([self.rows, width], self.states[0].kind)
    }

    /// Rewrites an update for the flat state: `(flat x, z, θ) -> flat g`.
    pub(crate) fn flattened(&self, program: &Program) -> Program {
        let (mut builder, outputs) = self.on_flat(program);
        let joined = self.join(&mut builder, &outputs);
        simplify(&builder.finish(vec![joined]))
    }

    /// Rewrites a program of `(states, z, θ)` with one number for each row for the flat state; the result is a column.
    pub(crate) fn column(&self, program: &Program) -> Program {
        let (mut builder, outputs) = self.on_flat(program);
        let count = builder.type_of(outputs[0]).len();
        let numbers = builder.reshape(outputs[0], &[self.rows, count / self.rows.max(1)]);
        let column = builder.sum(numbers, &[1]);
        simplify(&builder.finish(vec![column]))
    }

    fn on_flat(&self, program: &Program) -> (Builder, Vec<Var>) {
        let mut builder = Builder::new();
        let flat = builder.input(self.flat());
        let mut inputs = self.split(&mut builder, flat);
        let rest = program.input_types().skip(self.states.len());
        inputs.extend(rest.map(|ty| builder.input(ty.clone())));
        let outputs = builder.inline(program, &inputs);
        (builder, outputs)
    }

    fn split(&self, builder: &mut Builder, flat: Var) -> Vec<Var> {
        let mut start = 0;
        let mut states = vec![];
        for state in &self.states {
            let width = self.width(state);
            let columns = Span { start, end: start + width, step: 1 };
            let spans = vec![Span { start: 0, end: self.rows, step: 1 }, columns];
            let part = builder.structure(Structure::Slice(spans), flat);
            states.push(match self.channels_last(state) {
                Some(shape) => {
                    let images = builder.reshape(part, &shape);
                    builder.permute(images, &[0, 3, 1, 2])
                }
                None => builder.reshape(part, &state.shape),
            });
            start += width;
        }
        states
    }

    /// The shape of images in storage, if they are stored channels last.
    fn channels_last(&self, state: &Type) -> Option<[usize; 4]> {
        match state.shape.as_slice() {
            &[batch, channels, height, width] if self.channels_last => Some([batch, height, width, channels]),
            _ => None,
        }
    }

    fn join(&self, builder: &mut Builder, states: &[Var]) -> Var {
        let mut parts = vec![];
        for (&var, state) in states.iter().zip(&self.states) {
            let images = self.channels_last(state).is_some();
            let var = if images { builder.permute(var, &[0, 2, 3, 1]) } else { var };
            parts.push(builder.reshape(var, &[self.rows, self.width(state)]));
        }
        if parts.len() == 1 { parts[0] } else { builder.push(Primitive::Concat(1), &parts) }
    }

    /// Returns the programs that pack the states and unpack them.
    pub(crate) fn packing(&self) -> Packing {
        let mut builder = Builder::new();
        let states: Vec<Var> = self.states.iter().map(|state| builder.input(state.clone())).collect();
        let flat = self.join(&mut builder, &states);
        let pack = builder.finish(vec![flat]);
        let mut builder = Builder::new();
        let flat = builder.input(self.flat());
        let states = self.split(&mut builder, flat);
        Packing { pack, unpack: simplify(&builder.finish(states)) }
    }
}

/// The programs that pack state tensors into the flat state `[rows, n]` and unpack them.
#[derive(Debug)]
pub(crate) struct Packing {
    pub(crate) pack: Program,
    pub(crate) unpack: Program,
}

impl Bytes for Packing {
    fn bytes(&self) -> usize {
        self.pack.bytes() + self.unpack.bytes()
    }
}

impl Packing {
    /// Returns the flat state of state tensors.
    pub(crate) fn pack(&self, states: Vec<Value>) -> Result<Tensor<2>, Error> {
        Ok(run_single(&self.pack, states)?.try_into_tensor()?)
    }

    /// Returns the state tensors of a flat state.
    pub(crate) fn unpack(&self, flat: Tensor<2>) -> Result<Vec<Value>, banach_program::Error> {
        evaluate(&self.unpack, vec![flat.into()])
    }

    /// Returns the types of the state tensors.
    pub(crate) fn states(&self) -> Vec<&Type> {
        self.unpack.output_types().collect()
    }
}

/// Whether a program holds a convolution.
fn convolves(program: &Program) -> bool {
    program.equations().iter().any(|equation| {
        matches!(
            &equation.primitive,
            Primitive::Bilinear(Bilinear::Convolution(_) | Bilinear::ConvolutionInput(..))
        )
    })
}

/// Runs a program with one output.
pub(crate) fn run_single(program: &Program, inputs: Vec<Value>) -> Result<Value, Error> {
    Ok(evaluate(program, inputs)?.remove(0))
}

/// Returns the point `(x, q..)`.
pub(crate) fn point(x: &Tensor<2>, q: &[Value]) -> Vec<Value> {
    std::iter::once(x.clone().into()).chain(q.iter().cloned()).collect()
}

/// Returns the types of tensors.
pub(crate) fn types_of(values: &[Value]) -> Vec<Type> {
    values.iter().map(Value::ty).collect()
}

/// Lists types for a message.
pub(crate) fn type_list<'a>(types: impl IntoIterator<Item = &'a Type>) -> String {
    types.into_iter().map(ToString::to_string).collect::<Vec<_>>().join(", ")
}
