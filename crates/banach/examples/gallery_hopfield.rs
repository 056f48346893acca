//! A Hopfield memory trained by recurrent back-propagation, with plain, conjugate-gradient and Neumann adjoints.
#![allow(clippy::print_stdout, reason = "an example prints")]

use banach::solve::{ConjugateGradient, Dense, LinearSolver, Neumann, Tolerance, Truncated};
use banach::{Error, FixedPoint, FixedPointConfig, UpdateFn, check};
use burn::module::Param;
use burn::optim::{AdamConfig, GradientsParams};
use burn::tensor::{DType, Device, Distribution, Tensor};

const BITS: usize = 24;
const HIDDEN: usize = 16;
const PATTERNS: usize = 6;
/// The rows of a batch.
const ROWS: usize = 8 * PATTERNS;

type Memory = FixedPoint<UpdateFn<Param<Tensor<2>>, 2, Tensor<2>>>;

// ANCHOR: memory
/// A stationary point of ½ ‖x - z / 2‖² - Σ log cosh(x Wᵀ): x = z / 2 + tanh(x Wᵀ) W, with a symmetric Jacobian.
fn memory(weights: Tensor<2>, adjoint: LinearSolver) -> Result<Memory, Error> {
    let layer = FixedPoint::from_fn(Param::from_tensor(weights), [BITS], |w, x: Tensor<2>, z: Tensor<2>| {
        z * 0.5 + x.matmul(w.val().transpose()).tanh().matmul(w.val())
    })?;
    let config = FixedPointConfig::new().with_tolerance(Tolerance::both(1e-9)).with_max_steps(500);
    layer.with_config(config.with_adjoint(adjoint).with_escalate(false))
}
// ANCHOR_END: memory

/// The mean squared error of recalled patterns.
fn loss(memory: &Memory, cues: Tensor<2>, patterns: Tensor<2>) -> Tensor<1> {
    (memory.forward(cues) - patterns).square().mean()
}

fn main() -> Result<(), Error> {
    let device = Device::flex().autodiff();
    device.seed(1);
    let drawn =
        |shape: [usize; 2], distribution| Tensor::<2>::random(shape, distribution, (&device, DType::F64));
    let signs = |shape, chance| drawn(shape, Distribution::Bernoulli(chance)) * 2.0 - 1.0;
    let patterns = signs([PATTERNS, BITS], 0.5).repeat_dim(0, ROWS / PATTERNS);
    // One bit in eight of a cue is wrong.
    let cues = || patterns.clone() * signs([ROWS, BITS], 0.875);
    let start = drawn([HIDDEN, BITS], Distribution::Normal(0.0, 0.1));

    // ANCHOR: adjoints
    let adjoints = [
        ("plain: Almeida and Pineda", LinearSolver::Neumann(Neumann::default())),
        ("conjugate gradients", LinearSolver::ConjugateGradient(ConjugateGradient::default())),
        ("Neumann, 8 terms", LinearSolver::Truncated(Truncated { terms: 8, damping: 1.0 })),
    ];
    let test = cues();
    let gradient = |adjoint: LinearSolver| -> Result<(Tensor<2>, usize), Error> {
        let memory = memory(start.clone(), adjoint)?;
        let solution = memory.solve(test.clone())?;
        let report = solution.report().clone();
        let gradients = (solution.into_value() - patterns.clone()).square().mean().backward();
        let slope = memory.update().module().grad(&gradients).expect("W is on the tape");
        Ok((slope, report.adjoint()[0].evaluations))
    };
    let norm = |x: Tensor<2>| x.square().sum().sqrt().into_scalar::<f64>();
    let (exact, _) = gradient(LinearSolver::Dense(Dense::default()))?;
    // ANCHOR_END: adjoints
    for (name, adjoint) in adjoints {
        let (found, applications) = gradient(adjoint.clone())?;
        let error = norm(found - exact.clone()) / norm(exact.clone());
        assert_eq!(error > 1e-6, matches!(adjoint, LinearSolver::Truncated(_)));

        // ANCHOR: train
        let mut memory = memory(start.clone(), adjoint)?;
        let mut optimizer = AdamConfig::new().init();
        for _ in 0..400 {
            let gradients = loss(&memory, cues(), patterns.clone()).backward();
            let gradients = GradientsParams::from_grads(gradients, &memory);
            memory = optimizer.step(0.003, memory, gradients);
        }
        // ANCHOR_END: train
        let wrong = |x: Tensor<2>| (1.0 - (x.sign() * patterns.clone()).mean().into_scalar::<f64>()) * 50.0;
        let (before, after) = (wrong(test.clone()), wrong(memory.forward(test.clone())));
        println!("{name}: {applications} applications of Jᵀ, off by {error:.1e}");
        println!("    {before:.1} % of the bits of the cues are wrong, and {after:.1} % of what is recalled");
        assert!(after < 0.4 * before);
    }
    let found = check::gradients(&memory(start, LinearSolver::default())?, test)?;
    println!("apart from finite differences {:.1e}", found.finite_difference);
    assert!(found.agrees(1e-5), "{found:?}");
    Ok(())
}
