//! Buffers that are used again.
//!
//! Memory from the allocator is often fresh, and fresh memory costs a page fault every 4 KiB: more than the arithmetic
//! of small programs. So buffers return to a pool when they are dropped, whatever thread drops them.

use super::lanes::Lanes;
use std::collections::BTreeMap;
use std::ops::{Deref, DerefMut};
use std::sync::{Mutex, PoisonError};

/// The most bytes of one kind of element that wait to be used again.
const MOST: usize = 64 << 20;

/// Buffers that wait, by capacity.
#[derive(Debug)]
pub(crate) struct Pool<T> {
    waiting: BTreeMap<usize, Vec<Vec<T>>>,
    bytes: usize,
}

impl<T> Pool<T> {
    const fn new() -> Self {
        Pool { waiting: BTreeMap::new(), bytes: 0 }
    }

    /// An empty buffer of a capacity; one that waits if there is one of at most twice the capacity.
    fn take(&mut self, len: usize) -> Vec<T> {
        let mut fitting = self.waiting.range_mut(len..=2 * len);
        let Some(buffer) = fitting.find_map(|(_, buffers)| buffers.pop()) else {
            return Vec::with_capacity(len);
        };
        self.bytes -= buffer.capacity() * size_of::<T>();
        buffer
    }

    /// Keeps a buffer; where too many bytes would wait, in place of all that do.
    fn give(&mut self, mut buffer: Vec<T>) {
        let bytes = buffer.capacity() * size_of::<T>();
        if bytes == 0 || bytes > MOST {
            return;
        }
        if self.bytes + bytes > MOST {
            *self = Pool::new();
        }
        buffer.clear();
        self.bytes += bytes;
        self.waiting.entry(buffer.capacity()).or_default().push(buffer);
    }
}

/// Elements with a pool of buffers.
pub(crate) trait Pooled: Copy + 'static {
    const ZERO: Self;

    fn pool() -> &'static Mutex<Pool<Self>>;
}

macro_rules! pooled {
    ($element:ty, $zero:expr) => {
        impl Pooled for $element {
            const ZERO: Self = $zero;

            fn pool() -> &'static Mutex<Pool<Self>> {
                static POOL: Mutex<Pool<$element>> = Mutex::new(Pool::new());
                &POOL
            }
        }
    };
}

pooled!(f32, 0.0);
pooled!(f64, 0.0);
pooled!(Lanes, Lanes([0.0; _]));

/// A vector whose memory returns to the pool.
#[derive(Debug)]
pub(crate) struct Buffer<T: Pooled>(Vec<T>);

impl<T: Pooled> Buffer<T> {
    /// An empty buffer of a capacity.
    fn empty(len: usize) -> Self {
        Buffer(T::pool().lock().unwrap_or_else(PoisonError::into_inner).take(len))
    }

    /// One element everywhere.
    pub(crate) fn filled(element: T, len: usize) -> Self {
        let mut buffer = Self::empty(len);
        buffer.0.resize(len, element);
        buffer
    }

    /// Zeros.
    pub(crate) fn zeros(len: usize) -> Self {
        Self::filled(T::ZERO, len)
    }

    /// Collects elements of which there are `len`.
    pub(crate) fn collect(len: usize, elements: impl Iterator<Item = T>) -> Self {
        let mut buffer = Self::empty(len);
        buffer.0.extend(elements);
        buffer
    }
}

impl<T: Pooled> Default for Buffer<T> {
    fn default() -> Self {
        Buffer(vec![])
    }
}

impl<T: Pooled> From<&[T]> for Buffer<T> {
    fn from(elements: &[T]) -> Self {
        let mut buffer = Self::empty(elements.len());
        buffer.0.extend_from_slice(elements);
        buffer
    }
}

impl<T: Pooled> Clone for Buffer<T> {
    fn clone(&self) -> Self {
        Buffer::from(&self[..])
    }
}

impl<T: Pooled> Drop for Buffer<T> {
    fn drop(&mut self) {
        T::pool().lock().unwrap_or_else(PoisonError::into_inner).give(std::mem::take(&mut self.0));
    }
}

impl<T: Pooled> Deref for Buffer<T> {
    type Target = [T];
    fn deref(&self) -> &[T] {
        &self.0
    }
}

impl<T: Pooled> DerefMut for Buffer<T> {
    fn deref_mut(&mut self) -> &mut [T] {
        &mut self.0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_buffer_is_used_again_for_its_size_down_to_half_of_it() {
        let mut pool = Pool::<f64>::new();
        pool.give(Vec::with_capacity(100));
        assert_eq!(pool.take(101).capacity(), 101);
        assert_eq!(pool.take(49).capacity(), 49);
        let mut found = pool.take(50);
        assert_eq!((found.capacity(), pool.bytes), (100, 0));
        found.push(1.0);
        pool.give(found);
        assert!(pool.take(100).is_empty());
    }

    #[test]
    fn no_more_than_the_bound_waits() {
        let mut pool = Pool::<u8>::new();
        pool.give(Vec::with_capacity(MOST / 2));
        pool.give(Vec::with_capacity(MOST / 4));
        assert_eq!(pool.bytes, MOST / 2 + MOST / 4);
        pool.give(Vec::with_capacity(MOST / 2));
        assert_eq!(pool.bytes, MOST / 2);
        pool.give(Vec::with_capacity(MOST + 1));
        assert_eq!((pool.bytes, pool.waiting.len()), (MOST / 2, 1));
    }
}
