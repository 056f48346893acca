//! Reference values and comparisons, and updates written as closures.

use banach::program::Value;
use burn::module::{Module, ModuleMapper, Param};
use burn::tensor::{DType, Device, Tensor, TensorData};
use serde_json::Value as Json;

/// Double precision on the CPU, or what the tests of another device compute in.
pub(crate) fn double() -> (Device, DType) {
    crate::place()
}

/// A golden file, by name.
pub(crate) struct Golden(Json);

impl Golden {
    pub(crate) fn read(name: &str) -> Self {
        let path = format!("{}/tests/golden/{name}.json", env!("CARGO_MANIFEST_DIR"));
        Golden(serde_json::from_str(&std::fs::read_to_string(path).unwrap()).unwrap())
    }

    pub(crate) fn numbers(&self, group: &str, name: &str) -> Vec<f64> {
        let data = self.0[group][name]["data"].as_array().unwrap();
        data.iter().map(|number| number.as_f64().unwrap()).collect()
    }

    pub(crate) fn number(&self, name: &str) -> f64 {
        self.0[name].as_f64().unwrap()
    }

    pub(crate) fn name(&self) -> String {
        self.0["name"].as_str().unwrap().into()
    }

    pub(crate) fn optional(&self, name: &str) -> Option<f64> {
        self.0[name].as_f64()
    }

    pub(crate) fn flat(&self, group: &str, name: &str) -> Tensor<1> {
        let numbers = self.numbers(group, name);
        let (device, dtype) = double();
        let count = numbers.len();
        Tensor::from_data(TensorData::new(numbers, [count]), (&device, dtype))
    }

    pub(crate) fn value(&self, group: &str, name: &str) -> Value {
        let shape = self.0[group][name]["shape"].as_array().unwrap();
        let shape: Vec<usize> = shape.iter().map(|size| size.as_u64().unwrap() as usize).collect();
        Value::from(self.flat(group, name)).reshaped(&shape)
    }

    pub(crate) fn tensor<const D: usize>(&self, group: &str, name: &str) -> Tensor<D> {
        let shape = self.0[group][name]["shape"].as_array().unwrap();
        let shape: Vec<usize> = shape.iter().map(|size| size.as_u64().unwrap() as usize).collect();
        let (device, dtype) = double();
        Tensor::from_data(TensorData::new(self.numbers(group, name), shape), (&device, dtype))
    }
}

pub(crate) fn numbers<const D: usize>(tensor: &Tensor<D>) -> Vec<f64> {
    tensor.clone().into_data().iter::<f64>().collect()
}

pub(crate) fn assert_close(found: &[f64], expected: &[f64], tolerance: f64, what: &str) {
    assert_eq!(found.len(), expected.len(), "{what}");
    let scale = expected.iter().fold(0.0f64, |scale, x| scale.max(x.abs())).max(1e-3);
    for (at, (a, b)) in found.iter().zip(expected).enumerate() {
        assert!((a - b).abs() <= tolerance * scale, "{what}: number {at} is {a}, expected {b}");
    }
}

/// The module with the same numbers in every run, whatever Burn drew for it.
pub(crate) fn steadied<M: Module>(module: M) -> M {
    struct Steady(f64);
    impl ModuleMapper for Steady {
        fn map_float<const D: usize>(&mut self, param: Param<Tensor<D>>) -> Param<Tensor<D>> {
            let (id, drawn, _) = param.consume();
            let numbers: Vec<f64> = (0..drawn.shape().num_elements())
                .map(|_| {
                    self.0 += 1.3;
                    // Variances and scales are vectors and positive.
                    if D == 1 { 0.5 + 0.2 * self.0.sin() } else { 0.25 * self.0.sin() }
                })
                .collect();
            let data = TensorData::new(numbers, drawn.shape());
            let steady = Tensor::from_data(data, (&drawn.device(), drawn.dtype()));
            let trained = drawn.device().is_autodiff();
            Param::initialized(id, if trained { steady.require_grad() } else { steady })
        }
    }
    module.map(&mut Steady(0.0))
}

/// Implements `Update` for a module from an expression.
#[macro_export]
macro_rules! update {
    ($module:ty, $state:ty, $input:ty, |$this:ident, $z0:ident| $start:expr, |$x:pat_param, $z:pat_param| $update:expr) => {
        impl banach::Update for $module {
            type State = $state;
            type Input = $input;

            fn start(&self, $z0: &$input) -> $state {
                let $this = self;
                let _ = $this;
                $start
            }

            fn update(&self, $x: $state, $z: $input) -> $state {
                let $this = self;
                let _ = $this;
                $update
            }
        }
    };
}
