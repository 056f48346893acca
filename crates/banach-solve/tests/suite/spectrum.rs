//! Spectral radii and norms against known values, with their uncertainties.

use crate::state::{On, State};
use crate::{tensor, tensor_in, zoo};
use banach_solve::{Arnoldi, Error, Magnitude, Matrix, Outcome, Rows, spectral_norm, spectral_radius};
use burn::tensor::{DType, Device, Tensor, TensorData};
use std::cmp::Ordering;

/// Numbers that look random, between -1 and 1.
fn scattered(k: usize) -> f64 {
    2.0 * ((k as f64 * 12.9898).sin() * 43_758.547).rem_euclid(1.0) - 1.0
}

fn square(n: usize, entry: impl Fn(usize, usize) -> f64) -> Tensor<2> {
    tensor(n, &(0..n * n).map(|at| entry(at / n, at % n)).collect::<Vec<_>>())
}

/// `x ↦ x Aᵀ` and its transpose, on one row.
fn of(matrix: &Tensor<2>) -> (impl Fn(&Tensor<2>) -> Tensor<2>, impl Fn(&Tensor<2>) -> Tensor<2>) {
    let (there, back) = (matrix.clone().transpose(), matrix.clone());
    (
        move |x: &Tensor<2>| x.clone().matmul(there.clone()),
        move |x: &Tensor<2>| x.clone().matmul(back.clone()),
    )
}

fn tight() -> Arnoldi {
    Arnoldi { tolerance: 1e-8, ..Arnoldi::default() }
}

fn both(matrix: &Tensor<2>, settings: &Arnoldi) -> (Magnitude, Magnitude) {
    let (map, transposed) = of(matrix);
    let probe = tensor(1, &vec![0.0; matrix.dims()[0]]).probe(3);
    let radius = spectral_radius(&map, &probe, settings).expect("the settings are valid");
    (radius, spectral_norm(&map, &transposed, &probe, settings).expect("the settings are valid"))
}

fn assert_known(found: &Magnitude, expected: f64, off: f64) {
    assert_eq!(found.outcomes, [Outcome::Converged], "{found:?}");
    assert!(
        (found.values[0] - expected).abs() <= off * expected.max(1e-300),
        "{found:?}, expected {expected}"
    );
}

#[test]
fn a_turn_is_a_pair_of_complex_eigenvalues() {
    let (sine, cosine) = 0.7_f64.sin_cos();
    let turn = square(2, |i, j| {
        0.9 * if i == j {
            cosine
        } else if i < j {
            -sine
        } else {
            sine
        }
    });
    let (radius, norm) = both(&turn, &tight());
    assert_known(&radius, 0.9, 1e-12);
    assert_known(&norm, 0.9, 1e-12);
}

#[test]
fn a_diagonal_and_a_single_number_and_zero() {
    let (radius, norm) = both(&square(5, |i, j| if i == j { i as f64 - 3.0 } else { 0.0 }), &tight());
    assert_known(&radius, 3.0, 1e-12);
    assert_known(&norm, 3.0, 1e-12);
    let (radius, norm) = both(&square(1, |_, _| -1.7), &tight());
    assert_known(&radius, 1.7, 1e-14);
    assert_known(&norm, 1.7, 1e-14);
    for n in [1, 6, 40] {
        let (radius, norm) = both(&square(n, |_, _| 0.0), &tight());
        assert_known(&radius, 0.0, 0.0);
        assert_known(&norm, 0.0, 0.0);
    }
}

#[test]
fn a_map_that_is_not_normal_has_a_norm_far_above_its_radius() {
    // Twenty eigenvalues from -0.9 to 0.9, and 2 above the diagonal: the largest has a condition of about
    // 1e7.
    let chain = square(20, |i, j| match (i, j) {
        _ if i == j => -0.9 + 1.8 * i as f64 / 19.0,
        _ if i + 1 == j => 2.0,
        _ => 0.0,
    });
    let (radius, norm) = both(&chain, &Arnoldi { tolerance: 1e-5, ..Arnoldi::default() });
    assert_known(&radius, 0.9, 1e-6);
    assert!(radius.uncertainties[0] > (radius.values[0] - 0.9).abs(), "{radius:?}");
    assert!(norm.values[0] > 2.5 && norm.outcomes == [Outcome::Converged], "{norm:?}");
}

#[test]
fn a_defective_eigenvalue_is_said_to_be_uncertain() {
    let jordan = square(20, |i, j| if i == j { 0.5 } else { f64::from(u8::from(i + 1 == j)) });
    let (radius, norm) = both(&jordan, &tight());
    assert_eq!(radius.outcomes, [Outcome::Stalled]);
    assert!((radius.values[0] - 0.5).abs() < radius.uncertainties[0], "{radius:?}");
    assert!(norm.values[0] > 1.4 && norm.values[0] < 1.5, "{norm:?}");
    let nilpotent = square(2, |i, j| f64::from(u8::from(i < j)));
    let (radius, norm) = both(&nilpotent, &tight());
    assert_eq!(radius.outcomes, [Outcome::Stalled]);
    assert_known(&norm, 1.0, 1e-12);
}

#[test]
fn restarts_find_what_the_first_space_does_not_hold() {
    // Blocks that turn and shrink, close together, and each a little coupled to the next: 0.95, 0.949, ...
    let n = 120;
    let (sine, cosine) = 0.5_f64.sin_cos();
    let blocks = square(n, |i, j| {
        let size = 0.95 - 0.001 * (i / 2) as f64;
        match (i / 2 == j / 2, i.cmp(&j)) {
            (true, Ordering::Equal) => size * cosine,
            (true, Ordering::Less) => -size * sine,
            (true, Ordering::Greater) => size * sine,
            (false, _) => {
                if j == i + 2 {
                    0.0005
                } else {
                    0.0
                }
            }
        }
    });
    let settings = Arnoldi { applications: 3000, tolerance: 1e-6, ..Arnoldi::default() };
    let (radius, _) = both(&blocks, &settings);
    assert_known(&radius, 0.95, 1e-5);
    assert!(radius.applications > 24);
    // Eigenvalues of a random matrix fill a disc, and those on its edge are many.
    let random = square(150, |i, j| scattered(i * 150 + j) * (3.0_f64 / 150.0).sqrt());
    let settings = Arnoldi { applications: 3000, tolerance: 1e-8, space: 20 };
    let wide = Arnoldi { space: 150, ..settings };
    let (found, norm) = both(&random, &settings);
    let (exact, exact_norm) = both(&random, &wide);
    assert!(found.applications > 20 && exact.applications <= 150, "{found:?}, {exact:?}");
    assert_known(&found, exact.values[0], 1e-7);
    assert_known(&norm, exact_norm.values[0], 1e-7);
    assert!(exact.values[0] > 0.8 && exact.values[0] < 1.2 && norm.values[0] > 1.7, "{exact:?} {norm:?}");
}

#[test]
fn a_small_budget_is_an_evaluation_limit_with_a_large_uncertainty() {
    let random = square(60, |i, j| scattered(i * 60 + j) / 5.0);
    let settings = Arnoldi { applications: 5, ..Arnoldi::default() };
    let (radius, _) = both(&random, &settings);
    assert_eq!((radius.outcomes[0], radius.applications), (Outcome::EvaluationLimit, 5));
    assert!(radius.uncertainties[0] > 1e-2, "{radius:?}");
}

fn rows_have_their_own_fates<R: State>(dtype: DType, off: f64) {
    // A diagonal in every row: contracting, zero, not a number, expanding.
    let factors = tensor_in(dtype, 4, &[0.3, -0.6, 0.1, 0.0, 0.0, 0.0, f64::NAN, 0.5, 0.5, 1.5, 0.2, -2.5]);
    let map = {
        let factors = factors.clone();
        On(move |x: &Tensor<2>| x.clone() * factors.clone())
    };
    let probe = R::of(&tensor_in(dtype, 4, &[0.0; 12])).probe(1);
    let settings = Arnoldi::default();
    for found in [
        spectral_radius(&map, &probe, &settings).expect("the settings are valid"),
        spectral_norm(&map, &map, &probe, &settings).expect("the settings are valid"),
    ] {
        let expected = [Outcome::Converged, Outcome::Converged, Outcome::NonFinite, Outcome::Converged];
        assert_eq!(found.outcomes, expected, "{found:?}");
        let (values, uncertain) = (&found.values, &found.uncertainties);
        assert!(
            (values[0] - 0.6).abs() < off && values[1] == 0.0 && (values[3] - 2.5).abs() < off,
            "{found:?}"
        );
        assert!(values[2].is_nan() && uncertain[2].is_nan());
    }
    // A row alone has the same numbers as beside others.
    let alone = R::of(&tensor_in(dtype, 1, &[0.0; 3])).probe(1);
    let first = tensor_in(dtype, 1, &[0.3, -0.6, 0.1]);
    let single = spectral_radius(&On(move |x: &Tensor<2>| x.clone() * first.clone()), &alone, &settings);
    let together = spectral_radius(&map, &probe, &settings).expect("the settings are valid");
    assert_eq!(single.expect("the settings are valid").values[0].to_bits(), together.values[0].to_bits());
}

#[test]
fn rows_of_one_batch_have_their_own_fates() {
    rows_have_their_own_fates::<Tensor<2>>(DType::F64, 1e-12);
    rows_have_their_own_fates::<Matrix<f64>>(DType::F64, 1e-12);
    rows_have_their_own_fates::<Tensor<2>>(DType::F32, 1e-5);
    rows_have_their_own_fates::<Matrix<f32>>(DType::F32, 1e-5);
}

#[test]
fn probes_that_show_nothing_are_named() {
    let data = TensorData::new(vec![0.0, 0.0, f64::NAN, 1.0, 1.0, 1.0], [3, 2]);
    let probe = Tensor::<2>::from_data(data, (&Device::flex(), DType::F64));
    let half = |x: &Tensor<2>| x.clone() * 0.5;
    let found = spectral_radius(&half, &probe, &tight()).unwrap();
    assert_eq!(found.outcomes, [Outcome::Stalled, Outcome::NonFinite, Outcome::Converged]);
    assert!(found.values[0].is_nan() && (found.values[2] - 0.5).abs() < 1e-15);
    let none = spectral_radius(&half, &probe.clone().narrow(0, 0, 1), &tight()).unwrap();
    assert_eq!((none.outcomes[0], none.applications), (Outcome::Stalled, 0));
    let empty = Tensor::<2>::zeros([2, 0], &Device::flex());
    assert_eq!(spectral_radius(&half, &empty, &tight()).unwrap().values, [0.0, 0.0]);
}

#[test]
fn linear_problems_of_the_zoo_have_the_rates_of_their_radii() {
    for name in ["affine", "affine_large", "descent", "heat"] {
        let problem = zoo(name);
        let z = problem.z(&Device::flex(), DType::F64).zeros_like();
        let map = |x: &Tensor<2>| problem.update(x, &z);
        let probe = problem.x0(&Device::flex(), DType::F64).probe(2);
        let found = spectral_radius(&map, &probe, &tight()).unwrap();
        // The norm of a high power, row by row: Gelfand's formula.
        let mut x = probe.clone();
        let mut logarithm = vec![0.0; probe.dims()[0]];
        for _ in 0..4000 {
            x = map(&x);
            let lengths = Tensor::<2>::norms(&[&x]).swap_remove(0);
            x = x.scaled(&lengths.iter().map(|length| length.recip()).collect::<Vec<_>>());
            logarithm.iter_mut().zip(&lengths).for_each(|(sum, length)| *sum += length.ln());
        }
        for (row, logarithm) in logarithm.iter().enumerate() {
            let expected = (logarithm / 4000.0).exp();
            assert_eq!(found.outcomes[row], Outcome::Converged, "{name}");
            assert!((found.values[row] - expected).abs() < 2e-3 * expected, "{name}: {found:?}, {expected}");
        }
    }
}

#[test]
fn settings_without_meaning_are_refused() {
    let probe = tensor(1, &[1.0, 2.0]);
    let map = |x: &Tensor<2>| x.clone();
    let wrong = [
        (Arnoldi { space: 3, ..tight() }, "arnoldi.space"),
        (Arnoldi { applications: 0, ..tight() }, "arnoldi.applications"),
        (Arnoldi { tolerance: -1.0, ..tight() }, "arnoldi.tolerance"),
        (Arnoldi { tolerance: f64::NAN, ..tight() }, "arnoldi.tolerance"),
    ];
    for (settings, name) in wrong {
        for found in [spectral_radius(&map, &probe, &settings), spectral_norm(&map, &map, &probe, &settings)]
        {
            assert!(matches!(found, Err(Error::Setting { setting, .. }) if setting == name));
        }
    }
    let wide = |x: &Tensor<2>| Tensor::cat(vec![x.clone(), x.clone()], 1);
    assert!(matches!(spectral_radius(&wide, &probe, &tight()), Err(Error::Shape { .. })));
}
