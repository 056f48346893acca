//! Golden files, reproducible random numbers, and comparisons.

use banach::program::Value;
use burn::tensor::{DType, Device, Gradients, Tensor, TensorData};
use serde_json::Value as Json;

/// A tensor of double precision that is a leaf of the tape.
pub(crate) fn leaf<const D: usize>(numbers: &[f64], shape: [usize; D]) -> Tensor<D> {
    plain(numbers, shape).autodiff().require_grad()
}

/// A tensor of double precision off the tape.
pub(crate) fn plain<const D: usize>(numbers: &[f64], shape: [usize; D]) -> Tensor<D> {
    Tensor::from_data(TensorData::new(numbers.to_vec(), shape), (&Device::flex(), DType::F64))
}

pub(crate) fn numbers<const D: usize>(tensor: &Tensor<D>) -> Vec<f64> {
    tensor.to_data().iter().collect()
}

pub(crate) fn numbers_of(value: &Value) -> Vec<f64> {
    value.clone().detached().into_data().iter().collect()
}

pub(crate) fn gradient<const D: usize>(tensor: &Tensor<D>, gradients: &Gradients) -> Vec<f64> {
    numbers(&tensor.grad(gradients).expect("the tensor is on the tape"))
}

/// Compares numbers, relative to the largest of those expected.
#[track_caller]
pub(crate) fn assert_close(found: &[f64], expected: &[f64], tolerance: f64, what: &str) {
    assert_eq!(found.len(), expected.len(), "{what}");
    let scale = expected.iter().fold(1e-3f64, |scale, x| scale.max(x.abs()));
    for (at, (a, b)) in found.iter().zip(expected).enumerate() {
        assert!((a - b).abs() <= tolerance * scale, "{what}: number {at} is {a}, expected {b}");
    }
}

/// Values and gradients that were computed elsewhere.
pub(crate) struct Golden(Json);

fn flattened(json: &Json, out: &mut Vec<f64>) {
    match json.as_array() {
        Some(items) => items.iter().for_each(|item| flattened(item, out)),
        None => out.push(json.as_f64().unwrap()),
    }
}

impl Golden {
    pub(crate) fn read(name: &str) -> Self {
        let path = format!("{}/tests/golden/{name}.json", env!("CARGO_MANIFEST_DIR"));
        Golden(serde_json::from_str(&std::fs::read_to_string(path).unwrap()).unwrap())
    }

    /// Numbers at a path such as `inputs/Q`.
    pub(crate) fn numbers(&self, path: &str) -> Vec<f64> {
        let mut found = vec![];
        flattened(path.split('/').fold(&self.0, |json, key| &json[key]), &mut found);
        found
    }

    pub(crate) fn leaf<const D: usize>(&self, path: &str, shape: [usize; D]) -> Tensor<D> {
        leaf(&self.numbers(path), shape)
    }

    pub(crate) fn plain<const D: usize>(&self, path: &str, shape: [usize; D]) -> Tensor<D> {
        plain(&self.numbers(path), shape)
    }
}

/// SplitMix64 (Steele, Lea, Flood 2014).
pub(crate) struct Random(u64);

impl Random {
    pub(crate) fn new(seed: u64) -> Self {
        Random(seed.wrapping_mul(0x9E37_79B9_7F4A_7C15))
    }

    pub(crate) fn uniform(&mut self) -> f64 {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        ((z ^ (z >> 31)) >> 11) as f64 / (1u64 << 53) as f64
    }

    pub(crate) fn below(&mut self, end: usize) -> usize {
        (self.uniform() * end as f64) as usize
    }

    pub(crate) fn normal(&mut self) -> f64 {
        let radius = (-2.0 * (1.0 - self.uniform()).ln()).sqrt();
        radius * (2.0 * std::f64::consts::PI * self.uniform()).cos()
    }

    pub(crate) fn normals(&mut self, count: usize) -> Vec<f64> {
        (0..count).map(|_| self.normal()).collect()
    }
}

/// The number of random cases: `BANACH_CASES`, or the one given.
pub(crate) fn cases(usual: usize) -> usize {
    std::env::var("BANACH_CASES").ok().and_then(|text| text.parse().ok()).unwrap_or(usual)
}
