//! The inverse Jacobian of Broyden's method, as low-rank updates of each row.

use crate::Rows;
use crate::state::rows::{entries_at, select_rows};

/// An approximation `H = -I + Σ uᵢ wᵢᵀ` of `(J - I)⁻¹` in every row.
#[derive(Debug)]
pub(super) struct Inverse<R> {
    /// `(uᵢ, wᵢ)`; the content of a row beyond its number of pairs is unspecified.
    pairs: Vec<(R, R)>,
    /// The number of pairs of each row.
    held: Vec<usize>,
}

/// A product with `H`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Product {
    /// `H a`.
    Plain,
    /// `Hᵀ a`.
    Transposed,
}

impl<R: Rows> Inverse<R> {
    /// `H = -I` in every row.
    pub(super) fn new(rows: usize) -> Self {
        Self { pairs: Vec::new(), held: vec![0; rows] }
    }

    /// The number of pairs of the row.
    pub(super) fn held(&self, row: usize) -> usize {
        self.held[row]
    }

    /// Resets the row to `H = -I`.
    pub(super) fn forget(&mut self, row: usize) {
        self.held[row] = 0;
    }

    /// Returns `H a` or `Hᵀ a` for every operand `a`, in one read from the device.
    pub(super) fn times(&self, operands: &[(Product, &R)]) -> Vec<R> {
        let inner = |product: Product, pair: usize| match product {
            Product::Plain => &self.pairs[pair].1,
            Product::Transposed => &self.pairs[pair].0,
        };
        let outer = |product: Product, pair: usize| match product {
            Product::Plain => &self.pairs[pair].0,
            Product::Transposed => &self.pairs[pair].1,
        };
        let count = self.pairs.len();
        let pairs = operands.iter().flat_map(|&(product, a)| (0..count).map(move |k| (inner(product, k), a)));
        let mut products = R::dots(&pairs.collect::<Vec<_>>());
        for (at, products) in products.iter_mut().enumerate() {
            let beyond = (0..self.held.len()).filter(|row| self.held[*row] <= at % count);
            beyond.for_each(|row| products[row] = 0.0);
        }
        let image = |(at, &(product, a)): (usize, &(Product, &R))| {
            let terms: Vec<(&[f64], &R)> =
                (0..count).map(|k| (products[at * count + k].as_slice(), outer(product, k))).collect();
            a.scaled(&vec![-1.0; self.held.len()]).add_scaled(&terms)
        };
        operands.iter().enumerate().map(image).collect()
    }

    /// Adds a pair in the rows of the mask.
    pub(super) fn push(&mut self, mask: &[bool], (u, w): (&R, &R)) {
        let longest = self.held.iter().max().copied().unwrap_or(0);
        self.pairs.truncate(longest);
        for k in 0..=longest {
            let here: Vec<bool> = (0..mask.len()).map(|row| mask[row] && self.held[row] == k).collect();
            if !here.contains(&true) {
                continue;
            }
            match self.pairs.get_mut(k) {
                Some((old_u, old_w)) => {
                    old_u.replace(&here, u);
                    old_w.replace(&here, w);
                }
                None => {
                    self.pairs.push((select_rows(&here, u, &u.zeros()), select_rows(&here, w, &w.zeros())))
                }
            }
        }
        (0..mask.len()).filter(|row| mask[*row]).for_each(|row| self.held[row] += 1);
    }

    /// Keeps the rows at these positions.
    pub(super) fn narrow(&mut self, keep: &[usize]) {
        self.pairs.iter_mut().for_each(|(u, w)| (*u, *w) = (u.gather(keep), w.gather(keep)));
        self.held = entries_at(&self.held, keep);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Matrix;

    #[test]
    fn every_row_has_its_own_pairs() {
        let mut inverse = Inverse::new(2);
        let a = Matrix::new(2, 2, vec![1.0, 2.0, 3.0, 4.0_f64]);
        let (u, w) = (Matrix::new(2, 2, vec![1.0, 0.0, 0.0, 1.0]), Matrix::new(2, 2, vec![1.0; 4]));
        inverse.push(&[false, true], (&u, &w));
        inverse.push(&[true, true], (&w, &u));
        // Row 0: -a + w (u · a). Row 1: -a + u (w · a) + w (u · a).
        let images = inverse.times(&[(Product::Plain, &a), (Product::Transposed, &a)]);
        assert_eq!(images[0].as_slice(), [0.0, -1.0, 1.0, 7.0]);
        assert_eq!(images[1].as_slice(), [2.0, -2.0, 1.0, 7.0]);
        inverse.forget(1);
        assert_eq!(inverse.times(&[(Product::Plain, &a)])[0].as_slice(), [0.0, -1.0, -3.0, -4.0]);
        inverse.narrow(&[1]);
        let a = a.gather(&[1]);
        assert_eq!(inverse.times(&[(Product::Plain, &a)])[0].as_slice(), [-3.0, -4.0]);
    }
}
