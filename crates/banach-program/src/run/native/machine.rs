//! What runs a plan? A machine: it reads inputs, works in a workspace, and writes outputs.

use super::Unsuitable;
use super::execute::Run;
use super::instruction::{Instruction, Pack};
use super::loops::copy;
use super::memory::{Layout, Slot};
use super::plan::{Known, Plan, plan};
use super::view::{Buffer, View};
use crate::error::Error;
use crate::language::primitive::{Kind, Type};
use crate::language::program::Program;
use crate::run::evaluate::check_types;
use crate::run::value::{Host, Number, Value};
use banach_kernels::{ConvolutionMethod, Level, Matrix, Panels, Taps};
use std::fmt::{Debug, Formatter};
use std::sync::{Arc, Mutex, PoisonError};

/// An input in row-major order; truth values are 0 and 1.
#[derive(Clone, Copy, Debug)]
pub enum Operand<'a, T> {
    /// Real numbers or truth values.
    Real(&'a [T]),
    /// Integers.
    Whole(&'a [i64]),
}

/// Memory for an output, in row-major order.
#[derive(Debug)]
pub enum Target<'a, T> {
    /// Real numbers or truth values.
    Real(&'a mut [T]),
    /// Integers.
    Whole(&'a mut [i64]),
}

/// A program compiled for the CPU.
#[derive(Clone, Debug)]
pub struct Machine<T> {
    inputs: Vec<Type>,
    outputs: Vec<Type>,
    pub(super) plan: Plan<T>,
    pub(super) layout: Layout,
    pub(super) level: Level,
    pub(super) method: ConvolutionMethod,
    /// Whether one instruction may use several cores.
    pub(super) spread: bool,
    /// Memory of earlier runs.
    idle: Arc<Mutex<Vec<Workspace<T>>>>,
}

/// Something made of an operand.
#[derive(Debug)]
pub(super) enum Made<T> {
    Matrix(Panels<T>),
    Weights(Taps<T>),
    Numbers(Vec<T>),
}

/// What a machine has made of inputs that stay the same over many runs.
#[derive(Clone, Debug)]
pub struct Packed<T> {
    packs: Vec<Pack>,
    pub(super) made: Vec<Option<Arc<Made<T>>>>,
}

/// The memory of a machine between its inputs and its outputs; used again by every run.
pub struct Workspace<T> {
    pub(super) real: Vec<Vec<T>>,
    pub(super) whole: Vec<Vec<i64>>,
    pub(super) made: Vec<Option<Made<T>>>,
    pub(super) scratch: Panels<T>,
    pub(super) sums: Vec<f64>,
}

impl<T> Debug for Workspace<T> {
    fn fmt(&self, f: &mut Formatter<'_>) -> std::fmt::Result {
        write!(f, "Workspace of {} numbers", self.real.iter().map(Vec::len).sum::<usize>())
    }
}

impl<T> Workspace<T> {
    fn bytes(&self) -> usize {
        let real: usize = self.real.iter().map(Vec::len).sum();
        real * size_of::<T>() + self.whole.iter().map(Vec::len).sum::<usize>() * size_of::<i64>()
    }
}

impl<T: Number> Machine<T> {
    /// Compiles a program whose inputs at the positions `fixed` stay the same over many runs.
    ///
    /// # Errors
    /// Where the program holds something a machine cannot do.
    pub fn new(program: &Program, fixed: &[usize]) -> Result<Self, Unsuitable> {
        let plan = plan(program, fixed)?;
        let layout = Layout::new(&plan);
        let (inputs, outputs) = (program.input_types().cloned(), program.output_types().cloned());
        let (inputs, outputs) = (inputs.collect(), outputs.collect());
        Ok(Machine {
            inputs,
            outputs,
            plan,
            layout,
            level: Level::best(),
            method: ConvolutionMethod::default(),
            spread: false,
            idle: Arc::default(),
        })
    }

    /// The same with the work of large instructions spread over cores; no result depends on how many there are.
    #[must_use]
    pub fn spread(mut self) -> Self {
        self.spread = true;
        self
    }

    /// The same with other instructions of the processor.
    #[must_use]
    pub fn at(mut self, level: Level) -> Self {
        self.level = level;
        self.idle = Arc::default();
        self
    }

    /// The same with another method for those convolutions that are for it and large enough to gain by it.
    #[must_use]
    pub fn convolving(mut self, method: ConvolutionMethod) -> Self {
        self.method = method;
        self
    }

    /// The types of the outputs.
    pub fn output_types(&self) -> impl Iterator<Item = &Type> {
        self.outputs.iter()
    }

    /// Memory to run in, perhaps that of an earlier run.
    ///
    /// # Errors
    /// [`Error::Memory`] where there is not enough.
    pub fn workspace(&self) -> Result<Workspace<T>, Error> {
        let idle = self.idle.lock().unwrap_or_else(PoisonError::into_inner).pop();
        if let Some(idle) = idle {
            return Ok(idle);
        }
        Ok(Workspace {
            real: self.layout.real.iter().map(|&len| zeros(len, T::ZERO)).collect::<Result<_, _>>()?,
            whole: self.layout.whole.iter().map(|&len| zeros(len, 0)).collect::<Result<_, _>>()?,
            made: self.plan.packs.iter().map(|_| None).collect(),
            scratch: Panels::empty(self.level),
            sums: vec![],
        })
    }

    /// An estimate of the bytes that the machine takes: its instructions, constants, and the workspaces of earlier runs.
    pub fn bytes(&self) -> usize {
        let constant = |known: &Known<T>| match known {
            Known::Real(numbers) => size_of_val(&numbers[..]),
            Known::Whole(numbers) => size_of_val(&numbers[..]),
        };
        let constants: usize = self.plan.constants.iter().map(constant).sum();
        let instructions = self.plan.instructions.len() * 2 * size_of::<Instruction<T>>();
        let idle = self.idle.lock().unwrap_or_else(PoisonError::into_inner);
        instructions + constants + idle.iter().map(Workspace::bytes).sum::<usize>()
    }

    /// Gives memory back for later runs.
    pub fn keep(&self, workspace: Workspace<T>) {
        self.idle.lock().unwrap_or_else(PoisonError::into_inner).push(workspace);
    }

    /// Makes what can be made of the fixed inputs, or of those that `which` names alone; what is `known` is taken over.
    pub fn pack(
        &self,
        inputs: &[Operand<'_, T>],
        known: &Packed<T>,
        which: impl Fn(usize) -> bool,
    ) -> Packed<T> {
        let packs = self.plan.packs.clone();
        let mut packed = Packed { made: vec![None; packs.len()], packs };
        for (at, pack) in self.plan.packs.iter().enumerate() {
            packed.made[at] = known.of_input(pack).or_else(|| {
                let numbers: &[T] = match pack.buffer() {
                    Buffer::Input(position) if !which(position) => return None,
                    Buffer::Input(position) => match inputs[position] {
                        Operand::Real(numbers) => numbers,
                        Operand::Whole(_) => panic!("integers are not packed"),
                    },
                    Buffer::Constant(constant) => self.constant(constant),
                    Buffer::Packed(other) if packed.made[other].is_none() => return None,
                    Buffer::Packed(other) => packed.numbers(other),
                    Buffer::Temporary(_) => return None,
                };
                Some(Arc::new(self.make(pack, numbers)))
            });
        }
        packed
    }

    pub(super) fn constant(&self, constant: usize) -> &[T] {
        match &self.plan.constants[constant] {
            Known::Real(numbers) => numbers,
            Known::Whole(_) => panic!("constant {constant} holds integers"),
        }
    }

    /// Runs the program.
    ///
    /// # Errors
    /// [`Error::Failed`] where a primitive defined elsewhere has no result.
    ///
    /// # Panics
    /// Where operands, memory or targets are those of another machine.
    pub fn run(
        &self,
        workspace: &mut Workspace<T>,
        packed: &Packed<T>,
        inputs: &[Operand<'_, T>],
        outputs: &mut [Target<'_, T>],
    ) -> Result<(), Error> {
        self.run_on(Run { machine: self, workspace, packed, inputs, values: &[], outputs })
    }

    fn run_on(&self, mut run: Run<'_, '_, '_, T>) -> Result<(), Error> {
        assert_eq!(run.outputs.len(), self.plan.outputs.len(), "the number of outputs");
        for instruction in &self.plan.instructions {
            run.instruction(instruction)?;
        }
        Ok(())
    }

    /// Runs the program once on tensors.
    ///
    /// # Errors
    /// [`Error::Native`] for tensors elsewhere or of another precision, [`Error::Failed`] as [`run`](Self::run).
    pub fn call(&self, inputs: Vec<Value>) -> Result<Vec<Value>, Error> {
        check_types(&self.inputs, &inputs)?;
        let hosts = inputs.iter().cloned().map(Host::new).collect::<Result<Vec<Host<T>>, _>>()?;
        let operands: Vec<Operand<'_, T>> = hosts.iter().map(Host::operand).collect();
        let whole = |ty: &Type| matches!(ty.kind, Kind::Int(_));
        let result = |ty: &Type| {
            let [real, integers] = if whole(ty) { [0, ty.len()] } else { [ty.len(), 0] };
            Ok::<_, Error>((zeros(real, T::ZERO)?, zeros(integers, 0)?))
        };
        let mut results: Vec<(Vec<T>, Vec<i64>)> =
            self.outputs.iter().map(result).collect::<Result<_, _>>()?;
        let mut targets: Vec<Target<'_, T>> = results
            .iter_mut()
            .zip(&self.outputs)
            .map(
                |((real, integers), ty)| {
                    if whole(ty) { Target::Whole(integers) } else { Target::Real(real) }
                },
            )
            .collect();
        let packed = self.pack(&operands, &Packed::nothing(), |_| true);
        let mut workspace = self.workspace()?;
        let values = inputs.as_slice();
        self.run_on(Run {
            machine: self,
            workspace: &mut workspace,
            packed: &packed,
            inputs: &operands,
            values,
            outputs: &mut targets,
        })?;
        self.keep(workspace);
        let values = results.into_iter().zip(&self.outputs).map(|((real, integers), ty)| match ty.kind {
            Kind::Int(_) => Value::of_whole(&integers, ty),
            Kind::Bool => Value::of_real(&real, ty),
            Kind::Float(_) => Value::from_numbers(real, &ty.shape),
        });
        Ok(values.collect())
    }

    /// Makes a pack of the numbers of its operand.
    pub(super) fn make(&self, pack: &Pack, numbers: &[T]) -> Made<T> {
        match pack {
            Pack::Matrix(matrix) => Made::Matrix(Panels::pack(
                self.level,
                Matrix {
                    data: &numbers[matrix.start.offset..],
                    rows: matrix.rows,
                    columns: matrix.columns,
                    row_stride: matrix.strides[0],
                    column_stride: matrix.strides[1],
                },
            )),
            Pack::Weights { convolution, transposed, start, strides } => {
                let weights = &numbers[start.offset..];
                let [channels, pixels] = WINOGRAD;
                let large = convolution.channels.iter().all(|count| *count >= channels)
                    && convolution.output().iter().all(|count| *count >= pixels);
                let method = if large { self.method } else { ConvolutionMethod::Direct };
                let pack = if *transposed { Taps::pack_transposed } else { Taps::pack };
                Made::Weights(pack(self.level, *convolution, method, weights, *strides))
            }
            Pack::Numbers { view, order } => {
                let mut laid_out = vec![T::ZERO; view.len()];
                copy(view, numbers, &View::ordered(view.buffer, &view.shape, order), &mut laid_out);
                Made::Numbers(laid_out)
            }
        }
    }

    pub(super) fn slot(&self, temporary: usize) -> Slot {
        self.layout.slots[temporary]
    }
}

impl<T> Packed<T> {
    /// Nothing is made yet.
    pub fn nothing() -> Self {
        Packed { packs: vec![], made: vec![] }
    }

    /// The same pack of an input, which machines for other numbers of rows have under other numbers.
    fn of_input(&self, pack: &Pack) -> Option<Arc<Made<T>>> {
        let input = matches!(pack.buffer(), Buffer::Input(_));
        let at = self.packs.iter().position(|known| input && known == pack)?;
        self.made[at].clone()
    }

    pub(super) fn numbers(&self, pack: usize) -> &[T] {
        match self.made[pack].as_deref() {
            Some(Made::Numbers(numbers)) => numbers,
            Some(Made::Matrix(_) | Made::Weights(_)) | None => panic!("pack {pack} holds no numbers"),
        }
    }
}

/// Channels on each side, and pixels along each, from which Winograd's method is the faster one.
const WINOGRAD: [usize; 2] = [16, 4];

/// Memory for numbers, if there is enough.
fn zeros<E: Clone>(len: usize, zero: E) -> Result<Vec<E>, Error> {
    let mut numbers = vec![];
    let bytes = len.saturating_mul(size_of::<E>());
    numbers.try_reserve_exact(len).map_err(|_| Error::Memory { bytes })?;
    numbers.resize(len, zero);
    Ok(numbers)
}
