//! One cone program of a batch: views of its data, the residual of its optimality conditions, and their Jacobian.
//!
//! With s - y = w, the conditions s ∈ K, y ∈ K*, sᵀy = 0 hold if and only if s = Π(w) and y = Π(w) - w for the
//! projection Π onto K (J. Moreau, 1962). The rest of the conditions is F(x, w) = 0 with
//!
//! ```text
//! F = [ Px + q + Aᵀ (Π(w) - w) ]      ∂F = [ P  Aᵀ (D - I) ]
//!     [ Ax + Π(w) - b          ]           [ A  D          ]     D the derivative of Π
//! ```

use crate::dense::vector::{add_scaled, dot, largest};
use crate::projection::cone::{Cone, Projection};

/// The places of the elements of A that may not be zero.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Pattern {
    pub(crate) rows: usize,
    pub(crate) columns: usize,
    /// (row, column) of each value.
    pub(crate) places: Vec<(usize, usize)>,
}

/// The data of minimise ½ xᵀPx + qᵀx subject to Ax + s = b, s ∈ K.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Row<'a> {
    /// Row-major; none for P = 0.
    pub(crate) quadratic: Option<&'a [f64]>,
    pub(crate) linear: &'a [f64],
    pub(crate) pattern: &'a Pattern,
    pub(crate) values: &'a [f64],
    pub(crate) b: &'a [f64],
    pub(crate) cones: &'a [Cone],
}

impl Row<'_> {
    pub(crate) fn n(&self) -> usize {
        self.linear.len()
    }

    pub(crate) fn m(&self) -> usize {
        self.b.len()
    }

    pub(crate) fn is_finite(&self) -> bool {
        let data = [self.quadratic.unwrap_or(&[]), self.linear, self.values, self.b];
        data.iter().all(|numbers| numbers.iter().all(|number| number.is_finite()))
    }

    /// out += ½ (P + Pᵀ) x
    pub(crate) fn add_quadratic_product(&self, x: &[f64], out: &mut [f64]) {
        let Some(quadratic) = self.quadratic else { return };
        for (i, row) in quadratic.chunks_exact(x.len()).enumerate() {
            out[i] += 0.5 * dot(row, x);
            add_scaled(out, 0.5 * x[i], row);
        }
    }

    /// out += factor A x
    pub(crate) fn add_product(&self, factor: f64, x: &[f64], out: &mut [f64]) {
        for (&(i, j), a) in self.pattern.places.iter().zip(self.values) {
            out[i] += factor * a * x[j];
        }
    }

    /// out += factor Aᵀ y
    pub(crate) fn add_transposed_product(&self, factor: f64, y: &[f64], out: &mut [f64]) {
        for (&(i, j), a) in self.pattern.places.iter().zip(self.values) {
            out[j] += factor * a * y[i];
        }
    }

    /// The largest element of Ax + s - b.
    pub(crate) fn infeasibility(&self, x: &[f64], s: &[f64]) -> f64 {
        let mut rest: Vec<f64> = s.iter().zip(self.b).map(|(s, b)| s - b).collect();
        self.add_product(1.0, x, &mut rest);
        largest(&rest)
    }

    /// F at (x, w), for the projection of w.
    pub(crate) fn residual(&self, x: &[f64], w: &[f64], projection: &Projection) -> Vec<f64> {
        let n = self.n();
        let mut out = self.linear.to_vec();
        out.extend(projection.point.iter().zip(self.b).map(|(s, b)| s - b));
        let (dual, primal) = out.split_at_mut(n);
        self.add_quadratic_product(x, dual);
        let y: Vec<f64> = projection.point.iter().zip(w).map(|(s, w)| s - w).collect();
        self.add_transposed_product(1.0, &y, dual);
        self.add_product(1.0, x, primal);
        out
    }

    /// The largest element of F, relative to the sizes of q and b. Points are no scale: they grow without a bound where a
    /// row has no solution.
    pub(crate) fn error(&self, residual: &[f64]) -> f64 {
        let (dual, primal) = residual.split_at(self.n());
        let dual = largest(dual) / (1.0 + largest(self.linear));
        let primal = largest(primal) / (1.0 + largest(self.b));
        if dual.is_finite() && primal.is_finite() { dual.max(primal) } else { f64::NAN }
    }

    /// ∂F, row-major.
    pub(crate) fn jacobian(&self, projection: &Projection) -> Vec<f64> {
        let (n, m) = (self.n(), self.m());
        let size = n + m;
        let mut out = vec![0.0; size * size];
        if let Some(quadratic) = self.quadratic {
            for i in 0..n {
                for j in 0..n {
                    out[i * size + j] = 0.5 * (quadratic[i * n + j] + quadratic[j * n + i]);
                }
            }
        }
        // The columns of Aᵀ by the rows of A.
        let mut of_row: Vec<Vec<(usize, f64)>> = vec![vec![]; m];
        for (&(i, j), a) in self.pattern.places.iter().zip(self.values) {
            out[(n + i) * size + j] += a;
            out[j * size + n + i] -= a;
            of_row[i].push((j, *a));
        }
        projection.for_each_element(|i, k, slope| {
            out[(n + i) * size + n + k] += slope;
            for (j, a) in &of_row[i] {
                out[j * size + n + k] += a * slope;
            }
        });
        out
    }
}
