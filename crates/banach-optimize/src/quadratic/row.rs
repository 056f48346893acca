//! One quadratic program of a batch: views of its data, and products with them.

use crate::dense::vector::{add_product, add_transposed_product, largest};

/// The data of minimise ½ xᵀQx + qᵀx subject to Gx ≤ h, Ax = b, in row-major order.
///
/// A point is y = [x, λ, ν], with the dual variables λ of the inequalities and ν of the equalities.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Row<'a> {
    pub(crate) sizes: Sizes,
    pub(crate) hessian: &'a [f64],
    /// Whether Q is known to be equal to Qᵀ to the bit, which saves half of its products.
    pub(crate) is_symmetric: bool,
    pub(crate) linear: &'a [f64],
    pub(crate) g: &'a [f64],
    pub(crate) h: &'a [f64],
    pub(crate) a: &'a [f64],
    pub(crate) b: &'a [f64],
}

/// The numbers of variables, inequalities and equalities.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Sizes {
    pub(crate) n: usize,
    pub(crate) m: usize,
    pub(crate) p: usize,
}

impl Sizes {
    /// The length of a point y = [x, λ, ν].
    pub(crate) fn point(self) -> usize {
        self.n + self.m + self.p
    }
}

/// The parts of a point y = [x, λ, ν].
pub(crate) fn parts(y: &[f64], sizes: Sizes) -> (&[f64], &[f64], &[f64]) {
    let (x, duals) = y.split_at(sizes.n);
    let (lambda, nu) = duals.split_at(sizes.m);
    (x, lambda, nu)
}

/// The parts of a point y = [x, λ, ν] for modification.
pub(crate) fn parts_mut(y: &mut [f64], sizes: Sizes) -> (&mut [f64], &mut [f64], &mut [f64]) {
    let (x, duals) = y.split_at_mut(sizes.n);
    let (lambda, nu) = duals.split_at_mut(sizes.m);
    (x, lambda, nu)
}

/// Whether Q = Qᵀ to the bit.
fn is_symmetric(q: &[f64], n: usize) -> bool {
    (0..n).all(|i| (0..i).all(|j| q[i * n + j] == q[j * n + i]))
}

impl Row<'_> {
    /// The row with the knowledge whether Q = Qᵀ.
    pub(crate) fn examined(self) -> Self {
        Row { is_symmetric: is_symmetric(self.hessian, self.sizes.n), ..self }
    }

    /// Returns whether all data are finite.
    pub(crate) fn is_finite(&self) -> bool {
        let data = [self.hessian, self.linear, self.g, self.h, self.a, self.b];
        data.iter().all(|numbers| numbers.iter().all(|number| number.is_finite()))
    }

    /// out += ½ (Q + Qᵀ) x
    pub(crate) fn add_hessian_product(&self, x: &[f64], out: &mut [f64]) {
        if self.is_symmetric {
            add_product(out, 1.0, self.hessian, x);
        } else {
            add_product(out, 0.5, self.hessian, x);
            add_transposed_product(out, 0.5, self.hessian, x);
        }
    }

    /// out += Gᵀλ + Aᵀν
    pub(crate) fn add_pulled_duals(&self, lambda: &[f64], nu: &[f64], out: &mut [f64]) {
        add_transposed_product(out, 1.0, self.g, lambda);
        add_transposed_product(out, 1.0, self.a, nu);
    }

    /// The gradient of a constraint: of an inequality, then of an equality.
    pub(crate) fn constraint(&self, at: usize) -> &[f64] {
        let n = self.sizes.n;
        match at.checked_sub(self.sizes.m) {
            None => &self.g[at * n..(at + 1) * n],
            Some(at) => &self.a[at * n..(at + 1) * n],
        }
    }

    /// The residuals [Qx + q + Gᵀλ + Aᵀν, Gx + s - h, Ax - b] of the optimality conditions.
    pub(crate) fn residuals(&self, y: &[f64], s: &[f64], out: &mut [f64]) {
        let (x, lambda, nu) = parts(y, self.sizes);
        let (dual, inequality, equality) = parts_mut(out, self.sizes);
        dual.copy_from_slice(self.linear);
        self.add_hessian_product(x, dual);
        self.add_pulled_duals(lambda, nu, dual);
        for ((out, s), h) in inequality.iter_mut().zip(s).zip(self.h) {
            *out = s - h;
        }
        add_product(inequality, 1.0, self.g, x);
        equality.iter_mut().zip(self.b).for_each(|(out, b)| *out = -b);
        add_product(equality, 1.0, self.a, x);
    }

    /// Sizes against which residuals are measured: of the stationarity and of the constraints.
    pub(crate) fn scales(&self, y: &[f64], scratch: &mut [f64]) -> (f64, f64) {
        let (_, lambda, nu) = parts(y, self.sizes);
        let scratch = &mut scratch[..self.sizes.n];
        scratch.fill(0.0);
        self.add_pulled_duals(lambda, nu, scratch);
        let dual = 1.0 + largest(self.linear).max(largest(scratch));
        // Not against x, which grows without a bound where a row is infeasible.
        (dual, 1.0 + largest(self.h).max(largest(self.b)))
    }

    /// The largest violation of a constraint by x.
    pub(crate) fn infeasibility(&self, x: &[f64]) -> f64 {
        let mut inequality: Vec<f64> = self.h.iter().map(|h| -h).collect();
        add_product(&mut inequality, 1.0, self.g, x);
        let mut equality: Vec<f64> = self.b.iter().map(|b| -b).collect();
        add_product(&mut equality, 1.0, self.a, x);
        inequality.iter().fold(largest(&equality), |worst, violation| worst.max(*violation))
    }
}
