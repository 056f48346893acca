//! Data-parallel steps: losses, gradients, counts and warm starts of several replicas are those of one.

use crate::corners::{config, some, weight};
use crate::reference::{assert_close, numbers};
use crate::warm::Cell;
use banach::{Error, FixedPoint, Replicas, Statistics, WarmStarts};
use burn::module::Module;
use burn::nn::{Linear, LinearConfig};
use burn::optim::{GradientsParams, SgdConfig};
use burn::tensor::{DType, Device, Tensor};
use std::ops::Range;

/// A fixed point between two linear maps, in double precision.
#[derive(Module, Debug)]
struct Network {
    encoder: Linear,
    layer: FixedPoint<Cell>,
}

const ROWS: usize = 7;

fn network() -> Network {
    let device = Device::flex().autodiff();
    let encoder: Linear = LinearConfig::new(3, 4).with_bias(false).init(&device);
    let layer = config().init(Cell { w: weight([4, 4]) }).unwrap();
    Network { encoder: Linear { weight: weight([3, 4]), ..encoder }, layer }
}

/// The gradients of the parameters by their places.
fn of(network: &Network, gradients: &GradientsParams) -> [Vec<f64>; 2] {
    let found = |id| numbers(&gradients.get::<2>(id).unwrap());
    [found(network.encoder.weight.id), found(network.layer.update().w.id)]
}

/// One step on `count` replicas, with the samples of a share by their numbers.
fn step(network: &Network, count: usize, warm: &WarmStarts) -> (f64, GradientsParams) {
    let replicas = Replicas::new(vec![Device::flex().autodiff(); count]).unwrap();
    let z = some([ROWS, 3], 0.4);
    let shares = replicas.shares(ROWS);
    let loss = |network: &Network, rows: Range<usize>, device: &Device| {
        let z = z.clone().slice([rows.clone()]).to_device(device);
        let ids: Vec<u64> = rows.clone().map(|row| row as u64).collect();
        let x = network.layer.solve_warm(network.encoder.forward(z), &ids, warm).unwrap().into_value();
        x.powi_scalar(2).mean() * (rows.len() as f64 / ROWS as f64)
    };
    replicas.step(network, shares, loss).unwrap()
}

fn cold() -> WarmStarts {
    WarmStarts::new(100).unwrap()
}

#[test]
fn rows_are_shared_evenly_and_in_their_order() {
    let shares = |devices: usize, rows| Replicas::new(vec![Device::flex(); devices]).unwrap().shares(rows);
    assert_eq!(shares(3, 7), [0..2, 2..4, 4..7]);
    assert_eq!(shares(1, 4), std::slice::from_ref(&(0..4)));
    assert_eq!(shares(4, 2), [0..1, 1..2]);
    assert_eq!(shares(2, 0), std::slice::from_ref(&(0..0)));
    for (devices, rows) in [(2, 9), (5, 31), (7, 7)] {
        let found = shares(devices, rows);
        let all: Vec<usize> = found.iter().cloned().flatten().collect();
        assert_eq!(all, (0..rows).collect::<Vec<_>>());
        let sizes = || found.iter().map(ExactSizeIterator::len);
        assert!(sizes().max().unwrap() - sizes().min().unwrap() <= 1);
    }
}

#[test]
fn a_step_of_several_replicas_is_that_of_one_with_its_counts() {
    let network = network();
    let on = |count| {
        let (loss, gradients) = step(&network, count, &cold());
        (loss, of(&network, &gradients), network.layer.take_statistics())
    };
    let (loss, gradients, counts) = on(1);
    // By another road: one call on the whole mini-batch.
    let x = network.layer.forward(network.encoder.forward(some([ROWS, 3], 0.4).autodiff()));
    let whole = x.powi_scalar(2).mean();
    let tape = GradientsParams::from_grads(whole.clone().backward(), &network);
    assert!((whole.into_scalar::<f64>() - loss).abs() < 1e-14);
    for (found, expected) in gradients.iter().zip(of(&network, &tape)) {
        assert_close(found, &expected, 1e-13, "the gradient of one replica");
    }
    network.layer.take_statistics();
    for count in [2, 3, 9] {
        let (other, found, statistics) = on(count);
        assert!((other - loss).abs() < 1e-14, "{count} replicas: {other} and {loss}");
        for (found, expected) in found.iter().zip(&gradients) {
            assert_close(found, expected, 1e-13, "the gradient of several replicas");
        }
        let rows = |of: &Statistics| {
            [
                of.rows,
                of.forward_steps,
                of.unconverged_rows,
                of.adjoint_rows,
                of.adjoint_steps,
                of.non_finite_rows,
            ]
        };
        assert_eq!(rows(&statistics), rows(&counts), "{count} replicas");
    }
}

#[test]
fn samples_find_their_last_states_on_whichever_replica_they_are() {
    let (network, warm) = (network(), cold());
    let _ = step(&network, 2, &warm);
    assert!(network.layer.take_statistics().forward_steps > ROWS);
    let _ = step(&network, 3, &warm);
    let counts = network.layer.take_statistics();
    assert_eq!((counts.warm_rows, counts.forward_steps, counts.adjoint_steps), (ROWS, 0, 0));
    let found = warm.statistics();
    assert_eq!((found.hits, found.misses, warm.len()), (ROWS, ROWS, ROWS));
}

#[test]
fn training_on_several_replicas_follows_training_on_one() {
    let losses = |count| {
        let (mut network, mut optimizer) = (network(), SgdConfig::new().init());
        let steps = (0..8).map(|_| {
            let (loss, gradients) = step(&network, count, &cold());
            network = optimizer.step(0.5, network.clone(), gradients);
            loss
        });
        steps.collect::<Vec<f64>>()
    };
    let (one, three) = (losses(1), losses(3));
    assert!(one[7] < 0.9 * one[0], "{one:?}");
    assert_close(&three, &one, 1e-12, "the losses");
}

#[test]
fn a_panic_of_a_replica_is_an_error_that_names_its_device() {
    let replicas = Replicas::new(vec![Device::flex().autodiff(); 2]).unwrap();
    let network: Linear = LinearConfig::new(2, 1).init(&Device::flex().autodiff());
    let result = replicas.step(&network, vec![2, 3], |network: &Linear, width, device| {
        network.forward(Tensor::<2>::ones([1, width], (device, DType::F32))).sum()
    });
    let error = result.err().unwrap();
    assert!(matches!(error, Error::Replica { position: 1, .. }), "{error:?}");
    let text = error.to_string();
    assert!(text.starts_with("the step on device 1, ") && !text.contains('\n'), "{text}");
    let refused =
        |shares: Vec<usize>| replicas.step(&network, shares, |_, _, device| Tensor::zeros([1], device));
    assert!(matches!(refused(vec![1, 1, 1]), Err(Error::Setting { .. })));
    assert!(matches!(Replicas::new([]), Err(Error::Setting { .. })));
}
