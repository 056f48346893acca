//! How does a loop run in the memory of this machine? Compiled once, for every number of rows that is asked for.

use crate::engine::{Origin, computed};
use crate::error::Error;
use crate::report::locked;
use banach_program::{
    ConvolutionMethod, Hoisted, Host, Machine, Operand, Packed, Program, Rows, Target, Type, Unsuitable,
    Workspace, operations, rows, with_rows,
};
use banach_solve::{Map, Matrix};
use smallvec::SmallVec;
use std::borrow::Cow;
use std::cell::RefCell;
use std::collections::HashMap;
use std::sync::{Arc, Mutex};

/// Numbers the engine has.
pub(crate) trait Number: banach_program::Number + banach_solve::Number {}

impl Number for f32 {}
impl Number for f64 {}

/// A hoisted program `(x, fixed..) -> y` with one changing matrix.
#[derive(Debug)]
pub(crate) struct CompiledLoop<T> {
    prologue: Option<Machine<T>>,
    computed: Vec<Type>,
    carried: Vec<Origin>,
    body: Program,
    /// Which inputs of the body hold one row for each row of the state, x among them.
    per_row: Vec<usize>,
    /// The type of x.
    state: Type,
    /// The width of y.
    width: usize,
    /// Whether the rows can be separated.
    separable: bool,
    method: ConvolutionMethod,
    machines: Mutex<HashMap<usize, Arc<Machine<T>>>>,
}

/// Bodies kept: a loop sees few numbers of rows.
const KEPT: usize = 64;

impl<T: Number> CompiledLoop<T> {
    pub(crate) fn new(parts: &Hoisted, method: ConvolutionMethod) -> Result<Self, Unsuitable> {
        let body = parts.body.clone();
        let (carried, prologue) = computed(&parts.prologue);
        let types: Vec<Type> = prologue.output_types().cloned().collect();
        let prologue = match types.is_empty() {
            true => None,
            false => Some(Machine::new(&prologue, &[])?.spread().convolving(method)),
        };
        let state = body.type_of(body.inputs()[0]).clone();
        let mut per_row = vec![0];
        for position in 1..body.inputs().len() {
            let ty = body.type_of(body.inputs()[position]);
            let with = [per_row.as_slice(), &[position]].concat();
            if ty.shape.first() == state.shape.first() && rows(&body, &with) == Rows::Independent {
                per_row = with;
            }
        }
        let count = state.shape[0];
        let separable = count > 1 && with_rows(&body, &per_row, 1).is_some();
        let width = body.output_types().next().map_or(0, |ty| ty.shape[1]);
        let compiled = CompiledLoop {
            prologue,
            computed: types,
            carried,
            body,
            per_row,
            state,
            width,
            separable,
            method,
            machines: Mutex::default(),
        };
        compiled.machine(count)?;
        Ok(compiled)
    }

    /// Operations of one step on the whole batch.
    pub(crate) fn operations(&self) -> u64 {
        operations(&self.body)
    }

    /// Whether rows can be solved in several parts.
    pub(crate) fn is_separable(&self) -> bool {
        self.separable
    }

    /// The body for a number of rows.
    fn machine(&self, rows: usize) -> Result<Arc<Machine<T>>, Unsuitable> {
        if let Some(machine) = locked(&self.machines).get(&rows) {
            return Ok(Arc::clone(machine));
        }
        let whole = rows == self.state.shape[0];
        let fewer = || with_rows(&self.body, &self.per_row, rows);
        let body = if whole { Some(self.body.clone()) } else { fewer() };
        let body = body.unwrap_or_else(|| panic!("rows that can be alone can be {rows}"));
        let fixed: Vec<usize> = (1..body.inputs().len()).collect();
        let machine = Machine::new(&body, &fixed)?.convolving(self.method);
        // A part of a batch has a core of its own.
        let machine = if whole { machine.spread() } else { machine };
        let machine = Arc::new(machine);
        let mut known = locked(&self.machines);
        if known.len() >= KEPT {
            known.clear();
        }
        known.insert(rows, Arc::clone(&machine));
        Ok(machine)
    }

    /// The loop for given fixed tensors: the prologue runs once.
    pub(crate) fn bind<'a>(&'a self, fixed: &'a [Host<T>]) -> Result<Bound<'a, T>, Error> {
        let operands: Vec<Operand<'a, T>> = fixed.iter().map(Host::operand).collect();
        let mut values: Vec<Numbers<T>> = self.computed.iter().map(Numbers::zeros).collect();
        if let Some(prologue) = &self.prologue {
            let mut targets: Vec<Target<'_, T>> = values.iter_mut().map(Numbers::target).collect();
            let packed = prologue.pack(&operands, &Packed::nothing(), |_| true);
            let mut workspace = prologue.workspace()?;
            prologue.run(&mut workspace, &packed, &operands, &mut targets)?;
            prologue.keep(workspace);
        }
        Ok(Bound { compiled: self, operands, computed: values })
    }
}

/// The numbers of a computed tensor.
#[derive(Debug)]
enum Numbers<T> {
    Real(Vec<T>),
    Whole(Vec<i64>),
}

impl<T: Number> Numbers<T> {
    fn zeros(ty: &Type) -> Self {
        match ty.kind {
            banach_program::Kind::Int(_) => Numbers::Whole(vec![0; ty.len()]),
            banach_program::Kind::Float(_) | banach_program::Kind::Bool => {
                Numbers::Real(vec![T::ZERO; ty.len()])
            }
        }
    }

    fn target(&mut self) -> Target<'_, T> {
        match self {
            Numbers::Real(numbers) => Target::Real(numbers),
            Numbers::Whole(numbers) => Target::Whole(numbers),
        }
    }

    fn operand(&self) -> Operand<'_, T> {
        match self {
            Numbers::Real(numbers) => Operand::Real(numbers),
            Numbers::Whole(numbers) => Operand::Whole(numbers),
        }
    }
}

/// A loop with everything that is fixed.
#[derive(Debug)]
pub(crate) struct Bound<'a, T> {
    compiled: &'a CompiledLoop<T>,
    operands: Vec<Operand<'a, T>>,
    computed: Vec<Numbers<T>>,
}

impl<T: Number> Bound<'_, T> {
    fn operand(&self, carried: Origin) -> Operand<'_, T> {
        match carried {
            Origin::Input(input) => self.operands[input],
            Origin::Computed(computed) => self.computed[computed].operand(),
        }
    }

    /// What is made of the tensors that all rows share.
    pub(crate) fn shared(&self, rows: usize) -> Packed<T> {
        let machine = self.compiled.machine(rows).unwrap_or_else(|error| panic!("{error}"));
        let operands = self.whole_operands();
        machine.pack(&operands, &Packed::nothing(), |input| !self.compiled.per_row.contains(&input))
    }

    /// The operands of the body on the whole batch; x is not known yet.
    fn whole_operands(&self) -> Vec<Operand<'_, T>> {
        let carried = self.compiled.carried.iter().map(|&carried| self.operand(carried));
        std::iter::once(Operand::Real(&[])).chain(carried).collect()
    }

    /// The loop on some rows, in increasing order; all of them in one part where they are not separable.
    pub(crate) fn part<'b>(&'b self, rows: Vec<usize>, shared: &'b Packed<T>) -> Result<Part<'b, T>, Error> {
        let machine = self.compiled.machine(rows.len()).unwrap_or_else(|error| panic!("{error}"));
        let mut operands = self.whole_operands();
        let total = self.compiled.state.shape[0];
        let mut carried: Vec<Cow<'b, [T]>> = vec![];
        let mut whole: Vec<Cow<'b, [i64]>> = vec![];
        let mut places = vec![];
        for (position, operand) in operands.drain(..).enumerate().skip(1) {
            let per_row = rows.len() < total && self.compiled.per_row.contains(&position);
            match operand {
                Operand::Real(numbers) => {
                    places.push((false, carried.len()));
                    carried.push(if per_row {
                        picked(numbers, total, &rows)
                    } else {
                        Cow::Borrowed(numbers)
                    });
                }
                Operand::Whole(numbers) => {
                    places.push((true, whole.len()));
                    whole.push(if per_row { picked(numbers, total, &rows) } else { Cow::Borrowed(numbers) });
                }
            }
        }
        let mut part = Part {
            bound: self,
            shared,
            rows,
            machine,
            carried,
            whole,
            places,
            packed: Packed::nothing(),
            workspace: RefCell::new(None),
        };
        let packed = {
            let operands = part.operands(&[]);
            part.machine.pack(&operands, shared, |_| true)
        };
        part.packed = packed;
        part.workspace = RefCell::new(Some(part.machine.workspace()?));
        Ok(part)
    }
}

/// The runs of some rows; borrowed where they follow one another.
fn picked<'a, E: Clone>(numbers: &'a [E], total: usize, rows: &[usize]) -> Cow<'a, [E]> {
    let each = numbers.len() / total.max(1);
    match (rows.first(), rows.last()) {
        (Some(&first), Some(&last)) if last - first + 1 == rows.len() => {
            Cow::Borrowed(&numbers[first * each..(last + 1) * each])
        }
        (_, _) => {
            Cow::Owned(rows.iter().flat_map(|row| &numbers[row * each..(row + 1) * each]).cloned().collect())
        }
    }
}

/// A loop on some rows of the batch.
#[derive(Debug)]
pub(crate) struct Part<'b, T: Number> {
    bound: &'b Bound<'b, T>,
    shared: &'b Packed<T>,
    rows: Vec<usize>,
    machine: Arc<Machine<T>>,
    carried: Vec<Cow<'b, [T]>>,
    whole: Vec<Cow<'b, [i64]>>,
    /// For every carried value whether it holds integers, and where it is.
    places: Vec<(bool, usize)>,
    packed: Packed<T>,
    workspace: RefCell<Option<Workspace<T>>>,
}

impl<T: Number> Part<'_, T> {
    fn operands<'s>(&'s self, x: &'s [T]) -> SmallVec<[Operand<'s, T>; 8]> {
        let carried = self.places.iter().map(|&(whole, at)| {
            if whole { Operand::Whole(&self.whole[at]) } else { Operand::Real(&self.carried[at]) }
        });
        std::iter::once(Operand::Real(x)).chain(carried).collect()
    }
}

impl<T: Number> Drop for Part<'_, T> {
    fn drop(&mut self) {
        if let Some(workspace) = self.workspace.take() {
            self.machine.keep(workspace);
        }
    }
}

impl<T: Number> Map<Matrix<T>> for Part<'_, T> {
    fn apply(&self, x: &Matrix<T>) -> Matrix<T> {
        Matrix::written(self.rows.len(), self.bound.compiled.width, |out| {
            let mut workspace = self.workspace.borrow_mut();
            let workspace = workspace.as_mut().unwrap_or_else(|| panic!("a part in use has a workspace"));
            let done = self.machine.run(
                workspace,
                &self.packed,
                &self.operands(x.as_slice()),
                &mut [Target::Real(out)],
            );
            done.unwrap_or_else(|error| panic!("the loop body of a traced update: {error}"));
        })
    }

    fn narrowed<'a>(&'a self, rows: &[usize]) -> Option<Box<dyn Map<Matrix<T>> + 'a>> {
        if !self.bound.compiled.separable {
            return None;
        }
        let rows = rows.iter().map(|&row| self.rows[row]).collect();
        // Without memory for it the loop goes on as it is.
        let part = self.bound.part(rows, self.shared).ok()?;
        Some(Box::new(part))
    }
}
