//! What the dashboard draws: numbers of mini-batches, in two splits.

/// A number of every mini-batch that the dashboard draws.
#[cfg_attr(not(feature = "dashboard"), expect(dead_code, reason = "only the screen reads it"))]
#[derive(Clone, Copy, Debug)]
pub(crate) struct Metric {
    /// Its name on the screen.
    pub(crate) name: &'static str,
    /// Whether larger values are better.
    pub(crate) higher_is_better: bool,
}

/// The part of an epoch that a mini-batch belongs to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Split {
    /// Mini-batches that change the weights.
    Training,
    /// Mini-batches of the validation split.
    Validation,
}
