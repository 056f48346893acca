//! Memory over many steps: neither compiled training nor inference on a training device grows, with any optimizer.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

use banach::{AdamConfig, FixedPoint, FixedPointConfig, Objective, Update};
use burn::module::Module;
use burn::nn::{Linear, LinearConfig};
use burn::optim::{self, ModuleOptimizer, SgdConfig};
use burn::tensor::{Device, Tensor};
use peak_alloc::PeakAlloc;

#[global_allocator]
static ALLOCATED: PeakAlloc = PeakAlloc;

#[derive(Module, Debug)]
struct Cell {
    state: Linear,
    input: Linear,
}

impl Update for Cell {
    type State = Tensor<2>;
    type Input = Tensor<2>;

    fn start(&self, z: &Tensor<2>) -> Tensor<2> {
        z.zeros_like()
    }

    fn update(&self, x: Tensor<2>, z: Tensor<2>) -> Tensor<2> {
        (self.state.forward(x) * 0.3 + self.input.forward(z)).tanh()
    }
}

fn layer(device: &Device) -> FixedPoint<Cell> {
    let new = || LinearConfig::new(8, 8).init(device);
    FixedPointConfig::new().init(Cell { state: new(), input: new() }).unwrap()
}

/// The steps of a run: a few in an ordinary test.
fn steps() -> usize {
    std::env::var("BANACH_STEPS").map_or(1000, |steps| steps.parse().unwrap())
}

/// Bytes at the end beyond those after a twentieth of the steps, as a part.
fn growth(mut step: impl FnMut()) -> f64 {
    let total = steps();
    let mut before = 0;
    for at in 0..total {
        // The largest of a stretch: nodes are released every few steps.
        if at == total / 20 {
            ALLOCATED.reset_peak_usage();
        }
        if at == total / 10 {
            before = ALLOCATED.peak_usage();
        }
        if at == total - total / 20 {
            ALLOCATED.reset_peak_usage();
        }
        step();
    }
    ALLOCATED.peak_usage() as f64 / before as f64 - 1.0
}

#[test]
fn memory_stays_flat_in_compiled_training_and_in_inference_on_a_training_device() {
    let device = Device::flex().autodiff();
    let z = Tensor::<2>::ones([4, 8], &device) * 0.3;
    let optimizers: [(&str, ModuleOptimizer); 3] = [
        ("sgd", SgdConfig::new().init()),
        ("adam", optim::AdamConfig::new().init()),
        ("our adam", AdamConfig::new().init().unwrap()),
    ];
    for (name, mut optimizer) in optimizers {
        let objective = Objective::new(|layer: &FixedPoint<Cell>, z| layer.forward(z).square().mean());
        let mut network = Some(layer(&device));
        let growth = growth(|| {
            let module = network.take().unwrap();
            let (_, gradients) = objective.value_and_gradient(&module, z.clone()).unwrap();
            network = Some(optimizer.step(1e-3, module, gradients));
        });
        assert!(growth < 0.01, "{name}: {growth}");
    }
    let layer = layer(&device);
    let grown = growth(|| drop(layer.forward(z.clone())));
    // Burn's tables of nodes still find their size in the first hundreds of calls.
    let bound = if steps() < 20_000 { 0.05 } else { 0.01 };
    assert!(grown < bound, "inference on a training device: {grown}");
    // A graph that waits for its backward pass survives the releases.
    let waiting = layer.forward(z.clone()).sum();
    for _ in 0..100 {
        let _ = layer.forward(z.clone());
    }
    assert!(layer.update().state.weight.grad(&waiting.backward()).is_some());
}
