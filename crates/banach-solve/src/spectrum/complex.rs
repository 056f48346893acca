//! Complex arithmetic for eigenvalues.

use std::ops::{Add, Mul, Sub};

/// `re + i im`.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub(super) struct Complex {
    pub(super) re: f64,
    pub(super) im: f64,
}

impl Complex {
    pub(super) const ZERO: Self = Self { re: 0.0, im: 0.0 };
    pub(super) const ONE: Self = Self { re: 1.0, im: 0.0 };

    pub(super) fn real(re: f64) -> Self {
        Self { re, im: 0.0 }
    }

    pub(super) fn conjugate(self) -> Self {
        Self { im: -self.im, ..self }
    }

    pub(super) fn modulus(self) -> f64 {
        self.re.hypot(self.im)
    }

    pub(super) fn times(self, factor: f64) -> Self {
        Self { re: self.re * factor, im: self.im * factor }
    }

    /// The quotient, scaled to avoid overflow of squares.
    pub(super) fn over(self, other: Self) -> Self {
        let size = other.modulus();
        (self * other.conjugate().times(size.recip())).times(size.recip())
    }

    /// The square root with a nonnegative real part.
    pub(super) fn root(self) -> Self {
        let size = self.modulus();
        let im = (0.5 * (size - self.re)).max(0.0).sqrt();
        Self { re: (0.5 * (size + self.re)).max(0.0).sqrt(), im: if self.im < 0.0 { -im } else { im } }
    }
}

impl Add for Complex {
    type Output = Self;

    fn add(self, other: Self) -> Self {
        Self { re: self.re + other.re, im: self.im + other.im }
    }
}

impl Sub for Complex {
    type Output = Self;

    fn sub(self, other: Self) -> Self {
        Self { re: self.re - other.re, im: self.im - other.im }
    }
}

impl Mul for Complex {
    type Output = Self;

    fn mul(self, other: Self) -> Self {
        Self { re: self.re * other.re - self.im * other.im, im: self.re * other.im + self.im * other.re }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn roots_and_quotients_undo_squares_and_products() {
        for (re, im) in [(3.0, 4.0), (-3.0, 4.0), (-3.0, -4.0), (0.0, 2.0), (-9.0, 0.0), (1e200, 1e200)] {
            let number = Complex { re, im };
            let root = number.root();
            assert!((root * root - number).modulus() <= 1e-15 * number.modulus(), "{number:?}: {root:?}");
            let other = Complex { re: -0.5, im: 2.0 };
            assert!(((number * other).over(other) - number).modulus() <= 1e-15 * number.modulus());
        }
        assert_eq!(Complex::ZERO.root(), Complex::ZERO);
    }
}
