//! What does a machine do, one thing after another? Kernels on views, each writing one buffer.

use super::view::{Buffer, Loop, View};
use crate::language::custom::{Custom, CustomOp};
use crate::language::geometry::Pool;
use crate::language::primitive::{Comparison, Index};
use crate::language::tensor_type::Type;
use banach_kernels::{Chain, Convolution};
use burn::tensor::IntDType;

/// Numbers to read: where they start in a buffer.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Start {
    pub(crate) buffer: Buffer,
    pub(crate) offset: usize,
}

impl From<&View> for Start {
    fn from(view: &View) -> Self {
        Start { buffer: view.buffer, offset: view.offset }
    }
}

/// A matrix to read, of any layout.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct MatrixAt {
    pub(crate) start: Start,
    pub(crate) rows: usize,
    pub(crate) columns: usize,
    pub(crate) strides: [usize; 2],
}

/// An elementwise chain: nested loops around rows and columns; strides are those of the target, then of the sources.
#[derive(Clone, Debug)]
pub(crate) struct Elementwise<T> {
    pub(crate) chain: Chain<T>,
    pub(crate) sources: Vec<Start>,
    pub(crate) outer: Vec<Loop>,
    pub(crate) rows: Loop,
    pub(crate) columns: Loop,
}

/// A chain on the rows a product or convolution has just written; its first input is that result.
#[derive(Clone, Debug)]
pub(crate) struct Epilogue<T> {
    pub(crate) chain: Chain<T>,
    /// The other inputs with their row and column strides.
    pub(crate) sources: Vec<(Start, [usize; 2])>,
}

/// The right operand of a product.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) enum Right {
    /// Packed beforehand: which pack.
    Packed(usize),
    /// As it lies.
    AsItLies(MatrixAt),
}

/// A product of matrices, or a batch of them: strides are those of the target, the left and the right operand.
#[derive(Clone, Debug)]
pub(crate) struct Product<T> {
    pub(crate) batch: Vec<Loop>,
    pub(crate) left: MatrixAt,
    pub(crate) right: Right,
    pub(crate) columns: usize,
    pub(crate) epilogue: Option<Epilogue<T>>,
}

/// A convolution of channels-last images, or its transpose, by packed weights.
#[derive(Clone, Debug)]
pub(crate) struct Convolve<T> {
    pub(crate) images: usize,
    pub(crate) convolution: Convolution,
    pub(crate) transposed: bool,
    pub(crate) source: Start,
    pub(crate) taps: usize,
    pub(crate) epilogue: Option<Epilogue<T>>,
}

/// What is made of operands that stay the same over many runs, or of others in every run.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Pack {
    /// The right operand of products.
    Matrix(MatrixAt),
    /// Weights of a convolution `[out, in of a group, height, width]`, strides in this order.
    Weights { convolution: Convolution, transposed: bool, start: Start, strides: [usize; 4] },
    /// The numbers of a view without gaps, in the order of these loops.
    Numbers { view: View, order: Vec<usize> },
}

impl Pack {
    /// What it is made of.
    pub(crate) fn buffer(&self) -> Buffer {
        match self {
            Pack::Matrix(matrix) => matrix.start.buffer,
            Pack::Weights { start, .. } => start.buffer,
            Pack::Numbers { view, .. } => view.buffer,
        }
    }
}

/// One thing to do.
#[derive(Clone, Debug)]
pub(crate) enum Work<T> {
    Elementwise(Elementwise<T>),
    Product(Product<T>),
    Convolve(Convolve<T>),
    /// `x [images, h, w, in]`, `y [images, h', w', out]` to weights.
    WeightGradient {
        convolution: Convolution,
        images: usize,
        x: Start,
        y: Start,
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
        source: Start,
        sizes: [usize; 3],
        largest: bool,
        position: bool,
    },
    /// Operands and positions are dense; `shapes` are those of the operand and of the positions.
    Index {
        index: Index,
        source: Start,
        positions: Start,
        shapes: [Vec<usize>; 2],
    },
    MaxPoolIndices {
        pool: Pool,
        source: Start,
        shape: [usize; 4],
        result: [usize; 2],
    },
    /// Integers compared with integers, or with a number.
    CompareWhole {
        comparison: Comparison,
        left: Start,
        right: Result<Start, f64>,
    },
    WholeToReal(Start),
    /// Real numbers to integers of a width.
    RealToWhole(Start, IntDType),
    /// Integers to integers of a width.
    Narrow(Start, IntDType),
    /// Dense operands of the types given.
    Custom {
        primitive: CustomOp<dyn Custom>,
        operands: Vec<(Start, Type)>,
    },
    /// Makes a pack that cannot be made beforehand; writes no buffer.
    Pack(usize),
}

/// Something to do and the temporary buffer it writes.
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
            Work::Elementwise(elementwise) => elementwise.sources.iter().map(|start| start.buffer).collect(),
            Work::Product(product) => {
                let mut buffers = epilogue(&product.epilogue);
                buffers.push(product.left.start.buffer);
                if let Right::AsItLies(matrix) = product.right {
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
            | Work::WholeToReal(source)
            | Work::RealToWhole(source, _)
            | Work::Narrow(source, _) => vec![source.buffer],
            Work::Index { source, positions, .. } => vec![source.buffer, positions.buffer],
            Work::CompareWhole { left, right, .. } => {
                std::iter::once(left.buffer).chain(right.iter().map(|right| right.buffer)).collect()
            }
            Work::Custom { operands, .. } => operands.iter().map(|(start, _)| start.buffer).collect(),
            Work::Pack(pack) => vec![packs[*pack].buffer()],
        }
    }
}
