//! The least-squares problem of Anderson acceleration, for one row.

/// The inner products of one row: of past residual differences, and of these with the residual.
#[derive(Debug, Default)]
pub(super) struct Products {
    /// `⟨ΔFᵢ, ΔFⱼ⟩` in row-major order, the newest difference first.
    pub(super) gram: Vec<f64>,
    /// `⟨ΔFᵢ, F⟩`.
    pub(super) right: Vec<f64>,
    /// `‖F‖`.
    pub(super) residual: f64,
    workspace: Workspace,
}

/// Buffers reused from row to row.
#[derive(Debug, Default)]
struct Workspace {
    /// The indices of the differences used.
    kept: Vec<usize>,
    /// `‖ΔFᵢ‖`.
    lengths: Vec<f64>,
    /// The packed rows of the triangular factor: one entry, two entries, ...
    factor: Vec<f64>,
    solved: Vec<f64>,
    mixture: Vec<f64>,
}

/// Row `k` of a packed triangular matrix.
fn factor_row(factor: &[f64], k: usize) -> &[f64] {
    &factor[k * (k + 1) / 2..][..k + 1]
}

/// The regularization of the least-squares problem.
#[derive(Debug, Clone, Copy)]
pub(super) struct Regularization {
    /// The ridge, added to the diagonal of the Gram matrix of unit vectors.
    pub(super) ridge: f64,
    /// The squared sine of the smallest angle between a difference and the span of newer ones.
    pub(super) floor: f64,
    /// The precision of the inner products.
    pub(super) precision: f64,
}

impl Products {
    /// `γ` that minimizes `‖F - Σ γᵢ ΔFᵢ‖² + ridge Σ (γᵢ ‖ΔFᵢ‖)²`; all zero where the solution is not usable.
    ///
    /// Differences are scaled to unit length, so that ridge and floor do not depend on the size of residuals.
    /// A difference that lies almost in the span of newer ones is not used.
    pub(super) fn mixture(&mut self, regularization: Regularization) -> &[f64] {
        let count = self.right.len();
        let (gram, right, residual) = (&self.gram, &self.right, self.residual);
        let Workspace { kept, lengths, factor, solved, mixture } = &mut self.workspace;
        kept.clear();
        [&mut *lengths, factor, solved, mixture].into_iter().for_each(Vec::clear);
        lengths.extend((0..count).map(|i| gram[i * count + i].sqrt()));
        for i in (0..count).filter(|i| lengths[*i] > regularization.precision * residual) {
            let start = factor.len();
            for (k, j) in kept.iter().enumerate() {
                let cosine = gram[i * count + j] / (lengths[i] * lengths[*j]);
                let above = factor_row(factor, k);
                factor.push((cosine - dot(above, &factor[start..])) / above[k]);
            }
            let newest = &factor[start..];
            let pivot = 1.0 - dot(newest, newest);
            if pivot.is_nan() || pivot <= regularization.floor {
                factor.truncate(start);
                continue;
            }
            let root = (pivot + regularization.ridge).sqrt();
            solved.push((right[i] / lengths[i] - dot(newest, solved)) / root);
            factor.push(root);
            kept.push(i);
        }
        for k in (0..kept.len()).rev() {
            let later: f64 = (k + 1..kept.len()).map(|l| factor_row(factor, l)[k] * solved[l]).sum();
            solved[k] = (solved[k] - later) / factor_row(factor, k)[k];
        }
        mixture.resize(count, 0.0);
        kept.iter().zip(solved).for_each(|(i, value)| mixture[*i] = *value / lengths[*i]);
        if !mixture.iter().all(|value| value.abs() * regularization.precision < 1.0) {
            mixture.fill(0.0);
        }
        mixture
    }
}

/// The inner product, over the shorter length.
fn dot(left: &[f64], right: &[f64]) -> f64 {
    left.iter().zip(right).map(|(left, right)| left * right).sum()
}

#[cfg(test)]
mod tests {
    use super::*;

    const EXACT: Regularization = Regularization { ridge: 0.0, floor: 1e-12, precision: f64::EPSILON };

    fn mixture(changes: &[[f64; 3]], residual: [f64; 3], regularization: Regularization) -> Vec<f64> {
        let mut products = Products {
            gram: changes.iter().flat_map(|a| changes.iter().map(|b| dot(a, b))).collect(),
            right: changes.iter().map(|change| dot(change, &residual)).collect(),
            residual: dot(&residual, &residual).sqrt(),
            ..Products::default()
        };
        products.mixture(regularization).to_vec()
    }

    #[test]
    fn a_combination_of_changes_is_found_again_at_any_scale() {
        for scale in [1.0, 1e-9, 1e9] {
            let changes = [[1.0, 2.0, 0.0].map(|v| v * scale), [0.0, 1.0, -1.0].map(|v| v * 1e-3 * scale)];
            let residual = [0.5, 1.25, -0.25].map(|v| v * scale);
            let mixture = mixture(&changes, residual, EXACT);
            assert!((mixture[0] - 0.5).abs() < 1e-9 && (mixture[1] - 250.0).abs() < 1e-6, "{mixture:?}");
        }
    }

    #[test]
    fn a_repeated_change_is_left_out() {
        let mixture = mixture(&[[1.0, 0.0, 0.0], [2.0, 0.0, 0.0]], [3.0, 0.0, 0.0], EXACT);
        assert_eq!(mixture, [3.0, 0.0]);
    }

    #[test]
    fn what_is_not_a_number_mixes_nothing() {
        assert_eq!(mixture(&[[f64::NAN; 3], [0.0; 3]], [1.0, 0.0, 0.0], EXACT), [0.0, 0.0]);
        assert_eq!(mixture(&[[1.0, 0.0, 0.0]], [f64::NAN, 0.0, 0.0], EXACT), [0.0]);
    }

    #[test]
    fn the_ridge_is_relative() {
        let regularization = Regularization { ridge: 1.0, ..EXACT };
        for scale in [1.0, 1e-6] {
            let mixture = mixture(&[[scale, 0.0, 0.0]], [scale, 0.0, 0.0], regularization);
            assert!((mixture[0] - 0.5).abs() < 1e-12, "{mixture:?}");
        }
    }
}
