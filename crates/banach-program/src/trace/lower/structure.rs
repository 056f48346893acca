//! Lowering of Burn's shape, index and mask operations.

use super::{Lowered, Lowering, number};
use crate::language::geometry::Span;
use crate::language::primitive::{Comparison, Elementwise, Index, Primitive, Structure};
use crate::language::program::Var;
use crate::language::tensor_type::{Constant, Kind, Literal, Type};
use burn::backend::ir::{
    BaseOperationIr, CatOpIr, PadModeIr, PadOpIr, RepeatDimOpIr, SliceAssignOpIr, TensorIr,
};
use burn::tensor::{IndexingUpdateOp, Slice, TensorData};
use std::sync::Arc;

impl Lowering {
    pub(super) fn structural(&mut self, op: &BaseOperationIr) -> Lowered {
        use BaseOperationIr as Op;
        match op {
            Op::Reshape(op) => {
                let x = self.operand(&op.input)?;
                let result = self.builder.reshape(x, &op.out.shape.to_vec());
                self.define(&op.out, result)
            }
            Op::SwapDims(op) => {
                let x = self.operand(&op.input)?;
                let result = self.builder.swap(x, op.dim1, op.dim2);
                self.define(&op.out, result)
            }
            Op::Permute(op) => {
                let x = self.operand(&op.input)?;
                let result = self.builder.permute(x, &op.axes);
                self.define(&op.out, result)
            }
            Op::Flip(op) => {
                let x = self.operand(&op.input)?;
                let result = self.builder.structure(Structure::Flip(op.axes.clone()), x);
                self.define(&op.out, result)
            }
            Op::Expand(op) => {
                let x = self.operand(&op.input)?;
                let result = self.builder.broadcast(x, &op.out.shape.to_vec());
                self.define(&op.out, result)
            }
            Op::Slice(op) => {
                let x = self.operand(&op.tensor)?;
                let result = self.slice(x, &op.ranges);
                self.define(&op.out, result)
            }
            Op::SliceAssign(op) => self.slice_assign(op),
            Op::RepeatDim(op) => self.repeat(op),
            Op::Cat(op) => self.concatenation(op),
            Op::Cast(op) => self.cast(&op.input, &op.out),
            Op::Zeros(op) | Op::Empty(op) => self.created(&op.out, 0.0),
            Op::Ones(op) => self.created(&op.out, 1.0),
            Op::Equal(op) => self.equality(&op.lhs, &op.rhs, &op.out, Comparison::Equal),
            Op::NotEqual(op) => self.equality(&op.lhs, &op.rhs, &op.out, Comparison::NotEqual),
            Op::EqualElem(op) => {
                let x = self.operand(&op.lhs)?;
                let result = self.builder.compare(Comparison::Equal, x, number(op.rhs));
                self.define(&op.out, result)
            }
            Op::NotEqualElem(op) => {
                let x = self.operand(&op.lhs)?;
                let result = self.builder.compare(Comparison::NotEqual, x, number(op.rhs));
                self.define(&op.out, result)
            }
            other => self.indexing(other),
        }
    }

    fn indexing(&mut self, op: &BaseOperationIr) -> Lowered {
        use BaseOperationIr as Op;
        match op {
            Op::Select(op) => {
                let (x, index) = (self.operand(&op.tensor)?, self.operand(&op.indices)?);
                let result = self.builder.push(Primitive::Index(Index::Select(op.dim)), &[x, index]);
                self.define(&op.out, result)
            }
            Op::Gather(op) => {
                let (x, index) = (self.operand(&op.tensor)?, self.operand(&op.indices)?);
                let result = self.builder.push(Primitive::Index(Index::Gather(op.dim)), &[x, index]);
                self.define(&op.out, result)
            }
            Op::Scatter(inner) if adds(&inner.update, &inner.tensor) => {
                let shape = inner.tensor.shape.to_vec();
                let index = Index::GatherTransposed(inner.dim, shape);
                self.scattered(index, &inner.tensor, &inner.indices, &inner.value, &inner.out)
            }
            Op::SelectAssign(inner) if adds(&inner.update, &inner.tensor) => {
                let shape = inner.tensor.shape.to_vec();
                let index = Index::SelectTransposed(inner.dim, shape);
                self.scattered(index, &inner.tensor, &inner.indices, &inner.value, &inner.out)
            }
            Op::MaskWhere(op) => {
                let shape = op.out.shape.to_vec();
                let mask = self.broadcast_operand(&op.mask, &shape)?;
                let (no, yes) = self.pair(&op.tensor, &op.value, &op.out)?;
                let result = self.builder.choose(mask, yes, no);
                self.define(&op.out, result)
            }
            Op::MaskFill(op) => {
                let shape = op.out.shape.to_vec();
                let mask = self.broadcast_operand(&op.mask, &shape)?;
                let x = self.broadcast_operand(&op.tensor, &shape)?;
                let value = self.full(&op.out, number(op.value));
                let result = self.builder.choose(mask, value, x);
                self.define(&op.out, result)
            }
            Op::Scatter(_) | Op::SelectAssign(_) => {
                self.unsupported(op, "scatter numbers with `IndexingUpdateOp::Add`")
            }
            Op::ScatterNd(_) | Op::GatherNd(_) => {
                self.unsupported(op, "use `gather` and `scatter` along one axis")
            }
            Op::Unfold(_) => self.unsupported(op, "concatenate slices, or use a convolution"),
            Op::All(_) | Op::Any(_) | Op::AllDim(_) | Op::AnyDim(_) => {
                self.unsupported(op, "cast the mask with `.float()` and take `sum` or `max_dim`")
            }
            other => self.unsupported(other, "write it with `slice`, `cat`, `gather` or `mask_where`"),
        }
    }

    fn broadcast_operand(&mut self, tensor: &TensorIr, shape: &[usize]) -> Lowered<Var> {
        let var = self.operand(tensor)?;
        Ok(self.builder.broadcast(var, shape))
    }

    /// A tensor made inside the traced code; a declared input is known already and stays what it is.
    fn created(&mut self, out: &TensorIr, number: f64) -> Lowered {
        if self.known.contains_key(&out.id) {
            return Ok(());
        }
        let result = self.full(out, number);
        self.define(out, result)
    }

    fn equality(&mut self, lhs: &TensorIr, rhs: &TensorIr, out: &TensorIr, how: Comparison) -> Lowered {
        let (a, b) = self.pair(lhs, rhs, out)?;
        let result = self.builder.push(Elementwise::Compare(how), &[a, b]);
        self.define(out, result)
    }

    fn scattered(
        &mut self,
        index: Index,
        base: &TensorIr,
        positions: &TensorIr,
        value: &TensorIr,
        out: &TensorIr,
    ) -> Lowered {
        let (base, positions) = (self.operand(base)?, self.operand(positions)?);
        let value = self.operand(value)?;
        let added = self.builder.push(Primitive::Index(index), &[value, positions]);
        let result = self.builder.add(base, added);
        self.define(out, result)
    }

    fn slice(&mut self, x: Var, ranges: &[Slice]) -> Var {
        let (spans, reversed) = spans_of(ranges, &self.builder.shape(x));
        let mut result = self.builder.structure(Structure::Slice(spans), x);
        if !reversed.is_empty() {
            result = self.builder.structure(Structure::Flip(reversed), result);
        }
        result
    }

    fn slice_assign(&mut self, op: &SliceAssignOpIr) -> Lowered {
        let (x, mut value) = (self.operand(&op.tensor)?, self.operand(&op.value)?);
        let shape = op.tensor.shape.to_vec();
        let (spans, reversed) = spans_of(&op.ranges, &shape);
        if !reversed.is_empty() {
            value = self.builder.structure(Structure::Flip(reversed), value);
        }
        let place = Structure::Place(shape, spans);
        let placed = self.builder.structure(place.clone(), value);
        let inside = self.builder.shape(value);
        let mask = self.places(place, &inside);
        let result = self.builder.choose(mask, placed, x);
        self.define(&op.out, result)
    }

    /// True where a tensor of this shape is placed.
    fn places(&mut self, place: Structure, shape: &[usize]) -> Var {
        let whole = self.builder.full(Type::new(shape, Kind::Bool), 1.0);
        self.builder.structure(place, whole)
    }

    fn repeat(&mut self, op: &RepeatDimOpIr) -> Lowered {
        let x = self.operand(&op.tensor)?;
        let mut shape = op.tensor.shape.to_vec();
        shape.insert(op.dim, 1);
        let x = self.builder.reshape(x, &shape);
        shape[op.dim] = op.times;
        let x = self.builder.broadcast(x, &shape);
        let result = self.builder.reshape(x, &op.out.shape.to_vec());
        self.define(&op.out, result)
    }

    fn concatenation(&mut self, op: &CatOpIr) -> Lowered {
        let parts = op.tensors.iter().filter(|part| part.shape.num_elements() > 0);
        let parts = parts.map(|part| self.find(part.id)).collect::<Lowered<Vec<Var>>>()?;
        let result = match parts.as_slice() {
            [] => self.full(&op.out, 0.0),
            [only] => *only,
            all => self.builder.push(Primitive::Concat(op.dim), all),
        };
        self.define(&op.out, result)
    }

    pub(super) fn pad(&mut self, op: &PadOpIr) -> Lowered {
        let x = self.operand(&op.input)?;
        let rank = op.input.shape.num_dims();
        let mut padding = vec![(0, 0); rank - op.padding.len()];
        padding.extend(&op.padding);
        let result = match op.mode {
            PadModeIr::Constant(value) => self.pad_constant(x, &padding, number(value), &op.out),
            PadModeIr::Reflect => self.pad_copied(x, &padding, |position, size| match position {
                p if p < 0 => -p,
                p if p >= size => 2 * (size - 1) - p,
                p => p,
            }),
            PadModeIr::Edge => self.pad_copied(x, &padding, |position, size| position.clamp(0, size - 1)),
        };
        self.define(&op.out, result)
    }

    fn pad_constant(&mut self, x: Var, padding: &[(usize, usize)], value: f64, out: &TensorIr) -> Var {
        let shape = self.builder.shape(x);
        let spans = padding.iter().zip(&shape);
        let spans = spans.map(|(&(before, _), &size)| Span { start: before, end: before + size, step: 1 });
        let place = Structure::Place(out.shape.to_vec(), spans.collect());
        let placed = self.builder.structure(place.clone(), x);
        if value == 0.0 {
            return placed;
        }
        let inside = self.places(place, &shape);
        let around = self.full(out, value);
        self.builder.choose(inside, placed, around)
    }

    /// Padding that repeats elements: slices selected along each axis.
    fn pad_copied(
        &mut self,
        x: Var,
        padding: &[(usize, usize)],
        source: impl Fn(isize, isize) -> isize,
    ) -> Var {
        let mut result = x;
        for (axis, &(before, after)) in padding.iter().enumerate() {
            if (before, after) == (0, 0) {
                continue;
            }
            let size = self.builder.shape(x)[axis] as isize;
            let positions = -(before as isize)..size + after as isize;
            let positions: Vec<i64> = positions.map(|position| source(position, size) as i64).collect();
            result = self.select(result, axis, positions);
        }
        result
    }

    /// Slices along an axis at known positions.
    pub(super) fn select(&mut self, x: Var, axis: usize, positions: Vec<i64>) -> Var {
        let ty = Type::new([positions.len()], Kind::Int(burn::tensor::IntDType::I64));
        let count = positions.len();
        let literal = Literal::Data(Arc::new(TensorData::new(positions, [count])));
        let index = self.builder.push(Primitive::Constant(Constant { ty, literal }), &[]);
        self.builder.push(Primitive::Index(Index::Select(axis)), &[x, index])
    }
}

fn adds(update: &IndexingUpdateOp, to: &TensorIr) -> bool {
    matches!(update, IndexingUpdateOp::Add) && !to.dtype.is_bool()
}

/// The positions of Burn's slices in increasing order, and the axes they run through backwards.
fn spans_of(ranges: &[Slice], shape: &[usize]) -> (Vec<Span>, Vec<usize>) {
    let mut spans: Vec<Span> = shape.iter().map(|&end| Span { start: 0, end, step: 1 }).collect();
    let mut reversed = vec![];
    for (axis, range) in ranges.iter().enumerate() {
        let bounds = range.to_range(shape[axis]);
        let step = range.step.unsigned_abs();
        spans[axis] = Span { start: bounds.start, end: bounds.end, step };
        if range.step < 0 {
            let count = spans[axis].len();
            let last = bounds.end - 1;
            spans[axis] = Span { start: last - (count - 1) * step, end: bounds.end, step };
            reversed.push(axis);
        }
    }
    (spans, reversed)
}
