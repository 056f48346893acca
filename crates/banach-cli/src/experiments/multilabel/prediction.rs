//! The prediction of a network: logits, and how each row was solved.

use banach::solve::Outcome;
use burn::tensor::Tensor;

/// Logits, `[batch, labels]`, and the outcome of every row; none where nothing is solved for.
pub(crate) type Predicted = (Tensor<2>, Option<Vec<Outcome>>);
