//! The parameter update of Adam, in one pass over memory.

use crate::arithmetic::Arithmetic;
use crate::level::Level;
use pulp::{Simd, WithSimd};

/// The scalars of a step of Adam, common to all parameters.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct AdamStep {
    /// The factor of weight decay: 1 without decay.
    pub held: f64,
    /// The decay rates of the moments, β₁ and β₂.
    pub kept: [f64; 2],
    /// The learning rate, over `1 - β₁ᵗ`.
    pub rate: f64,
    /// `1 / √(1 - β₂ᵗ)`.
    pub correction: f64,
    /// ε, which bounds the quotient.
    pub epsilon: f64,
}

/// A step of Adam.
pub(crate) fn adam_step<T: Arithmetic>(
    level: Level,
    x: &mut [T],
    gradient: &[T],
    moments: [&mut [T]; 2],
    step: &AdamStep,
) {
    let [m, v] = moments;
    let same = x.len() == gradient.len() && x.len() == m.len() && x.len() == v.len();
    assert!(
        same,
        "found {} parameters, {} gradients and {}, {} moments, expected equal lengths",
        x.len(),
        gradient.len(),
        m.len(),
        v.len()
    );
    level.run(AdamKernel { x, gradient, m, v, step });
}

struct AdamKernel<'a, T> {
    x: &'a mut [T],
    gradient: &'a [T],
    m: &'a mut [T],
    v: &'a mut [T],
    step: &'a AdamStep,
}

/// The scalars of a step, broadcast to vectors.
#[derive(Clone, Copy)]
struct Lanes<V> {
    held: V,
    kept: [V; 2],
    taken: [V; 2],
    rate: V,
    correction: V,
    epsilon: V,
}

/// The next x, m and v.
#[inline(always)]
fn moved<S: Simd, T: Arithmetic>(
    simd: S,
    step: Lanes<T::Vector<S>>,
    [x, g, m, v]: [T::Vector<S>; 4],
) -> [T::Vector<S>; 3] {
    let square = T::multiply(simd, g, g);
    let m = T::multiply_add(simd, step.kept[0], m, T::multiply(simd, step.taken[0], g));
    let v = T::multiply_add(simd, step.kept[1], v, T::multiply(simd, step.taken[1], square));
    let size = T::multiply_add(simd, step.correction, T::square_root(simd, v), step.epsilon);
    let x = T::multiply(simd, step.held, x);
    [T::multiply_add(simd, step.rate, T::divide(simd, m, size), x), m, v]
}

impl<T: Arithmetic> WithSimd for AdamKernel<'_, T> {
    type Output = ();

    #[inline(always)]
    fn with_simd<S: Simd>(self, simd: S) {
        let AdamKernel { x, gradient, m, v, step } = self;
        let AdamStep { held, kept: [mean, square], rate, correction, epsilon } = *step;
        let [held, mean, square, mean_taken, square_taken, rate, correction, epsilon] =
            [held, mean, square, 1.0 - mean, 1.0 - square, -rate, correction, epsilon]
                .map(|number| T::splat(simd, T::from_f64(number)));
        let (kept, taken) = ([mean, square], [mean_taken, square_taken]);
        let step = Lanes { held, kept, taken, rate, correction, epsilon };
        let ((x, x_rest), (g, g_rest)) = (T::vectors_mut::<S>(x), T::vectors::<S>(gradient));
        let ((m, m_rest), (v, v_rest)) = (T::vectors_mut::<S>(m), T::vectors_mut::<S>(v));
        for (((x, g), m), v) in x.iter_mut().zip(g).zip(m).zip(v) {
            [*x, *m, *v] = moved::<S, T>(simd, step, [*x, *g, *m, *v]);
        }
        let rest = [&*x_rest, g_rest, &*m_rest, &*v_rest].map(|rest| T::load_part::<S>(simd, rest));
        let [x, m, v] = moved::<S, T>(simd, step, rest);
        T::store_part(simd, x_rest, x);
        T::store_part(simd, m_rest, m);
        T::store_part(simd, v_rest, v);
    }
}
