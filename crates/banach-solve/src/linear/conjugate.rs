//! Conjugate directions, row by row.

use crate::Rows;
use crate::state::rows::{entries_at, select_rows};

/// The sign of the curvature `⟨p, (I - A) p⟩ / ⟨p, p⟩` along the direction of a row.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Curvature {
    /// The row was not open; it has not moved.
    Inactive,
    /// Positive; the row has moved.
    Positive,
    /// Negative, or zero to the precision of the state; the row has not moved.
    NotPositive,
    /// Infinite or NaN; the row has not moved.
    NonFinite,
}

/// The method of conjugate gradients in every row, for `(I - A) c = v` with `v` of unit length.
#[derive(Debug)]
pub(crate) struct ConjugateDirections<R> {
    /// The iterate, zero at the start.
    pub(crate) point: R,
    /// `v - (I - A) c`, by recurrence.
    remainder: R,
    direction: R,
    /// The norm of the remainder.
    lengths: Vec<f64>,
}

impl<R: Rows> ConjugateDirections<R> {
    /// Starts from zero.
    pub(crate) fn new(v: R, lengths: Vec<f64>) -> Self {
        Self { point: v.zeros(), direction: v.clone(), remainder: v, lengths }
    }

    /// The direction `p` of open rows, zeros elsewhere.
    pub(crate) fn direction(&self, open: &[bool]) -> R {
        select_rows(open, &self.direction, &self.direction.zeros())
    }

    /// The norm of the remainder of every row.
    pub(crate) fn lengths(&self) -> &[f64] {
        &self.lengths
    }

    /// Moves open rows along their directions `p`, given `image = (I - A) p`.
    pub(crate) fn step(&mut self, open: &[bool], image: &R) -> Vec<Curvature> {
        let p = self.direction(open);
        let products = R::dots(&[(&p, image), (&p, &p)]);
        let precision = p.precision();
        let curvature = |row: usize| {
            let (curvature, square) = (products[0][row], products[1][row]);
            let length = self.lengths[row].powi(2) / curvature;
            match (open[row], curvature.is_finite() && square.is_finite()) {
                (false, _) => Curvature::Inactive,
                (true, false) => Curvature::NonFinite,
                // The rounding error of the subtraction `p - A p`.
                (true, true) if curvature <= precision * square => Curvature::NotPositive,
                (true, true) if !length.is_finite() => Curvature::NonFinite,
                (true, true) => Curvature::Positive,
            }
        };
        let curvatures: Vec<Curvature> = (0..open.len()).map(curvature).collect();
        let moved: Vec<bool> = curvatures.iter().map(|curvature| *curvature == Curvature::Positive).collect();
        let factor = |row: usize| if moved[row] { self.lengths[row].powi(2) / products[0][row] } else { 0.0 };
        let factors: Vec<f64> = (0..open.len()).map(factor).collect();
        let back: Vec<f64> = factors.iter().map(|factor| -factor).collect();
        self.point = self.point.add_scaled(&[(&factors, &p)]);
        self.remainder = select_rows(&moved, &self.remainder.add_scaled(&[(&back, image)]), &self.remainder);
        let before = std::mem::replace(&mut self.lengths, R::norms(&[&self.remainder]).swap_remove(0));
        let ratio = |row: usize| if moved[row] { (self.lengths[row] / before[row]).powi(2) } else { 0.0 };
        let ratios: Vec<f64> = (0..open.len()).map(ratio).collect();
        self.direction = select_rows(&moved, &self.remainder.add_scaled(&[(&ratios, &p)]), &self.direction);
        curvatures
    }

    /// Keeps the rows at these positions; the others leave the batch.
    pub(crate) fn narrow(&mut self, keep: &[usize]) {
        for matrix in [&mut self.point, &mut self.remainder, &mut self.direction] {
            *matrix = matrix.gather(keep);
        }
        self.lengths = entries_at(&self.lengths, keep);
    }

    /// Replaces the remainder by recurrence by the true one in these rows, and restarts them from it.
    pub(crate) fn restart(&mut self, rows: &[bool], remainder: &R, lengths: &[f64]) {
        self.remainder = select_rows(rows, remainder, &self.remainder);
        self.direction = select_rows(rows, remainder, &self.direction);
        (0..rows.len()).filter(|row| rows[*row]).for_each(|row| self.lengths[row] = lengths[row]);
    }
}
