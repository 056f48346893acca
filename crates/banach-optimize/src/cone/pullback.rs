//! Pullbacks of solved cone programs.
//!
//! A solution z = (x, w) of F(z; θ) = 0 has dz = -J⁻¹ ∂F/∂θ dθ with J = ∂F/∂z, and s = Π(w), y = Π(w) - w have
//! ds = D dw, dy = (D - I) dw. So a cotangent v of (x, s, y) becomes g = J⁻ᵀ (vₓ, D vₛ + (D - I) v_y), and the cotangents
//! of the data are -gᵀ ∂F/∂θ.

use super::layout::{B, LINEAR, Layout, QUADRATIC, VALUES};
use super::solve::RowSolution;
use super::system::System;
use crate::dense::vector::{add_outer_product, add_scaled};
use crate::projection::cone::Projection;
use crate::tensors::Numbers;
use rayon::prelude::*;

/// g for a cotangent of [x, s, y].
pub(crate) fn adjoint(n: usize, projection: &Projection, system: &System, v: &[f64]) -> Vec<f64> {
    let m = (v.len() - n) / 2;
    let (of_x, of_duals) = v.split_at(n);
    let (of_s, of_y) = of_duals.split_at(m);
    let mut g = of_x.to_vec();
    g.resize(n + m, 0.0);
    let both: Vec<f64> = of_s.iter().zip(of_y).map(|(s, y)| s + y).collect();
    projection.add_derivative_product(&both, &mut g[n..]);
    add_scaled(&mut g[n..], -1.0, of_y);
    system.solve(&mut g, true);
    g
}

/// [dx, ds, dy] for the right-hand side J dz = r.
pub(crate) fn tangent(n: usize, projection: &Projection, system: &System, r: &[f64]) -> Vec<f64> {
    let mut dz = r.to_vec();
    system.solve(&mut dz, false);
    let (dx, dw) = dz.split_at(n);
    let mut ds = vec![0.0; dw.len()];
    projection.add_derivative_product(dw, &mut ds);
    let dy = ds.iter().zip(dw).map(|(ds, dw)| ds - dw);
    dx.iter().chain(&ds).copied().chain(dy).collect()
}

/// The cotangents of the operands at the positions given, for cotangents v of all points [x, s, y].
pub(crate) fn pull_rows(
    layout: &Layout,
    solutions: &[RowSolution],
    v: &Numbers,
    positions: &[usize],
) -> Vec<Vec<f64>> {
    let size = layout.point();
    let adjoints: Vec<Option<Vec<f64>>> = (0..layout.operands.rows)
        .into_par_iter()
        .map(|row| {
            let (point, system) = solutions[row].derivative.as_ref()?;
            Some(adjoint(layout.n(), &point.projection, system, &v.slice()[row * size..(row + 1) * size]))
        })
        .collect();
    let cotangent = |position: &usize| {
        let operand = layout.operands.present[*position];
        let len = layout.len(operand);
        let add = |row: usize, out: &mut [f64]| {
            if let Some(g) = &adjoints[row] {
                add_cotangent(operand, layout, &solutions[row], g, out);
            }
        };
        if layout.operands.shared[*position] {
            let mut out = vec![0.0; len];
            (0..layout.operands.rows).for_each(|row| add(row, &mut out));
            return out;
        }
        let mut out = vec![0.0; layout.operands.rows * len];
        out.par_chunks_exact_mut(len).enumerate().for_each(|(row, out)| add(row, out));
        out
    };
    positions.iter().map(cotangent).collect()
}

/// Adds the cotangent of one operand in one row.
fn add_cotangent(operand: usize, layout: &Layout, solution: &RowSolution, g: &[f64], out: &mut [f64]) {
    let (of_x, of_w) = g.split_at(layout.n());
    match operand {
        QUADRATIC => {
            add_outer_product(out, -0.5, of_x, &solution.x);
            add_outer_product(out, -0.5, &solution.x, of_x);
        }
        LINEAR => add_scaled(out, -1.0, of_x),
        VALUES => {
            for (out, &(i, j)) in out.iter_mut().zip(&layout.structure.pattern.places) {
                let y = solution.s[i] - solution.w[i];
                *out -= y * of_x[j] + of_w[i] * solution.x[j];
            }
        }
        B => add_scaled(out, 1.0, of_w),
        _ => panic!("bug: found operand {operand} of a cone program, expected one of 4"),
    }
}
