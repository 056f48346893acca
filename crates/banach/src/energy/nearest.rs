//! Nearest points of the simplex, balls, half-spaces and the monotone cone, written into programs.

use banach_program::{
    Builder, Comparison, Constant, Elementwise, Kind, Literal, Primitive, Span, Structure, Type, Unary, Var,
};
use burn::tensor::{FloatDType, TensorData};
use std::sync::Arc;

/// A tensor as rows of its last axis: `[rows, n]`, its shape, rows and n.
fn rows(b: &mut Builder, x: Var) -> (Var, Vec<usize>, usize, usize) {
    let shape = b.shape(x);
    let (rows, n) = (shape[..shape.len() - 1].iter().product(), shape[shape.len() - 1]);
    (b.reshape(x, &[rows, n]), shape, rows, n)
}

/// A column `[rows, 1]` for every element of its row.
fn spread(b: &mut Builder, column: Var, rows: usize, n: usize) -> Var {
    b.broadcast(column, &[rows, n])
}

/// The τ of every row of x `[rows, n]`, as a column, at which the sum of max(x - τ, 0) is `total`.
///
/// No sorting is needed: every x_i has a threshold `(Σ_{x_j >= x_i} x_j - total) / #{x_j >= x_i}`, and τ is the largest.
fn threshold(b: &mut Builder, x: Var, total: f64) -> Var {
    let (rows, n) = (b.shape(x)[0], b.shape(x)[1]);
    let kind = b.type_of(x).kind;
    let square = [rows, n, n];
    let flat = b.reshape(x, &[rows, 1, n]);
    let others = b.broadcast(flat, &square);
    let turned = b.reshape(x, &[rows, n, 1]);
    let own = b.broadcast(turned, &square);
    let counted = b.push(Elementwise::Compare(Comparison::GreaterEqual), &[others, own]);
    let ones = b.cast(counted, kind);
    let count = b.sum(ones, &[2]);
    let kept = b.multiply(ones, others);
    let sum = b.sum(kept, &[2]);
    let excess = b.offset(sum, -total);
    let thresholds = b.divide(excess, count);
    let largest = b.push(Primitive::Extreme { axis: 1, largest: true }, &[thresholds]);
    b.structure(Structure::Reshape(vec![rows, 1]), largest)
}

/// The nearest point with x ≥ 0 and sum 1: max(x - τ, 0).
pub(super) fn simplex(b: &mut Builder, x: Var) -> Var {
    let (flat, shape, rows, n) = rows(b, x);
    let tau = threshold(b, flat, 1.0);
    let tau = spread(b, tau, rows, n);
    let shifted = b.subtract(flat, tau);
    let projected = b.unary(Unary::Relu, shifted);
    b.reshape(projected, &shape)
}

/// The nearest point with Σ|x| ≤ radius: sign(x) max(|x| - τ, 0), with τ = 0 inside.
///
/// J. Duchi and others, "Efficient projections onto the l1-ball for learning in high dimensions", ICML 2008.
pub(super) fn sum_ball(b: &mut Builder, x: Var, radius: f64) -> Var {
    let (flat, shape, rows, n) = rows(b, x);
    let size = b.unary(Unary::Abs, flat);
    let tau = threshold(b, size, radius);
    let tau = b.unary(Unary::Relu, tau);
    let tau = spread(b, tau, rows, n);
    let shifted = b.subtract(size, tau);
    let kept = b.unary(Unary::Relu, shifted);
    let sign = b.unary(Unary::Sign, flat);
    let projected = b.multiply(sign, kept);
    b.reshape(projected, &shape)
}

/// The nearest point with ‖x‖ ≤ radius: x min(1, radius / ‖x‖).
pub(super) fn euclidean_ball(b: &mut Builder, x: Var, radius: f64) -> Var {
    let (flat, shape, rows, n) = rows(b, x);
    let squares = b.multiply(flat, flat);
    let square = b.sum(squares, &[1]);
    let outside = b.compare(Comparison::Greater, square, radius * radius);
    // The root of a constant inside, so that its slope is finite at x = 0.
    let ty = b.type_of(square).clone();
    let bound = b.full(ty.clone(), radius * radius);
    let safe = b.choose(outside, square, bound);
    let norm = b.unary(Unary::Sqrt, safe);
    let radius = b.full(ty, radius);
    let factor = b.divide(radius, norm);
    let factor = spread(b, factor, rows, n);
    let projected = b.multiply(flat, factor);
    b.reshape(projected, &shape)
}

/// A constant row `[1, n]` of the dtype of x.
fn row(b: &mut Builder, x: Var, numbers: &[f64]) -> Var {
    let data = TensorData::new(numbers.to_vec(), [1, numbers.len()]);
    let ty = Type::new([1, numbers.len()], Kind::Float(FloatDType::F64));
    let var = b.push(Primitive::Constant(Constant { ty, literal: Literal::Data(Arc::new(data)) }), &[]);
    let kind = b.type_of(x).kind;
    b.cast(var, kind)
}

/// The nearest point with ⟨normal, x⟩ ≤ offset: x - max(⟨a, x⟩ - β, 0) a / ‖a‖².
pub(super) fn half_space(b: &mut Builder, x: Var, normal: &[f64], offset: f64) -> Var {
    let (flat, shape, rows, n) = rows(b, x);
    let square: f64 = normal.iter().map(|a| a * a).sum();
    let a = row(b, x, normal);
    let a = b.broadcast(a, &[rows, n]);
    let products = b.multiply(a, flat);
    let product = b.sum(products, &[1]);
    let excess = b.offset(product, -offset);
    let excess = b.unary(Unary::Relu, excess);
    let excess = b.scale(excess, 1.0 / square);
    let excess = spread(b, excess, rows, n);
    let step = b.multiply(excess, a);
    let projected = b.subtract(flat, step);
    b.reshape(projected, &shape)
}

/// The nearest point with x₁ ≤ x₂ ≤ … ≤ x_n: x_i = max_{j ≤ i} min_{k ≥ i} (x_j + … + x_k) / (k - j + 1).
///
/// T. Robertson, F. Wright and R. Dykstra, "Order Restricted Statistical Inference" (1988), section 1.4.
pub(super) fn monotone(b: &mut Builder, x: Var) -> Var {
    let (flat, shape, rows, n) = rows(b, x);
    let kind = b.type_of(x).kind;
    // averages[j, k] = Σ_i x_i W[i, (j, k)]; far away from the rest where k < j.
    let mut weights = vec![0.0; n * n * n];
    for j in 0..n {
        for k in j..n {
            (j..=k).for_each(|i| weights[(i * n + j) * n + k] = 1.0 / (k - j + 1) as f64);
        }
    }
    let data = TensorData::new(weights, [n, n * n]);
    let ty = Type::new([n, n * n], Kind::Float(FloatDType::F64));
    let weights = b.push(Primitive::Constant(Constant { ty, literal: Literal::Data(Arc::new(data)) }), &[]);
    let weights = b.cast(weights, kind);
    let averages = b.matmul(flat, weights);
    let averages = b.reshape(averages, &[rows, n, n]);
    // One element of the result at a time: the averages with j ≤ i ≤ k.
    let parts: Vec<Var> = (0..n)
        .map(|i| {
            let whole = Span { start: 0, end: rows, step: 1 };
            let spans =
                vec![whole, Span { start: 0, end: i + 1, step: 1 }, Span { start: i, end: n, step: 1 }];
            let block = b.structure(Structure::Slice(spans), averages);
            let least = b.push(Primitive::Extreme { axis: 2, largest: false }, &[block]);
            let largest = b.push(Primitive::Extreme { axis: 1, largest: true }, &[least]);
            b.reshape(largest, &[rows, 1])
        })
        .collect();
    let projected = if let [part] = parts[..] { part } else { b.push(Primitive::Concat(1), &parts) };
    b.reshape(projected, &shape)
}
