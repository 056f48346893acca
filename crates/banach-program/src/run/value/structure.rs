//! Values of primitives that move, copy, sum or select elements.

use crate::error::Error;
use crate::language::geometry::{Pool, Span};
use crate::language::primitive::{Index, Structure};
use crate::language::tensor_type::{Constant, Kind, Literal, Type};
use crate::language::value::Value;
use burn::backend::Dispatch;
use burn::backend::ops::{BoolTensorOps, FloatTensorOps, IntTensorOps, ModuleOps};
use burn::tensor::{IndexingUpdateOp, IntDType, Shape, Slice};

impl Value {
    pub(crate) fn concat(values: Vec<Value>, axis: usize) -> Self {
        let kind = values[0].ty().kind;
        let tensors = values.into_iter().map(|value| value.0).collect();
        Value(match kind {
            Kind::Float(_) => Dispatch::float_cat(tensors, axis),
            Kind::Int(_) => Dispatch::int_cat(tensors, axis),
            Kind::Bool => Dispatch::bool_cat(tensors, axis),
        })
    }

    pub(crate) fn extreme(self, axis: usize, largest: bool) -> Self {
        Value(match (self.ty().kind.is_float(), largest) {
            (true, true) => Dispatch::float_max_dim(self.0, axis),
            (true, false) => Dispatch::float_min_dim(self.0, axis),
            (false, true) => Dispatch::int_max_dim(self.0, axis),
            (false, false) => Dispatch::int_min_dim(self.0, axis),
        })
    }

    pub(crate) fn arg_extreme(self, axis: usize, largest: bool) -> Self {
        Value(match (self.ty().kind.is_float(), largest) {
            (true, true) => Dispatch::float_argmax(self.0, axis, IntDType::I64),
            (true, false) => Dispatch::float_argmin(self.0, axis, IntDType::I64),
            // Positions among integers come in the integers' own width.
            (false, true) => Dispatch::int_cast(Dispatch::int_argmax(self.0, axis), IntDType::I64),
            (false, false) => Dispatch::int_cast(Dispatch::int_argmin(self.0, axis), IntDType::I64),
        })
    }

    pub(crate) fn max_pool_indices(self, pool: &Pool) -> Self {
        let Pool { kernel, stride, padding, dilation, ceil } = *pool;
        // GPU backends store 32-bit positions, also under the name of 64.
        let pooled =
            Dispatch::max_pool2d_with_indices(self.0, kernel, stride, padding, dilation, ceil, IntDType::I32);
        Value(Dispatch::int_cast(Value(pooled.indices).laid_out().0, IntDType::I64))
    }

    pub(crate) fn structure(self, structure: &Structure) -> Self {
        match structure {
            Structure::Reshape(shape) => {
                let (kind, shape) = (self.ty().kind, Shape::from(shape.clone()));
                Value(match kind {
                    Kind::Float(_) => Dispatch::float_reshape(self.0, shape),
                    Kind::Int(_) => Dispatch::int_reshape(self.0, shape),
                    Kind::Bool => Dispatch::bool_reshape(self.0, shape),
                })
            }
            Structure::Permute(axes) => Value(match self.ty().kind {
                Kind::Float(_) => Dispatch::float_permute(self.0, axes),
                Kind::Int(_) => Dispatch::int_permute(self.0, axes),
                Kind::Bool => Dispatch::bool_permute(self.0, axes),
            }),
            Structure::Broadcast(shape) => {
                let (kind, shape) = (self.ty().kind, Shape::from(shape.clone()));
                Value(match kind {
                    Kind::Float(_) => Dispatch::float_expand(self.0, shape),
                    Kind::Int(_) => Dispatch::int_expand(self.0, shape),
                    Kind::Bool => Dispatch::bool_expand(self.0, shape),
                })
            }
            Structure::Sum(axes) => {
                let float = self.ty().kind.is_float();
                let sum = |tensor, axis: &usize| {
                    if float {
                        Dispatch::float_sum_dim(tensor, *axis)
                    } else {
                        Dispatch::int_sum_dim(tensor, *axis)
                    }
                };
                Value(axes.iter().fold(self.0, sum))
            }
            Structure::Slice(spans) => self.slice(&slices(spans)),
            Structure::Place(shape, spans) => self.place(shape, &slices(spans)),
            Structure::Flip(axes) => Value(match self.ty().kind {
                Kind::Float(_) => Dispatch::float_flip(self.0, axes),
                Kind::Int(_) => Dispatch::int_flip(self.0, axes),
                Kind::Bool => Dispatch::bool_flip(self.0, axes),
            }),
        }
    }

    pub(super) fn slice(self, slices: &[Slice]) -> Self {
        Value(match self.ty().kind {
            Kind::Float(_) => Dispatch::float_slice(self.0, slices),
            Kind::Int(_) => Dispatch::int_slice(self.0, slices),
            Kind::Bool => Dispatch::bool_slice(self.0, slices),
        })
    }

    fn place(self, shape: &[usize], slices: &[Slice]) -> Self {
        let kind = self.ty().kind;
        let zeros = self.zeros(shape);
        if self.ty().is_empty() {
            return zeros;
        }
        Value(match kind {
            Kind::Float(_) => Dispatch::float_slice_assign(zeros.0, slices, self.0),
            Kind::Int(_) => Dispatch::int_slice_assign(zeros.0, slices, self.0),
            Kind::Bool => Dispatch::bool_slice_assign(zeros.0, slices, self.0),
        })
    }

    /// Returns zeros of the kind and on the device of this tensor.
    pub(super) fn zeros(&self, shape: &[usize]) -> Self {
        let ty = Type::new(shape, self.ty().kind);
        Value::constant(&Constant { ty, literal: Literal::Full(0.0) }, &self.device())
    }

    /// Refuses positions outside the axis they choose from, where they can be read without waiting for a
    /// device.
    ///
    /// # Errors
    /// [`Error::Index`] names the first.
    pub(crate) fn check_positions(&self, index: &Index, x: &Type) -> Result<(), Error> {
        let size = match index {
            Index::Gather(axis) | Index::Select(axis) => x.shape[*axis],
            Index::GatherTransposed(axis, shape) | Index::SelectTransposed(axis, shape) => shape[*axis],
        };
        let positions = self.clone().detached();
        if !positions.is_on_host() {
            return Ok(());
        }
        let inside = |position: &i64| usize::try_from(*position).is_ok_and(|position| position < size);
        match positions.into_data().iter::<i64>().find(|position| !inside(position)) {
            Some(found) => Err(Error::Index { found, size }),
            None => Ok(()),
        }
    }

    pub(crate) fn index(self, index: &Index, positions: Value) -> Self {
        if self.ty().kind == Kind::Bool {
            return self.cast(Kind::Int(IntDType::I64)).index(index, positions).cast(Kind::Bool);
        }
        let float = self.ty().kind.is_float();
        let at = positions.0;
        Value(match (index, float) {
            (Index::Gather(axis), true) => Dispatch::float_gather(*axis, self.0, at),
            (Index::Gather(axis), false) => Dispatch::int_gather(*axis, self.0, at),
            (Index::Select(axis), true) => Dispatch::float_select(self.0, *axis, at),
            (Index::Select(axis), false) => Dispatch::int_select(self.0, *axis, at),
            (Index::GatherTransposed(axis, shape), true) => {
                let zeros = self.zeros(shape).0;
                Dispatch::float_scatter(*axis, zeros, at, self.0, IndexingUpdateOp::Add)
            }
            (Index::GatherTransposed(axis, shape), false) => {
                let zeros = self.zeros(shape).0;
                Dispatch::int_scatter(*axis, zeros, at, self.0, IndexingUpdateOp::Add)
            }
            (Index::SelectTransposed(axis, shape), true) => {
                let zeros = self.zeros(shape).0;
                Dispatch::float_select_assign(zeros, *axis, at, self.0, IndexingUpdateOp::Add)
            }
            (Index::SelectTransposed(axis, shape), false) => {
                let zeros = self.zeros(shape).0;
                Dispatch::int_select_assign(zeros, *axis, at, self.0, IndexingUpdateOp::Add)
            }
        })
    }
}

pub(super) fn slices(spans: &[Span]) -> Vec<Slice> {
    let slice = |span: &Span| Slice::new(span.start as isize, Some(span.end as isize), span.step as isize);
    spans.iter().map(slice).collect()
}
