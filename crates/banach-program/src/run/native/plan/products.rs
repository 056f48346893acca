//! Planning of products and convolutions: layouts of operands and results.

use super::Planner;
use crate::language::primitive::Bilinear;
use crate::language::program::{Equation, Var};
use crate::run::native::convolution::geometry;
use crate::run::native::instruction::{
    BufferOffset, Convolve, Epilogue, MatrixView, Pack, Product, RightOperand, Work,
};
use crate::run::native::view::{Buffer, Loop, View, loops};
use crate::run::value::number::Number;
use banach_kernels::Convolution;

/// Channels last.
const IMAGES: [usize; 4] = [0, 2, 3, 1];

impl<T: Number> Planner<'_, T> {
    /// Emits a product or convolution, perhaps with a chain behind it.
    pub(super) fn bilinear(
        &mut self,
        form: &Bilinear,
        equation: &Equation,
        epilogue: Option<Epilogue<T>>,
    ) -> View {
        let [left, right] = [equation.operands[0], equation.operands[1]];
        let shape = self.program.type_of(equation.result).shape.clone();
        if let Bilinear::Matmul(turned) = form {
            return self.matmul(*turned, [left, right], &shape, epilogue);
        }
        let Some(convolution) = geometry(self.program, form, equation) else { unreachable!("elementwise") };
        if matches!(form, Bilinear::ConvolutionWeight(..)) {
            return self.weight_gradient(convolution, [left, right], &shape);
        }
        let transposed = matches!(form, Bilinear::ConvolutionInput(..));
        self.convolve(convolution, transposed, [left, right], &shape, epilogue)
    }

    /// In which order the axes of a product lie, if a chain can follow it row by row.
    pub(super) fn product_order(&mut self, form: &Bilinear, equation: &Equation) -> Option<Vec<usize>> {
        match form {
            Bilinear::Matmul(turned) => {
                let [left, right] = [equation.operands[0], equation.operands[1]];
                let (left, right) = (self.turned(left, turned[0]), self.turned(right, turned[1]));
                let shape = &self.program.type_of(equation.result).shape;
                folded(&left, &right).is_some().then(|| (0..shape.len()).collect())
            }
            Bilinear::Convolution(_) | Bilinear::ConvolutionInput(..) => Some(IMAGES.to_vec()),
            Bilinear::Multiply | Bilinear::AbsorbingProduct | Bilinear::ConvolutionWeight(..) => None,
        }
    }

    /// A matrix operand, its last two axes exchanged if it is turned, and no stride negative.
    fn turned(&mut self, var: Var, turned: bool) -> View {
        let mut view = self.view(var);
        if view.strides.iter().any(|stride| *stride < 0) {
            view = self.dense(var);
        }
        let rank = view.shape.len();
        let mut axes: Vec<usize> = (0..rank).collect();
        if turned {
            axes.swap(rank - 2, rank - 1);
        }
        view.permuted(&axes)
    }

    fn matmul(
        &mut self,
        turned: [bool; 2],
        operands: [Var; 2],
        shape: &[usize],
        epilogue: Option<Epilogue<T>>,
    ) -> View {
        let rank = shape.len();
        let (left, right) = (self.turned(operands[0], turned[0]), self.turned(operands[1], turned[1]));
        let whole_rows = folded(&left, &right);
        let temporary = self.new_temporary(shape);
        let target = View::dense(Buffer::Temporary(temporary), shape);
        let matrix = |view: &View| MatrixView {
            start: BufferOffset::from(view),
            rows: view.shape[rank - 2],
            columns: view.shape[rank - 1],
            strides: [view.strides[rank - 2].unsigned_abs(), view.strides[rank - 1].unsigned_abs()],
        };
        let (mut a, b) = (matrix(&left), matrix(&right));
        let leading: Vec<usize> = (0..rank - 2).collect();
        let batch = match whole_rows {
            Some(Loop { size, ref strides }) => {
                (a.rows, a.strides[0]) = (size, strides[0].unsigned_abs());
                vec![]
            }
            None => loops(&[&target, &left, &right], &leading),
        };
        let shared = whole_rows.is_some();
        let right = if shared && self.is_fixed(b.start.buffer) {
            RightOperand::Packed(self.pack(Pack::Matrix(b)))
        } else {
            RightOperand::Strided(b)
        };
        let columns = b.columns;
        self.emit(Work::Product(Product { batch, left: a, right, columns, epilogue }), temporary);
        target
    }

    fn new_temporary(&mut self, shape: &[usize]) -> usize {
        let len = shape.iter().product();
        self.plan.temporaries.push(super::Temporary { len, integers: false });
        self.plan.temporaries.len() - 1
    }

    /// Images with channels last and without gaps.
    fn images(&mut self, var: Var) -> View {
        let view = self.view(var);
        if view.permuted(&IMAGES).is_dense() { view } else { self.laid_out(view, &IMAGES, false) }
    }

    fn convolve(
        &mut self,
        convolution: Convolution,
        transposed: bool,
        operands: [Var; 2],
        shape: &[usize],
        epilogue: Option<Epilogue<T>>,
    ) -> View {
        let source = BufferOffset::from(&self.images(operands[0]));
        let mut weights = self.view(operands[1]);
        if weights.strides.iter().any(|stride| *stride < 0) {
            weights = self.dense(operands[1]);
        }
        let strides = [0, 1, 2, 3].map(|axis| weights.strides[axis].unsigned_abs());
        let start = BufferOffset::from(&weights);
        let taps = self.packed(Pack::Weights { convolution, transposed, start, strides });
        let temporary = self.new_temporary(shape);
        let images = shape[0];
        let work = Work::Convolve(Convolve { images, convolution, transposed, source, taps, epilogue });
        self.emit(work, temporary);
        View::ordered(Buffer::Temporary(temporary), shape, &IMAGES)
    }

    fn weight_gradient(&mut self, convolution: Convolution, operands: [Var; 2], shape: &[usize]) -> View {
        let images = self.program.type_of(operands[0]).shape[0];
        let [x, y] = operands.map(|operand| BufferOffset::from(&self.images(operand)));
        let temporary = self.new_temporary(shape);
        self.emit(Work::WeightGradient { convolution, images, x, y }, temporary);
        View::dense(Buffer::Temporary(temporary), shape)
    }
}

/// All rows of a batch of products as one loop over the left operand, if the right one is the same for all of
/// them.
fn folded(left: &View, right: &View) -> Option<Loop> {
    let rank = left.shape.len();
    let same = (0..rank - 2).all(|axis| right.shape[axis] == 1 || right.strides[axis] == 0);
    let rows: Vec<usize> = (0..rank - 1).collect();
    let mut rows = loops(&[left], &rows);
    match (same, rows.len()) {
        (true, 0) => Some(Loop { size: left.shape[..rank - 1].iter().product(), strides: vec![0] }),
        (true, 1) => rows.pop(),
        (_, _) => None,
    }
}
