//! Truncated conjugate gradients within a trust region, in every row.

use crate::landscape::lengths;
use crate::ledger::{Ledger, picked};
use crate::linear::normalized;
use crate::present::Present;
use crate::rows::choose;
use crate::{Error, Map, Rows};

/// The minimiser of a quadratic model within a trust region, as far as it was looked for.
#[derive(Debug)]
pub(crate) struct Truncated<R> {
    /// The step, `[rows, n]`; a direction of negative curvature, of any length, where the radius is infinite.
    pub(crate) step: R,
    /// By how much the model falls along the step.
    pub(crate) promised: Vec<f64>,
    /// Whether the step ends at the boundary.
    pub(crate) bound: Vec<bool>,
    /// The curvature `⟨d, H d⟩ / ⟨d, d⟩` of a direction in which the model curves down; NaN where none was met.
    pub(crate) down: Vec<f64>,
    /// The largest `‖H d‖ / ‖d‖` that was met.
    pub(crate) largest: Vec<f64>,
}

/// How far, how closely and for how long a model is minimised.
#[derive(Debug)]
pub(crate) struct Limits {
    /// The radius of each row; infinite to look at curvature alone.
    pub(crate) radii: Vec<f64>,
    /// The part of the gradient that may be left.
    pub(crate) parts: Vec<f64>,
    /// The most applications of the Hessian.
    pub(crate) applications: usize,
}

/// Minimises `½ ⟨p, H p⟩ - ⟨v, p⟩` over `‖p‖ <= radius` in open rows (algorithm 7.2 of J. Nocedal and S. Wright, Numerical
/// Optimization, 2006): a row ends where the gradient of the model suffices, at the boundary, or at negative curvature, which it
/// follows to the boundary. Rows whose `v` is zero or not finite do not move.
pub(crate) fn truncated<R: Rows>(
    hessian: &dyn Map<R>,
    v: &R,
    mut open: Vec<bool>,
    limits: &Limits,
    ledger: &mut Ledger<R>,
) -> Result<Truncated<R>, Error> {
    let (rows, precision) = (v.rows(), v.precision());
    let slopes = lengths(v);
    (0..rows).for_each(|row| open[row] &= slopes[row] > 0.0 && slopes[row].is_finite());
    let mut present = Present::new(hessian);
    let mut left: Vec<usize> = (0..rows).collect();
    let mut remainder = normalized(v, &slopes, &open);
    let (mut step, mut direction) = (v.zeros(), remainder.clone());
    let mut found = step.clone();
    // Per row: the squared length of the remainder, and what is returned.
    let mut squares = vec![1.0; rows];
    let (mut promised, mut bound) = (vec![0.0; rows], vec![false; rows]);
    let (mut down, mut largest) = (vec![f64::NAN; rows], vec![0.0_f64; rows]);
    for _ in 0..limits.applications {
        if !open.contains(&true) {
            break;
        }
        if let Some(keep) = present.narrow(&left, &picked(&open, &left)) {
            found.put(&left, &step);
            (step, remainder) = (step.gather(&keep), remainder.gather(&keep));
            direction = direction.gather(&keep);
            left = picked(&left, &keep);
        }
        let asked = choose(&picked(&open, &left), &direction, &direction.zeros());
        let image = present.image(&asked)?;
        ledger.derivative_applications += 1;
        let products =
            R::dots(&[(&asked, &image), (&asked, &asked), (&step, &asked), (&step, &step), (&image, &image)]);
        let mut along = vec![0.0; left.len()];
        let mut escaping = vec![false; left.len()];
        let going: Vec<(usize, usize)> =
            left.iter().copied().enumerate().filter(|(_, row)| open[*row]).collect();
        for (position, row) in going {
            let [curve, square, cross, reached, turned] =
                [0, 1, 2, 3, 4].map(|k: usize| products[k][position]);
            if !(curve.is_finite() && turned.is_finite() && square > 0.0) {
                open[row] = false;
                continue;
            }
            largest[row] = largest[row].max((turned / square).sqrt());
            // What the product has of rounding.
            let rounding = 4.0 * precision * largest[row] * square;
            let radius = limits.radii[row] / slopes[row];
            if curve < -rounding {
                down[row] = curve / square;
            }
            let whole = if curve > rounding { squares[row] / curve } else { f64::INFINITY };
            let inside =
                whole.is_finite() && reached + 2.0 * whole * cross + whole * whole * square < radius * radius;
            if inside {
                along[position] = whole;
            } else {
                (bound[row], open[row]) = (true, false);
                escaping[position] = radius.is_infinite() && curve < -rounding;
                let room = (cross * cross + square * (radius * radius - reached)).max(0.0);
                let edge = (room.sqrt() - cross) / square;
                along[position] = if edge.is_finite() { edge } else { 0.0 };
            }
            let length = along[position];
            promised[row] += length * squares[row] - 0.5 * length * length * curve;
        }
        let back: Vec<f64> = along.iter().map(|length| -length).collect();
        step = choose(&escaping, &direction, &step.add_scaled(&[(&along, &asked)]));
        remainder = remainder.add_scaled(&[(&back, &image)]);
        let now = R::dots(&[(&remainder, &remainder)]).swap_remove(0);
        let mut ratios = vec![0.0; left.len()];
        let going: Vec<(usize, usize)> =
            left.iter().copied().enumerate().filter(|(_, row)| open[*row]).collect();
        for (position, row) in going {
            ratios[position] = now[position] / squares[row];
            squares[row] = now[position];
            open[row] = now[position].sqrt() > limits.parts[row];
        }
        direction = remainder.add_scaled(&[(&ratios, &asked)]);
    }
    found.put(&left, &step);
    let usable: Vec<bool> = promised.iter().map(|promised| promised.is_finite()).collect();
    let scaled = |row: usize| if usable[row] { promised[row] * slopes[row].powi(2) } else { 0.0 };
    let step = choose(&usable, &found.scaled(&slopes), &v.zeros());
    Ok(Truncated { step, promised: (0..rows).map(scaled).collect(), bound, down, largest })
}

impl<R: Rows> Truncated<R> {
    /// The steps of the rows at these positions.
    pub(crate) fn narrowed(&self, keep: &[usize]) -> Self {
        Self {
            step: self.step.gather(keep),
            promised: picked(&self.promised, keep),
            bound: picked(&self.bound, keep),
            down: picked(&self.down, keep),
            largest: picked(&self.largest, keep),
        }
    }
}
