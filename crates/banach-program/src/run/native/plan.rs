//! Compilation of a program to instructions in one pass. Equations that only rename positions become views.

mod chains;
mod moves;
mod products;

use super::fuse::Fusion;
use super::instruction::{Instruction, Pack, Work};
use super::view::{Buffer, View};
use crate::error::Unsuitable;
use crate::language::primitive::{Bilinear, Primitive, Structure};
use crate::language::program::{Equation, Program, Var};
use crate::language::tensor_type::{Constant, Kind, Literal, Type};
use crate::run::value::number::{Number, precision};
use burn::tensor::IntDType;
use std::collections::HashMap;

/// The elements of a constant.
#[derive(Clone, Debug)]
pub(crate) enum ConstantData<T> {
    Real(Vec<T>),
    Integer(Vec<i64>),
}

/// A block of memory.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Temporary {
    pub(crate) len: usize,
    /// Whether it holds integers.
    pub(crate) integers: bool,
}

/// The compiled form of a program.
#[derive(Clone, Debug)]
pub(crate) struct Plan<T> {
    pub(crate) instructions: Vec<Instruction<T>>,
    pub(crate) packs: Vec<Pack>,
    pub(crate) constants: Vec<ConstantData<T>>,
    pub(crate) temporaries: Vec<Temporary>,
    /// The temporary that is each output.
    pub(crate) outputs: Vec<usize>,
    /// The inputs that are packed beforehand; packs of the others are made by instructions.
    pub(crate) fixed: Vec<bool>,
}

/// The location of a variable during planning.
#[derive(Clone, Debug)]
enum Location {
    /// Not computed yet: part of a chain or product that runs with a later equation.
    Deferred,
    Number(f64),
    At(View),
}

pub(crate) struct Planner<'p, T> {
    program: &'p Program,
    fusion: Fusion,
    /// The equations of every chain, by the variable of the last.
    members: HashMap<Var, Vec<&'p Equation>>,
    /// The equation that defines each variable.
    source: Vec<Option<&'p Equation>>,
    places: Vec<Location>,
    plan: Plan<T>,
}

/// Plans a program whose `fixed` inputs do not change between runs.
pub(crate) fn plan<T: Number>(program: &Program, fixed: &[usize]) -> Result<Plan<T>, Unsuitable> {
    let mut planner = Planner::<T>::new(program, fixed)?;
    for equation in program.equations() {
        planner.line(equation)?;
    }
    planner.finish()
}

impl<'p, T: Number> Planner<'p, T> {
    fn new(program: &'p Program, fixed: &[usize]) -> Result<Self, Unsuitable> {
        let fusion = Fusion::new(program);
        let mut members: HashMap<Var, Vec<&Equation>> = HashMap::new();
        let mut source = vec![None; program.variables()];
        for equation in program.equations() {
            if let Some(chain) = fusion.chain(equation.result) {
                members.entry(chain).or_default().push(equation);
            }
            source[equation.result.0] = Some(equation);
        }
        let mut places = vec![Location::Deferred; program.variables()];
        for (position, &input) in program.inputs().iter().enumerate() {
            suitable::<T>(program.type_of(input))?;
            places[input.0] =
                Location::At(View::dense(Buffer::Input(position), &program.type_of(input).shape));
        }
        let fixed = (0..program.inputs().len()).map(|position| fixed.contains(&position)).collect();
        let plan = Plan {
            instructions: vec![],
            packs: vec![],
            constants: vec![],
            temporaries: vec![],
            outputs: vec![],
            fixed,
        };
        Ok(Planner { program, fusion, members, source, places, plan })
    }

    fn line(&mut self, equation: &'p Equation) -> Result<(), Unsuitable> {
        let (result, operands) = (equation.result, equation.operands.as_slice());
        suitable::<T>(self.program.type_of(result))?;
        if let Some(chain) = self.fusion.chain(result) {
            if chain == result {
                self.places[result.0] = self.chain(result);
            }
            return Ok(());
        }
        let place = match &equation.primitive {
            Primitive::Constant(constant) => self.constant(constant),
            Primitive::Structure(structure) => self.structure(structure, operands[0])?,
            Primitive::Bilinear(
                Bilinear::Matmul(_) | Bilinear::Convolution(_) | Bilinear::ConvolutionInput(..),
            ) if self.fusion.only_reader(self.program, result).is_some() => Location::Deferred,
            Primitive::Bilinear(Bilinear::Multiply | Bilinear::AbsorbingProduct) => {
                self.of_integers(equation)?
            }
            Primitive::Bilinear(form) => Location::At(self.bilinear(form, equation, None)),
            Primitive::Index(index) => self.index(index, operands, result),
            Primitive::Concat(axis) => self.concat(*axis, operands, result),
            Primitive::Extreme { .. } | Primitive::ArgExtreme { .. } if self.is_integer(operands[0]) => {
                return Err(Unsuitable::new(format!("{} of integers", equation.primitive)));
            }
            Primitive::Extreme { axis, largest } => self.extreme(*axis, *largest, false, operands[0], result),
            Primitive::ArgExtreme { axis, largest } => {
                self.extreme(*axis, *largest, true, operands[0], result)
            }
            Primitive::MaxPoolIndices(pool) => self.max_pool_indices(pool, operands[0], result),
            Primitive::Custom(custom) => self.custom(custom, operands, result),
            Primitive::Elementwise(_) => self.of_integers(equation)?,
        };
        self.places[result.0] = place;
        Ok(())
    }

    /// Gives every output a temporary of its own.
    fn finish(mut self) -> Result<Plan<T>, Unsuitable> {
        for &output in self.program.outputs() {
            let view = self.view(output);
            let whole_buffer = view.offset == 0 && view.is_dense();
            let claimed = match view.buffer {
                Buffer::Temporary(temporary) => {
                    let fits = self.plan.temporaries[temporary].len == view.len();
                    (whole_buffer && fits && !self.plan.outputs.contains(&temporary)).then_some(temporary)
                }
                Buffer::Input(_) | Buffer::Constant(_) | Buffer::Packed(_) => None,
            };
            let temporary = match claimed {
                Some(temporary) => temporary,
                None => {
                    let temporary = self.temporary(self.program.type_of(output));
                    let target = View::dense(Buffer::Temporary(temporary), &view.shape);
                    self.emit(Work::Copy { source: view, target }, temporary);
                    temporary
                }
            };
            self.plan.outputs.push(temporary);
        }
        Ok(self.plan)
    }

    fn constant(&mut self, constant: &Constant) -> Location {
        let numbers = match &constant.literal {
            Literal::Full(number) if !matches!(constant.ty.kind, Kind::Int(_)) => {
                return Location::Number(*number);
            }
            Literal::Full(number) => {
                let buffer = self.known(ConstantData::Integer(vec![*number as i64]));
                let view =
                    View { buffer, offset: 0, shape: vec![1; constant.ty.shape.len()], strides: vec![] };
                let view = View { strides: vec![0; constant.ty.shape.len()], ..view };
                return Location::At(view.broadcast(&constant.ty.shape));
            }
            Literal::Data(data) => match constant.ty.kind {
                Kind::Float(_) => ConstantData::Real(data.iter::<f64>().map(T::from_f64).collect()),
                Kind::Bool => ConstantData::Real(
                    data.iter::<bool>().map(|bit| if bit { T::ONE } else { T::ZERO }).collect(),
                ),
                Kind::Int(_) => ConstantData::Integer(data.iter::<i64>().collect()),
            },
        };
        let buffer = self.known(numbers);
        Location::At(View::dense(buffer, &constant.ty.shape))
    }

    fn known(&mut self, numbers: ConstantData<T>) -> Buffer {
        self.plan.constants.push(numbers);
        Buffer::Constant(self.plan.constants.len() - 1)
    }

    /// New memory for a tensor.
    fn temporary(&mut self, ty: &Type) -> usize {
        self.plan.temporaries.push(Temporary { len: ty.len(), integers: matches!(ty.kind, Kind::Int(_)) });
        self.plan.temporaries.len() - 1
    }

    fn emit(&mut self, work: Work<T>, target: usize) {
        self.plan.instructions.push(Instruction { work, target: Some(target) });
    }

    /// Emits work that fills a dense tensor of a type.
    fn dense_result(&mut self, work: Work<T>, ty: &Type) -> Location {
        let temporary = self.temporary(ty);
        self.emit(work, temporary);
        Location::At(View::dense(Buffer::Temporary(temporary), &ty.shape))
    }

    /// Returns the view of a variable, and emits deferred work.
    fn view(&mut self, var: Var) -> View {
        let view = match &self.places[var.0] {
            Location::At(view) => return view.clone(),
            Location::Number(number) => {
                let number = T::from_f64(*number);
                let rank = self.program.type_of(var).shape.len();
                let buffer = self.known(ConstantData::Real(vec![number]));
                View { buffer, offset: 0, shape: vec![1; rank], strides: vec![0; rank] }
                    .broadcast(&self.program.type_of(var).shape)
            }
            Location::Deferred => {
                let source = self.source[var.0];
                let Some((equation, Primitive::Bilinear(form))) =
                    source.map(|equation| (equation, &equation.primitive))
                else {
                    panic!("bug: {var} is read before it is computed")
                };
                self.bilinear(form, equation, None)
            }
        };
        self.places[var.0] = Location::At(view.clone());
        view
    }

    /// The numbers of a view without gaps, the first axis of `order` outermost; beforehand, where they are
    /// fixed.
    fn laid_out(&mut self, view: View, order: &[usize], integers: bool) -> View {
        if self.is_fixed(view.buffer) && !integers {
            let pack = self.pack(Pack::Elements { view: view.clone(), order: order.to_vec() });
            return View::ordered(Buffer::Packed(pack), &view.shape, order);
        }
        self.plan.temporaries.push(Temporary { len: view.len(), integers });
        let temporary = self.plan.temporaries.len() - 1;
        let target = View::ordered(Buffer::Temporary(temporary), &view.shape, order);
        self.emit(Work::Copy { source: view, target: target.clone() }, temporary);
        target
    }

    /// A row-major view of a variable.
    fn dense(&mut self, var: Var) -> View {
        let view = self.view(var);
        if view.is_dense() {
            return view;
        }
        let axes: Vec<usize> = (0..view.shape.len()).collect();
        let integers = self.is_integer(var);
        self.laid_out(view, &axes, integers)
    }

    fn is_integer(&self, var: Var) -> bool {
        matches!(self.program.type_of(var).kind, Kind::Int(_))
    }

    fn is_fixed(&self, buffer: Buffer) -> bool {
        match buffer {
            Buffer::Input(position) => self.plan.fixed[position],
            Buffer::Constant(_) | Buffer::Packed(_) => true,
            Buffer::Temporary(_) => false,
        }
    }

    /// The pack, made already or new.
    fn pack(&mut self, pack: Pack) -> usize {
        self.plan.packs.iter().position(|known| *known == pack).unwrap_or_else(|| {
            self.plan.packs.push(pack);
            self.plan.packs.len() - 1
        })
    }

    /// A pack that is made beforehand if its operand is fixed, else here.
    fn packed(&mut self, pack: Pack) -> usize {
        if self.is_fixed(pack.buffer()) {
            return self.pack(pack);
        }
        self.plan.packs.push(pack);
        let pack = self.plan.packs.len() - 1;
        self.plan.instructions.push(Instruction { work: Work::Pack(pack), target: None });
        pack
    }
}

/// Refuses types that a machine of `T` cannot store.
fn suitable<T: Number>(ty: &Type) -> Result<(), Unsuitable> {
    match ty.kind {
        Kind::Float(found) if found != precision::<T>() => {
            Err(Unsuitable::new(format!("{ty} beside numbers of {}", Kind::Float(precision::<T>()))))
        }
        // Integers are held in 64 bits with a sign.
        Kind::Int(IntDType::U64) => {
            Err(Unsuitable::new(format!("{ty} beside numbers of {}", Kind::Float(precision::<T>()))))
        }
        Kind::Float(_) | Kind::Int(_) | Kind::Bool => Ok(()),
    }
}

/// The views that only rename positions.
fn renamed(structure: &Structure, view: &View) -> Option<View> {
    match structure {
        Structure::Reshape(shape) => view.reshaped(shape),
        Structure::Permute(axes) => Some(view.permuted(axes)),
        Structure::Broadcast(shape) => Some(view.broadcast(shape)),
        Structure::Slice(spans) => Some(view.sliced(spans)),
        Structure::Flip(axes) => Some(view.flipped(axes)),
        Structure::Sum(_) | Structure::Place(..) => None,
    }
}
