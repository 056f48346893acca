//! Pseudo-random arguments of the tests, equal in every run.

use banach_kernels::Real;

/// A small generator of random numbers.
pub(crate) struct Random(u64);

impl Random {
    pub(crate) fn new(seed: u64) -> Self {
        Self(seed.wrapping_mul(0x9e37_79b9_7f4a_7c15).wrapping_add(1))
    }

    fn next(&mut self) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0.wrapping_mul(0x2545_f491_4f6c_dd1d) >> 11
    }

    /// A number from 0 on, below `end`.
    pub(crate) fn below(&mut self, end: usize) -> usize {
        (self.next() % end as u64) as usize
    }

    /// One of some choices.
    pub(crate) fn one<C: Copy>(&mut self, choices: &[C]) -> C {
        choices[self.below(choices.len())]
    }

    /// Numbers between -1 and 1.
    pub(crate) fn numbers<T: Real>(&mut self, count: usize) -> Vec<T> {
        (0..count).map(|_| T::from_f64(self.next() as f64 / (1u64 << 52) as f64 - 1.0)).collect()
    }
}

/// Asserts that every number is near to what it should be: sums of `terms` products of numbers up to 1.
pub(crate) fn assert_near<T: Real>(found: &[T], wanted: &[f64], terms: usize, what: &str) {
    assert_eq!(found.len(), wanted.len(), "{what}");
    let bound = T::EPSILON * (terms as f64 + 2.0);
    for (i, (found, wanted)) in found.iter().zip(wanted).enumerate() {
        assert!((found.to_f64() - wanted).abs() <= bound, "{what}: number {i} is {found}, not {wanted}");
    }
}

/// Asserts that numbers are the same to the last bit.
pub(crate) fn assert_same<T: Real>(found: &[T], wanted: &[T], what: &str) {
    assert_eq!(found.len(), wanted.len(), "{what}");
    for (i, (found, wanted)) in found.iter().zip(wanted).enumerate() {
        assert!(
            found.to_f64().to_bits() == wanted.to_f64().to_bits(),
            "{what}: number {i} is {found}, not {wanted}"
        );
    }
}
