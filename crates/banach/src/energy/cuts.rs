//! Cuts of one row: the entropy-regularised minimum of their maximum, and its derivative.

/// Most Newton steps of a dual solve; each is of the size of the bundle.
const DUAL_STEPS: usize = 200;
/// The share of the promised decrease that a step has to give.
const DECREASE: f64 = 1e-4;

/// The cuts `h_k + ⟨g_k, y⟩` below a convex function on `[0, 1]ⁿ`, with their weights λ.
///
/// The minimiser of `max_k (h_k + ⟨g_k, y⟩) - H(y)`, where `H(y) = -Σ (y ln y + (1 - y) ln(1 - y))`, is `y = σ(-Gᵀλ)` for
/// the λ of the simplex that maximises the dual `⟨h, λ⟩ - Σ_i ln(1 + exp(-(Gᵀλ)_i))`.
#[derive(Clone, Debug, Default)]
pub(super) struct Cuts {
    /// The points y_k at which the cuts touch the function.
    pub(super) points: Vec<Vec<f64>>,
    /// The slopes g_k.
    pub(super) slopes: Vec<Vec<f64>>,
    /// The values h_k at the origin.
    pub(super) offsets: Vec<f64>,
    /// The weights λ_k.
    pub(super) weights: Vec<f64>,
}

/// The cotangents of a row's cuts.
#[derive(Clone, Debug)]
pub(super) struct Adjoint {
    /// c_y.
    pub(super) state: Vec<f64>,
    /// c_λ, one for each cut.
    pub(super) weights: Vec<f64>,
}

fn dot(a: &[f64], b: &[f64]) -> f64 {
    a.iter().zip(b).map(|(a, b)| a * b).sum()
}

fn sigmoid(x: f64) -> f64 {
    if x >= 0.0 { 1.0 / (1.0 + (-x).exp()) } else { x.exp() / (1.0 + x.exp()) }
}

/// `ln(1 + exp(x))` without overflow.
fn softplus(x: f64) -> f64 {
    x.max(0.0) + (-x.abs()).exp().ln_1p()
}

/// `-H(σ(x)) = Σ (σ(x_i) x_i - ln(1 + exp(x_i)))`.
pub(super) fn negative_entropy(logits: &[f64]) -> f64 {
    logits.iter().map(|&x| sigmoid(x) * x - softplus(x)).sum()
}

impl Cuts {
    /// Adds the cut at y with the value f(y) and the slope there, and solves for λ again.
    pub(super) fn add(&mut self, point: Vec<f64>, value: f64, slope: Vec<f64>) {
        self.offsets.push(value - dot(&slope, &point));
        self.points.push(point);
        self.slopes.push(slope);
        self.weights.push(if self.weights.is_empty() { 1.0 } else { 0.0 });
        self.maximise_dual();
    }

    /// Removes the cuts without weight: the lower bound that the others give is the same.
    pub(super) fn drop_inactive(&mut self) {
        let kept: Vec<bool> = self.weights.iter().map(|&weight| weight > 0.0).collect();
        let keep = |at: &mut usize| {
            *at += 1;
            kept[*at - 1]
        };
        let mut at = 0;
        self.points.retain(|_| keep(&mut at));
        at = 0;
        self.slopes.retain(|_| keep(&mut at));
        at = 0;
        self.offsets.retain(|_| keep(&mut at));
        self.weights.retain(|&weight| weight > 0.0);
    }

    /// The logits `-Gᵀλ` of the minimiser.
    pub(super) fn logits(&self) -> Vec<f64> {
        logits(&self.slopes, &self.weights)
    }

    /// The minimiser y.
    pub(super) fn minimiser(&self) -> Vec<f64> {
        self.logits().into_iter().map(sigmoid).collect()
    }

    /// The dual value: a lower bound of `f(y) - H(y)` on the box.
    pub(super) fn bound(&self) -> f64 {
        -self.objective(&self.weights)
    }

    /// `Σ ln(1 + exp(-(Gᵀλ)_i)) - ⟨h, λ⟩`, to be minimised.
    fn objective(&self, weights: &[f64]) -> f64 {
        logits(&self.slopes, weights).into_iter().map(softplus).sum::<f64>() - dot(&self.offsets, weights)
    }

    /// Newton's method on the simplex with an active set; steps of Frank and Wolfe where Newton's step is blocked.
    fn maximise_dual(&mut self) {
        for _ in 0..DUAL_STEPS {
            let (gradient, least, gap) = self.gradient();
            if gap <= f64::EPSILON || !gap.is_finite() {
                return;
            }
            let y = self.minimiser();
            let count = self.weights.len();
            let toward: Vec<f64> =
                (0..count).map(|k| f64::from(u8::from(k == least)) - self.weights[k]).collect();
            let free: Vec<usize> = (0..count).filter(|&k| self.weights[k] > 0.0 || k == least).collect();
            let newton = self.newton_direction(&free, &y, &gradient);
            let step = newton.as_ref().and_then(|direction| self.stepped(direction, &gradient));
            let step = step.or_else(|| self.stepped(&toward, &gradient));
            // Where the objective no longer falls within its rounding, the gap still does: it is of first order in y.
            match step.or_else(|| self.polished(&newton?, gap)) {
                Some(weights) => self.weights = weights,
                None => return,
            }
        }
    }

    /// The slope of the objective, the cut with the least, and the gap of Frank and Wolfe, which bounds the distance of the
    /// dual from its maximum.
    fn gradient(&self) -> (Vec<f64>, usize, f64) {
        let y = self.minimiser();
        let gradient: Vec<f64> =
            self.slopes.iter().zip(&self.offsets).map(|(slope, offset)| -dot(slope, &y) - offset).collect();
        let least = (0..gradient.len()).min_by(|&a, &b| gradient[a].total_cmp(&gradient[b])).unwrap_or(0);
        let lowest = gradient.get(least).copied().unwrap_or(0.0);
        // About the lowest slope, so that large slopes do not cancel.
        let gap = gradient.iter().zip(&self.weights).map(|(slope, weight)| weight * (slope - lowest)).sum();
        (gradient, least, gap)
    }

    /// The weights after a whole step, if they stay in the simplex and halve the gap.
    fn polished(&self, direction: &[f64], gap: f64) -> Option<Vec<f64>> {
        let weights: Vec<f64> = self.weights.iter().zip(direction).map(|(weight, d)| weight + d).collect();
        if weights.iter().any(|weight| *weight < 0.0) {
            return None;
        }
        let moved = Self { weights, ..self.clone() };
        (moved.gradient().2 < 0.5 * gap).then_some(moved.weights)
    }

    /// The direction d with `Σ d = 0` that minimises the quadratic model over the free weights.
    fn newton_direction(&self, free: &[usize], y: &[f64], gradient: &[f64]) -> Option<Vec<f64>> {
        let solution =
            self.saddle(free, y, &free.iter().map(|&k| -gradient[k]).collect::<Vec<_>>(), 1e-12)?;
        let mut direction = vec![0.0; self.weights.len()];
        free.iter().zip(&solution).for_each(|(&k, &value)| direction[k] = value);
        // A weight at zero must not fall.
        let blocked = free.iter().any(|&k| self.weights[k] == 0.0 && direction[k] < 0.0);
        (!blocked && dot(&direction, gradient) < 0.0).then_some(direction)
    }

    /// Solves `[G D Gᵀ, 1; 1ᵀ, 0] [d; ν] = [right; 0]` over some cuts, with D = diag(y (1 - y)); returns d and ν.
    fn saddle(&self, cuts: &[usize], y: &[f64], right: &[f64], ridge: f64) -> Option<Vec<f64>> {
        let count = cuts.len();
        let mut matrix = vec![vec![0.0; count + 2]; count + 1];
        let mut trace = 0.0;
        for (i, &a) in cuts.iter().enumerate() {
            for (j, &b) in cuts.iter().enumerate().take(i + 1) {
                let (left, other) = (&self.slopes[a], &self.slopes[b]);
                let product: f64 = left
                    .iter()
                    .zip(other)
                    .zip(y)
                    .map(|((left, other), y)| left * other * y * (1.0 - y))
                    .sum();
                (matrix[i][j], matrix[j][i]) = (product, product);
            }
            trace += matrix[i][i];
            (matrix[i][count], matrix[count][i], matrix[i][count + 1]) = (1.0, 1.0, right[i]);
        }
        (0..count).for_each(|i| matrix[i][i] += ridge * (trace / count as f64).max(f64::MIN_POSITIVE));
        eliminated(matrix)
    }

    /// The weights after a step along a direction that stays in the simplex and lowers the objective.
    fn stepped(&self, direction: &[f64], gradient: &[f64]) -> Option<Vec<f64>> {
        let slope = dot(direction, gradient);
        let blocking = (0..direction.len())
            .filter(|&k| direction[k] < 0.0)
            .map(|k| (-self.weights[k] / direction[k], k))
            .min_by(|a, b| a.0.total_cmp(&b.0));
        let longest = blocking.map_or(1.0, |(length, _)| length.min(1.0));
        let (start, mut length) = (self.objective(&self.weights), longest);
        for _ in 0..60 {
            let mut weights: Vec<f64> = self
                .weights
                .iter()
                .zip(direction)
                .map(|(weight, d)| (weight + length * d).max(0.0))
                .collect();
            if let Some((bound, k)) = blocking
                && length == bound
            {
                weights[k] = 0.0;
            }
            let total: f64 = weights.iter().sum();
            weights.iter_mut().for_each(|weight| *weight /= total);
            let value = self.objective(&weights);
            if value < start + DECREASE * length * slope && weights != self.weights {
                return Some(weights);
            }
            length *= 0.5;
        }
        None
    }

    /// Solves the transposed KKT system of the active cuts for the cotangent v of y.
    ///
    /// With `Gᵀλ + ln(y / (1 - y)) = 0`, `Σλ = 1` and `G y + h = t 1` the KKT conditions, and D = diag(y (1 - y)):
    /// `[G D Gᵀ, 1; 1ᵀ, 0] [c_λ; c_t] = [G D v; 0]` and `c_y = D (v - Gᵀ c_λ)`.
    pub(super) fn adjoint(&self, v: &[f64]) -> Adjoint {
        let y = self.minimiser();
        let active: Vec<usize> = (0..self.weights.len()).filter(|&k| self.weights[k] > 0.0).collect();
        let scaled: Vec<f64> = v.iter().zip(&y).map(|(v, y)| v * y * (1.0 - y)).collect();
        let right: Vec<f64> = active.iter().map(|&k| dot(&self.slopes[k], &scaled)).collect();
        let solution = self.saddle(&active, &y, &right, 1e-12).unwrap_or_else(|| vec![0.0; active.len()]);
        let mut weights = vec![0.0; self.weights.len()];
        active.iter().zip(&solution).for_each(|(&k, &value)| weights[k] = value);
        let mut state = scaled;
        for (&k, &weight) in active.iter().zip(&solution) {
            for ((state, slope), y) in state.iter_mut().zip(&self.slopes[k]).zip(&y) {
                *state -= y * (1.0 - y) * slope * weight;
            }
        }
        Adjoint { state, weights }
    }
}

fn logits(slopes: &[Vec<f64>], weights: &[f64]) -> Vec<f64> {
    let mut logits = vec![0.0; slopes.first().map_or(0, Vec::len)];
    for (slope, &weight) in slopes.iter().zip(weights).filter(|(_, weight)| **weight != 0.0) {
        logits.iter_mut().zip(slope).for_each(|(logit, slope)| *logit -= weight * slope);
    }
    logits
}

/// Gaussian elimination with partial pivoting on a matrix with its right side as the last column.
fn eliminated(mut matrix: Vec<Vec<f64>>) -> Option<Vec<f64>> {
    let count = matrix.len();
    for column in 0..count {
        let pivot =
            (column..count).max_by(|&a, &b| matrix[a][column].abs().total_cmp(&matrix[b][column].abs()))?;
        matrix.swap(column, pivot);
        let (above, below) = matrix.split_at_mut(column + 1);
        let row = &above[column];
        if row[column] == 0.0 || !row[column].is_finite() {
            return None;
        }
        for other in below {
            let factor = other[column] / row[column];
            if factor != 0.0 {
                other.iter_mut().zip(row).skip(column).for_each(|(other, row)| *other -= factor * row);
            }
        }
    }
    let mut solution = vec![0.0; count];
    for row in (0..count).rev() {
        let rest: f64 = (row + 1..count).map(|column| matrix[row][column] * solution[column]).sum();
        solution[row] = (matrix[row][count] - rest) / matrix[row][row];
    }
    solution.iter().all(|value| value.is_finite()).then_some(solution)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Three planes in two dimensions, two of which are active at the minimum.
    fn planes() -> (Vec<Vec<f64>>, Vec<f64>) {
        (vec![vec![1.0, -0.5], vec![-2.0, 0.7], vec![0.3, 0.2]], vec![0.1, 0.4, -3.0])
    }

    fn solved(slopes: &[Vec<f64>], offsets: &[f64]) -> Cuts {
        let mut cuts = Cuts::default();
        for (slope, &offset) in slopes.iter().zip(offsets) {
            cuts.add(vec![0.0; slope.len()], offset, slope.clone());
        }
        cuts
    }

    #[test]
    fn the_minimum_of_the_planes_and_the_dual_meet() {
        let (slopes, offsets) = planes();
        let cuts = solved(&slopes, &offsets);
        let y = cuts.minimiser();
        let values: Vec<f64> = slopes.iter().zip(&offsets).map(|(g, h)| dot(g, &y) + h).collect();
        let highest = values.iter().copied().fold(f64::NEG_INFINITY, f64::max);
        let primal = highest + negative_entropy(&cuts.logits());
        assert!((primal - cuts.bound()).abs() < 1e-10, "found {primal} and {}", cuts.bound());
        assert!(
            (values[0] - values[1]).abs() < 1e-7 && cuts.weights[2] == 0.0,
            "{values:?}: {:?}",
            cuts.weights
        );
        // A grid of the box holds no lower value.
        for i in 1..100 {
            for j in 1..100 {
                let y = [f64::from(i) / 100.0, f64::from(j) / 100.0];
                let highest =
                    slopes.iter().zip(&offsets).map(|(g, h)| dot(g, &y) + h).fold(f64::MIN, f64::max);
                let entropy: f64 = y.iter().map(|y| y * y.ln() + (1.0 - y) * (1.0 - y).ln()).sum();
                assert!(highest + entropy >= primal - 1e-12);
            }
        }
    }

    #[test]
    fn the_adjoint_of_the_kkt_conditions_agrees_with_differences() {
        let (slopes, offsets) = planes();
        let v = [0.7, -1.3];
        let cuts = solved(&slopes, &offsets);
        let Adjoint { state, weights } = cuts.adjoint(&v);
        let y = cuts.minimiser();
        let loss = |slopes: &[Vec<f64>], offsets: &[f64]| dot(&v, &solved(slopes, offsets).minimiser());
        type Change<'a> = &'a dyn Fn(&mut [Vec<f64>], &mut [f64], f64);
        let difference = |change: Change<'_>| {
            let at = |step: f64| {
                let (mut slopes, mut offsets) = (slopes.clone(), offsets.clone());
                change(&mut slopes, &mut offsets, step);
                loss(&slopes, &offsets)
            };
            (at(1e-5) - at(-1e-5)) / 2e-5
        };
        for k in 0..3 {
            let found = -weights[k];
            let expected = difference(&|_, offsets, step| offsets[k] += step);
            assert!((found - expected).abs() < 1e-6, "h {k}: found {found}, expected {expected}");
            for i in 0..2 {
                let found = -(cuts.weights[k] * state[i] + weights[k] * y[i]);
                let expected = difference(&|slopes, _, step| slopes[k][i] += step);
                assert!((found - expected).abs() < 1e-6, "g {k} {i}: found {found}, expected {expected}");
            }
        }
    }

    #[test]
    fn dropping_cuts_without_weight_changes_nothing() {
        let (slopes, offsets) = planes();
        let mut cuts = solved(&slopes, &offsets);
        let before = (cuts.minimiser(), cuts.bound());
        cuts.drop_inactive();
        assert_eq!(
            (cuts.points.len(), cuts.slopes.len(), cuts.offsets.len(), cuts.weights.len()),
            (2, 2, 2, 2)
        );
        assert_eq!((cuts.minimiser(), cuts.bound()), before);
    }
}
