//! The active-set finish: the exact solution of the optimality system of a guessed active set.

use super::curvature::RangeSpace;
use super::equality::EqualitySystem;
use super::row::{Row, Sizes};
use crate::dense::cholesky::Scratch;
use crate::dense::vector::{add_product, largest};

/// A solution of the optimality conditions.
#[derive(Debug)]
pub(super) struct Finish {
    pub(super) y: Vec<f64>,
    pub(super) system: EqualitySystem,
    /// The inequalities without slack and without a multiplier.
    pub(super) weak: Vec<usize>,
    /// The largest residual, relative to its scale.
    pub(super) error: f64,
}

/// How exact a finish must be.
#[derive(Clone, Copy, Debug)]
pub(super) struct Bounds {
    /// The largest negative slack or multiplier, relative to its scale, that counts as rounding.
    pub(super) negative: f64,
    /// Slacks and multipliers below this number, relative to their scale, count as zero.
    pub(super) zero: f64,
    /// Whether the system may be singular.
    pub(super) singular: bool,
}

/// The largest residual of the system, relative to its scale.
pub(super) const RESIDUAL: f64 = 1e-10;

/// Solves with the inequalities `active` as equalities. Returns None if the result is not optimal.
pub(super) fn finish(
    row: &Row<'_>,
    range: Option<&RangeSpace>,
    active: &[usize],
    bounds: Bounds,
    scratch: &mut Scratch,
) -> Option<Finish> {
    let Sizes { n, m, p } = row.sizes;
    if active.len() + p > n && !bounds.singular {
        return None;
    }
    let system = EqualitySystem::new(row, range, active.to_vec(), scratch)?;
    if (system.flat || system.dependent) && !bounds.singular {
        return None;
    }
    let mut z: Vec<f64> = row.linear.iter().map(|q| -q).collect();
    z.extend(active.iter().map(|&i| row.h[i]));
    z.extend_from_slice(row.b);
    system.solve(row, &mut z);
    let mut y = vec![0.0; row.sizes.point()];
    y[..n].copy_from_slice(&z[..n]);
    active.iter().zip(&z[n..]).for_each(|(&i, lambda)| y[n + i] = *lambda);
    y[n + m..].copy_from_slice(&z[n + active.len()..]);
    let mut s = row.h.to_vec();
    add_product(&mut s, -1.0, row.g, &y[..n]);
    let mut residuals = vec![0.0; row.sizes.point()];
    let (dual, primal) = row.scales(&y, &mut residuals);
    let multiplier = 1.0 + largest(&y[n..n + m]);
    let mut weak = vec![];
    let mut is_active = active.iter().copied().peekable();
    for (i, slack) in s.iter_mut().enumerate() {
        let lambda = &mut y[n + i];
        if is_active.next_if_eq(&i).is_some() {
            *slack = 0.0;
            if *lambda < -bounds.negative * multiplier {
                return None;
            }
            *lambda = lambda.max(0.0);
            if *lambda <= bounds.zero * multiplier {
                weak.push(i);
            }
        } else {
            if *slack < -bounds.negative * primal {
                return None;
            }
            *slack = slack.max(0.0);
            if *slack <= bounds.zero * primal {
                weak.push(i);
            }
        }
    }
    row.residuals(&y, &s, &mut residuals);
    let finite = residuals.iter().all(|residual| residual.is_finite());
    let error = (largest(&residuals[..n]) / dual).max(largest(&residuals[n..]) / primal);
    let exact = finite && error <= RESIDUAL.max(bounds.negative);
    exact.then_some(Finish { y, system, weak, error })
}
