//! Pooled buffers of matrices.

use banach_kernels::Real;
use std::cell::RefCell;
use std::thread::LocalKey;

/// An element of a [`Matrix`](crate::Matrix): `f32` or `f64`.
pub trait Number: Real + sealed::Stored {}

/// The most vectors in the pool of a thread.
const POOLED: usize = 32;

/// The most memory in the pool of a thread, in bytes.
const MEMORY: usize = 64 << 20;

/// Released vectors, the most recent last.
pub(crate) type Pool<T> = RefCell<Vec<Vec<T>>>;

mod sealed {
    /// Elements whose vectors are pooled.
    pub trait Stored: Sized + 'static {
        fn pool() -> &'static super::LocalKey<super::Pool<Self>>;
    }
}

macro_rules! number {
    ($real:ident, $pool:ident) => {
        thread_local! {
            static $pool: Pool<$real> = const { RefCell::new(Vec::new()) };
        }

        impl sealed::Stored for $real {
            fn pool() -> &'static LocalKey<Pool<Self>> {
                &$pool
            }
        }

        impl Number for $real {}
    };
}
number!(f32, SINGLE);
number!(f64, DOUBLE);

/// A vector that returns to the pool of its thread when dropped, so that a loop that creates and drops states
/// does not allocate in every step.
#[derive(Debug)]
pub(crate) struct PooledVector<T: Number>(pub(crate) Vec<T>);

impl<T: Number> PooledVector<T> {
    /// Returns a vector with unspecified content, from the pool where one of that size was released.
    pub(crate) fn any(length: usize) -> Self {
        let pooled = T::pool().try_with(|pool| {
            let mut pool = pool.borrow_mut();
            let fits = |vector: &Vec<T>| (length..=2 * length).contains(&vector.capacity());
            pool.iter().rposition(fits).map(|at| pool.remove(at))
        });
        PooledVector(match pooled.ok().flatten() {
            Some(mut vector) => {
                vector.resize(length, T::default());
                vector
            }
            // Fresh memory of the system is zero without being written.
            None => vec![T::default(); length],
        })
    }

    /// Copies a slice.
    pub(crate) fn copied(values: &[T]) -> Self {
        let mut vector = Self::any(values.len());
        vector.0.copy_from_slice(values);
        vector
    }
}

impl<T: Number> Clone for PooledVector<T> {
    fn clone(&self) -> Self {
        Self::copied(&self.0)
    }
}

impl<T: Number> Drop for PooledVector<T> {
    fn drop(&mut self) {
        let vector = std::mem::take(&mut self.0);
        let bytes = |vector: &Vec<T>| vector.capacity() * size_of::<T>();
        if vector.capacity() == 0 || bytes(&vector) > MEMORY {
            return;
        }
        // At the end of a thread its pool may have been destroyed; then the vector is freed.
        let _ = T::pool().try_with(|pool| {
            let mut pool = pool.borrow_mut();
            pool.push(vector);
            let mut bytes_pooled: usize = pool.iter().map(bytes).sum();
            while pool.len() > POOLED || bytes_pooled > MEMORY {
                bytes_pooled -= bytes(&pool.remove(0));
            }
        });
    }
}

#[cfg(test)]
mod tests {
    use super::sealed::Stored;
    use super::*;

    fn waiting() -> Vec<usize> {
        f32::pool().with(|pool| pool.borrow().iter().map(Vec::capacity).collect())
    }

    #[test]
    fn what_is_dropped_is_used_again_and_little_waits() {
        let first = PooledVector::<f32>::any(100);
        let place = first.0.as_ptr();
        drop(first);
        assert_eq!(waiting(), [100]);
        let second = PooledVector::<f32>::any(60);
        assert_eq!((second.0.as_ptr(), second.0.len()), (place, 60));
        drop(second);
        assert!(PooledVector::<f32>::any(7).0.as_ptr() != place, "far too long for so few numbers");
        drop((0..100).map(|_| PooledVector::<f32>::any(10)).collect::<Vec<_>>());
        assert_eq!(waiting().len(), POOLED);
        drop((0..5).map(|_| PooledVector::<f32>::any(5 << 20)).collect::<Vec<_>>());
        assert!(waiting().iter().sum::<usize>() * 4 <= MEMORY);
    }
}
