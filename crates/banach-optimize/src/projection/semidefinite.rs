//! Projection onto the cone of positive semidefinite matrices, in scaled vectors of their upper triangles.
//!
//! With A = V diag(λ) Vᵀ the projection is V diag(λ⁺) Vᵀ, and its derivative H ↦ V (B ∘ VᵀHV) Vᵀ with the divided
//! differences Bᵢⱼ = (λᵢ⁺ - λⱼ⁺) / (λᵢ - λⱼ) (J. Malick and H. S. Sendov, "Clarke generalized Jacobian of the
//! projection onto the cone of positive semidefinite matrices", 2006).

use crate::dense::eigen::Eigen;

/// The length of the vector of a symmetric matrix.
pub(crate) fn vector_length(n: usize) -> usize {
    n * (n + 1) / 2
}

/// The pairs (row, column) with row ≤ column, column by column.
fn pairs(n: usize) -> impl Iterator<Item = (usize, usize)> {
    (0..n).flat_map(|j| (0..=j).map(move |i| (i, j)))
}

/// The row-major symmetric matrix of a scaled vector, whose elements off the diagonal are times √2.
fn matrix(vector: &[f64], n: usize) -> Vec<f64> {
    let mut matrix = vec![0.0; n * n];
    for ((i, j), x) in pairs(n).zip(vector) {
        let x = if i == j { *x } else { x * std::f64::consts::FRAC_1_SQRT_2 };
        (matrix[i * n + j], matrix[j * n + i]) = (x, x);
    }
    matrix
}

fn write_vector(matrix: &[f64], n: usize, vector: &mut [f64]) {
    for ((i, j), x) in pairs(n).zip(vector) {
        *x = matrix[i * n + j] * if i == j { 1.0 } else { std::f64::consts::SQRT_2 };
    }
}

/// Replaces the scaled vector w of a matrix of n rows by its projection, and writes the derivative there into
/// `derivative`; None where w is not finite.
///
/// Returns the smallest absolute eigenvalue, relative to the largest.
pub(crate) fn project(w: &mut [f64], n: usize, derivative: &mut [f64]) -> Option<f64> {
    let Eigen { values, vectors } = Eigen::new(&matrix(w, n), n)?;
    let size = values.iter().fold(0.0, |size: f64, value| size.max(value.abs()));
    let smallest = values.iter().fold(f64::INFINITY, |smallest: f64, value| smallest.min(value.abs()));
    let eigen = Eigen { values, vectors };
    write_vector(&eigen.spectral(|value| value.max(0.0)), n, w);
    write_derivative(&eigen, n, derivative);
    Some(if size > 0.0 { smallest / size } else { 0.0 })
}

/// Column by column: the image of every basis matrix. The derivative is symmetric.
fn write_derivative(eigen: &Eigen, n: usize, derivative: &mut [f64]) {
    let d = vector_length(n);
    let v = |k: usize, i: usize| eigen.vectors[k * n + i];
    let quotient = |k: usize, l: usize| {
        let (a, b) = (eigen.values[k], eigen.values[l]);
        if a > 0.0 && b > 0.0 {
            1.0
        } else if a <= 0.0 && b <= 0.0 {
            0.0
        } else {
            a.max(b) / (a - b).abs()
        }
    };
    let mut inner = vec![0.0; n * n];
    let mut half = vec![0.0; n * n];
    let mut image = vec![0.0; n * n];
    for (column, (i, j)) in pairs(n).enumerate() {
        let scale = if i == j { 0.5 } else { std::f64::consts::FRAC_1_SQRT_2 };
        for k in 0..n {
            for l in 0..n {
                inner[k * n + l] = quotient(k, l) * scale * (v(k, i) * v(l, j) + v(k, j) * v(l, i));
            }
        }
        for k in 0..n {
            for b in 0..n {
                half[k * n + b] = (0..n).map(|l| inner[k * n + l] * v(l, b)).sum();
            }
        }
        for a in 0..n {
            for b in a..n {
                image[a * n + b] = (0..n).map(|k| v(k, a) * half[k * n + b]).sum();
            }
        }
        write_vector(&image, n, &mut derivative[column * d..(column + 1) * d]);
    }
}

/// Adds the second derivative of the projection at the scaled vector w of a matrix of n rows, along a and b, to `out`; None
/// where w is not finite.
///
/// In the eigenvectors it is `Σ_k f[λᵢ, λ_k, λⱼ] (Hᵢ_k K_kⱼ + Kᵢ_k H_kⱼ)` with the second divided differences of f = max(0, ·).
pub(crate) fn add_second_derivative(w: &[f64], n: usize, [a, b]: [&[f64]; 2], out: &mut [f64]) -> Option<()> {
    let Eigen { values, vectors } = Eigen::new(&matrix(w, n), n)?;
    let v = |k: usize, i: usize| vectors[k * n + i];
    let turned = |vector: &[f64]| {
        let matrix = matrix(vector, n);
        let half = product(n, |k, j| (0..n).map(|i| v(k, i) * matrix[i * n + j]).sum());
        product(n, |k, l| (0..n).map(|j| half[k * n + j] * v(l, j)).sum())
    };
    let (h, k) = (turned(a), turned(b));
    let inner = product(n, |i, j| {
        let term = |m: usize| {
            let both = h[i * n + m] * k[m * n + j] + k[i * n + m] * h[m * n + j];
            second_difference([values[i], values[m], values[j]]) * both
        };
        (0..n).map(term).sum()
    });
    let half = product(n, |i, b| (0..n).map(|j| inner[i * n + j] * v(j, b)).sum());
    let image = product(n, |a, b| (0..n).map(|i| v(i, a) * half[i * n + b]).sum());
    let mut vector = vec![0.0; vector_length(n)];
    write_vector(&image, n, &mut vector);
    out.iter_mut().zip(&vector).for_each(|(out, x)| *out += x);
    Some(())
}

/// The row-major matrix of n rows with these elements.
fn product(n: usize, element: impl Fn(usize, usize) -> f64) -> Vec<f64> {
    (0..n * n).map(|at| element(at / n, at % n)).collect()
}

/// The second divided difference of max(0, ·).
fn second_difference(mut points: [f64; 3]) -> f64 {
    points.sort_by(f64::total_cmp);
    let [low, middle, high] = points;
    if low > 0.0 || high <= 0.0 {
        return 0.0;
    }
    match middle > 0.0 {
        true => -low / (middle - low) / (high - low),
        false => high / (high - middle) / (high - low),
    }
}
