//! Lanes in the vector registers of the machine.
//!
//! Loops over lanes are not left to the compiler: where the passes of a loop are independent, it prefers to put the
//! same lane of several passes into a register, and gathers them from memory one by one.

use super::lanes::{LANES, Lanes};
use pulp::{Simd, WithSimd};
use std::array::from_fn;

/// Code for lanes, compiled for every set of vector instructions; what it calls has to be inlined to have them.
pub(crate) trait Kernel {
    /// Runs with N registers for every eight lanes.
    fn run<S: Simd, const N: usize>(self, simd: S);
}

/// Runs a kernel with the widest instructions of the machine.
#[inline(always)]
pub(crate) fn run(kernel: impl Kernel) {
    struct Widest<K>(K);

    impl<K: Kernel> WithSimd for Widest<K> {
        type Output = ();

        #[inline(always)]
        fn with_simd<S: Simd>(self, simd: S) {
            match LANES / S::F64_LANES {
                1 => self.0.run::<S, 1>(simd),
                2 => self.0.run::<S, 2>(simd),
                4 => self.0.run::<S, 4>(simd),
                _ => self.0.run::<S, 8>(simd),
            }
        }
    }

    #[cfg(test)]
    if let Some(level) = forced::level() {
        return level.vectorize(Widest(kernel));
    }
    pulp::Arch::new().dispatch(Widest(kernel));
}

/// Other instructions than the widest, for tests.
#[cfg(test)]
pub(crate) mod forced {
    use pulp::{Simd, WithSimd};
    use std::cell::Cell;

    #[derive(Clone, Copy, Debug)]
    pub(crate) enum Level {
        Scalar,
        #[cfg(target_arch = "x86_64")]
        Avx2(pulp::x86::V3),
    }

    impl Level {
        /// The levels of this machine.
        pub(crate) fn all() -> Vec<Self> {
            #[cfg(target_arch = "x86_64")]
            let wide = pulp::x86::V3::try_new().map(Level::Avx2);
            #[cfg(not(target_arch = "x86_64"))]
            let wide = None;
            std::iter::once(Level::Scalar).chain(wide).collect()
        }

        pub(super) fn vectorize(self, kernel: impl WithSimd<Output = ()>) {
            match self {
                Level::Scalar => Simd::vectorize(pulp::Scalar::new(), kernel),
                #[cfg(target_arch = "x86_64")]
                Level::Avx2(simd) => Simd::vectorize(simd, kernel),
            }
        }
    }

    thread_local!(static LEVEL: Cell<Option<Level>> = const { Cell::new(None) });

    pub(super) fn level() -> Option<Level> {
        LEVEL.get()
    }

    /// Calls a closure with the kernels of this thread at a level; at the widest for None.
    pub(crate) fn at<R>(level: Option<Level>, call: impl FnOnce() -> R) -> R {
        LEVEL.set(level);
        let result = call();
        LEVEL.set(None);
        result
    }
}

/// Eight lanes in N registers. Products and sums are one operation where the machine has it.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Register<S: Simd, const N: usize> {
    simd: S,
    parts: [S::f64s; N],
}

impl<S: Simd, const N: usize> Register<S, N> {
    #[inline(always)]
    pub(crate) fn zero(simd: S) -> Self {
        Self::splat(simd, 0.0)
    }

    /// One number in every lane.
    #[inline(always)]
    pub(crate) fn splat(simd: S, number: f64) -> Self {
        Register { simd, parts: [simd.splat_f64s(number); N] }
    }

    #[inline(always)]
    pub(crate) fn load(simd: S, lanes: &Lanes) -> Self {
        let (parts, _) = S::as_simd_f64s(&lanes.0);
        Register { simd, parts: from_fn(|part| parts[part]) }
    }

    #[inline(always)]
    pub(crate) fn store(self, lanes: &mut Lanes) {
        let (parts, _) = S::as_mut_simd_f64s(&mut lanes.0);
        parts[..N].copy_from_slice(&self.parts);
    }

    #[inline(always)]
    fn zip(self, other: Self, of: impl Fn(S, S::f64s, S::f64s) -> S::f64s) -> Self {
        Register {
            simd: self.simd,
            parts: from_fn(|part| of(self.simd, self.parts[part], other.parts[part])),
        }
    }

    /// self + other
    #[inline(always)]
    pub(crate) fn plus(self, other: Self) -> Self {
        self.zip(other, |simd, a, b| simd.add_f64s(a, b))
    }

    /// self - other
    #[inline(always)]
    pub(crate) fn minus(self, other: Self) -> Self {
        self.zip(other, |simd, a, b| simd.sub_f64s(a, b))
    }

    /// self · other
    #[inline(always)]
    pub(crate) fn times(self, other: Self) -> Self {
        self.zip(other, |simd, a, b| simd.mul_f64s(a, b))
    }

    /// self / other
    #[inline(always)]
    pub(crate) fn over(self, other: Self) -> Self {
        self.zip(other, |simd, a, b| simd.div_f64s(a, b))
    }

    /// -self
    #[inline(always)]
    pub(crate) fn negated(self) -> Self {
        self.zip(self, |simd, a, _| simd.neg_f64s(a))
    }

    /// The smaller number; self where one of them is NaN.
    #[inline(always)]
    pub(crate) fn smaller(self, other: Self) -> Self {
        self.zip(other, |simd, a, b| simd.select_f64s(simd.less_than_f64s(b, a), b, a))
    }

    /// The larger number; the other one where one of them is NaN.
    #[inline(always)]
    pub(crate) fn larger(self, other: Self) -> Self {
        self.zip(other, |simd, a, b| simd.select_f64s(simd.less_than_f64s(b, a), a, b))
    }

    /// self where `sign` is negative, the other number elsewhere.
    #[inline(always)]
    pub(crate) fn where_negative(self, sign: Self, other: Self) -> Self {
        let (simd, zero) = (self.simd, self.simd.splat_f64s(0.0));
        let of = |part: usize| {
            let negative = simd.less_than_f64s(sign.parts[part], zero);
            simd.select_f64s(negative, self.parts[part], other.parts[part])
        };
        Register { simd, parts: from_fn(of) }
    }

    /// self + a b
    #[inline(always)]
    pub(crate) fn plus_product(self, a: Self, b: Self) -> Self {
        let sum = |part: usize| self.simd.mul_add_e_f64s(a.parts[part], b.parts[part], self.parts[part]);
        Register { simd: self.simd, parts: from_fn(sum) }
    }

    /// self - a b
    #[inline(always)]
    pub(crate) fn minus_product(self, a: Self, b: Self) -> Self {
        let sum =
            |part: usize| self.simd.negate_mul_add_e_f64s(a.parts[part], b.parts[part], self.parts[part]);
        Register { simd: self.simd, parts: from_fn(sum) }
    }

    /// 1 / √self
    #[inline(always)]
    pub(crate) fn reciprocal_root(self) -> Self {
        let one = self.simd.splat_f64s(1.0);
        let of = |part: usize| self.simd.div_f64s(one, self.simd.sqrt_f64s(self.parts[part]));
        Register { simd: self.simd, parts: from_fn(of) }
    }
}
