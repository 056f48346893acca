//! Eight numbers side by side, one of each of eight problems, and arithmetic on all of them at once.

use std::array::from_fn;
use std::ops::{Add, AddAssign, Mul, Neg, Sub};

/// The number of problems solved side by side.
pub(crate) const LANES: usize = 8;

/// One number of each of eight problems. Arithmetic never mixes lanes, so a problem's result does not depend on
/// its neighbours.
#[derive(Clone, Copy, Debug, PartialEq)]
#[repr(align(64))]
pub(crate) struct Lanes(pub(crate) [f64; LANES]);

impl Lanes {
    pub(crate) const ZERO: Lanes = Lanes([0.0; LANES]);
    pub(crate) const ONE: Lanes = Lanes([1.0; LANES]);

    /// Applies a function in every lane.
    #[inline(always)]
    pub(crate) fn map(self, f: impl Fn(f64) -> f64) -> Self {
        Lanes(from_fn(|lane| f(self.0[lane])))
    }

    /// Applies a function of two numbers in every lane.
    #[inline(always)]
    pub(crate) fn zip(self, other: Self, f: impl Fn(f64, f64) -> f64) -> Self {
        Lanes(from_fn(|lane| f(self.0[lane], other.0[lane])))
    }

    /// The larger number, or the other one of a NaN.
    #[inline(always)]
    pub(crate) fn max(self, other: Self) -> Self {
        self.zip(other, |a, b| if b > a || a.is_nan() { b } else { a })
    }

    /// The smaller number, or the other one of a NaN.
    #[inline(always)]
    pub(crate) fn min(self, other: Self) -> Self {
        self.zip(other, |a, b| if b < a || a.is_nan() { b } else { a })
    }
}

impl Add for Lanes {
    type Output = Self;
    #[inline(always)]
    fn add(self, other: Self) -> Self {
        self.zip(other, |a, b| a + b)
    }
}

impl Sub for Lanes {
    type Output = Self;
    #[inline(always)]
    fn sub(self, other: Self) -> Self {
        self.zip(other, |a, b| a - b)
    }
}

impl Mul for Lanes {
    type Output = Self;
    #[inline(always)]
    fn mul(self, other: Self) -> Self {
        self.zip(other, |a, b| a * b)
    }
}

impl Neg for Lanes {
    type Output = Self;
    #[inline(always)]
    fn neg(self) -> Self {
        self.map(|a| -a)
    }
}

impl AddAssign for Lanes {
    #[inline(always)]
    fn add_assign(&mut self, other: Self) {
        *self = *self + other;
    }
}
