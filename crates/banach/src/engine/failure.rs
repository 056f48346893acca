//! The first error of a loop whose map can return only numbers.

use crate::error::Error;
use crate::settings::report::locked;
use burn::tensor::Tensor;
use std::sync::{Arc, Mutex};

/// The first error of bodies that work together. Clones share it.
#[derive(Clone, Debug, Default)]
pub(crate) struct Failure(Arc<Mutex<Option<Error>>>);

impl Failure {
    /// Keeps an error, if it is the first.
    pub(crate) fn note(&self, error: impl Into<Error>) {
        locked(&self.0).get_or_insert(error.into());
    }

    /// A result, or in its place no numbers and a note.
    pub(crate) fn kept(&self, result: Result<Tensor<2>, Error>, like: &Tensor<2>) -> Tensor<2> {
        result.unwrap_or_else(|error| {
            self.note(error);
            like.full_like(f64::NAN)
        })
    }

    /// What was made of the numbers, unless something went wrong.
    pub(crate) fn checked<T>(&self, made: T) -> Result<T, Error> {
        locked(&self.0).take().map_or(Ok(made), Err)
    }
}
