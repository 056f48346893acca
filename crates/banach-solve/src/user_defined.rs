//! Solvers of users as settings.

use std::fmt;
use std::sync::Arc;

/// A shared solver that a user has defined, as a setting. Two of them are equal if they are the same object.
pub struct UserDefined<T: ?Sized>(pub(crate) Arc<T>);

impl<T: ?Sized> Clone for UserDefined<T> {
    fn clone(&self) -> Self {
        Self(Arc::clone(&self.0))
    }
}

impl<T: ?Sized> PartialEq for UserDefined<T> {
    fn eq(&self, other: &Self) -> bool {
        Arc::ptr_eq(&self.0, &other.0)
    }
}

impl<T: ?Sized + fmt::Debug> fmt::Debug for UserDefined<T> {
    /// Prints the solver and its address, which tells it from another one with equal settings.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:?} at {:p}", self.0, Arc::as_ptr(&self.0).cast::<()>())
    }
}
