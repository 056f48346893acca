//! Data sets: three splits of examples, and their counts.

use super::encoding::Encoding;
use super::example::{Example, Widths};
use crate::random::Generator;
use crate::report::plural::counted;
use serde::Serialize;
use std::sync::Arc;

/// The share of the training examples that validates.
pub(crate) const VALIDATION_SHARE: f64 = 0.1;

const SPLIT_STREAM: u64 = 1;

/// The three splits, how they were read, and a number that tells one set of data from another.
#[derive(Clone, Debug)]
pub(crate) struct DataSet {
    /// What the network learns from.
    pub(crate) train: Arc<[Example]>,
    /// What chooses the epoch and the threshold.
    pub(crate) validation: Arc<[Example]>,
    /// What is only reported.
    pub(crate) test: Arc<[Example]>,
    /// How examples were read from attributes.
    pub(crate) encoding: Arc<Encoding>,
    /// Counts.
    pub(crate) summary: Summary,
    /// Changes with any example and with the seed of the split.
    pub(crate) fingerprint: String,
}

/// What is known of a data set.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub(crate) struct Summary {
    /// Examples that train.
    pub(crate) train: usize,
    /// Examples that validate.
    pub(crate) validation: usize,
    /// Examples that test.
    pub(crate) test: usize,
    #[serde(flatten)]
    pub(crate) widths: Widths,
    /// Features that were numbers and are standardised.
    pub(crate) standardised: usize,
    /// Mean number of features that are not 0.
    pub(crate) mean_features: f64,
    /// Mean number of labels of an example.
    pub(crate) cardinality: f64,
    /// Features that have one value in all training examples, and are 0.
    pub(crate) constant_features: usize,
    /// Labels that no training example has.
    pub(crate) unseen_labels: usize,
    /// Examples without labels that were left out.
    pub(crate) skipped_examples: usize,
}

impl DataSet {
    /// The data set of three splits.
    pub(crate) fn new(splits: [Vec<Example>; 3], encoding: Encoding, skipped_examples: usize) -> Self {
        let widths = encoding.widths();
        let [train, validation, test] = splits;
        let fingerprint = fingerprint([&train, &validation, &test]);
        let count = train.len() + validation.len() + test.len();
        let all = || [&train, &validation, &test].into_iter().flatten();
        let mean = |sum: usize| sum as f64 / count.max(1) as f64;
        let mut seen = vec![false; widths.labels];
        train.iter().flat_map(|example| &example.labels).for_each(|&label| seen[label as usize] = true);
        let summary = Summary {
            train: train.len(),
            validation: validation.len(),
            test: test.len(),
            widths,
            standardised: encoding.standardised(),
            mean_features: mean(all().map(|example| example.features.len()).sum()),
            cardinality: mean(all().map(|example| example.labels.len()).sum()),
            constant_features: encoding.constants(),
            unseen_labels: seen.iter().filter(|seen| !**seen).count(),
            skipped_examples,
        };
        let encoding = Arc::new(encoding);
        Self {
            train: train.into(),
            validation: validation.into(),
            test: test.into(),
            encoding,
            summary,
            fingerprint,
        }
    }

    /// The numbers of features and labels.
    pub(crate) fn widths(&self) -> Widths {
        self.summary.widths
    }
}

impl Summary {
    /// One line with all counts.
    pub(crate) fn line(&self) -> String {
        let mut line = format!(
            "data: {}, {} to validate, {} to test; {} ({} standardised, {:.1} not 0 in the mean), {}, cardinality {:.2}",
            counted(self.train, "training example"),
            self.validation,
            self.test,
            counted(self.widths.features, "feature"),
            self.standardised,
            self.mean_features,
            counted(self.widths.labels, "label"),
            self.cardinality,
        );
        for (count, noun, rest) in [
            (self.skipped_examples, "example", "without labels left out"),
            (self.constant_features, "feature", "constant in training, set to 0"),
            (self.unseen_labels, "label", "without a training example"),
        ] {
            if count > 0 {
                line.push_str(&format!("; {} {rest}", counted(count, noun)));
            }
        }
        line
    }
}

/// The rows that train and those that validate, each ascending, drawn by `seed`.
pub(crate) fn validation_split(rows: usize, seed: u64) -> [Vec<usize>; 2] {
    let order = Generator::new(seed, SPLIT_STREAM).permutation(rows);
    let (validation, train) = order.split_at((rows as f64 * VALIDATION_SHARE).round() as usize);
    [train, validation].map(|rows| {
        let mut rows = rows.to_vec();
        rows.sort_unstable();
        rows
    })
}

/// FNV-1a over all indices, and over the bits of all values but 1.
fn fingerprint(splits: [&[Example]; 3]) -> String {
    let mut hash = 0xcbf2_9ce4_8422_2325_u64;
    let mut add = |number: u32| {
        for byte in number.to_le_bytes() {
            hash = (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3);
        }
    };
    for examples in splits {
        for example in examples {
            for &(index, value) in &example.features {
                add(index);
                if value != 1.0 {
                    add(value.to_bits());
                }
            }
            add(u32::MAX);
            example.labels.iter().for_each(|&index| add(index));
            add(u32::MAX);
        }
        add(u32::MAX - 1);
    }
    format!("{hash:016x}")
}
