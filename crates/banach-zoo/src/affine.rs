//! Affine problems `x = M x + b`, whose answers linear algebra knows.

use crate::scalar::column;
use crate::{Problem, Table, exact};
use burn::tensor::{Tensor, TensorData};

/// Every problem of this file.
pub fn all() -> Vec<Problem> {
    vec![
        affine(),
        affine_matrix(),
        affine_large(),
        symmetric(),
        descent(),
        heat(),
        heat_settled(),
        slow(),
        mixed_speed(),
    ]
}

/// `x = M x + z` with the same 2 by 2 non-symmetric `M` in every row.
pub fn affine() -> Problem {
    let input = Table::new(2, vec![1.0, 2.0, -0.5, 0.3]);
    let (answer, derivative) = answers(2, two_by_two, &input);
    Problem {
        name: "affine",
        about: "x = M x + z, 2 by 2 and not symmetric: a forgotten transpose shows",
        start: Table::new(2, vec![0.0; 4]),
        input,
        map: |x, z| times_constant(x, 2, two_by_two) + z,
        answer: Some(answer),
        derivative: Some(derivative),
        contracts: true,
    }
}

/// `x = M x + b` with `z = [M11, M12, M21, M22, b1, b2]`: the derivative in every entry of the matrix.
pub fn affine_matrix() -> Problem {
    let m = [[0.5, 0.3], [-0.2, 0.4]];
    let b = [1.0, 2.0];
    let x = exact::linear(2, |i, j| identity(i, j) - m[i][j], &b);
    let c = exact::linear(2, |i, j| identity(i, j) - m[j][i], &[1.0, 1.0]);
    Problem {
        name: "affine_matrix",
        about: "x = M x + b with all six numbers in z: derivatives c_i x_j and c_i",
        start: Table::new(1, vec![0.0; 2]),
        input: Table::new(1, vec![m[0][0], m[0][1], m[1][0], m[1][1], b[0], b[1]]),
        map: |x, z| {
            let (first, second) = (column(&x, 0), column(&x, 1));
            let top = column(&z, 0) * first.clone() + column(&z, 1) * second.clone() + column(&z, 4);
            let bottom = column(&z, 2) * first + column(&z, 3) * second + column(&z, 5);
            Tensor::cat(vec![top, bottom], 1)
        },
        derivative: Some(vec![c[0] * x[0], c[0] * x[1], c[1] * x[0], c[1] * x[1], c[0], c[1]]),
        answer: Some(x),
        contracts: true,
    }
}

/// `x = M x + z` in twenty unknowns, not symmetric.
pub fn affine_large() -> Problem {
    let input = Table::new(3, (0..60).map(|k| f64::sin(0.7 * f64::from(k) + 0.2)).collect());
    let (answer, derivative) = answers(20, twenty_by_twenty, &input);
    Problem {
        name: "affine_large",
        about: "x = M x + z, 20 by 20 and not symmetric, three rows",
        start: Table::new(3, vec![0.0; 60]),
        input,
        map: |x, z| times_constant(x, 20, twenty_by_twenty) + z,
        answer: Some(answer),
        derivative: Some(derivative),
        contracts: true,
    }
}

/// `x = M x + z` in 200 unknowns, `M` symmetric with eigenvalues from -0.5 to 0.5.
///
/// `M = Q D Q` for a diagonal `D` and the reflection `Q = I - 2 m mᵀ / ‖m‖²`, so that `(I - M)⁻¹ = Q (I - D)⁻¹ Q` without
/// elimination.
pub fn symmetric() -> Problem {
    let input: Vec<f64> = (0..SYMMETRIC).map(|k| f64::cos(0.9 * k as f64) + 0.1).collect();
    let reflected = |v: &[f64]| -> Vec<f64> {
        let mirror = mirror();
        let along: f64 = mirror.iter().zip(v).map(|(m, v)| m * v).sum();
        mirror.iter().zip(v).map(|(m, v)| v - 2.0 * m * along).collect()
    };
    let resolved = |v: &[f64]| {
        let turned = reflected(v);
        reflected(&turned.iter().zip(eigenvalues()).map(|(v, value)| v / (1.0 - value)).collect::<Vec<_>>())
    };
    Problem {
        name: "symmetric",
        about: "x = M x + z in 200 unknowns, symmetric with spectral radius 0.5",
        start: Table::new(1, vec![0.0; SYMMETRIC]),
        answer: Some(resolved(&input)),
        derivative: Some(resolved(&[1.0; SYMMETRIC])),
        input: Table::new(1, input),
        map: |x, z| {
            let mirror = constant(&x, [1, SYMMETRIC], mirror());
            let diagonal = constant(&x, [1, SYMMETRIC], eigenvalues());
            let reflected =
                |v: Tensor<2>| v.clone() - (v * mirror.clone()).sum_dim(1).mul_scalar(2.0) * mirror.clone();
            reflected(reflected(x) * diagonal) + z
        },
        contracts: true,
    }
}

/// Gradient descent on a quadratic, `x = x - γ (H x - z)` with symmetric `H`.
pub fn descent() -> Problem {
    let input = Table::new(1, vec![1.0, -2.0, 0.5]);
    let matrix = |i: usize, j: usize| identity(i, j) - 0.3 * quadratic(i, j);
    let step = Table::new(1, input.values.iter().map(|z| 0.3 * z).collect());
    let (answer, derivative) = answers(3, matrix, &step);
    Problem {
        name: "descent",
        about: "x = x - 0.3 (H x - z): gradient descent on a quadratic, symmetric Jacobian",
        start: Table::new(1, vec![0.0; 3]),
        input,
        map: |x, z| x.clone() - (times_constant(x, 3, quadratic) - z).mul_scalar(0.3),
        answer: Some(answer),
        derivative: Some(derivative.iter().map(|slope| 0.3 * slope).collect()),
        contracts: true,
    }
}

/// One implicit Euler step of the heat equation on ten points, `x = z + 0.2 L x`, from a warm middle.
pub fn heat() -> Problem {
    let input = Table::new(1, (0..10).map(|k| f64::exp(-0.3 * (f64::from(k) - 4.0).powi(2))).collect());
    let (answer, derivative) = answers(10, |i, j| 0.2 * laplacian(i, j), &input);
    Problem {
        name: "heat",
        about: "x = z + 0.2 L x: an implicit heat step, with cold ends",
        start: input.clone(),
        input,
        map: |x, z| {
            let end = x.clone().narrow(1, 0, 1).zeros_like();
            let left = Tensor::cat(vec![end.clone(), x.clone().narrow(1, 0, 9)], 1);
            let right = Tensor::cat(vec![x.clone().narrow(1, 1, 9), end], 1);
            z + (left + right - x.mul_scalar(2.0)).mul_scalar(0.2)
        },
        answer: Some(answer),
        derivative: Some(derivative),
        contracts: true,
    }
}

/// The heat step, started at its answer up to rounding.
pub fn heat_settled() -> Problem {
    let heat = heat();
    Problem {
        name: "heat_settled",
        about: "the heat step, started at its answer: ten unknowns of which none may move",
        start: Table::new(1, heat.answer.clone().unwrap_or_default()),
        ..heat
    }
}

/// `x = r x + z` with `r = 0.9, 0.99, 0.999` in one row, away from zero: slow, but a contraction.
pub fn slow() -> Problem {
    let rates = [0.9, 0.99, 0.999];
    let offsets = [1.0, 0.4, -0.2];
    let input: Vec<f64> = (0..3).map(|k| (1.0 - rates[k]) * (k as f64 + 1.0)).collect();
    Problem {
        name: "slow",
        about: "x = r x + z with r = 0.9, 0.99, 0.999: must not be taken for stalled",
        start: Table::new(1, (0..3).map(|k| k as f64 + 1.0 + offsets[k]).collect()),
        answer: Some((0..3).map(|k| input[k] / (1.0 - rates[k])).collect()),
        derivative: Some(rates.iter().map(|rate| 1.0 / (1.0 - rate)).collect()),
        input: Table::new(1, input),
        map: |x, z| x * constant(&z, [1, 3], vec![0.9, 0.99, 0.999]) + z,
        contracts: true,
    }
}

/// `x = a x + b` with `z = [a, b]`: to 1e-10 the rows take about 3, 30 and 300 plain steps.
pub fn mixed_speed() -> Problem {
    let rates: Vec<f64> = [3.0, 30.0, 300.0].iter().map(|steps| f64::powf(10.0, -10.0 / steps)).collect();
    Problem {
        name: "mixed_speed",
        about: "x = a x + b: rows that take about 3, 30 and 300 steps to 1e-10",
        start: Table::new(3, vec![0.0; 3]),
        input: Table::new(3, rates.iter().flat_map(|a| [*a, 1.0]).collect()),
        map: |x, z| column(&z, 0) * x + column(&z, 1),
        answer: Some(rates.iter().map(|a| 1.0 / (1.0 - a)).collect()),
        derivative: Some(rates.iter().flat_map(|a| [(1.0 - a).powi(-2), 1.0 / (1.0 - a)]).collect()),
        contracts: true,
    }
}

/// One where `i = j`, zero elsewhere.
pub(crate) fn identity(i: usize, j: usize) -> f64 {
    if i == j { 1.0 } else { 0.0 }
}

/// `M x` in every row, for a constant `n` by `n` matrix given by its entries.
pub(crate) fn times_constant(x: Tensor<2>, n: usize, matrix: fn(usize, usize) -> f64) -> Tensor<2> {
    let transposed = (0..n).flat_map(|j| (0..n).map(move |i| matrix(i, j))).collect();
    let matrix = constant(&x, [n, n], transposed);
    x.matmul(matrix)
}

/// A constant of this shape, on the device and in the precision of `like`.
pub(crate) fn constant(like: &Tensor<2>, shape: [usize; 2], values: Vec<f64>) -> Tensor<2> {
    Tensor::from_data(TensorData::new(values, shape), (&like.device(), like.dtype()))
}

/// For `x = M x + z` in every row: `x̂` and `d sum(x̂) / dz`.
fn answers(n: usize, matrix: impl Fn(usize, usize) -> f64, input: &Table) -> (Vec<f64>, Vec<f64>) {
    let solve = |z: &[f64]| exact::linear(n, |i, j| identity(i, j) - matrix(i, j), z);
    let answer = input.values.chunks(n).flat_map(solve).collect();
    let adjoint = exact::linear(n, |i, j| identity(i, j) - matrix(j, i), &vec![1.0; n]);
    (answer, adjoint.repeat(input.rows))
}

fn two_by_two(i: usize, j: usize) -> f64 {
    [[0.5, 0.4], [-0.3, 0.2]][i][j]
}

fn twenty_by_twenty(i: usize, j: usize) -> f64 {
    let (row, column) = (i as f64, j as f64);
    0.4 * identity(i, j) + 0.08 * f64::sin(1.3 * row + 2.7 * column + 0.5 * row * column)
}

/// The unknowns of [`symmetric`].
const SYMMETRIC: usize = 200;

/// From -0.5 to 0.5, both included.
fn eigenvalues() -> Vec<f64> {
    (0..SYMMETRIC).map(|k| k as f64 / (SYMMETRIC as f64 - 1.0) - 0.5).collect()
}

/// The vector of length one across which [`symmetric`] reflects.
fn mirror() -> Vec<f64> {
    let m: Vec<f64> = (0..SYMMETRIC).map(|k| f64::sin(1.7 * k as f64 + 0.4)).collect();
    let length = m.iter().map(|m| m * m).sum::<f64>().sqrt();
    m.iter().map(|m| m / length).collect()
}

fn quadratic(i: usize, j: usize) -> f64 {
    [[2.0, 0.5, 0.0], [0.5, 1.5, -0.3], [0.0, -0.3, 1.0]][i][j]
}

fn laplacian(i: usize, j: usize) -> f64 {
    match i.abs_diff(j) {
        0 => -2.0,
        1 => 1.0,
        _ => 0.0,
    }
}
