//! Data-parallel training: replicas of a network on several devices, here twice the CPU, or the servers named as arguments.
#![allow(clippy::print_stdout, reason = "an example prints")]

use banach::{Error, FixedPoint, FixedPointConfig, Replicas, Update};
use burn::module::Module;
use burn::nn::{Linear, LinearConfig};
use burn::optim::AdamConfig;
use burn::tensor::{Device, Distribution, Tensor};

const ROWS: usize = 64;

/// x = tanh(x W / 2 + z)
#[derive(Module, Debug)]
struct Cell {
    state: Linear,
}

impl Update for Cell {
    type State = Tensor<2>;
    type Input = Tensor<2>;

    fn start(&self, z: &Tensor<2>) -> Tensor<2> {
        z.zeros_like()
    }

    fn update(&self, x: Tensor<2>, z: Tensor<2>) -> Tensor<2> {
        (self.state.forward(x) * 0.5 + z).tanh()
    }
}

#[derive(Module, Debug)]
struct Network {
    encoder: Linear,
    layer: FixedPoint<Cell>,
    decoder: Linear,
}

impl Network {
    fn new(device: &Device) -> Result<Self, Error> {
        Ok(Network {
            encoder: LinearConfig::new(4, 16).init(device),
            layer: FixedPointConfig::new().init(Cell { state: LinearConfig::new(16, 16).init(device) })?,
            decoder: LinearConfig::new(16, 1).init(device),
        })
    }

    fn forward(&self, z: Tensor<2>) -> Tensor<2> {
        self.decoder.forward(self.layer.forward(self.encoder.forward(z)))
    }
}

#[cfg(feature = "remote")]
fn devices() -> Result<Vec<Device>, Error> {
    // ANCHOR: connect
    let devices: Vec<Device> = std::env::args()
        .skip(1)
        .map(|address| banach::remote::connect(&address))
        .collect::<Result<_, _>>()?;
    // ANCHOR_END: connect
    Ok(if devices.is_empty() { vec![Device::flex(), Device::flex()] } else { devices })
}

#[cfg(not(feature = "remote"))]
fn devices() -> Result<Vec<Device>, Error> {
    Ok(vec![Device::flex(), Device::flex()])
}

fn main() -> Result<(), Error> {
    let here = Device::flex().autodiff();
    here.seed(1);
    let mut network = Network::new(&here)?;
    let z = Tensor::<2>::random([ROWS, 4], Distribution::Normal(0.0, 1.0), &Device::flex());
    let y = z.clone().sum_dim(1).sin();

    // ANCHOR: step
    let replicas = Replicas::new(devices()?.into_iter().map(Device::autodiff))?;
    let mut optimizer = AdamConfig::new().init();
    let mut losses = vec![];
    for _ in 0..30 {
        let shares = replicas.shares(ROWS);
        let (loss, gradients) = replicas.step(&network, shares, |network: &Network, rows, device| {
            let weight = rows.len() as f64 / ROWS as f64;
            let part = |tensor: &Tensor<2>| tensor.clone().slice([rows.clone()]).to_device(device);
            // A mean over the rows of the share, weighted by the share.
            (network.forward(part(&z)) - part(&y)).square().mean() * weight
        })?;
        network = optimizer.step(0.01, network, gradients);
        losses.push(loss);
    }
    // ANCHOR_END: step

    let statistics = network.layer.take_statistics();
    println!("loss {:.4} to {:.4} on {} devices", losses[0], losses[29], replicas.devices().len());
    println!("{} rows solved, {} unconverged", statistics.rows, statistics.unconverged_rows);
    assert!(losses[29] < losses[0] / 2.0);
    assert_eq!((statistics.rows, statistics.unconverged_rows), (30 * ROWS, 0));
    Ok(())
}
