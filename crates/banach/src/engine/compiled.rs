//! Loops compiled for the CPU, once for every number of rows.

use crate::engine::failure::Failure;
use crate::engine::part::Part;
use crate::engine::runner::{Origin, computed};
use crate::error::Error;
use crate::settings::configuration::TRACE_MEMORY;
use crate::tracing::cache::{Bytes, Cache};
use banach_program::{
    ConvolutionMethod, Hoisted, Host, Kind, Machine, Operand, Packed, Program, RowDependence, Target, Type,
    Unsuitable, operations, row_dependence, with_rows,
};
use std::borrow::Cow;
use std::sync::Arc;

/// Numbers the engine has.
pub(crate) trait Number: banach_program::Number + banach_solve::Number {}

impl Number for f32 {}
impl Number for f64 {}

/// A program `(x, carried..) -> results` with one changing matrix.
#[derive(Debug)]
pub(crate) struct CompiledBody<T> {
    program: Program,
    /// Which inputs hold one row for each row of the state, x among them.
    per_row: Vec<usize>,
    /// The type of x.
    state: Type,
    /// Whether the rows can be separated.
    separable: bool,
    method: ConvolutionMethod,
    machines: Cache<usize, Machine<T>>,
}

impl<T: Number> Bytes for Machine<T> {
    fn bytes(&self) -> usize {
        Machine::bytes(self)
    }
}

impl<T: Number> Bytes for CompiledBody<T> {
    fn bytes(&self) -> usize {
        self.program.bytes() + self.machines.bytes()
    }
}

impl<T: Number> Bytes for CompiledLoop<T> {
    fn bytes(&self) -> usize {
        self.prologue.as_ref().map_or(0, Machine::bytes) + self.body.bytes()
    }
}

impl<T: Number> CompiledBody<T> {
    pub(crate) fn new(program: Program, method: ConvolutionMethod) -> Result<Self, Unsuitable> {
        let state = program.type_of(program.inputs()[0]).clone();
        let mut per_row = vec![0];
        for position in 1..program.inputs().len() {
            let ty = program.type_of(program.inputs()[position]);
            let with = [per_row.as_slice(), &[position]].concat();
            if ty.shape.first() == state.shape.first()
                && row_dependence(&program, &with) == RowDependence::Independent
            {
                per_row = with;
            }
        }
        let count = state.shape[0];
        let separable = count > 1 && with_rows(&program, &per_row, 1).is_some();
        let body = CompiledBody { program, per_row, state, separable, method, machines: Cache::default() };
        body.machine(count)?;
        Ok(body)
    }

    /// Operations of one step on the whole batch.
    pub(crate) fn operations(&self) -> u64 {
        operations(&self.program)
    }

    /// Whether rows can be solved in several parts.
    pub(crate) fn is_separable(&self) -> bool {
        self.separable
    }

    /// Whether the input at this position holds one row for each row of the state.
    pub(crate) fn is_per_row(&self, input: usize) -> bool {
        self.per_row.contains(&input)
    }

    /// The width of the first result.
    pub(crate) fn width(&self) -> usize {
        self.program.output_types().next().map_or(0, |ty| ty.shape[1])
    }

    /// The program for a number of rows.
    pub(crate) fn machine(&self, rows: usize) -> Result<Arc<Machine<T>>, Unsuitable> {
        self.machines.get_or_insert(rows, TRACE_MEMORY, |&rows| self.compiled(rows))
    }

    fn compiled(&self, rows: usize) -> Result<Machine<T>, Unsuitable> {
        let whole = rows == self.state.shape[0];
        let fewer = || with_rows(&self.program, &self.per_row, rows);
        let program = if whole { Some(self.program.clone()) } else { fewer() };
        let program = program.unwrap_or_else(|| panic!("rows that can be alone can be {rows}"));
        let fixed: Vec<usize> = (1..program.inputs().len()).collect();
        let machine = Machine::new(&program, &fixed)?.convolving(self.method);
        // A part of a batch has a core of its own.
        Ok(if whole { machine.spread() } else { machine })
    }
}

/// A hoisted program `(x, fixed..) -> results` with one changing matrix.
#[derive(Debug)]
pub(crate) struct CompiledLoop<T> {
    prologue: Option<Machine<T>>,
    /// The types of what the prologue computes.
    computed: Vec<Type>,
    /// Where the body's inputs after x come from.
    carried: Vec<Origin>,
    pub(crate) body: CompiledBody<T>,
}

impl<T: Number> CompiledLoop<T> {
    pub(crate) fn new(parts: &Hoisted, method: ConvolutionMethod) -> Result<Self, Unsuitable> {
        let (carried, prologue) = computed(&parts.prologue);
        let types: Vec<Type> = prologue.output_types().cloned().collect();
        let prologue = match types.is_empty() {
            true => None,
            false => Some(Machine::new(&prologue, &[])?.spread().convolving(method)),
        };
        let body = CompiledBody::new(parts.body.clone(), method)?;
        Ok(CompiledLoop { prologue, computed: types, carried, body })
    }

    /// The loop for given fixed tensors: the prologue runs once.
    pub(crate) fn bind<'a>(&'a self, fixed: &'a [Host<T>]) -> Result<Arc<Bound<'a, T>>, Error> {
        let operands: Vec<Operand<'a, T>> = fixed.iter().map(Host::operand).collect();
        let mut values: Vec<Numbers<T>> = self.computed.iter().map(Numbers::zeros).collect();
        if let Some(prologue) = &self.prologue {
            let mut targets: Vec<Target<'_, T>> = values.iter_mut().map(Numbers::target).collect();
            let packed = prologue.pack(&operands, &Packed::nothing(), |_| true);
            let mut workspace = prologue.workspace()?;
            prologue.run(&mut workspace, &packed, &operands, &mut targets)?;
            prologue.keep(workspace);
        }
        let (body, rows, carried) = (&self.body, self.body.state.shape[0], Cow::Borrowed(&self.carried[..]));
        Ok(Arc::new(Bound {
            body,
            rows,
            carried,
            operands,
            computed: Arc::new(values),
            failed: Failure::default(),
        }))
    }
}

/// The numbers of a computed tensor.
#[derive(Debug)]
pub(crate) enum Numbers<T> {
    Real(Vec<T>),
    Whole(Vec<i64>),
}

impl<T: Number> Numbers<T> {
    pub(crate) fn zeros(ty: &Type) -> Self {
        match ty.kind {
            Kind::Int(_) => Numbers::Whole(vec![0; ty.len()]),
            Kind::Float(_) | Kind::Bool => Numbers::Real(vec![T::ZERO; ty.len()]),
        }
    }

    pub(crate) fn target(&mut self) -> Target<'_, T> {
        match self {
            Numbers::Real(numbers) => Target::Real(numbers),
            Numbers::Whole(numbers) => Target::Integer(numbers),
        }
    }

    pub(crate) fn operand(&self) -> Operand<'_, T> {
        match self {
            Numbers::Real(numbers) => Operand::Real(numbers),
            Numbers::Whole(numbers) => Operand::Integer(numbers),
        }
    }
}

/// A body with everything that is fixed.
#[derive(Debug)]
pub(crate) struct Bound<'a, T> {
    pub(crate) body: &'a CompiledBody<T>,
    /// The rows of the state and of what is carried for every row.
    pub(crate) rows: usize,
    /// Where the body's inputs after x come from.
    pub(crate) carried: Cow<'a, [Origin]>,
    /// What was given.
    pub(crate) operands: Vec<Operand<'a, T>>,
    /// What went wrong in it.
    pub(crate) failed: Failure,
    /// What was computed of it.
    pub(crate) computed: Arc<Vec<Numbers<T>>>,
}

impl<'a, T: Number> Bound<'a, T> {
    /// The body's input at a position after that of x, for all rows.
    pub(crate) fn operand(&self, position: usize) -> Operand<'_, T> {
        match self.carried[position - 1] {
            Origin::Input(input) => self.operands[input],
            Origin::Computed(computed) => self.computed[computed].operand(),
        }
    }

    /// Another body with the same inputs.
    pub(crate) fn with_body(&self, body: &'a CompiledBody<T>) -> Arc<Self> {
        let (carried, operands) = (self.carried.clone(), self.operands.clone());
        let (computed, failed) = (Arc::clone(&self.computed), self.failed.clone());
        Arc::new(Bound { body, rows: self.rows, carried, operands, computed, failed })
    }

    /// What is made of the tensors that all rows share, for a number of rows.
    pub(crate) fn shared(&self, rows: usize) -> Arc<Packed<T>> {
        let machine = self.body.machine(rows).unwrap_or_else(|error| panic!("{error}"));
        let carried = (1..=self.carried.len()).map(|position| self.operand(position));
        let operands: Vec<Operand<'_, T>> = std::iter::once(Operand::Real(&[])).chain(carried).collect();
        Arc::new(machine.pack(&operands, &Packed::nothing(), |input| !self.body.is_per_row(input)))
    }

    /// The loop on some rows, in increasing order; all of them in one part where they are not separable.
    pub(crate) fn part(
        self: &Arc<Self>,
        rows: Vec<usize>,
        shared: &Arc<Packed<T>>,
    ) -> Result<Part<'a, T>, Error> {
        Part::new(Arc::clone(self), rows, Arc::clone(shared))
    }
}
