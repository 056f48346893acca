//! The first error of a loop whose map can return only numbers.

use crate::error::Error;
use crate::settings::lock::locked;
use burn::tensor::Tensor;
use std::sync::{Arc, Mutex};

/// The first error recorded by any of several concurrent batch slices. Clones share it.
#[derive(Clone, Debug, Default)]
pub(crate) struct Failure(Arc<Mutex<Option<Error>>>);

impl Failure {
    /// Records an error, if it is the first.
    pub(crate) fn record(&self, error: impl Into<Error>) {
        locked(&self.0).get_or_insert(error.into());
    }

    /// Returns the tensor. Records an error and returns NaN in the shape of another tensor instead.
    pub(crate) fn or_nan(&self, result: Result<Tensor<2>, Error>, like: &Tensor<2>) -> Tensor<2> {
        result.unwrap_or_else(|error| {
            self.record(error);
            like.full_like(f64::NAN)
        })
    }

    /// Returns the result, or the first error recorded while it was computed.
    pub(crate) fn checked<T>(&self, result: T) -> Result<T, Error> {
        locked(&self.0).take().map_or(Ok(result), Err)
    }
}
