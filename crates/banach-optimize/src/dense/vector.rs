//! Products of vectors and of row-major matrices with vectors.

/// Σ aᵢ bᵢ, in four partial sums.
pub(crate) fn dot(a: &[f64], b: &[f64]) -> f64 {
    let mut sums = [0.0; 4];
    let (fours, rest) = (a.chunks_exact(4), a.chunks_exact(4).remainder());
    let tail = b.len() - rest.len();
    for (a, b) in fours.zip(b.chunks_exact(4)) {
        for lane in 0..4 {
            sums[lane] += a[lane] * b[lane];
        }
    }
    let rest: f64 = rest.iter().zip(&b[tail..]).map(|(a, b)| a * b).sum();
    (sums[0] + sums[1]) + (sums[2] + sums[3]) + rest
}

/// y += factor x
pub(crate) fn add_scaled(y: &mut [f64], factor: f64, x: &[f64]) {
    for (y, x) in y.iter_mut().zip(x) {
        *y += factor * x;
    }
}

/// The largest absolute value; NaN if there is one.
pub(crate) fn largest(x: &[f64]) -> f64 {
    x.iter()
        .fold(0.0, |largest: f64, x| if largest.is_nan() || x.abs() <= largest { largest } else { x.abs() })
}

/// y += factor A x for A of shape [y.len(), x.len()].
pub(crate) fn add_product(y: &mut [f64], factor: f64, a: &[f64], x: &[f64]) {
    if x.is_empty() {
        return;
    }
    for (y, row) in y.iter_mut().zip(a.chunks_exact(x.len())) {
        *y += factor * dot(row, x);
    }
}

/// y += factor Aᵀ x for A of shape [x.len(), y.len()].
pub(crate) fn add_transposed_product(y: &mut [f64], factor: f64, a: &[f64], x: &[f64]) {
    if y.is_empty() {
        return;
    }
    for (x, row) in x.iter().zip(a.chunks_exact(y.len())) {
        if *x != 0.0 {
            add_scaled(y, factor * x, row);
        }
    }
}

/// A += factor x yᵀ for A of shape [x.len(), y.len()].
pub(crate) fn add_outer_product(a: &mut [f64], factor: f64, x: &[f64], y: &[f64]) {
    if y.is_empty() {
        return;
    }
    for (x, row) in x.iter().zip(a.chunks_exact_mut(y.len())) {
        add_scaled(row, factor * x, y);
    }
}
