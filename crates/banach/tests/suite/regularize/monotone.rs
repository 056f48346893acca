//! Cells with a fixed point for all weights.

use crate::corners::right;
use crate::reference::{assert_close, numbers};
use crate::regularize::{largest_singular_value, matrix_of, noise, noisy};
use crate::update;
use banach::regularize::{MonotoneCell, MonotoneConfig};
use banach::solve::{Picard, Tolerance};
use banach::{Error, FixedPointConfig, Update};
use burn::module::Module;
use burn::tensor::{Device, Tensor, activation};

fn cell(monotonicity: f64, size: f64) -> MonotoneCell {
    let config = MonotoneConfig::new(3, 6).with_monotonicity(monotonicity);
    noisy(config.init(&Device::flex().autodiff()).unwrap(), size)
}

#[test]
fn the_map_is_strongly_monotone_in_every_direction() {
    for (m, size) in [(1.0, 0.1), (0.3, 3.0), (2.0, 20.0)] {
        let state = cell(m, size).state.valid();
        for seed in 0..50 {
            let x = noise([1, 6], seed);
            let product = numbers(&(x.clone() * (x.clone() - state.forward(x.clone()))).sum())[0];
            let square = numbers(&x.square().sum())[0];
            assert!(product >= m * square * (1.0 - 1e-9), "{product} below {m} · {square}");
        }
        let exact = largest_singular_value(&matrix_of([1, 6], |x: Tensor<2>| x.clone() - state.forward(x)));
        assert!(state.bound() >= exact && state.bound() <= 1.01 * exact, "{exact}");
    }
}

#[test]
fn the_map_is_the_one_of_the_paper() {
    let state = cell(0.4, 1.0).state.valid();
    let (a, b) = (state.factor.val(), state.skew.val());
    let w = Tensor::<2>::eye(6, &a.device()).cast(a.dtype()) * 0.6 - a.clone().transpose().matmul(a)
        + b.clone()
        - b.transpose();
    let x = noise([2, 6], 4);
    let expected = x.clone().matmul(w.transpose());
    assert_close(&numbers(&state.forward(x)), &numbers(&expected), 1e-12, "x Wᵀ");
}

#[test]
fn a_step_contracts_by_its_rate() {
    for (m, size) in [(1.0, 0.3), (0.5, 2.0), (1.0, 10.0)] {
        let cell = cell(m, size).valid();
        let rate = cell.rate();
        assert!(rate < 1.0);
        let z = noise([1, 3], 9);
        for seed in 0..20 {
            let (x, y) = (noise([1, 6], seed) * 3.0, noise([1, 6], seed + 100));
            let before = numbers(&(x.clone() - y.clone()).square().sum())[0].sqrt();
            let after = cell.update(x, z.clone()) - cell.update(y, z.clone());
            assert!(numbers(&after.square().sum())[0].sqrt() <= rate * before * (1.0 + 1e-9));
        }
    }
}

/// x = relu(W x + U z + b), as it stands.
#[derive(Module, Debug)]
struct Plain {
    cell: MonotoneCell,
}

update!(Plain, Tensor<2>, Tensor<2>, |this, z| this.cell.start(z).inner(), |x, z| activation::relu(
    this.cell.state.forward(x) + this.cell.input.forward(z)
));

#[test]
fn a_cell_converges_where_the_plain_one_diverges_and_solves_its_equation() {
    let config = FixedPointConfig::new()
        .with_solver(Picard::default())
        .with_tolerance(Tolerance::both(1e-8))
        .with_max_steps(20_000);
    let cell = cell(1.0, 1.5).valid();
    let z = noise([5, 3], 2) * 3.0;
    let plain = config.init(Plain { cell: cell.clone() }).unwrap().solve(z.clone()).unwrap();
    assert!(!plain.report().converged());
    let solution = config.init(cell.clone()).unwrap().solve(z.clone()).unwrap();
    assert!(solution.report().converged(), "{}", solution.report().explain());
    let x = solution.into_value();
    assert!(numbers(&x).iter().any(|&number| number > 0.1));
    let once = activation::relu(cell.state.forward(x.clone()) + cell.input.forward(z));
    assert_close(&numbers(&once), &numbers(&x), 1e-5, "the fixed point of the plain cell");
}

#[test]
fn gradients_are_those_of_the_plain_cell() {
    let z = noise([4, 3], 6);
    let layer = right("monotone", cell(1.0, 0.3), z.clone());
    right("monotone, eval", cell(1.0, 0.3).valid(), z.clone());
    let plain = FixedPointConfig::new().with_tolerance(Tolerance::both(1e-12)).with_max_steps(500);
    let plain = plain.init(Plain { cell: layer.update().clone() }).unwrap();
    let found = layer.forward(z.clone()).square().sum().backward();
    let expected = plain.forward(z).square().sum().backward();
    let state = &layer.update().state;
    for parameter in [&state.factor, &state.skew] {
        let [found, expected] = [&found, &expected].map(|all| numbers(&parameter.val().grad(all).unwrap()));
        assert_close(&found, &expected, 1e-7, "A and B");
    }
}

#[test]
fn records_and_settings_are_kept_and_wrong_ones_refused() {
    let one = cell(1.0, 0.5);
    let expected = numbers(&one.state.forward(noise([1, 6], 1)));
    let loaded = cell(1.0, 0.1).load_record(one.into_record());
    assert_eq!(numbers(&loaded.state.forward(noise([1, 6], 1))), expected);
    let config = MonotoneConfig::new(3, 6).with_monotonicity(0.2);
    let text = serde_json::to_string(&config).unwrap();
    assert_eq!(serde_json::from_str::<MonotoneConfig>(&text).unwrap().monotonicity, 0.2);
    for monotonicity in [0.0, -1.0, f64::NAN] {
        let error = config.clone().with_monotonicity(monotonicity).init(&Device::flex()).unwrap_err();
        assert!(matches!(error, Error::Setting { .. }), "{error}");
    }
}
