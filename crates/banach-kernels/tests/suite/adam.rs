//! The update of Adam against its formula in double precision, at every length and level.

use banach_kernels::{AdamStep, Level, Real, adam_step};

fn numbers<T: Real>(length: usize, seed: usize) -> Vec<T> {
    (0..length).map(|i| T::from_f64(((i * seed) % 1009) as f64 / 300.0 - 1.6)).collect()
}

fn goes_where_the_formula_says<T: Real>(tolerance: f64) {
    let step = AdamStep { held: 0.98, kept: [0.9, 0.99], rate: 0.3, correction: 1.7, epsilon: 1e-3 };
    for length in [0, 1, 3, 16, 17, 100, 1003] {
        let (x, g): (Vec<T>, Vec<T>) = (numbers(length, 7), numbers(length, 13));
        let (m, v) = (numbers::<T>(length, 29), numbers::<T>(length, 31));
        let v: Vec<T> = v.into_iter().map(|v| T::from_f64(v.to_f64().abs())).collect();
        for level in Level::all() {
            let (mut moved, mut mean, mut square) = (x.clone(), m.clone(), v.clone());
            adam_step(level, &mut moved, &g, [&mut mean, &mut square], &step);
            for i in 0..length {
                let [x, g, m, v] = [x[i], g[i], m[i], v[i]].map(T::to_f64);
                let (m, v) = (0.9 * m + 0.1 * g, 0.99 * v + 0.01 * g * g);
                let expected = [0.98 * x - 0.3 * m / (1.7 * v.sqrt() + 1e-3), m, v];
                let found = [moved[i], mean[i], square[i]].map(T::to_f64);
                for (found, expected) in found.into_iter().zip(expected) {
                    let off = (found - expected).abs();
                    assert!(off <= tolerance * (1.0 + expected.abs()), "{level}: {found}, not {expected}");
                }
            }
        }
    }
}

#[test]
fn a_step_goes_where_the_formula_says() {
    goes_where_the_formula_says::<f64>(1e-14);
    goes_where_the_formula_says::<f32>(2e-6);
}

#[test]
#[should_panic(expected = "3 parameters, 2 gradients")]
fn lengths_must_fit() {
    let step = AdamStep { held: 1.0, kept: [0.9, 0.99], rate: 0.3, correction: 1.7, epsilon: 1e-3 };
    adam_step(Level::best(), &mut [0.0; 3], &[1.0; 2], [&mut [0.0; 3], &mut [0.0; 3]], &step);
}
