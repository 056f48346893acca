//! Products of vectors and of row-major matrices with vectors, with the widest instructions of the machine.
//!
//! Every sum has one order of its terms, whatever the instructions.

/// Runs an operation with the widest instructions; what it calls has to be inlined to have them.
#[inline(always)]
pub(crate) fn wide<R>(operation: impl FnOnce() -> R) -> R {
    pulp::Arch::new().dispatch(operation)
}

/// Σ aᵢ bᵢ over the shorter length, in eight partial sums.
#[inline(always)]
pub(crate) fn inner(a: &[f64], b: &[f64]) -> f64 {
    let len = a.len().min(b.len());
    let ((a, a_rest), (b, b_rest)) = (a[..len].as_chunks::<8>(), b[..len].as_chunks::<8>());
    let mut sums = [0.0; 8];
    for (a, b) in a.iter().zip(b) {
        for lane in 0..8 {
            sums[lane] += a[lane] * b[lane];
        }
    }
    let rest: f64 = a_rest.iter().zip(b_rest).map(|(a, b)| a * b).sum();
    let [a, b, c, d, e, f, g, h] = sums;
    ((a + e) + (b + f)) + ((c + g) + (d + h)) + rest
}

/// y += factor x
#[inline(always)]
pub(crate) fn accumulate(y: &mut [f64], factor: f64, x: &[f64]) {
    for (y, x) in y.iter_mut().zip(x) {
        *y += factor * x;
    }
}

/// Σ aᵢ bᵢ
pub(crate) fn dot(a: &[f64], b: &[f64]) -> f64 {
    wide(
        #[inline(always)]
        || inner(a, b),
    )
}

/// y += factor x
pub(crate) fn add_scaled(y: &mut [f64], factor: f64, x: &[f64]) {
    wide(
        #[inline(always)]
        || accumulate(y, factor, x),
    );
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
    wide(
        #[inline(always)]
        || {
            for (y, row) in y.iter_mut().zip(a.chunks_exact(x.len())) {
                *y += factor * inner(row, x);
            }
        },
    );
}

/// y += factor Aᵀ x for A of shape [x.len(), y.len()].
pub(crate) fn add_transposed_product(y: &mut [f64], factor: f64, a: &[f64], x: &[f64]) {
    if y.is_empty() {
        return;
    }
    wide(
        #[inline(always)]
        || {
            for (x, row) in x.iter().zip(a.chunks_exact(y.len())) {
                if *x != 0.0 {
                    accumulate(y, factor * x, row);
                }
            }
        },
    );
}

/// A += factor x yᵀ for A of shape [x.len(), y.len()].
pub(crate) fn add_outer_product(a: &mut [f64], factor: f64, x: &[f64], y: &[f64]) {
    if y.is_empty() {
        return;
    }
    wide(
        #[inline(always)]
        || {
            for (x, row) in x.iter().zip(a.chunks_exact_mut(y.len())) {
                accumulate(row, factor * x, y);
            }
        },
    );
}

/// A += factor (x₀ y₀ᵀ + x₁ y₁ᵀ) for A of shape [x₀.len(), y₀.len()].
pub(crate) fn add_two_outer_products(a: &mut [f64], factor: f64, x: [&[f64]; 2], y: [&[f64]; 2]) {
    if y[0].is_empty() {
        return;
    }
    wide(
        #[inline(always)]
        || {
            for ((first, second), row) in x[0].iter().zip(x[1]).zip(a.chunks_exact_mut(y[0].len())) {
                let (first, second) = (factor * first, factor * second);
                for ((a, y_0), y_1) in row.iter_mut().zip(y[0]).zip(y[1]) {
                    *a += first * y_0 + second * y_1;
                }
            }
        },
    );
}
