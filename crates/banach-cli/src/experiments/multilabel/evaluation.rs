//! Metrics of predicted label sets, and the threshold that makes the mean F1 of the examples best.

use crate::dataset::example::Example;
use serde::{Deserialize, Serialize};

/// The outputs of a network for every example of a split.
#[derive(Clone, Debug)]
pub(crate) struct F1Scores {
    labels: usize,
    values: Vec<f32>,
}

/// Metrics of one split, in percent.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub(crate) struct Metrics {
    /// F1 of all pairs of example and label together.
    pub(crate) micro_f1: f64,
    /// Mean F1 of the labels; a label that is neither present nor predicted is left out.
    pub(crate) macro_f1: f64,
}

/// Share of true labels among the first of an example, by their outputs: the mean over the examples, in percent.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub(crate) struct Precision {
    /// The first label.
    pub(crate) p_at_1: f64,
    /// The first three.
    pub(crate) p_at_3: f64,
    /// The first five.
    pub(crate) p_at_5: f64,
}

impl F1Scores {
    /// No outputs yet, for examples of so many labels.
    pub(crate) fn new(labels: usize) -> Self {
        Self { labels, values: Vec::new() }
    }

    /// Appends the outputs of one mini-batch, row by row.
    pub(crate) fn extend(&mut self, outputs: &[f32]) {
        self.values.extend_from_slice(outputs);
    }

    fn rows<'a>(&'a self, examples: &'a [Example]) -> impl Iterator<Item = (&'a [f32], &'a Example)> {
        self.values.chunks_exact(self.labels).zip(examples)
    }

    /// Mean over the examples of `2 |A ∩ B| / (|A| + |B|)` in percent, where A is the true label set and B holds
    /// the labels whose output lies above `threshold`. Two empty sets agree: they count as 1.
    pub(crate) fn f1(&self, examples: &[Example], threshold: f64) -> f64 {
        let rows = self.rows(examples);
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

    /// F1 over pairs and over labels, where outputs above `threshold` are predicted.
    ///
    /// `2 tp / (2 tp + fp + fn)`, that is twice the hits over the predicted and the true labels.
    pub(crate) fn metrics(&self, examples: &[Example], threshold: f64) -> Metrics {
        let (mut hits, mut sizes) = (vec![0_usize; self.labels], vec![0_usize; self.labels]);
        for (outputs, example) in self.rows(examples) {
            for (size, &output) in sizes.iter_mut().zip(outputs) {
                *size += usize::from(f64::from(output) > threshold);
            }
            for &label in &example.labels {
                let label = label as usize;
                sizes[label] += 1;
                hits[label] += usize::from(f64::from(outputs[label]) > threshold);
            }
        }
        let f1 = |hits: usize, size: usize| 200.0 * hits as f64 / size as f64;
        let (all_hits, all) = (hits.iter().sum(), sizes.iter().sum());
        let each: Vec<f64> = hits
            .iter()
            .zip(&sizes)
            .filter(|(_, size)| **size > 0)
            .map(|(&hits, &size)| f1(hits, size))
            .collect();
        Metrics {
            micro_f1: if all == 0 { 100.0 } else { f1(all_hits, all) },
            macro_f1: if each.is_empty() { 100.0 } else { each.iter().sum::<f64>() / each.len() as f64 },
        }
    }

    /// Precision at 1, 3 and 5; of equal outputs the first label counts, and outputs that are not numbers come last.
    pub(crate) fn precision(&self, examples: &[Example]) -> Precision {
        let mut hits = [0_usize; 5];
        let mut order: Vec<u32> = (0..self.labels as u32).collect();
        let key = |output: f32| if output.is_nan() { f32::NEG_INFINITY } else { output };
        for (outputs, example) in self.rows(examples) {
            let before = |a: &u32, b: &u32| {
                let [left, right] = [*a, *b].map(|label| key(outputs[label as usize]));
                right.total_cmp(&left).then(a.cmp(b))
            };
            if order.len() > 5 {
                order.select_nth_unstable_by(4, before);
            }
            let first = order.len().min(5);
            order[..first].sort_unstable_by(before);
            for (rank, label) in order[..first].iter().enumerate() {
                hits[rank] += usize::from(example.labels.contains(label));
            }
        }
        let at =
            |k: usize| 100.0 * hits[..k].iter().sum::<usize>() as f64 / (k * examples.len()).max(1) as f64;
        Precision { p_at_1: at(1), p_at_3: at(3), p_at_5: at(5) }
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

    const LABELS: usize = 159;

    fn example(labels: &[u32]) -> Example {
        Example { features: vec![], labels: labels.to_vec() }
    }

    fn scores(rows: &[&[(usize, f32)]]) -> F1Scores {
        let mut scores = F1Scores::new(LABELS);
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
    fn micro_and_macro_f1_count_over_pairs_and_over_labels() {
        // Predicted {0, 1}, {5}, {}; true {0, 2, 3}, {5}, {7}: 2 hits among 3 predicted and 5 true labels.
        let scores = scores(&[&[(0, 0.9), (1, 0.8)], &[(5, 0.6)], &[]]);
        let found = scores.metrics(&[example(&[0, 2, 3]), example(&[5]), example(&[7])], 0.5);
        assert!((found.micro_f1 - 100.0 * 2.0 * 2.0 / 8.0).abs() < 1e-12, "{found:?}");
        // Labels 0 and 5 have F1 1; 1, 2, 3 and 7 have 0; the others neither occur nor are predicted.
        assert!((found.macro_f1 - 100.0 * 2.0 / 6.0).abs() < 1e-12, "{found:?}");
    }

    #[test]
    fn precision_counts_the_first_labels_by_their_outputs() {
        let scores = scores(&[&[(0, 0.1), (1, 0.3), (2, 0.2), (9, f32::NAN)], &[(4, 0.5)]]);
        let found = scores.precision(&[example(&[2, 1, 9]), example(&[0, 1])]);
        assert!((found.p_at_1 - 100.0 * 1.0 / 2.0).abs() < 1e-12, "{found:?}");
        // First of the second row: 4, then 0 and 1, the first labels with the output 0.
        assert!((found.p_at_3 - 100.0 * 4.0 / 6.0).abs() < 1e-12, "{found:?}");
        assert!((found.p_at_5 - 100.0 * 4.0 / 10.0).abs() < 1e-12, "{found:?}");
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
