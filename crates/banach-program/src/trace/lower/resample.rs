//! Lowering of interpolation and adaptive pooling to products with constant matrices along each axis.

use super::{Lowered, Lowering};
use crate::language::program::Var;
use burn::backend::ir::{InterpolateModeIr, InterpolateOpIr, TensorIr};

/// A known matrix `[to, from]`, row by row.
struct Matrix {
    rows: Vec<Vec<f64>>,
}

impl Lowering {
    pub(super) fn interpolate(&mut self, op: &InterpolateOpIr) -> Lowered {
        let var = self.operand(&op.x)?;
        let shape = op.x.shape.to_vec();
        let (from, to) = ([shape[2], shape[3]], op.output_size);
        let result = match op.options.mode {
            InterpolateModeIr::Nearest => self.nearest(var, from, to),
            InterpolateModeIr::Bilinear => {
                let align = op.options.align_corners;
                let matrices = [0, 1].map(|axis| bilinear(from[axis], to[axis], align));
                self.separable(var, &matrices)
            }
            InterpolateModeIr::NearestExact | InterpolateModeIr::Bicubic | InterpolateModeIr::Lanczos3 => {
                return self.unsupported(&op.options.mode, "interpolate with `Nearest` or `Bilinear`");
            }
        };
        self.define(&op.out, result)
    }

    fn nearest(&mut self, x: Var, from: [usize; 2], to: [usize; 2]) -> Var {
        let mut result = x;
        for axis in 0..2 {
            let ratio = from[axis] as f64 / to[axis] as f64;
            let source = |at: usize| (at as f64 * ratio).floor().min(from[axis] as f64 - 1.0);
            result = self.select(result, axis + 2, (0..to[axis]).map(|at| source(at) as i64).collect());
        }
        result
    }

    /// Cell `i` of `m` is the mean of the elements from `⌊i n / m⌋` to `⌈(i + 1) n / m⌉`.
    pub(super) fn adaptive_average(&mut self, x: &TensorIr, out: &TensorIr) -> Lowered {
        let var = self.operand(x)?;
        let (from, to) = (x.shape.to_vec(), out.shape.to_vec());
        let last = from.len() - 1;
        let columns = averages(from[last], to[last]);
        let result = if last == 3 {
            self.separable(var, &[averages(from[2], to[2]), columns])
        } else {
            self.along_last(var, &columns)
        };
        self.define(out, result)
    }

    /// `rows x columnsᵀ` for every plane of `[b, c, h, w]`.
    fn separable(&mut self, x: Var, [rows, columns]: &[Matrix; 2]) -> Var {
        let x = self.along_last(x, columns);
        let x = self.builder.swap(x, 2, 3);
        let x = self.along_last(x, rows);
        self.builder.swap(x, 2, 3)
    }

    fn along_last(&mut self, x: Var, matrix: &Matrix) -> Var {
        let kind = self.builder.type_of(x).kind;
        let (to, from) = (matrix.rows.len(), matrix.rows.first().map_or(0, Vec::len));
        let turned = (0..from).flat_map(|column| matrix.rows.iter().map(move |row| row[column]));
        let turned = self.data(turned.collect(), &[from, to], kind);
        self.product(x, turned)
    }
}

fn bilinear(from: usize, to: usize, align_corners: bool) -> Matrix {
    let ratio =
        if align_corners { (from as f64 - 1.0) / (to.max(2) - 1) as f64 } else { from as f64 / to as f64 };
    let row = |at: usize| {
        let place = if align_corners { at as f64 * ratio } else { (at as f64 + 0.5) * ratio - 0.5 };
        let low = (place.max(0.0).floor() as usize).min(from - 1);
        let high = (low + 1).min(from - 1);
        let weight = (place - low as f64).max(0.0);
        let mut row = vec![0.0; from];
        row[low] += 1.0 - weight;
        row[high] += weight;
        row
    };
    Matrix { rows: (0..to).map(row).collect() }
}

fn averages(from: usize, to: usize) -> Matrix {
    let row = |at: usize| {
        let (start, end) = (at * from / to, ((at + 1) * from).div_ceil(to));
        let weight = 1.0 / (end - start) as f64;
        (0..from).map(|position| if (start..end).contains(&position) { weight } else { 0.0 }).collect()
    };
    Matrix { rows: (0..to).map(row).collect() }
}
