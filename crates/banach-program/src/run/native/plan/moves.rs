//! Planning of equations that move, sum or select elements, and of custom primitives.

use super::{Location, Planner, renamed};
use crate::error::Unsuitable;
use crate::language::custom::{Custom, CustomOp};
use crate::language::geometry::{Pool, Span};
use crate::language::primitive::{Comparison, Elementwise, Index, Primitive, Structure};
use crate::language::program::{Equation, Var};
use crate::language::tensor_type::{Kind, Type};
use crate::run::native::instruction::{BufferOffset, Work};
use crate::run::native::view::{Buffer, View};
use crate::run::value::number::Number;
use burn::tensor::IntDType;

impl<T: Number> Planner<'_, T> {
    pub(super) fn structure(&mut self, structure: &Structure, x: Var) -> Result<Location, Unsuitable> {
        let moves = !matches!(structure, Structure::Sum(_) | Structure::Place(..));
        if let (Location::Number(number), true) = (&self.places[x.0], moves) {
            return Ok(Location::Number(*number));
        }
        let view = self.view(x);
        if let Some(view) = renamed(structure, &view) {
            return Ok(Location::At(view));
        }
        let ty = self.program.type_of(x).clone();
        let integers = matches!(ty.kind, Kind::Int(_));
        Ok(match structure {
            Structure::Sum(axes) => {
                if integers {
                    return Err(Unsuitable::new("sums of integers"));
                }
                self.sum(view, axes)
            }
            Structure::Place(shape, spans) => {
                let ty = ty.with_shape(shape.clone());
                let temporary = self.temporary(&ty);
                self.emit(Work::Fill(0.0), temporary);
                let target = View::ordered(Buffer::Temporary(temporary), shape, &view.order());
                self.emit(Work::Copy { source: view, target: target.sliced(spans) }, temporary);
                Location::At(target)
            }
            Structure::Reshape(shape) => {
                let view = self.dense(x);
                let reshaped = view.reshaped(shape);
                Location::At(
                    reshaped.unwrap_or_else(|| panic!("bug: {view:?} is dense and has no shape {shape:?}")),
                )
            }
            Structure::Permute(_) | Structure::Broadcast(_) | Structure::Slice(_) | Structure::Flip(_) => {
                unreachable!("always views")
            }
        })
    }

    fn sum(&mut self, source: View, axes: &[usize]) -> Location {
        let mut shape = source.shape.clone();
        axes.iter().for_each(|&axis| shape[axis] = 1);
        let len = shape.iter().product();
        self.plan.temporaries.push(super::Temporary { len, integers: false });
        let temporary = self.plan.temporaries.len() - 1;
        let sums = View::dense(Buffer::Temporary(temporary), &shape);
        let target = sums.broadcast(&source.shape);
        self.emit(Work::Sum { source, target }, temporary);
        Location::At(sums)
    }

    pub(super) fn concat(&mut self, axis: usize, operands: &[Var], result: Var) -> Location {
        let ty = self.program.type_of(result).clone();
        let views: Vec<View> = operands.iter().map(|&operand| self.view(operand)).collect();
        let temporary = self.temporary(&ty);
        let target = View::ordered(Buffer::Temporary(temporary), &ty.shape, &views[0].order());
        let mut start = 0;
        for source in views {
            let mut spans: Vec<Span> = ty.shape.iter().map(|&end| Span { start: 0, end, step: 1 }).collect();
            let end = start + source.shape[axis];
            spans[axis] = Span { start, end, step: 1 };
            start = end;
            self.emit(Work::Copy { source, target: target.sliced(&spans) }, temporary);
        }
        Location::At(target)
    }

    pub(super) fn extreme(
        &mut self,
        axis: usize,
        largest: bool,
        position: bool,
        x: Var,
        result: Var,
    ) -> Location {
        let view = self.dense(x);
        let before = view.shape[..axis].iter().product();
        let sizes = [before, view.shape[axis], view.shape[axis + 1..].iter().product()];
        let ty = self.program.type_of(result).clone();
        self.dense_result(Work::Extreme { source: BufferOffset::from(&view), sizes, largest, position }, &ty)
    }

    pub(super) fn index(&mut self, index: &Index, operands: &[Var], result: Var) -> Location {
        let (source, positions) = (self.dense(operands[0]), self.dense(operands[1]));
        let shapes = [source.shape.clone(), positions.shape.clone()];
        let (source, positions) = (BufferOffset::from(&source), BufferOffset::from(&positions));
        let ty = self.program.type_of(result).clone();
        self.dense_result(Work::Index { index: index.clone(), source, positions, shapes }, &ty)
    }

    pub(super) fn max_pool_indices(&mut self, pool: &Pool, x: Var, result: Var) -> Location {
        let view = self.dense(x);
        let ty = self.program.type_of(result).clone();
        let result = [ty.shape[2], ty.shape[3]];
        let shape = [0, 1, 2, 3].map(|axis| view.shape[axis]);
        self.dense_result(
            Work::MaxPoolIndices { pool: *pool, source: BufferOffset::from(&view), shape, result },
            &ty,
        )
    }

    pub(super) fn custom(
        &mut self,
        primitive: &CustomOp<dyn Custom>,
        operands: &[Var],
        result: Var,
    ) -> Location {
        let operands: Vec<(BufferOffset, Type)> = operands
            .iter()
            .map(|&operand| (BufferOffset::from(&self.dense(operand)), self.program.type_of(operand).clone()))
            .collect();
        let ty = self.program.type_of(result).clone();
        self.dense_result(Work::Custom { primitive: primitive.clone(), operands }, &ty)
    }

    /// Elementwise lines in which integers take part.
    pub(super) fn of_integers(&mut self, equation: &Equation) -> Result<Location, Unsuitable> {
        let ty = self.program.type_of(equation.result).clone();
        let kinds = (self.program.type_of(equation.operands[0]).kind, ty.kind);
        let unsuitable = || Unsuitable::new(format!("{} of integers", equation.primitive));
        let start = |planner: &mut Self, var: Var| BufferOffset::from(&planner.dense(var));
        let Primitive::Elementwise(function) = &equation.primitive else { return Err(unsuitable()) };
        let work = match (function, kinds) {
            (Elementwise::Cast(_), (Kind::Int(from), Kind::Int(to))) if to == from || to == IntDType::I64 => {
                return Ok(Location::At(self.view(equation.operands[0])));
            }
            (Elementwise::Cast(_), (Kind::Int(_), Kind::Int(to))) => {
                Work::Narrow(start(self, equation.operands[0]), to)
            }
            (Elementwise::Cast(Kind::Float(_)), (Kind::Int(_), _)) => {
                Work::IntegerToReal(start(self, equation.operands[0]))
            }
            (Elementwise::Cast(Kind::Bool), (Kind::Int(_), _)) => Work::CompareIntegers {
                comparison: Comparison::NotEqual,
                left: start(self, equation.operands[0]),
                right: Err(0.0),
            },
            (Elementwise::Cast(Kind::Int(to)), _) => {
                Work::RealToInteger(start(self, equation.operands[0]), *to)
            }
            (Elementwise::Compare(comparison), (Kind::Int(_), _)) => Work::CompareIntegers {
                comparison: *comparison,
                left: start(self, equation.operands[0]),
                right: Ok(start(self, equation.operands[1])),
            },
            (Elementwise::CompareScalar(comparison, number), (Kind::Int(_), _)) => Work::CompareIntegers {
                comparison: *comparison,
                left: start(self, equation.operands[0]),
                right: Err(*number),
            },
            (_, _) => return Err(unsuitable()),
        };
        Ok(self.dense_result(work, &ty))
    }
}
