//! Conjugate directions of each row.

use crate::Rows;
use crate::ledger::picked;
use crate::rows::choose;

/// What a step has learnt about the curvature `⟨p, (I - A) p⟩ / ⟨p, p⟩` along the direction of a row.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Bend {
    /// The row was not asked.
    Closed,
    /// It is positive, and the row has moved.
    Up,
    /// It is negative, or zero to this precision; the row has not moved.
    Down,
    /// It is no number; the row has not moved.
    Unknown,
}

/// The method of conjugate gradients in every row, for `(I - A) c = v` with `v` of length one.
#[derive(Debug)]
pub(crate) struct Conjugate<R> {
    /// The point reached, zero at the start.
    pub(crate) point: R,
    /// `v - (I - A) c`, kept up to date by recurrence.
    remainder: R,
    direction: R,
    /// The length of the remainder.
    lengths: Vec<f64>,
}

impl<R: Rows> Conjugate<R> {
    /// At zero, before the first step.
    pub(crate) fn new(v: R, lengths: Vec<f64>) -> Self {
        Self { point: v.zeros(), direction: v.clone(), remainder: v, lengths }
    }

    /// The direction `p` of open rows, zeros elsewhere.
    pub(crate) fn direction(&self, open: &[bool]) -> R {
        choose(open, &self.direction, &self.direction.zeros())
    }

    /// The length of the remainder of every row.
    pub(crate) fn lengths(&self) -> &[f64] {
        &self.lengths
    }

    /// Moves open rows along their directions `p`, given `image = (I - A) p`.
    pub(crate) fn step(&mut self, open: &[bool], image: &R) -> Vec<Bend> {
        let p = self.direction(open);
        let products = R::dots(&[(&p, image), (&p, &p)]);
        let precision = p.precision();
        let bend = |row: usize| {
            let (curvature, square) = (products[0][row], products[1][row]);
            let length = self.lengths[row].powi(2) / curvature;
            match (open[row], curvature.is_finite() && square.is_finite()) {
                (false, _) => Bend::Closed,
                (true, false) => Bend::Unknown,
                // What a subtraction leaves of numbers of size one has this much rounding in it.
                (true, true) if curvature <= precision * square => Bend::Down,
                (true, true) if !length.is_finite() => Bend::Unknown,
                (true, true) => Bend::Up,
            }
        };
        let bends: Vec<Bend> = (0..open.len()).map(bend).collect();
        let moved: Vec<bool> = bends.iter().map(|bend| *bend == Bend::Up).collect();
        let factor = |row: usize| if moved[row] { self.lengths[row].powi(2) / products[0][row] } else { 0.0 };
        let factors: Vec<f64> = (0..open.len()).map(factor).collect();
        let back: Vec<f64> = factors.iter().map(|factor| -factor).collect();
        self.point = self.point.add_scaled(&[(&factors, &p)]);
        self.remainder = choose(&moved, &self.remainder.add_scaled(&[(&back, image)]), &self.remainder);
        let before = std::mem::replace(&mut self.lengths, R::norms(&[&self.remainder]).swap_remove(0));
        let ratio = |row: usize| if moved[row] { (self.lengths[row] / before[row]).powi(2) } else { 0.0 };
        let ratios: Vec<f64> = (0..open.len()).map(ratio).collect();
        self.direction = choose(&moved, &self.remainder.add_scaled(&[(&ratios, &p)]), &self.direction);
        bends
    }

    /// Keeps the rows at these positions; the others leave the batch.
    pub(crate) fn narrow(&mut self, keep: &[usize]) {
        for matrix in [&mut self.point, &mut self.remainder, &mut self.direction] {
            *matrix = matrix.gather(keep);
        }
        self.lengths = picked(&self.lengths, keep);
    }

    /// Puts the true remainder in place of the one kept by recurrence, and starts again from it, in these rows.
    pub(crate) fn restart(&mut self, rows: &[bool], remainder: &R, lengths: &[f64]) {
        self.remainder = choose(rows, remainder, &self.remainder);
        self.direction = choose(rows, remainder, &self.direction);
        (0..rows.len()).filter(|row| rows[*row]).for_each(|row| self.lengths[row] = lengths[row]);
    }
}
