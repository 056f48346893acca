//! Solves and pullbacks of a batch: rows, or groups of rows, over cores; shared factors computed once.

use super::curvature::Curvature;
use super::equality::EqualitySystem;
use super::group::solve::{is_small, solve_group};
use super::group::system::GroupSystem;
use super::layout::{A, B, G, H, HESSIAN, LINEAR, Layout};
use super::row::{Row, parts};
use super::settings::QuadraticSettings;
use super::solve::{Derivative, Prepared, RowSolution, solve, unsolved};
use crate::dense::buffer::Buffer;
use crate::dense::cholesky::Scratch;
use crate::dense::lanes::LANES;
use crate::dense::vector::{add_scaled, add_two_outer_products};
use crate::tensors::Numbers;
use crate::termination::Termination;
use rayon::prelude::*;
use std::sync::LazyLock;

/// The solutions of all rows.
#[derive(Clone, Debug)]
pub(crate) struct Solutions {
    pub(crate) rows: Vec<RowSolution>,
    /// The systems of groups of rows; empty where every row is solved alone.
    groups: Vec<Option<GroupSystem>>,
}

/// Solves all rows, each from the active set of an earlier solve if there is one.
pub(crate) fn solve_rows(
    layout: &Layout,
    data: &[Numbers],
    guesses: &[Option<Vec<usize>>],
    settings: &QuadraticSettings,
) -> Solutions {
    let count = layout.operands.rows;
    let first = layout.row(data, 0).examined();
    let curvature = LazyLock::new(|| {
        let shared = count > 1 && layout.shares(&[HESSIAN]) && first.hessian.iter().all(|q| q.is_finite());
        shared.then(|| Curvature::new(first.hessian, layout.sizes.n, &mut Scratch::default()))
    });
    let prepared = LazyLock::new(|| {
        let shared = count > 1 && layout.shares(&[HESSIAN, G, A]) && first.is_finite();
        shared.then(|| Prepared::new(&first, curvature.as_ref(), &mut Scratch::default()))
    });
    let guess = |row: usize| guesses.get(row).and_then(Option::as_deref);
    let solve_alone = |scratch: &mut Scratch, at: usize| {
        let row = layout.row(data, at).examined();
        if !row.is_finite() {
            return unsolved(&row, Termination::NonFinite);
        }
        let own = prepared.is_none().then(|| Prepared::new(&row, curvature.as_ref(), scratch));
        let Some(prepared) = prepared.as_ref().or(own.as_ref()) else {
            panic!("bug: found no factors of a row, expected its own or those that rows share")
        };
        solve(&row, prepared, guess(at), settings, scratch)
    };
    if !is_small(layout.sizes) {
        let rows = (0..count).into_par_iter().map_init(Scratch::default, solve_alone).collect();
        return Solutions { rows, groups: vec![] };
    }
    let solve_together = |group: usize| {
        let members = group * LANES..count.min((group + 1) * LANES);
        let rows: Vec<Row<'_>> = members.clone().map(|at| layout.row(data, at)).collect();
        let guesses: Vec<Option<&[usize]>> = members.clone().map(guess).collect();
        let found = solve_group(&rows, &guesses, settings);
        let mut scratch = Scratch::default();
        let alone =
            |(at, row): (usize, Option<RowSolution>)| row.unwrap_or_else(|| solve_alone(&mut scratch, at));
        (members.zip(found.rows).map(alone).collect::<Vec<_>>(), found.system)
    };
    let (rows, groups): (Vec<_>, Vec<_>) =
        (0..count.div_ceil(LANES)).into_par_iter().map(solve_together).unzip();
    Solutions { rows: rows.into_iter().flatten().collect(), groups }
}

/// The cotangents of the operands at the positions given, for cotangents v of the points [x, λ, ν] of all rows.
///
/// With K the optimality system of a row and w = K⁻¹ v, the cotangents are -w ∂F for the residual
/// F = [Qx + q + Cᵀy, Cx - d] of the system.
pub(crate) fn pull_rows(
    layout: &Layout,
    data: &[Numbers],
    solutions: &Solutions,
    v: &[f64],
    positions: &[usize],
) -> Vec<Buffer<f64>> {
    let adjoints = adjoints(layout, data, solutions, v);
    let cotangent = |position: &usize| {
        let operand = layout.operands.present[*position];
        let len = layout.len(operand);
        if layout.operands.shared[*position] {
            let mut out = Buffer::zeros(len);
            for (row, w) in solutions.rows.iter().zip(&adjoints) {
                if let Some(w) = w {
                    add_cotangent(operand, layout, &row.y, w, &mut out);
                }
            }
            return out;
        }
        let mut out = Buffer::zeros(layout.operands.rows * len);
        out.par_chunks_exact_mut(len.max(1)).enumerate().for_each(|(row, out)| {
            if let Some(w) = &adjoints[row] {
                add_cotangent(operand, layout, &solutions.rows[row].y, w, out);
            }
        });
        out
    };
    positions.iter().map(cotangent).collect()
}

/// w = K⁻¹ v of all rows; None for rows without a derivative.
fn adjoints(layout: &Layout, data: &[Numbers], solutions: &Solutions, v: &[f64]) -> Vec<Option<Vec<f64>>> {
    let size = layout.sizes.point();
    let alone = |at: usize| {
        let Derivative::Alone(system) = &solutions.rows[at].derivative else { return None };
        Some(adjoint(&layout.row(data, at).examined(), system, &v[at * size..(at + 1) * size]))
    };
    if solutions.groups.is_empty() {
        return (0..layout.operands.rows).into_par_iter().map(alone).collect();
    }
    let together = |(group, v): (usize, &[f64])| {
        let mut together = solutions.groups[group].as_ref().map(|system| system.adjoints(v));
        let of = move |lane: usize| match (&solutions.rows[group * LANES + lane].derivative, &mut together) {
            (Derivative::InGroup, Some(together)) => Some(std::mem::take(&mut together[lane])),
            (Derivative::InGroup | Derivative::Alone(_) | Derivative::None, _) => alone(group * LANES + lane),
        };
        (0..v.len() / size).map(of)
    };
    v.par_chunks(LANES * size).enumerate().flat_map_iter(together).collect()
}

/// w = K⁻¹ v with zeros for inactive constraints.
fn adjoint(row: &Row<'_>, system: &EqualitySystem, v: &[f64]) -> Vec<f64> {
    let mut w = vec![0.0; v.len()];
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
        HESSIAN => add_two_outer_products(out, -0.5, [w_x, x], [x, w_x]),
        LINEAR => add_scaled(out, -1.0, w_x),
        G => add_two_outer_products(out, -1.0, [lambda, w_lambda], [w_x, x]),
        H => add_scaled(out, 1.0, w_lambda),
        A => add_two_outer_products(out, -1.0, [nu, w_nu], [w_x, x]),
        B => add_scaled(out, 1.0, w_nu),
        _ => panic!("bug: found operand {operand} of a quadratic program, expected one of 6"),
    }
}
