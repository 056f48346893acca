//! Buffers aligned to cache lines, from which vectors are read and written at once.

use crate::real::Real;

/// Memory for numbers, in whole lines of the cache.
#[derive(Clone, Default)]
pub(crate) struct Lines(Vec<Line>);

#[derive(Clone, Copy)]
#[repr(C, align(64))]
struct Line([u64; 8]);

impl Lines {
    /// No lines.
    pub(crate) const fn new() -> Self {
        Self(Vec::new())
    }

    /// Room for so many numbers; allocates only where there never was so much.
    ///
    /// # Panics
    /// If that is more than any memory.
    pub(crate) fn resize<T: Real>(&mut self, numbers: usize) {
        let bytes = numbers.checked_mul(size_of::<T>());
        assert!(bytes.is_some(), "lines larger than any memory");
        self.0.resize(bytes.unwrap_or_default().div_ceil(size_of::<Line>()), Line([0; 8]));
    }

    /// The same, but what is there stays, and never less of it.
    pub(crate) fn grow<T: Real>(&mut self, numbers: usize) {
        if self.numbers::<T>().len() < numbers {
            self.resize::<T>(numbers);
        }
    }

    pub(crate) fn numbers<T: Real>(&self) -> &[T] {
        let length = self.0.len() * (size_of::<Line>() / size_of::<T>());
        // SAFETY: the lines are initialised and hold so many numbers; `T` is `f32` or `f64`, aligned to less than a
        // line, and takes any bits.
        unsafe { std::slice::from_raw_parts(self.0.as_ptr().cast::<T>(), length) }
    }

    pub(crate) fn numbers_mut<T: Real>(&mut self) -> &mut [T] {
        let length = self.0.len() * (size_of::<Line>() / size_of::<T>());
        // SAFETY: as in `numbers`, and the lines are lent to nobody else.
        unsafe { std::slice::from_raw_parts_mut(self.0.as_mut_ptr().cast::<T>(), length) }
    }
}
