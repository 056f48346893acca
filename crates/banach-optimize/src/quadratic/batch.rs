//! Solves and pullbacks of a batch: rows over cores, shared factors computed once.

use super::curvature::Curvature;
use super::layout::{A, B, G, H, HESSIAN, LINEAR, Layout};
use super::row::{Row, parts};
use super::settings::QuadraticSettings;
use super::solve::{Prepared, RowSolution, solve, unsolved};
use crate::dense::cholesky::Scratch;
use crate::dense::vector::{add_outer_product, add_scaled};
use crate::tensors::Numbers;
use crate::termination::Termination;
use rayon::prelude::*;

/// Solves all rows, each from the active set of an earlier solve if there is one.
pub(crate) fn solve_rows(
    layout: &Layout,
    data: &[Numbers],
    guesses: &[Option<Vec<usize>>],
    settings: &QuadraticSettings,
) -> Vec<RowSolution> {
    let mut scratch = Scratch::default();
    let first = layout.row(data, 0);
    let finite = |row: &Row<'_>| row.is_finite();
    let curvature = (layout.operands.rows > 1
        && layout.shares(&[HESSIAN])
        && first.hessian.iter().all(|q| q.is_finite()))
    .then(|| Curvature::new(first.hessian, layout.sizes.n, &mut scratch));
    let prepared = (layout.operands.rows > 1 && layout.shares(&[HESSIAN, G, A]) && finite(&first))
        .then(|| Prepared::new(&first, curvature.as_ref(), &mut scratch));
    let solve_row = |scratch: &mut Scratch, row: usize| {
        let guess = guesses.get(row).and_then(Option::as_deref);
        let row = layout.row(data, row);
        if !row.is_finite() {
            return unsolved(&row, Termination::NonFinite);
        }
        match &prepared {
            Some(prepared) => solve(&row, prepared, guess, settings, scratch),
            None => {
                let prepared = Prepared::new(&row, curvature.as_ref(), scratch);
                solve(&row, &prepared, guess, settings, scratch)
            }
        }
    };
    (0..layout.operands.rows).into_par_iter().map_init(Scratch::default, solve_row).collect()
}

/// The largest violation of a constraint in each row.
pub(crate) fn infeasibilities(layout: &Layout, data: &[Numbers], solutions: &[RowSolution]) -> Vec<f64> {
    let of = |(at, row): (usize, &RowSolution)| layout.row(data, at).infeasibility(&row.y[..layout.sizes.n]);
    solutions.par_iter().enumerate().map(of).collect()
}

/// The cotangents of the operands at the positions given, for cotangents v of the points [x, λ, ν] of all rows.
///
/// With K the optimality system of a row and w = K⁻¹ v, the cotangents are -w ∂F for the residual
/// F = [Qx + q + Cᵀy, Cx - d] of the system.
pub(crate) fn pull_rows(
    layout: &Layout,
    data: &[Numbers],
    solutions: &[RowSolution],
    v: &[f64],
    positions: &[usize],
) -> Vec<Vec<f64>> {
    let size = layout.sizes.point();
    let adjoints: Vec<Vec<f64>> = (0..layout.operands.rows)
        .into_par_iter()
        .map(|row| adjoint(&layout.row(data, row), &solutions[row], &v[row * size..(row + 1) * size]))
        .collect();
    let cotangent = |position: &usize| {
        let operand = layout.operands.present[*position];
        let len = layout.len(operand);
        let add = |row: usize, out: &mut [f64]| {
            if solutions[row].system.is_some() {
                add_cotangent(operand, layout, &solutions[row].y, &adjoints[row], out);
            }
        };
        if layout.operands.shared[*position] {
            let mut out = vec![0.0; len];
            (0..layout.operands.rows).for_each(|row| add(row, &mut out));
            return out;
        }
        let mut out = vec![0.0; layout.operands.rows * len];
        out.par_chunks_exact_mut(len.max(1)).enumerate().for_each(|(row, out)| add(row, out));
        out
    };
    positions.iter().map(cotangent).collect()
}

/// w = K⁻¹ v with zeros for inactive constraints.
fn adjoint(row: &Row<'_>, solution: &RowSolution, v: &[f64]) -> Vec<f64> {
    let mut w = vec![0.0; v.len()];
    let Some(system) = &solution.system else { return w };
    let (n, m) = (row.sizes.n, row.sizes.m);
    let mut reduced = Vec::with_capacity(system.len(row));
    reduced.extend_from_slice(&v[..n]);
    reduced.extend(system.active.iter().map(|&i| v[n + i]));
    reduced.extend_from_slice(&v[n + m..]);
    system.solve(row, &mut reduced);
    w[..n].copy_from_slice(&reduced[..n]);
    system.active.iter().zip(&reduced[n..]).for_each(|(&i, reduced)| w[n + i] = *reduced);
    w[n + m..].copy_from_slice(&reduced[n + system.active.len()..]);
    w
}

/// Adds the cotangent of one operand in one row.
fn add_cotangent(operand: usize, layout: &Layout, y: &[f64], w: &[f64], out: &mut [f64]) {
    let (x, lambda, nu) = parts(y, layout.sizes);
    let (w_x, w_lambda, w_nu) = parts(w, layout.sizes);
    match operand {
        HESSIAN => {
            add_outer_product(out, -0.5, w_x, x);
            add_outer_product(out, -0.5, x, w_x);
        }
        LINEAR => add_scaled(out, -1.0, w_x),
        G => add_of_constraints(out, lambda, w_lambda, x, w_x),
        H => add_scaled(out, 1.0, w_lambda),
        A => add_of_constraints(out, nu, w_nu, x, w_x),
        B => add_scaled(out, 1.0, w_nu),
        _ => panic!("bug: found operand {operand} of a quadratic program, expected one of 6"),
    }
}

/// out -= λ w_xᵀ + w_λ xᵀ
fn add_of_constraints(out: &mut [f64], lambda: &[f64], w_lambda: &[f64], x: &[f64], w_x: &[f64]) {
    for ((out, lambda), w_lambda) in out.chunks_exact_mut(x.len()).zip(lambda).zip(w_lambda) {
        if *lambda != 0.0 {
            add_scaled(out, -lambda, w_x);
        }
        if *w_lambda != 0.0 {
            add_scaled(out, -w_lambda, x);
        }
    }
}
