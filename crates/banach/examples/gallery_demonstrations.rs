//! Soft value iteration: rewards from demonstrations, by maximum likelihood (inverse reinforcement learning).
#![allow(clippy::print_stdout, reason = "an example prints")]

use banach::solve::Tolerance;
use banach::{Error, FixedPoint, FixedPointConfig, UpdateFn};
use burn::module::Param;
use burn::optim::{AdamConfig, GradientsParams};
use burn::tensor::{DType, Device, Tensor, TensorData};

const SIDE: usize = 5;
const STATES: usize = SIDE * SIDE;
const ACTIONS: usize = 4;
const DISCOUNT: f64 = 0.9;

type World = FixedPoint<UpdateFn<Param<Tensor<2>>, 2, Tensor<3>>>;

// ANCHOR: value
/// The soft value of each action: Q(s, a) = r(s) + γ Σ P(s, a, t) V(t).
fn actions(rewards: &Param<Tensor<2>>, values: Tensor<2>, chances: Tensor<3>) -> Tensor<3> {
    let next = chances.matmul(values.reshape([1, STATES, 1])).reshape([1, STATES, ACTIONS]);
    next * DISCOUNT + rewards.val().reshape([1, STATES, 1])
}

/// The layer of V(s) = log Σ exp Q(s, a), whose parameters are the rewards r.
fn world(rewards: Tensor<2>) -> Result<World, Error> {
    let layer =
        FixedPoint::from_fn(Param::from_tensor(rewards), [STATES], |rewards, v, chances: Tensor<3>| {
            actions(rewards, v, chances).exp().sum_dim(2).log().squeeze_dim(2)
        })?;
    layer.with_config(FixedPointConfig::new().with_tolerance(Tolerance::both(1e-13)))
}

/// log π(a | s) = Q(s, a) - V(s)
fn log_policy(world: &World, chances: &Tensor<3>) -> Tensor<3> {
    let values = world.forward(chances.clone());
    let q = actions(world.update().module(), values.clone(), chances.clone());
    q - values.reshape([1, STATES, 1])
}
// ANCHOR_END: value

/// Steps up, down, left and right on a square; one in ten goes astray to the place of another step.
fn chances(device: &Device) -> Tensor<3> {
    let mut numbers = vec![0.0; STATES * ACTIONS * STATES];
    for (state, action) in (0..STATES).flat_map(|state| (0..ACTIONS).map(move |action| (state, action))) {
        let (row, column) = (state / SIDE, state % SIDE);
        let (down, right) = ((row + 1).min(SIDE - 1), (column + 1).min(SIDE - 1));
        let places =
            [(row.saturating_sub(1), column), (down, column), (row, column.saturating_sub(1)), (row, right)];
        for (step, (row, column)) in places.into_iter().enumerate() {
            let chance = if step == action { 0.9 } else { 0.1 / 3.0 };
            numbers[(state * ACTIONS + action) * STATES + row * SIDE + column] += chance;
        }
    }
    Tensor::from_data(TensorData::new(numbers, [1, STATES * ACTIONS, STATES]), (device, DType::F64))
}

/// Rewards of all states.
fn board(device: &Device, reward: impl Fn(usize) -> f64) -> Tensor<2> {
    let numbers: Vec<f64> = (0..STATES).map(reward).collect();
    Tensor::from_data(TensorData::new(numbers, [1, STATES]), (device, DType::F64))
}

fn main() -> Result<(), Error> {
    let device = Device::flex().autodiff();
    let chances = chances(&device);
    // The hidden rewards: a goal in a corner, and a swamp on the way there.
    let hidden = world(board(&device, |state| f64::from(state == 24) - f64::from(state == 12)))?;
    let shown = log_policy(&hidden, &chances).exp().detach();

    // ANCHOR: learn
    let mut learner = world(board(&device, |_| 0.0))?;
    let mut optimizer = AdamConfig::new().init();
    let loss = |learner: &World| (log_policy(learner, &chances) * shown.clone()).sum().neg() / STATES as f64;
    for _ in 0..300 {
        let gradients = GradientsParams::from_grads(loss(&learner).backward(), &learner);
        learner = optimizer.step(0.05, learner, gradients);
    }
    // ANCHOR_END: learn
    let apart: f64 = (log_policy(&learner, &chances).exp() - shown.clone()).abs().max().into_scalar();
    let rewards: Vec<f64> = learner.update().module().val().to_data().iter().collect();
    rewards.chunks(SIDE).for_each(|row| println!("{row:+.2?}"));
    println!("the chance of an action differs from the demonstrated one by at most {apart:.4}");
    let best = (0..STATES).max_by(|a, b| rewards[*a].total_cmp(&rewards[*b]));
    let worst = (0..STATES).min_by(|a, b| rewards[*a].total_cmp(&rewards[*b]));
    assert!(apart < 0.01 && (best, worst) == (Some(24), Some(12)));

    // The slope of the loss in the reward of one place, by differences.
    let start = world(board(&device, |_| 0.0))?;
    let slope = start.update().module().grad(&loss(&start).backward()).expect("r is on the tape");
    let slope: f64 = slope.narrow(1, 24, 1).into_scalar();
    let moved = |by: f64| {
        let rewards = board(&device, |state| by * f64::from(state == 24));
        Ok::<f64, Error>(loss(&world(rewards)?).into_scalar())
    };
    let difference = (moved(1e-4)? - moved(-1e-4)?) / 2e-4;
    println!("slope in the reward of the goal: {slope:+.9}, by differences {difference:+.9}");
    assert!((slope - difference).abs() < 1e-7);
    Ok(())
}
