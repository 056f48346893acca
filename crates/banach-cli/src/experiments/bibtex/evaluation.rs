//! F1 of predicted label sets, and the threshold that makes it best.

use crate::dataset::bibtex::{Example, LABELS};

/// The outputs of a network for every example of a split.
#[derive(Clone, Debug, Default)]
pub(crate) struct F1Scores {
    values: Vec<f32>,
}

impl F1Scores {
    /// Appends the outputs of one mini-batch, row by row.
    pub(crate) fn extend(&mut self, outputs: &[f32]) {
        self.values.extend_from_slice(outputs);
    }

    /// Mean over the examples of `2 |A ∩ B| / (|A| + |B|)` in percent, where A is the true label set and B holds
    /// the labels whose output lies above `threshold`. Two empty sets agree: they count as 1.
    pub(crate) fn f1(&self, examples: &[Example], threshold: f64) -> f64 {
        let rows = self.values.chunks_exact(LABELS).zip(examples);
        let sum: f64 = rows.map(|(outputs, example)| row_f1(outputs, &example.labels, threshold)).sum();
        100.0 * sum / examples.len().max(1) as f64
    }

    /// The best of the thresholds 0.01, 0.02, ... 0.99, and its F1. Of equals, the one nearest one half.
    pub(crate) fn best_threshold(&self, examples: &[Example]) -> (f64, f64) {
        let candidates = (1..100).map(|hundredths| f64::from(hundredths) / 100.0);
        let scored = candidates.map(|threshold| (threshold, self.f1(examples, threshold)));
        let distance = |threshold: f64| (threshold - 0.5).abs();
        scored.fold((0.5, f64::NEG_INFINITY), |best, next| {
            let nearer = next.1 == best.1 && distance(next.0) < distance(best.0);
            if next.1 > best.1 || nearer { next } else { best }
        })
    }
}

/// The F1 of one example, between 0 and 1.
pub(crate) fn row_f1(outputs: &[f32], labels: &[u32], threshold: f64) -> f64 {
    let above = |output: f32| f64::from(output) > threshold;
    let predicted = outputs.iter().filter(|&&output| above(output)).count();
    let both = labels.iter().filter(|&&label| above(outputs[label as usize])).count();
    match predicted + labels.len() {
        0 => 1.0,
        sizes => 2.0 * both as f64 / sizes as f64,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn example(labels: &[u32]) -> Example {
        Example { features: vec![], labels: labels.to_vec() }
    }

    fn scores(rows: &[&[(usize, f32)]]) -> F1Scores {
        let mut scores = F1Scores::default();
        for row in rows {
            let mut outputs = vec![0.0; LABELS];
            row.iter().for_each(|&(label, output)| outputs[label] = output);
            scores.extend(&outputs);
        }
        scores
    }

    #[test]
    fn f1_is_the_mean_over_examples() {
        let scores = scores(&[&[(0, 0.9), (1, 0.8)], &[(5, 0.6)], &[]]);
        let examples = [example(&[0, 2, 3]), example(&[5]), example(&[7])];
        let expected = 100.0 * (2.0 / 5.0 + 1.0 + 0.0) / 3.0;
        assert!((scores.f1(&examples, 0.5) - expected).abs() < 1e-12);
    }

    #[test]
    fn two_empty_sets_agree_and_one_half_is_not_above_one_half() {
        assert_eq!(scores(&[&[(3, 0.5)]]).f1(&[example(&[])], 0.5), 100.0);
        assert_eq!(scores(&[&[(3, 0.5)]]).f1(&[example(&[3])], 0.5), 0.0);
        assert_eq!(scores(&[&[(3, f32::NAN)]]).f1(&[example(&[3])], 0.5), 0.0);
    }

    #[test]
    fn the_threshold_is_chosen_where_f1_is_best() {
        let scores = scores(&[&[(0, 0.295), (1, 0.1)], &[(2, 0.4), (3, 0.2)]]);
        let (threshold, f1) = scores.best_threshold(&[example(&[0]), example(&[2])]);
        assert_eq!((threshold, f1), (0.29, 100.0));
    }
}
