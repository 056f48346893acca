//! Projection onto the exponential cone, the closure of {(x, y, z) : y > 0, y exp(x / y) ≤ z}.
//!
//! Outside the cone, its polar and the face y = 0, the projection (x, y, z) of w is y (r, 1, eʳ) for the ratio
//! r = x / y at which w - y (r, 1, eʳ) is normal to the cone (H. A. Friberg, "Projection onto the exponential cone: a
//! univariate root-finding problem", 2021). The normals at ratio r are the multiples of (eʳ, (1 - r) eʳ, -1), so r is
//! the root of one equation, and the derivative follows from the conditions y = y(r), μ = μ(r) of both multiples.

/// Steps of the bisection that brackets a root, and of Newton's method in the bracket.
const STEPS: usize = 200;
/// The logarithms of the largest ratios below and above zero that are looked at.
const BELOW: f64 = 18.0;
const ABOVE: f64 = 6.55;
/// Points of the grid that brackets the root, on either side of zero.
const GRID: i32 = 400;

/// Replaces w by its projection, and writes the derivative there, row-major, into `derivative`.
///
/// Returns whether w is clear of the boundaries at which the projection is not differentiable; None where rounding hides
/// the root.
pub(crate) fn project(w: &mut [f64], derivative: &mut [f64]) -> Option<bool> {
    derivative.fill(0.0);
    let [x, y, z] = [w[0], w[1], w[2]];
    if is_inside(x, y, z) {
        [0, 4, 8].into_iter().for_each(|at| derivative[at] = 1.0);
        return Some(true);
    }
    // The polar cone: -w lies in the dual cone {(u, v, w) : u < 0, -u exp(v / u - 1) ≤ w}.
    if is_dual(-x, -y, -z) {
        w.fill(0.0);
        return Some(true);
    }
    if x <= 0.0 && y <= 0.0 {
        (w[1], w[2]) = (0.0, z.max(0.0));
        derivative[0] = 1.0;
        derivative[8] = if z > 0.0 { 1.0 } else { 0.0 };
        return Some(x < 0.0 && y < 0.0 && z != 0.0);
    }
    let r = ratio(x, y, z)?;
    let e = r.exp();
    let (scale, multiplier) = (primal_scale(r, x, y, z), dual_scale(r, x, y, z));
    write_derivative(r, scale, multiplier, derivative);
    (w[0], w[1], w[2]) = (scale * r, scale, scale * e);
    Some(true)
}

fn is_inside(x: f64, y: f64, z: f64) -> bool {
    (y > 0.0 && y * (x / y).exp() <= z) || (y == 0.0 && x <= 0.0 && z >= 0.0)
}

fn is_dual(u: f64, v: f64, w: f64) -> bool {
    (u < 0.0 && -u * (v / u - 1.0).exp() <= w) || (u == 0.0 && v >= 0.0 && w >= 0.0)
}

/// The directions a = (r, 1, eʳ) of the cone's boundary and n = (eʳ, (1 - r) eʳ, -1) of its normals, the second divided
/// by max(eʳ, 1), which are orthogonal.
fn directions(r: f64) -> ([f64; 3], [f64; 3]) {
    let e = r.exp();
    let m = e.max(1.0);
    ([r, 1.0, e], [e / m, (1.0 - r) * e / m, -1.0 / m])
}

fn coefficient(direction: [f64; 3], x: f64, y: f64, z: f64) -> f64 {
    let [a, b, c] = direction;
    let size = a.abs().max(b.abs()).max(c.abs());
    let [a, b, c] = [a / size, b / size, c / size];
    (a * x + b * y + c * z) / (a * a + b * b + c * c) / size
}

/// The multiple y of (r, 1, eʳ) nearest to w.
fn primal_scale(r: f64, x: f64, y: f64, z: f64) -> f64 {
    coefficient(directions(r).0, x, y, z)
}

/// The multiple μ of the scaled normal nearest to w.
fn dual_scale(r: f64, x: f64, y: f64, z: f64) -> f64 {
    coefficient(directions(r).1, x, y, z)
}

/// The component of w along a × n, which is zero at the projection.
fn equation(r: f64, x: f64, y: f64, z: f64) -> f64 {
    let ([a0, a1, a2], [n0, n1, n2]) = directions(r);
    let cross = [a1 * n2 - a2 * n1, a2 * n0 - a0 * n2, a0 * n1 - a1 * n0];
    let size = cross.iter().fold(0.0, |size: f64, c| size.max(c.abs()));
    (cross[0] * x + cross[1] * y + cross[2] * z) / size
}

/// The root of the equation at which both multiples are positive.
fn ratio(x: f64, y: f64, z: f64) -> Option<f64> {
    let valid = |r: f64| primal_scale(r, x, y, z) > 0.0 && dual_scale(r, x, y, z) > 0.0;
    // The equation changes its sign at the root; the grid is fine near zero.
    let grid = |k: i32| {
        let t = f64::from(k) / f64::from(GRID);
        if k < 0 { -(-BELOW * t).exp_m1() } else { (ABOVE * t).exp_m1() }
    };
    let mut best: Option<(f64, f64)> = None;
    let (mut before, mut value) = (grid(-GRID), equation(grid(-GRID), x, y, z));
    for k in 1 - GRID..=GRID {
        let (r, next) = (grid(k), equation(grid(k), x, y, z));
        if value == 0.0 || value * next < 0.0 {
            let root = bisect(before, r, x, y, z);
            if valid(root) {
                let rest = distance(root, x, y, z);
                if best.is_none_or(|(_, known)| rest < known) {
                    best = Some((root, rest));
                }
            }
        }
        (before, value) = (r, next);
    }
    best.map(|(root, _)| root)
}

fn distance(r: f64, x: f64, y: f64, z: f64) -> f64 {
    let (a, scale) = (directions(r).0, primal_scale(r, x, y, z));
    (x - scale * a[0]).hypot(y - scale * a[1]).hypot(z - scale * a[2])
}

fn bisect(mut low: f64, mut high: f64, x: f64, y: f64, z: f64) -> f64 {
    let positive = equation(low, x, y, z) > 0.0;
    for _ in 0..STEPS {
        let middle = 0.5 * (low + high);
        if middle <= low || middle >= high {
            break;
        }
        if (equation(middle, x, y, z) > 0.0) == positive {
            low = middle;
        } else {
            high = middle;
        }
    }
    0.5 * (low + high)
}

/// With p = y a(r) and w = p + μ n(r), the map (y, r, μ) -> w has the Jacobian M = [a, y a' + μ n', n], and the
/// projection the derivative [a, y a'] times the first two rows of M⁻¹.
fn write_derivative(r: f64, scale: f64, multiplier: f64, derivative: &mut [f64]) {
    let e = r.exp();
    let m = e.max(1.0);
    let (a, n) = directions(r);
    let slope = [scale, 0.0, scale * e];
    // n is scaled by a constant here, so that only the unscaled normal is differentiated.
    let turn = [multiplier * e / m, -multiplier * r * e / m, 0.0];
    let columns = [a, [slope[0] + turn[0], slope[1] + turn[1], slope[2] + turn[2]], n];
    let inverse = inverse(columns);
    for i in 0..3 {
        for j in 0..3 {
            derivative[i * 3 + j] = a[i] * inverse[0][j] + slope[i] * inverse[1][j];
        }
    }
}

/// Adds the second derivative of the projection at w, along a and b, to `out`; None where rounding hides the root.
///
/// With the map (y, r, μ) -> w of [`write_derivative`] called Φ, both directions are Φ' p and Φ' q, and the curve of w along
/// them has the part s = -M⁻¹ Φ''(p, q) in (y, r, μ).
pub(crate) fn add_second_derivative(w: &[f64], [a, b]: [&[f64]; 2], out: &mut [f64]) -> Option<()> {
    let [x, y, z] = [w[0], w[1], w[2]];
    if is_inside(x, y, z) || is_dual(-x, -y, -z) || (x <= 0.0 && y <= 0.0) {
        return Some(()); // The projection is linear there.
    }
    let r = ratio(x, y, z)?;
    let (scale, multiplier) = (primal_scale(r, x, y, z), dual_scale(r, x, y, z));
    let e = r.exp();
    let m = e.max(1.0);
    let (ray, normal) = directions(r);
    let (ray_turn, normal_turn) = ([1.0, 0.0, e], [e / m, -r * e / m, 0.0]);
    let (ray_bend, normal_bend) = ([0.0, 0.0, e], [e / m, -(1.0 + r) * e / m, 0.0]);
    let each = |f: &dyn Fn(usize) -> f64| [f(0), f(1), f(2)];
    let turn = each(&|i| scale * ray_turn[i] + multiplier * normal_turn[i]);
    let inverse = inverse([ray, turn, normal]);
    let solved = |v: [f64; 3]| inverse.map(|row| row[0] * v[0] + row[1] * v[1] + row[2] * v[2]);
    let (p, q) = (solved([a[0], a[1], a[2]]), solved([b[0], b[1], b[2]]));
    let (mixed_scale, mixed_multiplier) = (p[0] * q[1] + p[1] * q[0], p[2] * q[1] + p[1] * q[2]);
    let of_ray = each(&|i| scale * ray_bend[i] * p[1] * q[1] + ray_turn[i] * mixed_scale);
    let of_normal = each(&|i| multiplier * normal_bend[i] * p[1] * q[1] + normal_turn[i] * mixed_multiplier);
    let s = solved(each(&|i| -of_ray[i] - of_normal[i]));
    for i in 0..3 {
        out[i] += ray[i] * s[0] + scale * ray_turn[i] * s[1] + of_ray[i];
    }
    Some(())
}

/// The rows of the inverse of the matrix with the columns given.
fn inverse([a, b, c]: [[f64; 3]; 3]) -> [[f64; 3]; 3] {
    let cross = |u: [f64; 3], v: [f64; 3]| {
        [u[1] * v[2] - u[2] * v[1], u[2] * v[0] - u[0] * v[2], u[0] * v[1] - u[1] * v[0]]
    };
    let rows = [cross(b, c), cross(c, a), cross(a, b)];
    let determinant = a[0] * rows[0][0] + a[1] * rows[0][1] + a[2] * rows[0][2];
    rows.map(|row| row.map(|x| x / determinant))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Points of all regions, from a Weyl sequence.
    fn points() -> impl Iterator<Item = [f64; 3]> {
        let fraction = |k: usize, step: f64| (k as f64 * step).fract() * 6.0 - 3.0;
        (1..400).map(move |k| [fraction(k, 0.754877), fraction(k, 0.569840), fraction(k, 0.381966)])
    }

    #[test]
    fn projections_satisfy_the_conditions_of_moreau_and_derivatives_those_of_differences() {
        for w in points() {
            let (mut p, mut derivative) = (w.to_vec(), vec![0.0; 9]);
            assert_eq!(project(&mut p, &mut derivative), Some(true), "{w:?}");
            // p in the cone, w - p in the polar cone, and both orthogonal.
            assert!(is_inside(p[0], p[1], p[2] + 1e-9 * (1.0 + p[2])), "{w:?} to {p:?}");
            let rest = [w[0] - p[0], w[1] - p[1], w[2] - p[2]];
            assert!((rest[0] * p[0] + rest[1] * p[1] + rest[2] * p[2]).abs() < 1e-9, "{w:?} to {p:?}");
            let norm = rest.iter().map(|x| x * x).sum::<f64>().sqrt();
            let polar = norm < 1e-9
                || is_dual(-rest[0], -rest[1], -rest[2] + 1e-9)
                || is_dual(-rest[0] - 1e-12, -rest[1], -rest[2] + 1e-9);
            assert!(polar, "{w:?} to {p:?}");
            for j in 0..3 {
                let at = |step: f64| {
                    let mut moved = w.to_vec();
                    moved[j] += step;
                    assert!(project(&mut moved, &mut [0.0; 9]).is_some());
                    moved
                };
                let (ahead, behind) = (at(1e-6), at(-1e-6));
                for i in 0..3 {
                    let difference = (ahead[i] - behind[i]) / 2e-6;
                    assert!((difference - derivative[i * 3 + j]).abs() < 1e-5, "{w:?}: {i} {j}");
                }
            }
        }
    }
}
