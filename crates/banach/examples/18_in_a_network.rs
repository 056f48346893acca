//! A convolutional layer in everyday use: records, frozen parameters, threads, changing shapes, a start from elsewhere.
#![allow(clippy::print_stdout, reason = "an example prints")]

use banach::{Error, FixedPoint, FixedPointConfig, Update};
use burn::module::Module;
use burn::nn::conv::{Conv2d, Conv2dConfig};
use burn::nn::{GroupNorm, GroupNormConfig, PaddingConfig2d};
use burn::tensor::{Device, Distribution, Tensor};

const CHANNELS: usize = 8;

// ANCHOR: cell
/// x = norm(relu(0.3 conv(x) + z)): the normalization divides by the size of its input, so what comes from z must be
/// larger than what comes from x.
#[derive(Module, Debug)]
struct Cell {
    convolution: Conv2d,
    norm: GroupNorm,
}

impl Update for Cell {
    type State = Tensor<4>;
    type Input = Tensor<4>;

    fn start(&self, z: &Tensor<4>) -> Tensor<4> {
        z.zeros_like()
    }

    fn update(&self, x: Tensor<4>, z: Tensor<4>) -> Tensor<4> {
        let fed = self.convolution.forward(x) * 0.3 + z;
        self.norm.forward(burn::tensor::activation::relu(fed))
    }
}
// ANCHOR_END: cell

fn layer(device: &Device) -> Result<FixedPoint<Cell>, Error> {
    let padding = PaddingConfig2d::Same;
    let convolution = Conv2dConfig::new([CHANNELS, CHANNELS], [3, 3]).with_padding(padding);
    FixedPointConfig::new().init(Cell {
        convolution: convolution.init(device),
        norm: GroupNormConfig::new(4, CHANNELS).init(device),
    })
}

fn main() -> Result<(), Error> {
    let device = Device::flex().autodiff();
    device.seed(1);
    let layer = self::layer(&device)?;
    let image = |rows, size| {
        Tensor::<4>::random([rows, CHANNELS, size, size], Distribution::Normal(0.0, 1.0), &device)
    };
    let z = image(2, 8);
    let solution = layer.solve(z.clone())?;
    assert!(solution.report().converged(), "{}", solution.report().explain());
    let x = solution.into_value();

    // ANCHOR: records
    // The record of a layer is that of its update: a trained layer is saved and loaded like any module.
    let path = std::env::temp_dir().join(format!("banach-layer-{}.bpk", std::process::id()));
    layer.clone().save_file(&path).expect("the folder is writable");
    let loaded = self::layer(&device)?.load_file(&path);
    assert_eq!(loaded.forward(z.clone()).into_data(), x.clone().into_data());
    // ANCHOR_END: records
    std::fs::remove_file(&path).expect("the file was written");

    // ANCHOR: frozen
    // Frozen parameters receive no gradient; the input still does.
    let frozen = loaded.freeze();
    let tracked = z.clone().require_grad();
    let gradients = frozen.forward(tracked.clone()).square().mean().backward();
    assert!(frozen.update().convolution.weight.grad(&gradients).is_none());
    assert!(tracked.grad(&gradients).is_some());
    // ANCHOR_END: frozen

    // ANCHOR: threads
    // Clones share their traces and statistics; each thread solves on its own.
    layer.take_statistics();
    std::thread::scope(|scope| {
        for _ in 0..2 {
            let (layer, z) = (layer.clone(), z.clone());
            scope.spawn(move || layer.forward(z));
        }
    });
    assert_eq!(layer.statistics().solves, 2);
    // ANCHOR_END: threads

    // ANCHOR: shapes
    // Another number of rows reuses the trace; another image size is traced once, at its first call.
    for (rows, size) in [(5, 8), (3, 12), (1, 12)] {
        assert_eq!(layer.forward(image(rows, size)).dims(), [rows, CHANNELS, size, size]);
    }
    // ANCHOR_END: shapes

    // ANCHOR: elsewhere
    // A solution from elsewhere, another program say, is a start: if it meets the tolerance, it is taken as it is.
    let report = layer.solve_from(x, z)?.report().clone();
    assert_eq!(report.steps.iter().max(), Some(&0));
    // ANCHOR_END: elsewhere
    println!("{}", report.explain());
    Ok(())
}
