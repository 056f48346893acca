//! Warm starts with dependent rows, several state tensors, or rows split over cores.

use crate::corners::{config, some};
use crate::reference::steadied;
use crate::update;
use crate::warm::{Cell, ENGINES};
use banach::{Engine, FixedPointConfig, Solution, WarmStarts};
use burn::module::{Module, Param};
use burn::nn::PaddingConfig2d;
use burn::nn::conv::{Conv2d, Conv2dConfig};
use burn::tensor::{DType, Device, Tensor};

/// x = 0.3 x + 0.2 mean over the batch + z: rows are coupled.
#[derive(Module, Debug)]
struct Coupled {}

update!(Coupled, Tensor<2>, Tensor<2>, |this, z| z.zeros_like().inner(), |x, z| x.clone() * 0.3
    + x.mean_dim(0) * 0.2
    + z.tanh());

#[test]
fn rows_that_depend_on_one_another_are_found_again_in_any_order() {
    for engine in ENGINES {
        let layer = config().with_engine(engine).init(Coupled {}).unwrap();
        let warm = WarmStarts::new(9).unwrap();
        let solve = |z: Tensor<2>, ids: &[u64]| {
            let z = z.autodiff().require_grad();
            let solution = layer.solve_warm(z, ids, &warm).unwrap();
            let report = solution.report().clone();
            let _ = solution.into_value().square().sum().backward();
            (report.steps.clone(), report.adjoint()[0].steps.clone())
        };
        let z = some([3, 2], 0.4);
        let (forward, backward) = solve(z.clone(), &[0, 1, 2]);
        assert!(forward[0] > 0 && backward[0] > 0);
        let turned = z.clone().flip([0]);
        assert_eq!(solve(turned.clone(), &[2, 1, 0]), (vec![0], vec![0]), "{engine:?}");
        assert_eq!(layer.take_statistics().warm_rows, 1);
        // One sample that is new: the problem is another, and begins in part where the others were.
        assert!(solve(turned, &[2, 1, 5]).0[0] > 0);
        assert_eq!((warm.len(), layer.take_statistics().warm_rows), (4, 0));
    }
}

/// Images and a vector that see one another, with a convolution.
#[derive(Module, Debug)]
struct Pair {
    convolution: Conv2d,
}

update!(
    Pair,
    (Tensor<4>, Tensor<2>),
    Tensor<4>,
    |this, z| (
        z.zeros_like().inner(),
        z.clone().inner().mean_dim(3).mean_dim(2).reshape([0, -1]).zeros_like()
    ),
    |(a, b), z| {
        let [rows, channels, ..] = a.dims();
        let sent = b.clone().reshape([rows, channels, 1, 1]) * 0.3;
        let mean = a.clone().mean_dim(3).mean_dim(2).reshape([rows, channels]);
        ((this.convolution.forward(a) * 0.2 + sent + z).tanh(), (mean + b * 0.2).sin())
    }
);

#[test]
fn states_of_several_tensors_are_found_again_on_another_engine_and_in_another_batch() {
    let padding = PaddingConfig2d::Explicit(1, 1, 1, 1);
    let convolution =
        Conv2dConfig::new([2, 2], [3, 3]).with_padding(padding).init(&Device::flex().autodiff());
    let pair = steadied(Pair { convolution });
    let warm = WarmStarts::new(9).unwrap();
    let z = some([3, 2, 3, 4], 0.2).cast(DType::F32);
    let solve = |engine: Engine, z: Tensor<4>, ids: &[u64]| {
        let layer = FixedPointConfig::new().with_engine(engine).init(pair.clone()).unwrap();
        let solution: Solution<(Tensor<4>, Tensor<2>)> = layer.solve_warm(z, ids, &warm).unwrap();
        let report = solution.report().clone();
        let (a, b) = solution.into_value();
        let _ = (a.square().sum() + b.square().sum()).backward();
        (report.steps.clone(), report.adjoint()[0].steps.clone())
    };
    let (forward, backward) = solve(Engine::Native, z.clone(), &[0, 1, 2]);
    assert!(forward.iter().chain(&backward).all(|steps| *steps > 0));
    assert_eq!(warm.bytes(), 3 * 2 * (2 * 3 * 4 + 2) * 4);
    let two = Tensor::cat(vec![z.clone().narrow(0, 2, 1), z.narrow(0, 0, 1)], 0);
    for engine in ENGINES {
        assert_eq!(solve(engine, two.clone(), &[2, 0]), (vec![0; 2], vec![0; 2]), "{engine:?}");
    }
}

#[test]
fn guesses_are_split_with_the_rows_of_the_parts() {
    // Wide enough for the engine to spread rows over cores.
    let w = Param::from_tensor((some([128, 128], 1.0) * 0.1).autodiff().require_grad());
    let layer = config().init(Cell { w }).unwrap();
    let (warm, z) = (WarmStarts::new(96).unwrap(), some([96, 128], 0.2));
    let ids: Vec<u64> = (0..96).collect();
    let solve = |z: Tensor<2>, ids: &[u64]| {
        let solution = layer.solve_warm(z, ids, &warm).unwrap();
        let report = solution.report().clone();
        let _ = solution.into_value().square().sum().backward();
        (report.steps.clone(), report.adjoint()[0].steps.clone())
    };
    let (forward, backward) = solve(z.clone(), &ids);
    assert!(forward.iter().chain(&backward).all(|steps| *steps > 0));
    let turned: Vec<u64> = ids.into_iter().rev().collect();
    assert_eq!(solve(z.flip([0]), &turned), (vec![0; 96], vec![0; 96]));
}
