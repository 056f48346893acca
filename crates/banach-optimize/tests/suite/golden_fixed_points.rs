//! Fixed points of statistics, transport and control, with solutions and gradients that were computed elsewhere.

use crate::reference::{Golden, Random, assert_close, gradient, leaf, numbers, plain};
use banach::program::Tensors;
use banach::solve::Tolerance;
use banach::{FixedPointConfig, Function};
use burn::tensor::Tensor;

/// The fixed point in the first input of a closure, to rounding.
fn solved<I: Tensors>(inputs: &I, update: impl FnMut(I) -> Tensor<2>) -> Function {
    let config = FixedPointConfig::new().with_tolerance(Tolerance::both(1e-13)).with_max_steps(500);
    Function::of(inputs, update).unwrap().fix(&config).unwrap()
}

/// Every solve and every adjoint of a function has converged.
fn assert_converged(function: &Function) {
    let statistics = function.statistics();
    assert!(statistics.rows > 0 && statistics.adjoint_rows > 0, "{statistics:?}");
    assert_eq!((statistics.unconverged_rows, statistics.adjoint_unconverged_rows), (0, 0));
}

/// ⟨w, J t⟩ = ⟨Jᵀ w, t⟩ for a forward derivative J t and a gradient Jᵀ w.
fn assert_dual(weights: &[f64], forward: &[f64], gradient: &[f64], direction: &[f64]) {
    let dot = |a: &[f64], b: &[f64]| a.iter().zip(b).map(|(a, b)| a * b).sum::<f64>();
    let (forward, reverse) = (dot(weights, forward), dot(gradient, direction));
    assert!((forward - reverse).abs() < 1e-9 * (1.0 + reverse.abs()), "{forward} and {reverse}");
}

/// One step of expectation maximisation: responsibilities, then weights, means and variances, of two Gaussians.
fn maximised((state, x): (Tensor<2>, Tensor<2>)) -> Tensor<2> {
    let at = |index: usize| state.clone().narrow(1, index, 1);
    let density = |k: usize| {
        let (weight, mean, variance) = (at(k), at(2 + k), at(4 + k));
        ((x.clone() - mean).square() / (variance.clone() * -2.0)).exp() * (weight / variance.sqrt())
    };
    let densities = [density(0), density(1)];
    let total = densities[0].clone() + densities[1].clone();
    let mut found: [Vec<Tensor<2>>; 3] = Default::default();
    for density in densities {
        let responsibility = density / total.clone();
        let count = responsibility.clone().sum_dim(1);
        let mean = (responsibility.clone() * x.clone()).sum_dim(1) / count.clone();
        let spread = (x.clone() - mean.clone()).square();
        found[0].push(count.clone() / x.dims()[1] as f64);
        found[1].push(mean);
        found[2].push((responsibility * spread).sum_dim(1) / count + 0.05);
    }
    Tensor::cat(found.concat(), 1)
}

#[test]
fn expectation_maximisation_has_its_mixture_and_the_gradient_of_each_point() {
    let golden = Golden::read("gaussian_mixture_em");
    let points = golden.numbers("inputs/x");
    let n = points.len();
    let mean = points.iter().sum::<f64>() / n as f64;
    let variance = points.iter().map(|x| (x - mean).powi(2)).sum::<f64>() / n as f64;
    let least = points.iter().copied().fold(f64::INFINITY, f64::min);
    let largest = points.iter().copied().fold(f64::NEG_INFINITY, f64::max);
    let start = plain(&[0.5, 0.5, least, largest, variance, variance], [1, 6]);
    let function = solved(&(start.clone(), plain(&points, [1, n])), maximised);
    let x = leaf(&points, [1, n]);
    let found: Tensor<2> = function.call((start.clone().autodiff(), x.clone())).unwrap();
    assert_close(&numbers(&found), &golden.numbers("solution/x"), 1e-9, "the mixture");
    let weights = golden.numbers("weights");
    let found = (found * plain(&weights, [1, 6]).autodiff()).sum().backward();
    let found = gradient(&x, &found);
    // The golden gradients are differences, exact to 1e-7.
    assert_close(&found, &golden.numbers("gradient/x"), 1e-7, "x");
    let direction = Random::new(1).normals(n);
    let inputs = (start, plain(&points, [1, n]), plain(&direction, [1, n]));
    let forward: Tensor<2> = function.jvp_of(&[1]).call(inputs).unwrap();
    assert_dual(&weights, &numbers(&forward), &found, &direction);
    assert_converged(&function);
}

/// The dual potential of the columns: the second half of a step.
fn columns(f: &Tensor<2>, costs: &Tensor<3>, b: &Tensor<2>) -> Tensor<3> {
    let [_, rows, columns] = costs.dims();
    let exponents = (f.clone().reshape([1, rows, 1]) - costs.clone()) / 0.5;
    (b.clone().log().reshape([1, 1, columns]) - exponents.exp().sum_dim(1).log()) * 0.5
}

/// One step of Sinkhorn's iteration of the potential f of the rows, whose mean is free and kept at 0.
fn balanced((f, costs, a, b): (Tensor<2>, Tensor<3>, Tensor<2>, Tensor<2>)) -> Tensor<2> {
    let exponents = (columns(&f, &costs, &b) - costs) / 0.5;
    let sums: Tensor<2> = exponents.exp().sum_dim(2).squeeze_dim(2);
    let f = (a.log() - sums.log()) * 0.5;
    f.clone() - f.mean_dim(1)
}

#[test]
fn sinkhorn_has_its_plan_and_the_gradient_of_each_cost() {
    let golden = Golden::read("sinkhorn");
    let a =
        plain(&[0.20562604018179786, 0.18156514381814265, 0.24820363622877084, 0.36460517977128865], [1, 4]);
    let b = [0.2784395061965668, 0.14755507026916234, 0.11937100278833086];
    let b = plain(&[&b[..], &[0.2772444467742753, 0.17738997397166467]].concat(), [1, 5]);
    let costs = golden.numbers("inputs/M");
    let start = plain(&[0.0; 4], [1, 4]);
    let inputs = (start.clone(), plain(&costs, [1, 4, 5]), a.clone(), b.clone());
    let function = solved(&inputs, balanced);
    let m: Tensor<3> = leaf(&costs, [1, 4, 5]);
    let (a, b) = (a.autodiff(), b.autodiff());
    let f: Tensor<2> = function.call((start.autodiff(), m.clone(), a, b.clone())).unwrap();
    let sums = columns(&f, &m, &b) + f.reshape([1, 4, 1]) - m.clone();
    let plan = (sums / 0.5).exp();
    assert_close(&numbers(&plan), &golden.numbers("solution/x"), 1e-10, "the plan");
    let weights = golden.numbers("weights");
    let found = (plan * plain(&weights, [1, 4, 5]).autodiff()).sum().backward();
    // The golden gradients are differences, exact to 1e-8.
    assert_close(&gradient(&m, &found), &golden.numbers("gradient/M"), 1e-8, "M");
    assert_converged(&function);
}

/// V = log Σ_a exp(R + γ P V)
fn planned((v, rewards, chances, gamma): (Tensor<2>, Tensor<3>, Tensor<3>, Tensor<3>)) -> Tensor<2> {
    let [_, states, actions] = rewards.dims();
    let next = chances.matmul(v.reshape([1, states, 1])).reshape([1, states, actions]);
    (rewards + next * gamma).exp().sum_dim(2).log().squeeze_dim(2)
}

#[test]
fn soft_value_iteration_has_its_values_and_the_gradients_of_rewards_chances_and_discount() {
    let golden = Golden::read("soft_value_iteration");
    let (states, actions) = (5, 3);
    let start = plain(&[0.0; 5], [1, states]);
    let rewards: Tensor<3> = golden.leaf("inputs/R", [1, states, actions]);
    let chances: Tensor<3> = golden.leaf("inputs/P", [1, states * actions, states]);
    let gamma: Tensor<3> = golden.leaf("inputs/gamma", [1, 1, 1]);
    let off = |x: &Tensor<3>| x.clone().without_autodiff();
    let function = solved(&(start.clone(), off(&rewards), off(&chances), off(&gamma)), planned);
    let inputs = (start.clone().autodiff(), rewards.clone(), chances.clone(), gamma.clone());
    let v: Tensor<2> = function.call(inputs).unwrap();
    assert_close(&numbers(&v), &golden.numbers("solution/x"), 1e-11, "V");
    let weights = golden.numbers("weights");
    let found = (v * plain(&weights, [1, states]).autodiff()).sum().backward();
    let of_rewards = gradient(&rewards, &found);
    assert_close(&of_rewards, &golden.numbers("gradient/R"), 1e-9, "R");
    assert_close(&gradient(&chances, &found), &golden.numbers("gradient/P"), 1e-9, "P");
    assert_close(&gradient(&gamma, &found), &golden.numbers("gradient/gamma"), 1e-9, "γ");
    let direction = Random::new(2).normals(states * actions);
    let along: Tensor<3> = plain(&direction, [1, states, actions]);
    let inputs = (start, off(&rewards), off(&chances), off(&gamma), along);
    let forward: Tensor<2> = function.jvp_of(&[1]).call(inputs).unwrap();
    assert_dual(&weights, &numbers(&forward), &of_rewards, &direction);
    assert_converged(&function);
}
