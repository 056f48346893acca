//! Cones, and the projection onto a product of them.

use super::exponential;
use super::second_order;
use super::semidefinite;
use crate::dense::vector::{add_product, largest};
use serde::{Deserialize, Serialize};

/// A convex cone, a part of the product K in which the slack of a [`ConeProgram`](crate::ConeProgram) lies.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum Cone {
    /// Zeros: the rows of A and b are equalities. The number of rows.
    Zero(usize),
    /// Numbers s ≥ 0: the rows are inequalities Ax ≤ b. The number of rows.
    NonNegative(usize),
    /// (t, z) with ‖z‖ ≤ t. The number of rows, with that of t.
    SecondOrder(usize),
    /// Positive semidefinite matrices of this many rows n, as vectors of length n (n + 1) / 2: the upper triangle, column
    /// by column, with elements off the diagonal times √2 (see [`scaled_vector`](crate::scaled_vector)).
    Semidefinite(usize),
    /// (x, y, z) in the closure of {y > 0, y exp(x / y) ≤ z}; three rows.
    Exponential,
}

impl Cone {
    /// Returns the number of rows of A and b.
    pub fn rows(self) -> usize {
        match self {
            Cone::Zero(rows) | Cone::NonNegative(rows) | Cone::SecondOrder(rows) => rows,
            Cone::Semidefinite(n) => semidefinite::vector_length(n),
            Cone::Exponential => 3,
        }
    }
}

/// The derivative of a projection onto one cone.
#[derive(Clone, Debug)]
enum Block {
    Diagonal(Vec<f64>),
    /// Symmetric, row-major.
    Dense(Vec<f64>),
}

/// The projection of a point onto a product of cones, with its derivative.
#[derive(Clone, Debug)]
pub(crate) struct Projection {
    /// The projection.
    pub(crate) point: Vec<f64>,
    blocks: Vec<(usize, Block)>,
    /// The distance, relative to the size of the point, to the nearest point without a derivative.
    pub(crate) margin: f64,
}

impl Projection {
    /// Projects w; None where w is not finite.
    pub(crate) fn new(cones: &[Cone], w: &[f64]) -> Option<Self> {
        if !w.iter().all(|w| w.is_finite()) {
            return None;
        }
        let mut point = w.to_vec();
        let (mut blocks, mut first, mut margin) = (vec![], 0, 1.0f64);
        let size = largest(w).max(1.0);
        for &cone in cones {
            let rows = cone.rows();
            let part = &mut point[first..first + rows];
            let dense = || vec![0.0; rows * rows];
            let (block, own) = match cone {
                Cone::Zero(_) => {
                    part.fill(0.0);
                    (Block::Diagonal(vec![0.0; rows]), 1.0)
                }
                Cone::NonNegative(_) => {
                    let own = part.iter().fold(1.0, |own: f64, w| own.min(w.abs() / size));
                    let slopes = part.iter().map(|w| if *w > 0.0 { 1.0 } else { 0.0 }).collect();
                    part.iter_mut().for_each(|w| *w = w.max(0.0));
                    (Block::Diagonal(slopes), own)
                }
                Cone::SecondOrder(_) => {
                    let mut derivative = dense();
                    let own = second_order::project(part, &mut derivative);
                    (Block::Dense(derivative), own)
                }
                Cone::Semidefinite(n) => {
                    let mut derivative = dense();
                    let own = semidefinite::project(part, n, &mut derivative)?;
                    (Block::Dense(derivative), own)
                }
                Cone::Exponential => {
                    let mut derivative = dense();
                    let clear = exponential::project(part, &mut derivative)?;
                    (Block::Dense(derivative), if clear { 1.0 } else { 0.0 })
                }
            };
            margin = margin.min(own);
            blocks.push((first, block));
            first += rows;
        }
        Some(Projection { point, blocks, margin })
    }

    /// out += D v for the derivative D, which is symmetric.
    pub(crate) fn add_derivative_product(&self, v: &[f64], out: &mut [f64]) {
        for (first, block) in &self.blocks {
            match block {
                Block::Diagonal(slopes) => {
                    for (i, slope) in slopes.iter().enumerate() {
                        out[first + i] += slope * v[first + i];
                    }
                }
                Block::Dense(derivative) => {
                    let rows = derivative.len().isqrt();
                    let part = *first..first + rows;
                    add_product(&mut out[part.clone()], 1.0, derivative, &v[part]);
                }
            }
        }
    }

    /// The elements (row, column, value) of the derivative that may not be zero.
    pub(crate) fn for_each_element(&self, mut visit: impl FnMut(usize, usize, f64)) {
        for (first, block) in &self.blocks {
            match block {
                Block::Diagonal(slopes) => {
                    slopes.iter().enumerate().for_each(|(i, slope)| visit(first + i, first + i, *slope));
                }
                Block::Dense(derivative) => {
                    let rows = derivative.len().isqrt();
                    for (at, value) in derivative.iter().enumerate() {
                        visit(first + at / rows, first + at % rows, *value);
                    }
                }
            }
        }
    }
}
