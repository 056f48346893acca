//! The solve of one row: Clarabel or a splitting, then Newton's method.

use super::interior::{self, Found, supported};
use super::newton::{Point, refine};
use super::row::Row;
use super::settings::ConeSettings;
use super::splitting;
use super::system::System;
use crate::dense::cholesky::Scratch;
use crate::dense::eigen::Eigen;
use crate::dense::vector::{dot, largest};
use crate::termination::Termination;

/// Eigenvalues of P above minus this share of its largest element count as zero.
const ROUNDING: f64 = 1e-10;
/// The share of a null vector of the Jacobian in x from which on x is not unique.
const FLAT: f64 = 1e-6;

/// The solution of one row, with what its derivative needs.
#[derive(Debug)]
pub(crate) struct RowSolution {
    pub(crate) x: Vec<f64>,
    /// s - y
    pub(crate) w: Vec<f64>,
    pub(crate) s: Vec<f64>,
    pub(crate) termination: Termination,
    pub(crate) steps: usize,
    pub(crate) error: f64,
    /// The point and the factored Jacobian there; None where there is no solution.
    pub(crate) derivative: Option<(Point, System)>,
}

/// Solves a row.
pub(crate) fn solve(row: &Row<'_>, settings: &ConeSettings) -> RowSolution {
    if !row.is_finite() {
        return unsolved(row, Termination::NonFinite, 0);
    }
    if row.quadratic.is_some_and(|p| !is_convex(p, row.n())) {
        return unsolved(row, Termination::NotConvex, 0);
    }
    let (point, steps) = match supported(row.cones) {
        Some(cones) => match interior::solve(row, &cones, settings.max_steps) {
            Some(Found { without_solution: Some(termination), steps, .. }) => {
                return unsolved(row, termination, steps);
            }
            Some(Found { x, w, steps, .. }) => match Point::new(row, x, w) {
                Some(point) => {
                    let (point, refinements) = refine(row, point);
                    (point, steps + refinements)
                }
                None => return unsolved(row, Termination::StepLimit, steps),
            },
            None => return unsolved(row, Termination::StepLimit, 0),
        },
        None => match by_splitting(row, settings) {
            Some(found) => found,
            None => return unsolved(row, Termination::StepLimit, 0),
        },
    };
    if point.error > settings.tolerance {
        let without = if supported(row.cones).is_none() { splitting::certificate(row) } else { None };
        let termination = without.unwrap_or(Termination::StepLimit);
        let (s, error) = (point.projection.point, point.error);
        return RowSolution { x: point.x, w: point.w, s, termination, steps, error, derivative: None };
    }
    let Some(system) = System::new(row, &point.projection) else {
        return unsolved(row, Termination::NonFinite, steps);
    };
    let termination = termination(row, &point, &system, settings);
    let (x, w, s, error) = (point.x.clone(), point.w.clone(), point.projection.point.clone(), point.error);
    RowSolution { x, w, s, termination, steps, error, derivative: Some((point, system)) }
}

/// The point that the splitting and Newton's method reach.
fn by_splitting(row: &Row<'_>, settings: &ConeSettings) -> Option<(Point, usize)> {
    splitting::solve(row, settings.max_splitting_steps, |found| {
        let (point, _) = refine(row, Point::new(row, found.x, found.w)?);
        let solved = point.error <= settings.tolerance;
        Some((point, solved))
    })
}

fn is_convex(p: &[f64], n: usize) -> bool {
    let mut l: Vec<f64> = (0..n * n).map(|at| 0.5 * (p[at] + p[at % n * n + at / n])).collect();
    if crate::dense::cholesky::factor(&mut l, n, &mut Scratch::default()).is_some() {
        return true;
    }
    let smallest = Eigen::new(p, n).and_then(|eigen| eigen.values.first().copied()).unwrap_or(f64::NAN);
    smallest >= -ROUNDING * largest(p) * n as f64
}

fn termination(row: &Row<'_>, point: &Point, system: &System, settings: &ConeSettings) -> Termination {
    if point.projection.margin <= settings.degeneracy {
        return Termination::Degenerate;
    }
    if !system.is_singular() {
        return Termination::Optimal;
    }
    // A vector that the regularized inverse of JᵀJ enlarges most lies in the null space of J.
    let mut vector: Vec<f64> = (0..row.n() + row.m()).map(|i| 1.0 + (i as f64).sin()).collect();
    for _ in 0..3 {
        let image = null_component(row, point, system, &vector);
        let size = dot(&image, &image).sqrt();
        if size.is_nan() || size == 0.0 {
            break;
        }
        vector = image.iter().map(|x| x / size).collect();
    }
    if largest(&vector[..row.n()]) > FLAT { Termination::NotUnique } else { Termination::Dependent }
}

/// The part of a vector that J maps to zero: v - J⁺ J v.
fn null_component(row: &Row<'_>, point: &Point, system: &System, v: &[f64]) -> Vec<f64> {
    let jacobian = row.jacobian(&point.projection);
    let mut image = vec![0.0; v.len()];
    crate::dense::vector::add_product(&mut image, 1.0, &jacobian, v);
    system.solve(&mut image, false);
    v.iter().zip(&image).map(|(v, image)| v - image).collect()
}

/// A row that is not solved.
fn unsolved(row: &Row<'_>, termination: Termination, steps: usize) -> RowSolution {
    let (x, w) = (vec![0.0; row.n()], vec![0.0; row.m()]);
    RowSolution { x, s: w.clone(), w, termination, steps, error: f64::NAN, derivative: None }
}
