//! Buffers of matrices, reused when they are released.

use banach_kernels::Real;
use std::cell::RefCell;
use std::thread::LocalKey;

/// `f32` or `f64`, a number of a [`Matrix`](crate::Matrix).
pub trait Number: Real + sealed::Stored {}

/// The most vectors that wait in a thread.
const WAITING: usize = 32;

/// The most memory that waits in a thread, in bytes.
const MEMORY: usize = 64 << 20;

/// Vectors that wait to be used again, the latest last.
pub(crate) type Pool<T> = RefCell<Vec<Vec<T>>>;

mod sealed {
    /// Numbers whose vectors are used again.
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

/// A vector that goes back to its thread's pool: a loop that makes and drops states asks the allocator once.
#[derive(Debug)]
pub(crate) struct Storage<T: Number>(pub(crate) Vec<T>);

impl<T: Number> Storage<T> {
    /// So many numbers, whatever they are: to be written before they are read.
    pub(crate) fn any(length: usize) -> Self {
        let waiting = T::pool().try_with(|pool| {
            let mut pool = pool.borrow_mut();
            let fits = |vector: &Vec<T>| (length..=2 * length).contains(&vector.capacity());
            pool.iter().rposition(fits).map(|at| pool.remove(at))
        });
        let mut vector = waiting.ok().flatten().unwrap_or_default();
        vector.resize(length, T::default());
        Storage(vector)
    }

    /// A copy.
    pub(crate) fn copied(values: &[T]) -> Self {
        let mut storage = Self::any(values.len());
        storage.0.copy_from_slice(values);
        storage
    }
}

impl<T: Number> Clone for Storage<T> {
    fn clone(&self) -> Self {
        Self::copied(&self.0)
    }
}

impl<T: Number> Drop for Storage<T> {
    fn drop(&mut self) {
        let vector = std::mem::take(&mut self.0);
        let bytes = |vector: &Vec<T>| vector.capacity() * size_of::<T>();
        if vector.capacity() == 0 || bytes(&vector) > MEMORY {
            return;
        }
        // At the end of a thread its pool may be gone already, and the vector with it.
        let _ = T::pool().try_with(|pool| {
            let mut pool = pool.borrow_mut();
            pool.push(vector);
            let mut waiting: usize = pool.iter().map(bytes).sum();
            while pool.len() > WAITING || waiting > MEMORY {
                waiting -= bytes(&pool.remove(0));
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
        let first = Storage::<f32>::any(100);
        let place = first.0.as_ptr();
        drop(first);
        assert_eq!(waiting(), [100]);
        let second = Storage::<f32>::any(60);
        assert_eq!((second.0.as_ptr(), second.0.len()), (place, 60));
        drop(second);
        assert!(Storage::<f32>::any(7).0.as_ptr() != place, "far too long for so few numbers");
        drop((0..100).map(|_| Storage::<f32>::any(10)).collect::<Vec<_>>());
        assert_eq!(waiting().len(), WAITING);
        drop((0..5).map(|_| Storage::<f32>::any(5 << 20)).collect::<Vec<_>>());
        assert!(waiting().iter().sum::<usize>() * 4 <= MEMORY);
    }
}
