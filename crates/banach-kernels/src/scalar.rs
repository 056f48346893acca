//! Polynomial coefficients and scalar functions of each precision.

/// Coefficients of the vector functions, and scalar functions of the standard library.
pub trait Scalar: Sized + 'static {
    /// `log 2` as a sum of two numbers, the first with few enough bits that its product with an exponent is
    /// exact.
    const LOG_TWO: (Self, Self);
    /// `1 / log 2`.
    const INVERSE_LOG_TWO: Self;
    /// `(exp(r) - 1 - r) / r^2` for `|r| <= log(2) / 2`, the lowest power first.
    const EXPONENTIAL: &'static [Self];
    /// `(2 atanh(s) - 2 s) / s^3` as a polynomial in `s^2`, for `1 + f = (1 + s) / (1 - s)` between the roots
    /// of 1/2 and 2, the lowest power first.
    const LOGARITHM: &'static [Self];
    /// The arguments below which `exp` is 0 and above which it overflows.
    const EXPONENTIAL_RANGE: (Self, Self);
    /// The argument above which `tanh` is 1.
    const TANH_LIMIT: Self;
    /// The smallest normal number, a power of two that scales every smaller number to a normal one, and its
    /// exponent.
    const SUBNORMAL: (Self, Self, Self);
    /// `erf(x) / x` as a polynomial in `x^2` for `|x| < 1`, the lowest power first.
    const ERF_SMALL: &'static [Self];
    /// `(1 - erf(x)) exp(x^2)` for x from 1 to the limit, as a polynomial in `1 / (x + a) - b`, the lowest
    /// power first.
    const ERF_LARGE: &'static [Self];
    /// `(a, b)` of these polynomials, and the limit above which `erf` is 1.
    const ERF_RANGE: (Self, Self, Self);
    /// Positive infinity.
    const INFINITY: Self;
    /// NaN.
    const NAN: Self;

    /// Evaluates a scalar function.
    fn lane(self, function: ScalarFunction) -> Self;
    /// `self` to the power of `exponent`.
    fn power(self, exponent: Self) -> Self;
    /// The remainder after division, with the sign of the divisor.
    fn remainder(self, divisor: Self) -> Self;
    /// The angle of the point (`x`, `self`).
    fn angle(self, x: Self) -> Self;
}

/// Functions evaluated element by element.
#[derive(Clone, Copy, Debug)]
pub enum ScalarFunction {
    Acos,
    Acosh,
    Asin,
    Asinh,
    Atan,
    Atanh,
    Ceil,
    Cos,
    Cosh,
    Floor,
    Round,
    Sin,
    Sinh,
    Tan,
    Trunc,
}

macro_rules! methods {
    () => {
        const INFINITY: Self = Self::INFINITY;
        const NAN: Self = Self::NAN;

        #[inline(always)]
        fn lane(self, function: ScalarFunction) -> Self {
            match function {
                ScalarFunction::Acos => self.acos(),
                ScalarFunction::Acosh => self.acosh(),
                ScalarFunction::Asin => self.asin(),
                ScalarFunction::Asinh => self.asinh(),
                ScalarFunction::Atan => self.atan(),
                ScalarFunction::Atanh => self.atanh(),
                ScalarFunction::Ceil => self.ceil(),
                ScalarFunction::Cos => self.cos(),
                ScalarFunction::Cosh => self.cosh(),
                ScalarFunction::Floor => self.floor(),
                ScalarFunction::Round => self.round_ties_even(),
                ScalarFunction::Sin => self.sin(),
                ScalarFunction::Sinh => self.sinh(),
                ScalarFunction::Tan => self.tan(),
                ScalarFunction::Trunc => self.trunc(),
            }
        }
        #[inline(always)]
        fn power(self, exponent: Self) -> Self {
            self.powf(exponent)
        }
        #[inline(always)]
        fn remainder(self, divisor: Self) -> Self {
            let rest = self % divisor;
            if rest != 0.0 && (rest < 0.0) != (divisor < 0.0) { rest + divisor } else { rest }
        }
        #[inline(always)]
        fn angle(self, x: Self) -> Self {
            self.atan2(x)
        }
    };
}

// The coefficients are minimax polynomials found by Remez' exchange algorithm (E. W. Cheney, Introduction to
// Approximation Theory, 1966) in 200-bit arithmetic.
#[allow(
    clippy::approx_constant,
    clippy::excessive_precision,
    reason = "the digits the exchange algorithm gave"
)]
impl Scalar for f32 {
    const LOG_TWO: (f32, f32) = (0.693145751953125, 1.4286068203094172321e-6);
    const INVERSE_LOG_TWO: f32 = std::f32::consts::LOG2_E;
    const EXPONENTIAL: &'static [f32] = &[
        0.50000000135421792012,
        0.16666666756962802929,
        0.041666464172313267483,
        0.0083332858299125782118,
        0.001393373288101326935,
        0.00019907708489184868137,
    ];
    const LOGARITHM: &'static [f32] =
        &[0.66666665641305948234, 0.40000336216149475207, 0.28537238523976497031, 0.23583565196837171428];
    const EXPONENTIAL_RANGE: (f32, f32) = (-104.0, 89.0);
    const TANH_LIMIT: f32 = 10.0;
    const SUBNORMAL: (f32, f32, f32) = (f32::MIN_POSITIVE, 8388608.0, 23.0);

    const ERF_SMALL: &'static [f32] = &[
        1.1283791670610226584,
        -0.37612638462238814726,
        0.11283782391630669003,
        -0.026865423854304826533,
        0.005221010295826425969,
        -0.0008483737462726216835,
        0.00011263265755974790877,
        -9.6587816249377981006e-6,
    ];
    const ERF_LARGE: &'static [f32] = &[
        0.22962131282008537882,
        1.5915999516069272901,
        3.63128970260422823,
        4.9773934064795726624,
        1.4880793224969501464,
        -6.6341532567761630787,
        -3.5687828012373975982,
    ];
    const ERF_RANGE: (f32, f32, f32) = (2.0, 0.234375, 4.1);

    methods!();
}

#[allow(
    clippy::approx_constant,
    clippy::excessive_precision,
    reason = "the digits the exchange algorithm gave"
)]
impl Scalar for f64 {
    const LOG_TWO: (f64, f64) = (0.693147180559890330187045, 5.497923018708371174712472e-14);
    const INVERSE_LOG_TWO: f64 = std::f64::consts::LOG2_E;
    const EXPONENTIAL: &'static [f64] = &[
        0.49999999999999999997,
        0.1666666666666667103,
        0.04166666666666668393,
        0.0083333333333260829025,
        0.0013888888888874304196,
        0.00019841269875002845816,
        0.000024801587347567442267,
        2.7557255169384458486e-6,
        2.7557252687387628138e-7,
        2.5105312967492890126e-8,
        2.0921667044944319887e-9,
    ];
    const LOGARITHM: &'static [f64] = &[
        0.66666666666667349012,
        0.39999999999411066488,
        0.28571428743267204043,
        0.22222198475592318172,
        0.18183569758077053344,
        0.15313902814305132662,
        0.14797511814739991094,
    ];
    const EXPONENTIAL_RANGE: (f64, f64) = (-746.0, 710.0);
    const TANH_LIMIT: f64 = 20.0;
    const SUBNORMAL: (f64, f64, f64) = (f64::MIN_POSITIVE, 4503599627370496.0, 52.0);

    const ERF_SMALL: &'static [f64] = &[
        1.1283791670955125664,
        -0.37612638903183535908,
        0.11283791670944810643,
        -0.026866170643205009962,
        0.0052239776068364270102,
        -0.00085483259614889080402,
        0.00012055294476229158637,
        -0.000014924728448752618446,
        1.6447317790046530845e-6,
        -1.6207646968128941184e-7,
        1.3716372001911616016e-8,
        -7.7888783821334440831e-10,
    ];
    const ERF_LARGE: &'static [f64] = &[
        0.18944044764694075999,
        2.0521947346502739536,
        9.3637653258987374505,
        34.412030323706449765,
        97.898421428133170402,
        195.77963915127939923,
        191.19105689025593869,
        -240.28714325619966798,
        -1019.382764480290562,
        -247.91477346766130375,
        4108.4357231970976254,
        3521.2815514673639143,
        -18973.279766222060138,
        -19113.485404148975124,
        100301.1959969716313,
    ];
    const ERF_RANGE: (f64, f64, f64) = (3.0, 0.171875, 6.0);

    methods!();
}
