//! The finish of a cone program: a semismooth Newton method on the residual of its optimality conditions.
//!
//! A. Ali, E. Wong and J. Z. Kolter, "A semismooth Newton method for fast, generic convex programming", ICML 2017;
//! E. Busseti, W. Moursi and S. Boyd, "Solution refinement at regular points of conic problems", 2019.

use super::row::Row;
use super::system::System;
use crate::dense::vector::{add_scaled, dot};
use crate::projection::cone::Projection;

const STEPS: usize = 30;
const HALVINGS: usize = 12;
/// Steps end where the residual is as small as rounding.
const ROUNDING: f64 = 1e-15;

/// A point (x, w) near a solution.
#[derive(Clone, Debug)]
pub(crate) struct Point {
    pub(crate) x: Vec<f64>,
    pub(crate) w: Vec<f64>,
    pub(crate) projection: Projection,
    /// The largest residual, relative to its scale.
    pub(crate) error: f64,
}

impl Point {
    /// The point at (x, w); None where it is not finite.
    pub(crate) fn new(row: &Row<'_>, x: Vec<f64>, w: Vec<f64>) -> Option<Self> {
        let projection = Projection::new(row.cones, &w)?;
        let residual = row.residual(&x, &w, &projection);
        let error = row.error(&residual);
        error.is_finite().then_some(Point { x, w, projection, error })
    }
}

/// Takes Newton steps as long as the residual falls.
pub(crate) fn refine(row: &Row<'_>, mut point: Point) -> (Point, usize) {
    let n = row.n();
    for step in 0..STEPS {
        if point.error <= ROUNDING {
            return (point, step);
        }
        let residual = row.residual(&point.x, &point.w, &point.projection);
        let before = dot(&residual, &residual);
        let Some(system) = System::new(row, &point.projection) else { return (point, step) };
        let mut direction: Vec<f64> = residual.iter().map(|residual| -residual).collect();
        system.solve(&mut direction, false);
        let mut length = 1.0;
        let next = (0..HALVINGS).find_map(|_| {
            let (mut x, mut w) = (point.x.clone(), point.w.clone());
            add_scaled(&mut x, length, &direction[..n]);
            add_scaled(&mut w, length, &direction[n..]);
            let next = Point::new(row, x, w)?;
            let residual = row.residual(&next.x, &next.w, &next.projection);
            length *= 0.5;
            (dot(&residual, &residual) < before).then_some(next)
        });
        match next {
            Some(next) => point = next,
            None => return (point, step),
        }
    }
    (point, STEPS)
}
