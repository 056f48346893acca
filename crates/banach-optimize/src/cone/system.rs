//! The factored Jacobian of the optimality conditions at a point.

use super::row::Row;
use crate::dense::cholesky::{Scratch, add_gram_of_rows, factor, solve_lower, solve_lower_transposed};
use crate::dense::lu::Lu;
use crate::dense::vector::{add_product, add_transposed_product, largest};
use crate::projection::cone::Projection;

/// The weight, relative to the largest squared element, of the regularized least squares for a singular Jacobian.
const WEIGHT: f64 = 1e-12;

/// Factors of ∂F.
#[derive(Debug)]
pub(crate) enum System {
    Regular(Lu),
    /// Of a singular Jacobian J: the factor of J Jᵀ + ε I, column by column.
    Singular {
        jacobian: Vec<f64>,
        l: Vec<f64>,
    },
}

impl System {
    /// Factors the Jacobian; None where it is not finite.
    pub(crate) fn new(row: &Row<'_>, projection: &Projection) -> Option<Self> {
        let size = row.n() + row.m();
        let jacobian = row.jacobian(projection);
        if !jacobian.iter().all(|x| x.is_finite()) {
            return None;
        }
        if let Some(lu) = Lu::new(jacobian.clone(), size) {
            return Some(System::Regular(lu));
        }
        // Row-major J is Jᵀ column by column; the Gram matrix of columns of Jᵀ is J Jᵀ.
        let transposed: Vec<f64> =
            (0..size * size).map(|at| jacobian[at % size * size + at / size]).collect();
        let mut l = vec![0.0; size * size];
        add_gram_of_rows(&transposed, size, size, &mut l);
        let scale = largest(&jacobian).powi(2).max(f64::MIN_POSITIVE);
        (0..size).for_each(|i| l[i * size + i] += WEIGHT * scale);
        factor(&mut l, size, &mut Scratch::default())?;
        Some(System::Singular { jacobian, l })
    }

    pub(crate) fn is_singular(&self) -> bool {
        matches!(self, System::Singular { .. })
    }

    /// b <- J⁻¹ b or J⁻ᵀ b; the solution of small norm where J is singular.
    pub(crate) fn solve(&self, b: &mut [f64], transposed: bool) {
        match self {
            System::Regular(lu) => lu.solve(b, transposed),
            System::Singular { jacobian, l } => {
                let inverse = |b: &mut [f64]| {
                    solve_lower(l, b);
                    solve_lower_transposed(l, b);
                };
                let given = b.to_vec();
                b.fill(0.0);
                if transposed {
                    // (J Jᵀ + ε)⁻¹ J b
                    add_product(b, 1.0, jacobian, &given);
                    inverse(b);
                } else {
                    // Jᵀ (J Jᵀ + ε)⁻¹ b
                    let mut inner = given;
                    inverse(&mut inner);
                    add_transposed_product(b, 1.0, jacobian, &inner);
                }
            }
        }
    }
}
