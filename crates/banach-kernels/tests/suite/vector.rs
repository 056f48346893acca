//! Vector arithmetic against naive sums, at every length, level and magnitude.

use banach_kernels::{
    Level, Real, add, axpy, careful_norm, change, combined, distances_and_sizes, dot, dots, scale,
    square_sum, square_sums, subtract,
};

fn numbers<T: Real>(length: usize, seed: usize) -> Vec<T> {
    (0..length).map(|i| T::from_f64(((i * seed) % 1009) as f64 / 300.0 - 1.6)).collect()
}

fn close(a: f64, b: f64) -> bool {
    (a - b).abs() <= 1e-12 * (1.0 + b.abs())
}

fn vectors<T: Real>() {
    for length in [0, 1, 7, 31, 32, 33, 64, 100, 1000] {
        let (a, b): (Vec<T>, Vec<T>) = (numbers(length, 7), numbers(length, 13));
        let pairs: Vec<(f64, f64)> = a.iter().zip(&b).map(|(a, b)| (a.to_f64(), b.to_f64())).collect();
        let product: f64 = pairs.iter().map(|(a, b)| a * b).sum();
        let square: f64 = pairs.iter().map(|(a, _)| a * a).sum();
        let added = pairs.iter().map(|(a, b)| T::from_f64(a + -0.3 * b));
        let added: Vec<T> = added.collect();
        let more: Vec<T> = pairs.iter().map(|(a, b)| T::from_f64(a + b)).collect();
        let less: Vec<T> = pairs.iter().map(|(a, b)| T::from_f64(a - b)).collect();
        let scaled: Vec<T> = pairs.iter().map(|(a, _)| T::from_f64(a * 0.37)).collect();
        for level in Level::all() {
            assert!(close(dot(level, &a, &b), product));
            assert_eq!(dot(level, &a, &b), dot(Level::Portable, &a, &b), "levels add in the same order");
            assert!(close(square_sum(level, &a), square));
            assert!(close(careful_norm(level, &a), square.sqrt()));
            let mut y = a.clone();
            axpy(level, &mut y, -0.3, &b);
            assert_eq!(y, added);
            add(level, &mut y, &a, &b);
            assert_eq!(y, more);
            subtract(level, &mut y, &a, &b);
            assert_eq!(y, less);
            y.clone_from(&a);
            scale(level, &mut y, 0.37);
            assert_eq!(y, scaled);
        }
    }
}

#[test]
fn vectors_are_those_of_naive_sums() {
    vectors::<f32>();
    vectors::<f64>();
}

/// The rows of matrices of every width against vectors and naive sums.
fn rows<T: Real>() {
    for width in [0, 1, 31, 32, 100, 2048, 2100] {
        let matrices: Vec<Vec<T>> = [7, 13, 17, 29, 31, 37].map(|seed| numbers(3 * width, seed)).into();
        let row = |matrix: usize, row: usize| &matrices[matrix][row * width..][..width];
        let [x, y] = [&matrices[0], &matrices[1]];
        // One pair alone, and groups of five with a common first matrix.
        let common = |left: usize| (1..6).map(move |right| [left, right]);
        let pairs: Vec<[usize; 2]> = std::iter::once([2, 3]).chain(common(0)).chain(common(4)).collect();
        let slices: Vec<[&[T]; 2]> = pairs.iter().map(|pair| pair.map(|at| &matrices[at][..])).collect();
        let factors = [[0.7, -1.0, 0.0], [0.1, 0.0, 2.0]];
        for level in Level::all() {
            let mut found = vec![vec![1.0; 3]; pairs.len()];
            dots(level, &slices, width, &mut found);
            let mut alone = vec![vec![1.0; 3]; pairs.len()];
            for (pair, alone) in slices.iter().zip(&mut alone) {
                dots(Level::Portable, &[*pair], width, std::slice::from_mut(alone));
            }
            assert_eq!(found, alone, "levels add in the same order, whatever the other pairs");
            let (mut squares, mut distances) = ([[0.0]; 3], [[0.0; 2]; 3]);
            square_sums(level, x, width, &mut squares);
            distances_and_sizes(level, [x, y], width, &mut distances);
            let mut sums = vec![T::ZERO; 3 * width];
            let terms = [(&factors[0][..], &y[..]), (&factors[1][..], &matrices[2][..])];
            combined(level, &mut sums, x, &terms, width);
            let points = [[0, 1], [2, 3]].map(|point| point.map(|at: usize| &matrices[at][..]));
            let older = [&matrices[4][..], &matrices[5]];
            let [mut found_change, mut image] = [(); 2].map(|()| vec![T::ZERO; 3 * width]);
            let mut along = vec![vec![1.0; 3]; 6];
            change(level, points, &older, width, ([&mut found_change, &mut image], &mut along));
            let mut differences = [(); 3].map(|()| vec![T::ZERO; 3 * width]);
            let [difference, before, expected] = &mut differences;
            subtract(level, difference, points[0][1], points[0][0]);
            subtract(level, before, points[1][1], points[1][0]);
            subtract(level, expected, difference, before);
            assert_eq!(&found_change, expected);
            let mut expected_image = image.clone();
            subtract(level, &mut expected_image, points[0][1], points[1][1]);
            assert_eq!(image, expected_image);
            let rights = [expected, older[0], older[1]];
            let both = [&*expected, &*difference].map(|left| rights.map(|right| [left, right]));
            let mut expected_along = vec![vec![1.0; 3]; 6];
            dots(level, both.as_flattened(), width, &mut expected_along);
            assert_eq!(along, expected_along);
            for at in 0..3 {
                for (k, [left, right]) in pairs.iter().enumerate() {
                    assert!(close(found[k][at], 1.0 + dot(level, row(*left, at), row(*right, at))));
                }
                let mut difference = row(1, at).to_vec();
                subtract(level, &mut difference, row(1, at), row(0, at));
                assert_eq!(squares[at], [square_sum(level, row(0, at))]);
                assert_eq!(distances[at][1], square_sum(level, row(1, at)));
                let error = (distances[at][0] - square_sum(level, &difference)).abs();
                assert!(error <= 4.0 * T::EPSILON * distances[at][0], "of width {width}: {error}");
                for column in 0..width {
                    let [x, y, third] = [0, 1, 2].map(|matrix| row(matrix, at)[column].to_f64());
                    let expected = x + factors[0][at] * y + factors[1][at] * third;
                    assert_eq!(sums[at * width + column], T::from_f64(expected));
                }
            }
        }
    }
}

#[test]
fn rows_are_those_of_vectors() {
    rows::<f32>();
    rows::<f64>();
}

#[test]
fn a_factor_of_zero_adds_nothing_to_its_row() {
    for level in Level::all() {
        let (x, term, mut out) = ([1.0_f32, 2.0], [f32::NAN, f32::INFINITY], [0.0; 2]);
        combined(level, &mut out, &x, &[(&[0.0, 1.0], &term)], 1);
        assert_eq!(out, [1.0, f32::INFINITY]);
    }
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
                let mut sums = [[0.0; 2]];
                distances_and_sizes(level, [&zeros, &row], 70, &mut sums);
                let [[distance, size]] = sums;
                let sums = [square_sum(level, &row), dot(level, &row, &row), careful_norm(level, &row)];
                assert!(!distance.is_finite() && !size.is_finite());
                assert!(sums.iter().all(|sum| !sum.is_finite()));
                row[1] = 3.0;
                assert!(!careful_norm(level, &row).is_finite());
            }
        }
    }
}
