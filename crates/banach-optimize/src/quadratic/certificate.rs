//! Certificates of infeasible and unbounded rows, by quadratic programs that always have a solution.
//!
//! The least violation of the constraints is the minimum of ½‖t‖² + ½‖u‖² subject to Gx - t ≤ h, Ax - u = b. The
//! least residual of dual feasibility is the minimum of ½‖r‖² subject to Qx + Gᵀλ + Aᵀν + q = r, λ ≥ 0. Where the
//! first is positive no x is feasible; where only the second is, -r is a direction in which the objective falls
//! without a bound.

use super::curvature::symmetric;
use super::interior_point::InteriorPoint;
use super::row::{Row, Sizes};
use crate::dense::vector::largest;
use crate::termination::Termination;

/// The weight of the other variables, which makes the minimiser unique.
const WEIGHT: f64 = 1e-9;
const STEPS: usize = 60;
/// A least violation above this number, relative to its scale, is none of rounding.
const VIOLATED: f64 = 1e-6;

/// The reason why a row has no solution, if it is shown.
pub(super) fn certificate(row: &Row<'_>) -> Option<Termination> {
    let scale = 1.0 + largest(row.h).max(largest(row.b));
    if least_violation(row)? > VIOLATED * scale {
        return Some(Termination::Infeasible);
    }
    let scale = 1.0 + largest(row.linear);
    (least_dual_violation(row)? > VIOLATED * scale).then_some(Termination::Unbounded)
}

/// Minimises, and returns the largest of the variables from `first` on.
fn minimum(row: &Row<'_>, first: usize) -> Option<f64> {
    let mut iteration = InteriorPoint::new(row, None)?;
    for _ in 0..STEPS {
        let error = iteration.measure();
        if error <= 1e-12 || !iteration.advance() {
            break;
        }
    }
    iteration.measure();
    let reliable = iteration.best.error < 1e-6;
    reliable.then(|| largest(&iteration.best.y[first..row.sizes.n]))
}

/// A diagonal matrix with the weight for the variables before `first`, and 1 from there on.
fn diagonal(size: usize, first: usize) -> Vec<f64> {
    let mut q = vec![0.0; size * size];
    (0..size).for_each(|i| q[i * size + i] = if i < first { WEIGHT } else { 1.0 });
    q
}

fn least_violation(row: &Row<'_>) -> Option<f64> {
    let Sizes { n, m, p } = row.sizes;
    let size = n + m + p;
    // Rows [c, -e_i] of a constraint and its own violation.
    let relaxed = |c: &[f64], first: usize| -> Vec<f64> {
        let wide = c.chunks_exact(n).enumerate().flat_map(|(i, c)| {
            let own = (n..size).map(move |at| if at == first + i { -1.0 } else { 0.0 });
            c.iter().copied().chain(own)
        });
        wide.collect()
    };
    let (g, a) = (relaxed(row.g, n), relaxed(row.a, n + m));
    let elastic = Row {
        sizes: Sizes { n: size, m, p },
        hessian: &diagonal(size, n),
        is_symmetric: true,
        linear: &vec![0.0; size],
        g: &g,
        h: row.h,
        a: &a,
        b: row.b,
    };
    minimum(&elastic, n)
}

fn least_dual_violation(row: &Row<'_>) -> Option<f64> {
    let Sizes { n, m, p } = row.sizes;
    let (duals, size) = (n + m + p, 2 * n + m + p);
    let q = symmetric(row.hessian, n);
    let mut a = vec![0.0; n * size];
    for (i, wide) in a.chunks_exact_mut(size).enumerate() {
        wide[..n].copy_from_slice(&q[i * n..(i + 1) * n]);
        (0..m + p).for_each(|at| wide[n + at] = row.constraint(at)[i]);
        wide[duals + i] = -1.0;
    }
    let mut g = vec![0.0; m * size];
    (0..m).for_each(|i| g[i * size + n + i] = -1.0);
    let b: Vec<f64> = row.linear.iter().map(|q| -q).collect();
    let dual = Row {
        sizes: Sizes { n: size, m, p: n },
        hessian: &diagonal(size, duals),
        is_symmetric: true,
        linear: &vec![0.0; size],
        g: &g,
        h: &vec![0.0; m],
        a: &a,
        b: &b,
    };
    minimum(&dual, duals)
}
