//! Instructions of a machine: kernels on views, each of which writes one buffer.

use super::view::{Buffer, Loop, View};
use crate::language::custom::{Custom, CustomOp};
use crate::language::geometry::Pool;
use crate::language::primitive::{Comparison, Index};
use crate::language::tensor_type::Type;
use banach_kernels::{Chain, Convolution};
use burn::tensor::IntDType;

/// The position in a buffer at which an operand starts.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct BufferOffset {
    pub(crate) buffer: Buffer,
    pub(crate) offset: usize,
}

impl From<&View> for BufferOffset {
    fn from(view: &View) -> Self {
        BufferOffset { buffer: view.buffer, offset: view.offset }
    }
}

/// A strided matrix in a buffer.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct MatrixView {
    pub(crate) start: BufferOffset,
    pub(crate) rows: usize,
    pub(crate) columns: usize,
    pub(crate) strides: [usize; 2],
}

/// An elementwise chain: nested loops around rows and columns; strides are those of the target, then of the
/// sources.
#[derive(Clone, Debug)]
pub(crate) struct ChainLoops<T> {
    pub(crate) chain: Chain<T>,
    pub(crate) sources: Vec<BufferOffset>,
    pub(crate) outer: Vec<Loop>,
    pub(crate) rows: Loop,
    pub(crate) columns: Loop,
}

/// A chain on the rows a product or convolution has just written; its first input is that result.
#[derive(Clone, Debug)]
pub(crate) struct Epilogue<T> {
    pub(crate) chain: Chain<T>,
    /// The other inputs with their row and column strides.
    pub(crate) sources: Vec<(BufferOffset, [usize; 2])>,
}

/// The right operand of a product.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) enum RightOperand {
    /// A packed matrix, by pack.
    Packed(usize),
    /// A matrix in its own layout.
    Strided(MatrixView),
}

/// A product of matrices, or a batch of them: strides are those of the target, the left and the right
/// operand.
#[derive(Clone, Debug)]
pub(crate) struct Product<T> {
    pub(crate) batch: Vec<Loop>,
    pub(crate) left: MatrixView,
    pub(crate) right: RightOperand,
    pub(crate) columns: usize,
    pub(crate) epilogue: Option<Epilogue<T>>,
}

/// A convolution of channels-last images, or its transpose, by packed weights.
#[derive(Clone, Debug)]
pub(crate) struct Convolve<T> {
    pub(crate) images: usize,
    pub(crate) convolution: Convolution,
    pub(crate) transposed: bool,
    pub(crate) source: BufferOffset,
    pub(crate) taps: usize,
    pub(crate) epilogue: Option<Epilogue<T>>,
}

/// A packing job: done once for operands that stay fixed over many runs, and in every run for others.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Pack {
    /// The right operand of products.
    Matrix(MatrixView),
    /// Weights of a convolution `[out, in of a group, height, width]`, strides in this order.
    Weights { convolution: Convolution, transposed: bool, start: BufferOffset, strides: [usize; 4] },
    /// The numbers of a view without gaps, in the order of these loops.
    Elements { view: View, order: Vec<usize> },
}

impl Pack {
    /// The buffer that is packed.
    pub(crate) fn buffer(&self) -> Buffer {
        match self {
            Pack::Matrix(matrix) => matrix.start.buffer,
            Pack::Weights { start, .. } => start.buffer,
            Pack::Elements { view, .. } => view.buffer,
        }
    }
}

/// The operation of an instruction.
#[derive(Clone, Debug)]
pub(crate) enum Work<T> {
    Chain(ChainLoops<T>),
    Product(Product<T>),
    Convolve(Convolve<T>),
    /// `x [images, h, w, in]`, `y [images, h', w', out]` to weights.
    WeightGradient {
        convolution: Convolution,
        images: usize,
        x: BufferOffset,
        y: BufferOffset,
    },
    /// Numbers of a view to a view of the target.
    Copy {
        source: View,
        target: View,
    },
    Fill(f64),
    /// Sums: the target's strides are zero along the axes summed over.
    Sum {
        source: View,
        target: View,
    },
    /// Along the middle of `[before, size, after]`.
    Extreme {
        source: BufferOffset,
        sizes: [usize; 3],
        largest: bool,
        position: bool,
    },
    /// Operands and positions are dense; `shapes` are those of the operand and of the positions.
    Index {
        index: Index,
        source: BufferOffset,
        positions: BufferOffset,
        shapes: [Vec<usize>; 2],
    },
    MaxPoolIndices {
        pool: Pool,
        source: BufferOffset,
        shape: [usize; 4],
        result: [usize; 2],
    },
    /// Integers compared with integers, or with a number.
    CompareIntegers {
        comparison: Comparison,
        left: BufferOffset,
        right: Result<BufferOffset, f64>,
    },
    IntegerToReal(BufferOffset),
    /// Real numbers to integers of a width.
    RealToInteger(BufferOffset, IntDType),
    /// Integers to integers of a width.
    Narrow(BufferOffset, IntDType),
    /// Dense operands of the types given.
    Custom {
        primitive: CustomOp<dyn Custom>,
        operands: Vec<(BufferOffset, Type)>,
    },
    /// Packs an operand that is not fixed; writes no buffer.
    Pack(usize),
}

/// An operation and the temporary buffer that it writes.
#[derive(Clone, Debug)]
pub(crate) struct Instruction<T> {
    pub(crate) work: Work<T>,
    pub(crate) target: Option<usize>,
}

impl<T> Instruction<T> {
    /// The buffers it reads, packs aside.
    pub(crate) fn reads(&self, packs: &[Pack]) -> Vec<Buffer> {
        let epilogue = |epilogue: &Option<Epilogue<T>>| -> Vec<Buffer> {
            epilogue.iter().flat_map(|epilogue| &epilogue.sources).map(|(start, _)| start.buffer).collect()
        };
        match &self.work {
            Work::Chain(chain) => chain.sources.iter().map(|start| start.buffer).collect(),
            Work::Product(product) => {
                let mut buffers = epilogue(&product.epilogue);
                buffers.push(product.left.start.buffer);
                if let RightOperand::Strided(matrix) = product.right {
                    buffers.push(matrix.start.buffer);
                }
                buffers
            }
            Work::Convolve(convolve) => {
                let mut buffers = epilogue(&convolve.epilogue);
                buffers.push(convolve.source.buffer);
                buffers
            }
            Work::WeightGradient { x, y, .. } => vec![x.buffer, y.buffer],
            Work::Copy { source, .. } | Work::Sum { source, .. } => vec![source.buffer],
            Work::Fill(_) => vec![],
            Work::Extreme { source, .. }
            | Work::MaxPoolIndices { source, .. }
            | Work::IntegerToReal(source)
            | Work::RealToInteger(source, _)
            | Work::Narrow(source, _) => vec![source.buffer],
            Work::Index { source, positions, .. } => vec![source.buffer, positions.buffer],
            Work::CompareIntegers { left, right, .. } => {
                std::iter::once(left.buffer).chain(right.iter().map(|right| right.buffer)).collect()
            }
            Work::Custom { operands, .. } => operands.iter().map(|(start, _)| start.buffer).collect(),
            Work::Pack(pack) => vec![packs[*pack].buffer()],
        }
    }
}
