//! The arithmetic of single and double precision, and of vectors of them.

use crate::scalar::Scalar;
use pulp::Simd;
use pulp::bytemuck::{Pod, cast_slice_mut};
use std::fmt::{Debug, Display};

mod sealed {
    pub trait Sealed {}
    impl Sealed for f32 {}
    impl Sealed for f64 {}
}

/// `f32` or `f64`. A vector holds as many as the instructions of `S` take at once.
pub trait Arithmetic:
    sealed::Sealed + Scalar + Copy + Send + Sync + Default + PartialOrd + Debug + Display + 'static
{
    /// Zero.
    const ZERO: Self;
    /// One.
    const ONE: Self;
    /// The machine epsilon.
    const EPSILON: f64;

    /// A vector of these numbers.
    #[doc(hidden)]
    type Vector<S: Simd>: pulp::bytemuck::Pod + Debug + Send + Sync;
    /// A truth value for every element of a vector.
    #[doc(hidden)]
    type Mask<S: Simd>: Copy + Debug + Send + Sync;

    /// The nearest number.
    fn from_f64(number: f64) -> Self;
    /// Converts to double precision, exactly.
    fn to_f64(self) -> f64;

    /// Elements of a vector.
    #[doc(hidden)]
    fn lanes<S: Simd>() -> usize {
        size_of::<Self::Vector<S>>() / size_of::<Self>()
    }
    #[doc(hidden)]
    fn splat<S: Simd>(simd: S, x: Self) -> Self::Vector<S>;
    #[doc(hidden)]
    fn add<S: Simd>(simd: S, a: Self::Vector<S>, b: Self::Vector<S>) -> Self::Vector<S>;
    #[doc(hidden)]
    fn subtract<S: Simd>(simd: S, a: Self::Vector<S>, b: Self::Vector<S>) -> Self::Vector<S>;
    #[doc(hidden)]
    fn multiply<S: Simd>(simd: S, a: Self::Vector<S>, b: Self::Vector<S>) -> Self::Vector<S>;
    #[doc(hidden)]
    fn divide<S: Simd>(simd: S, a: Self::Vector<S>, b: Self::Vector<S>) -> Self::Vector<S>;
    /// `a b + c`, rounded once where the instructions can.
    #[doc(hidden)]
    fn multiply_add<S: Simd>(
        simd: S,
        a: Self::Vector<S>,
        b: Self::Vector<S>,
        c: Self::Vector<S>,
    ) -> Self::Vector<S>;
    #[doc(hidden)]
    fn square_root<S: Simd>(simd: S, a: Self::Vector<S>) -> Self::Vector<S>;
    #[doc(hidden)]
    fn less<S: Simd>(simd: S, a: Self::Vector<S>, b: Self::Vector<S>) -> Self::Mask<S>;
    #[doc(hidden)]
    fn less_or_equal<S: Simd>(simd: S, a: Self::Vector<S>, b: Self::Vector<S>) -> Self::Mask<S>;
    #[doc(hidden)]
    fn equal<S: Simd>(simd: S, a: Self::Vector<S>, b: Self::Vector<S>) -> Self::Mask<S>;
    #[doc(hidden)]
    fn select<S: Simd>(
        simd: S,
        mask: Self::Mask<S>,
        yes: Self::Vector<S>,
        no: Self::Vector<S>,
    ) -> Self::Vector<S>;
    /// Splits a slice into vectors and a remainder.
    #[doc(hidden)]
    fn vectors<S: Simd>(slice: &[Self]) -> (&[Self::Vector<S>], &[Self]);
    /// [`vectors`](Self::vectors) for writing.
    #[doc(hidden)]
    fn vectors_mut<S: Simd>(slice: &mut [Self]) -> (&mut [Self::Vector<S>], &mut [Self]);
    /// Loads fewer elements than a vector has, padded with zeros.
    #[doc(hidden)]
    fn load_part<S: Simd>(simd: S, slice: &[Self]) -> Self::Vector<S>;
    /// Stores as many elements as the slice has.
    #[doc(hidden)]
    fn store_part<S: Simd>(simd: S, slice: &mut [Self], vector: Self::Vector<S>);
    #[doc(hidden)]
    fn total<S: Simd>(simd: S, a: Self::Vector<S>) -> Self;

    /// The absolute values.
    #[doc(hidden)]
    fn absolute<S: Simd>(simd: S, a: Self::Vector<S>) -> Self::Vector<S>;
    /// Nonnegative numbers with the signs of other numbers.
    #[doc(hidden)]
    fn with_sign<S: Simd>(simd: S, size: Self::Vector<S>, sign: Self::Vector<S>) -> Self::Vector<S>;
    /// `1.5 2^m` for m bits after the point: added to a number, it leaves the nearest integer in the lowest
    /// bits.
    #[doc(hidden)]
    const ROUNDER: Self;
    /// `2^k` from `ROUNDER + k`, where that is a normal number.
    #[doc(hidden)]
    fn power_of_two<S: Simd>(simd: S, shifted: Self::Vector<S>) -> Self::Vector<S>;
    /// `(e, m)` of normal positive numbers `2^e m` with m between the roots of 1/2 and 2.
    #[doc(hidden)]
    fn split_exponent<S: Simd>(simd: S, a: Self::Vector<S>) -> (Self::Vector<S>, Self::Vector<S>);
}

/// Applies a function to the bits of every element, in a loop that the compiler vectorizes.
#[inline(always)]
fn map_bits<V: Pod, B: Pod>(vector: V, change: impl Fn(B) -> B) -> V {
    let mut vector = vector;
    for bits in cast_slice_mut::<V, B>(std::slice::from_mut(&mut vector)) {
        *bits = change(*bits);
    }
    vector
}

macro_rules! arithmetic {
    ($real:ident, $vector:ident, $mask:ident, $bits:ident, $half:expr, $or:ident, $splat:ident) => {
        impl Arithmetic for $real {
            const ZERO: Self = 0.0;
            const ONE: Self = 1.0;
            const EPSILON: f64 = <$real>::EPSILON as f64;

            type Vector<S: Simd> = S::$vector;
            type Mask<S: Simd> = S::$mask;

            #[inline(always)]
            fn from_f64(number: f64) -> Self {
                number as $real
            }
            #[inline(always)]
            fn to_f64(self) -> f64 {
                self as f64
            }
            #[inline(always)]
            fn absolute<S: Simd>(_: S, a: Self::Vector<S>) -> Self::Vector<S> {
                map_bits(
                    a,
                    #[inline(always)]
                    |bits: $bits| bits & ($bits::MAX >> 1),
                )
            }
            #[inline(always)]
            fn with_sign<S: Simd>(simd: S, size: Self::Vector<S>, sign: Self::Vector<S>) -> Self::Vector<S> {
                simd.$or(
                    size,
                    map_bits(
                        sign,
                        #[inline(always)]
                        |bits: $bits| bits & !($bits::MAX >> 1),
                    ),
                )
            }
            const ROUNDER: Self = 1.5 / <$real>::EPSILON;
            #[inline(always)]
            fn power_of_two<S: Simd>(_: S, shifted: Self::Vector<S>) -> Self::Vector<S> {
                let one = (1.0 as $real).to_bits();
                map_bits(
                    shifted,
                    #[inline(always)]
                    |bits: $bits| (bits << ($real::MANTISSA_DIGITS - 1)).wrapping_add(one),
                )
            }
            #[inline(always)]
            fn split_exponent<S: Simd>(simd: S, a: Self::Vector<S>) -> (Self::Vector<S>, Self::Vector<S>) {
                const SHIFT: u32 = $real::MANTISSA_DIGITS - 1;
                let (one, half) = ((1.0 as $real).to_bits(), $half.to_bits());
                let rounder = 1.0 / $real::EPSILON;
                let above = map_bits(
                    a,
                    #[inline(always)]
                    |bits: $bits| bits.wrapping_add(one - half),
                );
                let exponent = map_bits(
                    above,
                    #[inline(always)]
                    |bits: $bits| (bits >> SHIFT) | rounder.to_bits(),
                );
                let exponent = Self::subtract(simd, exponent, simd.$splat(rounder + (one >> SHIFT) as $real));
                let fraction = map_bits(
                    above,
                    #[inline(always)]
                    |bits: $bits| (bits & ((1 << SHIFT) - 1)) + half,
                );
                (exponent, fraction)
            }
            methods!($real);
        }
    };
}

macro_rules! methods {
    (f32) => {
        methods!(
            splat_f32s add_f32s sub_f32s mul_f32s div_f32s mul_add_e_f32s sqrt_f32s less_than_f32s
            less_than_or_equal_f32s equal_f32s select_f32s as_simd_f32s as_mut_simd_f32s partial_load_f32s
            partial_store_f32s reduce_sum_f32s
        );
    };
    (f64) => {
        methods!(
            splat_f64s add_f64s sub_f64s mul_f64s div_f64s mul_add_e_f64s sqrt_f64s less_than_f64s
            less_than_or_equal_f64s equal_f64s select_f64s as_simd_f64s as_mut_simd_f64s partial_load_f64s
            partial_store_f64s reduce_sum_f64s
        );
    };
    ($splat:ident $add:ident $sub:ident $mul:ident $div:ident $fma:ident $sqrt:ident $lt:ident $le:ident $eq:ident
     $select:ident $vectors:ident $vectors_mut:ident $load:ident $store:ident $sum:ident) => {
        #[inline(always)]
        fn splat<S: Simd>(simd: S, x: Self) -> Self::Vector<S> {
            simd.$splat(x)
        }
        #[inline(always)]
        fn add<S: Simd>(simd: S, a: Self::Vector<S>, b: Self::Vector<S>) -> Self::Vector<S> {
            simd.$add(a, b)
        }
        #[inline(always)]
        fn subtract<S: Simd>(simd: S, a: Self::Vector<S>, b: Self::Vector<S>) -> Self::Vector<S> {
            simd.$sub(a, b)
        }
        #[inline(always)]
        fn multiply<S: Simd>(simd: S, a: Self::Vector<S>, b: Self::Vector<S>) -> Self::Vector<S> {
            simd.$mul(a, b)
        }
        #[inline(always)]
        fn divide<S: Simd>(simd: S, a: Self::Vector<S>, b: Self::Vector<S>) -> Self::Vector<S> {
            simd.$div(a, b)
        }
        #[inline(always)]
        fn multiply_add<S: Simd>(
            simd: S,
            a: Self::Vector<S>,
            b: Self::Vector<S>,
            c: Self::Vector<S>,
        ) -> Self::Vector<S> {
            simd.$fma(a, b, c)
        }
        #[inline(always)]
        fn square_root<S: Simd>(simd: S, a: Self::Vector<S>) -> Self::Vector<S> {
            simd.$sqrt(a)
        }
        #[inline(always)]
        fn less<S: Simd>(simd: S, a: Self::Vector<S>, b: Self::Vector<S>) -> Self::Mask<S> {
            simd.$lt(a, b)
        }
        #[inline(always)]
        fn less_or_equal<S: Simd>(simd: S, a: Self::Vector<S>, b: Self::Vector<S>) -> Self::Mask<S> {
            simd.$le(a, b)
        }
        #[inline(always)]
        fn equal<S: Simd>(simd: S, a: Self::Vector<S>, b: Self::Vector<S>) -> Self::Mask<S> {
            simd.$eq(a, b)
        }
        #[inline(always)]
        fn select<S: Simd>(
            simd: S,
            mask: Self::Mask<S>,
            yes: Self::Vector<S>,
            no: Self::Vector<S>,
        ) -> Self::Vector<S> {
            simd.$select(mask, yes, no)
        }
        #[inline(always)]
        fn vectors<S: Simd>(slice: &[Self]) -> (&[Self::Vector<S>], &[Self]) {
            S::$vectors(slice)
        }
        #[inline(always)]
        fn vectors_mut<S: Simd>(slice: &mut [Self]) -> (&mut [Self::Vector<S>], &mut [Self]) {
            S::$vectors_mut(slice)
        }
        #[inline(always)]
        fn load_part<S: Simd>(simd: S, slice: &[Self]) -> Self::Vector<S> {
            simd.$load(slice)
        }
        #[inline(always)]
        fn store_part<S: Simd>(simd: S, slice: &mut [Self], vector: Self::Vector<S>) {
            simd.$store(slice, vector);
        }
        #[inline(always)]
        fn total<S: Simd>(simd: S, a: Self::Vector<S>) -> Self {
            simd.$sum(a)
        }
    };
}

arithmetic!(f32, f32s, m32s, u32, std::f32::consts::FRAC_1_SQRT_2, or_f32s, splat_f32s);
arithmetic!(f64, f64s, m64s, u64, std::f64::consts::FRAC_1_SQRT_2, or_f64s, splat_f64s);
