//! Maps with a derivative, for the tests of Newton's method.

use crate::tensor;
use crate::tensor_in;
use banach_solve::{Map, Smooth};
use burn::tensor::{DType, Tensor};

/// A number in `[-1, 1)` that looks random.
pub(crate) fn scattered(k: usize) -> f64 {
    let value = f64::sin(12.9898 * (k as f64 + 1.0)) * 43758.5453;
    2.0 * (value - value.floor()) - 1.0
}

/// Any map in double precision, with its derivative by central differences and no energy.
pub(crate) struct Differences<F>(pub(crate) F);

impl<F: Fn(&Tensor<2>) -> Tensor<2>> Map<Tensor<2>> for Differences<F> {
    fn apply(&self, x: &Tensor<2>) -> Tensor<2> {
        (self.0)(x)
    }
}

impl<F: Fn(&Tensor<2>) -> Tensor<2>> Smooth<Tensor<2>> for Differences<F> {
    fn derivative<'a>(&'a self, x: &Tensor<2>) -> Box<dyn Map<Tensor<2>> + 'a> {
        let x = x.clone();
        Box::new(move |t: &Tensor<2>| {
            let step = t.clone() * 1e-5;
            ((self.0)(&(x.clone() + step.clone())) - (self.0)(&(x.clone() - step))) * 5e4
        })
    }
}

/// Descent on `½ ⟨x - a, H (x - a)⟩ - ½ ⟨a, H a⟩` with eigenvalues of `H` from 1 to 1e6, and steps of length
/// 1e-6.
pub(crate) struct Quadratic {
    pub(crate) answer: Tensor<2>,
    hessian: Tensor<2>,
}

impl Quadratic {
    pub(crate) fn new(rows: usize, n: usize) -> Self {
        let mirror: Vec<f64> = (0..n).map(scattered).collect();
        let square: f64 = mirror.iter().map(|value| value * value).sum();
        let q = |i: usize, j: usize| f64::from(u8::from(i == j)) - 2.0 * mirror[i] * mirror[j] / square;
        let eigenvalue = |k: usize| f64::powf(1e6, k as f64 / (n as f64 - 1.0));
        let entry = |i: usize, j: usize| (0..n).map(|k| q(i, k) * eigenvalue(k) * q(k, j)).sum::<f64>();
        let entries: Vec<f64> = (0..n * n).map(|k| entry(k / n, k % n)).collect();
        let answer: Vec<f64> = (0..rows * n).map(|k| scattered(k + 1000)).collect();
        Self { answer: tensor(rows, &answer), hessian: tensor(n, &entries) }
    }

    fn curve(&self, t: &Tensor<2>) -> Tensor<2> {
        t.clone().matmul(self.hessian.clone())
    }
}

impl Map<Tensor<2>> for Quadratic {
    fn apply(&self, x: &Tensor<2>) -> Tensor<2> {
        x.clone() - self.curve(&(x.clone() - self.answer.clone())) * 1e-6
    }

    fn energy(&self, x: &Tensor<2>) -> Option<Vec<f64>> {
        let product = (x.clone() - self.answer.clone() * 2.0) * self.curve(x) * 0.5;
        Some(product.sum_dim(1).into_data().iter::<f64>().collect())
    }
}

impl Smooth<Tensor<2>> for Quadratic {
    fn derivative<'a>(&'a self, _: &Tensor<2>) -> Box<dyn Map<Tensor<2>> + 'a> {
        Box::new(|t: &Tensor<2>| t.clone() - self.curve(t) * 1e-6)
    }
}

/// Descent on `mean_k relu(w_k · [z, sigmoid(x)] + b_k)²` in 20 dimensions: flat wherever enough terms are
/// off.
pub(crate) struct Hinges {
    /// What a term is before `x` comes in, `[rows, terms]`.
    offset: Tensor<2>,
    /// `[20, terms]`.
    weights: Tensor<2>,
}

const TERMS: usize = 40;

impl Hinges {
    pub(crate) fn new(rows: usize) -> Self {
        let weights: Vec<f64> = (0..20 * TERMS).map(scattered).collect();
        // The last rows cannot turn all terms off: the least energy is zero for the first of them only.
        let input = |k: usize| 0.5 * scattered(k + 5000) + 0.4 * (k / TERMS) as f64;
        let inputs: Vec<f64> = (0..rows * TERMS).map(input).collect();
        Self { offset: tensor(rows, &inputs), weights: tensor(20, &weights) }
    }

    /// `(sigmoid, relu of every term)`.
    fn terms(&self, x: &Tensor<2>) -> (Tensor<2>, Tensor<2>) {
        let y = burn::tensor::activation::sigmoid(x.clone());
        let inner = (y.clone() * 2.0 - 1.0).matmul(self.weights.clone()) + self.offset.clone();
        (y, inner.clamp_min(0.0))
    }

    fn back(&self, terms: Tensor<2>) -> Tensor<2> {
        terms.matmul(self.weights.clone().transpose()) * (4.0 / TERMS as f64)
    }
}

impl Map<Tensor<2>> for Hinges {
    fn apply(&self, x: &Tensor<2>) -> Tensor<2> {
        let (y, terms) = self.terms(x);
        x.clone() - self.back(terms) * y.clone() * (-y + 1.0)
    }

    fn energy(&self, x: &Tensor<2>) -> Option<Vec<f64>> {
        let (_, terms) = self.terms(x);
        Some((terms.square().sum_dim(1) / TERMS as f64).into_data().iter::<f64>().collect())
    }
}

impl Smooth<Tensor<2>> for Hinges {
    fn derivative<'a>(&'a self, x: &Tensor<2>) -> Box<dyn Map<Tensor<2>> + 'a> {
        let (y, terms) = self.terms(x);
        let slope = y.clone() * (-y.clone() + 1.0);
        let bend = slope.clone() * (-y * 2.0 + 1.0) * self.back(terms.clone());
        let on = terms.greater_elem(0.0);
        Box::new(move |t: &Tensor<2>| {
            let forward = (slope.clone() * t.clone() * 2.0).matmul(self.weights.clone());
            let forward = forward.zeros_like().mask_where(on.clone(), forward);
            t.clone() - self.back(forward) * slope.clone() - bend.clone() * t.clone()
        })
    }
}

/// Descent on `x⁴/4 - x²/2` in every entry: a saddle between two minima.
pub(crate) struct Landscape;

impl Map<Tensor<2>> for Landscape {
    fn apply(&self, x: &Tensor<2>) -> Tensor<2> {
        x.clone() - (x.clone().powi_scalar(3) - x.clone()) * 0.1
    }

    fn energy(&self, x: &Tensor<2>) -> Option<Vec<f64>> {
        let square = x.clone().square();
        let energy = square.clone() * (square * 0.25 - 0.5);
        Some(energy.sum_dim(1).into_data().iter::<f64>().collect())
    }
}

impl Smooth<Tensor<2>> for Landscape {
    fn derivative<'a>(&'a self, x: &Tensor<2>) -> Box<dyn Map<Tensor<2>> + 'a> {
        let slope = -(x.clone().square() * 3.0 - 1.0) * 0.1 + 1.0;
        Box::new(move |t: &Tensor<2>| slope.clone() * t.clone())
    }
}

/// Descent on `Σ a √(1 + x²) + (x - reversed(x))² / 20 - z x`, every row with its own numbers, computed entry
/// by entry.
///
/// In row 0 the start is not a number; in row 4 the energy has no minimum.
pub(crate) struct Bowl {
    pub(crate) start: Tensor<2>,
    a: Tensor<2>,
    z: Tensor<2>,
    with_energy: bool,
}

impl Bowl {
    pub(crate) fn new(dtype: DType, rows: &[usize], with_energy: bool) -> Self {
        const WIDTH: usize = 23;
        let gather = |of: fn(usize, usize) -> f64| {
            let numbers = rows.iter().flat_map(|row| (0..WIDTH).map(move |k| of(*row, k)));
            tensor_in(dtype, rows.len(), &numbers.collect::<Vec<_>>())
        };
        let z = |row: usize, k: usize| if row == 4 { 3.0 } else { 0.8 * scattered(50 * row + k) };
        let start = |row: usize, k: usize| if row == 0 { f64::NAN } else { 2.0 * scattered(k + row) };
        Self { start: gather(start), a: gather(|row, _| 1.0 + 0.3 * row as f64), z: gather(z), with_energy }
    }

    fn uneven(x: &Tensor<2>) -> Tensor<2> {
        x.clone() - x.clone().flip([1])
    }
}

impl Map<Tensor<2>> for Bowl {
    fn apply(&self, x: &Tensor<2>) -> Tensor<2> {
        let root = (x.clone().square() + 1.0).sqrt();
        let slope = self.a.clone() * x.clone() / root + Self::uneven(x) * 0.2 - self.z.clone();
        x.clone() - slope * 0.4
    }

    fn energy(&self, x: &Tensor<2>) -> Option<Vec<f64>> {
        let root = (x.clone().square() + 1.0).sqrt();
        let energy = self.a.clone() * root + Self::uneven(x).square() * 0.05 - self.z.clone() * x.clone();
        self.with_energy.then(|| energy.sum_dim(1).into_data().iter::<f64>().collect())
    }
}

impl Smooth<Tensor<2>> for Bowl {
    fn derivative<'a>(&'a self, x: &Tensor<2>) -> Box<dyn Map<Tensor<2>> + 'a> {
        let square = x.clone().square() + 1.0;
        let bend = self.a.clone() / (square.clone() * square.sqrt());
        Box::new(move |t: &Tensor<2>| t.clone() - (bend.clone() * t.clone() + Self::uneven(t) * 0.2) * 0.4)
    }
}
