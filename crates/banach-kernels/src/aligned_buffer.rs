//! Buffers aligned to cache lines.

use crate::arithmetic::Arithmetic;

/// Memory for numbers, in whole cache lines.
#[derive(Clone, Default)]
pub(crate) struct AlignedBuffer(Vec<Line>);

#[derive(Clone, Copy)]
#[repr(C, align(64))]
struct Line([u64; 8]);

impl AlignedBuffer {
    /// An empty buffer.
    pub(crate) const fn new() -> Self {
        Self(Vec::new())
    }

    /// Resizes the buffer to hold a number of elements, allocating only beyond its capacity.
    ///
    /// # Panics
    /// If the size in bytes overflows.
    pub(crate) fn resize<T: Arithmetic>(&mut self, numbers: usize) {
        let bytes = numbers.checked_mul(size_of::<T>());
        assert!(bytes.is_some(), "the size of a buffer must not overflow");
        self.0.resize(bytes.unwrap_or_default().div_ceil(size_of::<Line>()), Line([0; 8]));
    }

    /// Resizes the buffer to hold at least a number of elements, and keeps its content.
    pub(crate) fn grow<T: Arithmetic>(&mut self, numbers: usize) {
        if self.numbers::<T>().len() < numbers {
            self.resize::<T>(numbers);
        }
    }

    /// The size in bytes.
    pub(crate) fn bytes(&self) -> usize {
        size_of_val(&self.0[..])
    }

    pub(crate) fn numbers<T: Arithmetic>(&self) -> &[T] {
        let length = self.0.len() * (size_of::<Line>() / size_of::<T>());
        // SAFETY: the lines are initialised and hold `length` elements; `T` is `f32` or `f64`, aligned to
        // less than a line, and valid for any bits.
        unsafe { std::slice::from_raw_parts(self.0.as_ptr().cast::<T>(), length) }
    }

    pub(crate) fn numbers_mut<T: Arithmetic>(&mut self) -> &mut [T] {
        let length = self.0.len() * (size_of::<Line>() / size_of::<T>());
        // SAFETY: as in `numbers`, and the borrow of the lines is exclusive.
        unsafe { std::slice::from_raw_parts_mut(self.0.as_mut_ptr().cast::<T>(), length) }
    }
}
