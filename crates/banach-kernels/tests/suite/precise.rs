//! Reference values of about 100 bits, as unevaluated sums of two doubles.
//!
//! The arithmetic is that of T. J. Dekker, A floating-point technique for extending the available precision,
//! 1971.

/// `high + low`, where high is the nearest number to the sum.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Precise {
    pub(crate) high: f64,
    low: f64,
}

impl From<f64> for Precise {
    fn from(high: f64) -> Self {
        Precise { high, low: 0.0 }
    }
}

const LOG_TWO: Precise = Precise { high: std::f64::consts::LN_2, low: 2.319_046_813_846_299_6e-17 };

impl Precise {
    fn sum(a: f64, b: f64) -> Self {
        let high = a + b;
        let other = high - a;
        Precise { high, low: (a - (high - other)) + (b - other) }
    }

    pub(crate) fn plus(self, other: Precise) -> Precise {
        let high = Precise::sum(self.high, other.high);
        if !high.high.is_finite() {
            return Precise::from(high.high);
        }
        let low = Precise::sum(self.low, other.low);
        let rest = Precise::sum(high.high, high.low + low.high);
        Precise::sum(rest.high, rest.low + low.low)
    }

    pub(crate) fn times(self, other: Precise) -> Precise {
        let high = self.high * other.high;
        let low = self.high.mul_add(other.high, -high);
        Precise::sum(high, low + (self.high * other.low + self.low * other.high))
    }

    pub(crate) fn over(self, other: Precise) -> Precise {
        let first = Precise::from(self.high / other.high);
        let rest = self.plus(other.times(first).times(Precise::from(-1.0)));
        let second = Precise::from(rest.high / other.high);
        let rest = rest.plus(other.times(second).times(Precise::from(-1.0)));
        first.plus(second).plus(Precise::from(rest.high / other.high))
    }

    /// `(exp(x) - 1) 2^-k` reduced as `(k, exp(r) - 1)`, by a series.
    fn reduced(self) -> (f64, Precise) {
        let k = (self.high / LOG_TWO.high).round();
        let r = self.plus(LOG_TWO.times(Precise::from(-k)));
        let mut term = r;
        let mut sum = r;
        for power in 2..30 {
            term = term.times(r).over(Precise::from(f64::from(power)));
            sum = sum.plus(term);
        }
        (k, sum)
    }

    pub(crate) fn exp(self) -> Precise {
        if self.high < -800.0 {
            return Precise::from(0.0);
        }
        let (k, rest) = self.reduced();
        let fraction = rest.plus(Precise::from(1.0));
        let half = (k / 2.0).trunc();
        let [first, second] = [half, k - half].map(|k| 2f64.powi(k as i32));
        Precise { high: fraction.high * first * second, low: fraction.low * first * second }
    }

    pub(crate) fn expm1(self) -> Precise {
        if self.high > 700.0 {
            return Precise::from(f64::MAX);
        }
        let (k, rest) = self.reduced();
        let power = 2f64.powi(k as i32);
        rest.times(Precise::from(power)).plus(Precise::from(power - 1.0))
    }

    /// By Newton's method from the standard library's logarithm.
    pub(crate) fn log(self) -> Precise {
        let exponent = self.high.abs().log2().round().clamp(-1000.0, 1000.0);
        let scale = 2f64.powi(-exponent as i32);
        let scaled = Precise { high: self.high * scale, low: self.low * scale };
        let near = Precise::from(scaled.high.ln());
        let ratio = scaled.times(near.times(Precise::from(-1.0)).exp());
        let change = ratio.plus(Precise::from(-1.0));
        let change = change.plus(change.times(change).times(Precise::from(-0.5)));
        near.plus(change).plus(LOG_TWO.times(Precise::from(exponent)))
    }

    pub(crate) fn log1p(self) -> Precise {
        if self.high.abs() < 1e-6 {
            let mut power = self;
            let mut sum = self;
            for exponent in 2..7 {
                power = power.times(self).times(Precise::from(-1.0));
                sum = sum.plus(power.over(Precise::from(f64::from(exponent))));
            }
            return sum;
        }
        self.plus(Precise::from(1.0)).log()
    }
}
