//! Vector arithmetic against naive sums, at every length, level and magnitude.

use banach_kernels::{
    Level, Real, axpy, careful_norm, combine, distance_and_size, dot, scale, square_sum, subtract,
};

fn numbers<T: Real>(length: usize, seed: usize) -> Vec<T> {
    (0..length).map(|i| T::from_f64(((i * seed) % 1009) as f64 / 300.0 - 1.6)).collect()
}

fn close(a: f64, b: f64) -> bool {
    (a - b).abs() <= 1e-12 * (1.0 + b.abs())
}

fn rows<T: Real>() {
    for length in [0, 1, 7, 31, 32, 33, 64, 100, 1000] {
        let (a, b): (Vec<T>, Vec<T>) = (numbers(length, 7), numbers(length, 13));
        let pairs: Vec<(f64, f64)> = a.iter().zip(&b).map(|(a, b)| (a.to_f64(), b.to_f64())).collect();
        let product: f64 = pairs.iter().map(|(a, b)| a * b).sum();
        let square: f64 = pairs.iter().map(|(a, _)| a * a).sum();
        let size: f64 = pairs.iter().map(|(_, b)| b * b).sum();
        let distance: f64 = pairs.iter().map(|(a, b)| (b - a) * (b - a)).sum();
        let added = pairs.iter().map(|(a, b)| T::from_f64(a + -0.3 * b));
        let combined = pairs.iter().map(|(a, b)| T::from_f64(a + 0.7 * b + 0.1 * a - 2.0 * b));
        let (added, combined): (Vec<T>, Vec<T>) = (added.collect(), combined.collect());
        let less: Vec<T> = pairs.iter().map(|(a, b)| T::from_f64(a - b)).collect();
        let scaled: Vec<T> = pairs.iter().map(|(a, _)| T::from_f64(a * 0.37)).collect();
        for level in Level::all() {
            assert!(close(dot(level, &a, &b), product));
            assert_eq!(dot(level, &a, &b), dot(Level::Portable, &a, &b), "levels add in the same order");
            assert!(close(square_sum(level, &a), square));
            assert!(close(careful_norm(level, &a), square.sqrt()));
            let (found_distance, found_size) = distance_and_size(level, &a, &b);
            assert!(close(found_distance, distance) && close(found_size, size));
            let mut y = a.clone();
            axpy(level, &mut y, -0.3, &b);
            assert_eq!(y, added);
            y.clone_from(&a);
            combine(level, &mut y, &[(0.7, &b), (0.1, &a), (-2.0, &b)]);
            assert_eq!(y, combined);
            subtract(level, &mut y, &a, &b);
            assert_eq!(y, less);
            y.clone_from(&a);
            scale(level, &mut y, 0.37);
            assert_eq!(y, scaled);
        }
    }
}

#[test]
fn rows_are_those_of_naive_sums() {
    rows::<f32>();
    rows::<f64>();
}

#[test]
fn large_small_and_strange_numbers() {
    for level in Level::all() {
        let large = vec![f32::MAX; 100];
        assert!(close(square_sum(level, &large), 100.0 * f64::from(f32::MAX).powi(2)));
        for size in [1e300, 1e-300, 5e-324, f64::MAX / 16.0] {
            let norm = careful_norm(level, &[size; 100]);
            assert!((norm / size - 10.0).abs() < 1e-12, "the norm of {size}");
        }
        for strange in [f64::NAN, f64::INFINITY, f64::NEG_INFINITY] {
            for position in [0, 40, 69] {
                let mut row = vec![0.0; 70];
                row[position] = strange;
                let zeros = vec![0.0; 70];
                let (distance, size) = distance_and_size(level, &zeros, &row);
                let sums = [square_sum(level, &row), dot(level, &row, &row), careful_norm(level, &row)];
                assert!(!distance.is_finite() && !size.is_finite());
                assert!(sums.iter().all(|sum| !sum.is_finite()));
                row[1] = 3.0;
                assert!(!careful_norm(level, &row).is_finite());
            }
        }
    }
}
