//! Labelled examples, and their numbers of features and labels.

use serde::{Deserialize, Serialize};

/// One example.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Example {
    /// The features that are not 0, ascending, with their values.
    pub(crate) features: Vec<(u32, f32)>,
    /// The labels that the example has, ascending.
    pub(crate) labels: Vec<u32>,
}

/// The numbers of features and labels.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Widths {
    /// Features of an example.
    pub(crate) features: usize,
    /// Labels of the data set.
    pub(crate) labels: usize,
}
