//! Projection onto the second-order cone {(t, z) : ‖z‖ ≤ t}.
//!
//! H. H. Bauschke, "Projection algorithms and monotone operators" (1996), Theorem 3.3.6; the derivative as in A. Ali,
//! E. Wong and J. Z. Kolter, "A semismooth Newton method for fast, generic convex programming", ICML 2017.

use crate::dense::vector::{add_scaled, dot};

/// Replaces w = (t, z) by its projection, and writes the derivative there, row-major, into `derivative`.
///
/// Returns the smaller of the distances, relative to the size of w, to the boundaries at which the projection is not
/// differentiable.
pub(crate) fn project(w: &mut [f64], derivative: &mut [f64]) -> f64 {
    let d = w.len();
    derivative.fill(0.0);
    let Some((&mut t, z)) = w.split_first_mut() else { return 1.0 };
    let norm = dot(z, z).sqrt();
    let size = norm.max(t.abs());
    let margin = if size > 0.0 { (t - norm).abs().min((t + norm).abs()) / size } else { 0.0 };
    if norm <= t {
        (0..d).for_each(|i| derivative[i * d + i] = 1.0);
        return margin;
    }
    if norm <= -t {
        w.fill(0.0);
        return margin;
    }
    // ½ [[1, uᵀ], [u, (1 + t/‖z‖) I - (t/‖z‖) u uᵀ]] for u = z / ‖z‖.
    let ratio = t / norm;
    let u: Vec<f64> = z.iter().map(|z| z / norm).collect();
    derivative[0] = 0.5;
    for (i, u_i) in u.iter().enumerate() {
        derivative[1 + i] = 0.5 * u_i;
        let row = &mut derivative[(1 + i) * d..(2 + i) * d];
        row[0] = 0.5 * u_i;
        add_scaled(&mut row[1..], -0.5 * ratio * u_i, &u);
        row[1 + i] += 0.5 * (1.0 + ratio);
    }
    let half = 0.5 * (t + norm);
    w[0] = half;
    w[1..].iter_mut().zip(&u).for_each(|(w, u)| *w = half * u);
    margin
}

/// Adds the second derivative of the projection at w = (t, z), along a and b, to `out`.
///
/// For ρ = ‖z‖, u = z / ρ and the parts h⊥, k⊥ of both directions (α, h) and (β, k) that are orthogonal to u, it is
/// `½ h⊥ᵀk⊥ / ρ` in t, and `½ ((α - t hᵤ/ρ) k⊥ + (β - t kᵤ/ρ) h⊥ - t h⊥ᵀk⊥ u / ρ) / ρ` in z.
pub(crate) fn add_second_derivative(w: &[f64], a: &[f64], b: &[f64], out: &mut [f64]) {
    let (t, z) = (w[0], &w[1..]);
    let norm = dot(z, z).sqrt();
    if norm <= t.abs() {
        return; // The projection is linear there.
    }
    let u: Vec<f64> = z.iter().map(|z| z / norm).collect();
    let split = |direction: &[f64]| {
        let along = dot(&u, &direction[1..]);
        let mut across = direction[1..].to_vec();
        add_scaled(&mut across, -along, &u);
        (direction[0] - t / norm * along, across)
    };
    let ((of_a, h), (of_b, k)) = (split(a), split(b));
    let half = 0.5 / norm;
    let both = dot(&h, &k);
    out[0] += half * both;
    add_scaled(&mut out[1..], half * of_a, &k);
    add_scaled(&mut out[1..], half * of_b, &h);
    add_scaled(&mut out[1..], -half * t / norm * both, &u);
}
