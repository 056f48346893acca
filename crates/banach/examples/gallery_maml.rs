//! Implicit MAML: a start for classifiers of few examples, learned through the minimisers that they adapt to.
#![allow(clippy::print_stdout, reason = "an example prints")]

use banach::solve::{ConjugateGradient, Tolerance};
use banach::{Energy, Error, FixedPoint, FixedPointConfig, GradientDescent, GradientDescentConfig};
use burn::module::{Module, Param};
use burn::optim::{AdamConfig, GradientsParams};
use burn::tensor::{DType, Device, Distribution, Tensor, activation::softplus};

const FEATURES: usize = 8;
const SHOTS: usize = 5;
const QUERIES: usize = 40;
const TASKS: usize = 32;
/// λ: how strongly a task is held at the start.
const STRENGTH: f64 = 0.3;

// ANCHOR: energy
/// The mean of log(1 + exp(-margin)) over labelled examples, for weights φ `[tasks, features]`.
fn logistic(phi: Tensor<2>, examples: Tensor<3>, labels: Tensor<2>) -> Tensor<2> {
    let scores = examples.matmul(phi.unsqueeze_dim::<3>(2)).squeeze_dim::<2>(2);
    softplus((scores * labels).neg(), 1.0).mean_dim(1)
}

/// f(φ) = loss of the examples of a task + ½ λ ‖φ - θ‖², with the start θ to learn.
#[derive(Module, Debug)]
struct Adaptation {
    start: Param<Tensor<2>>,
}

impl Energy for Adaptation {
    type State = Tensor<2>;
    type Input = (Tensor<3>, Tensor<2>);

    fn start(&self, (examples, _): &Self::Input) -> Tensor<2> {
        Tensor::zeros([examples.dims()[0], FEATURES], (&examples.device(), DType::F64))
    }

    fn energy(&self, phi: Tensor<2>, (examples, labels): Self::Input) -> Tensor<1> {
        let near = (phi.clone() - self.start.val()).square().sum_dim(1) * (0.5 * STRENGTH);
        (logistic(phi, examples, labels) + near).squeeze_dim(1)
    }
}
// ANCHOR_END: energy

type Learner = FixedPoint<GradientDescent<Adaptation>>;

fn learner(start: Tensor<2>) -> Result<Learner, Error> {
    let config = FixedPointConfig::new().with_tolerance(Tolerance::both(1e-12)).with_max_steps(500);
    let config = config.with_adjoint(ConjugateGradient::default());
    config.init(GradientDescentConfig::new(0.4).init(Adaptation { start: Param::from_tensor(start) })?)
}

/// Tasks: examples and labels to adapt to, examples and labels to be judged by.
type Tasks = (Tensor<3>, Tensor<2>, Tensor<3>, Tensor<2>);

/// The loss of the queries after each task has adapted to its few examples.
fn loss(learner: &Learner, (examples, labels, queries, answers): Tasks) -> Tensor<1> {
    logistic(learner.forward((examples, labels)), queries, answers).mean()
}

fn main() -> Result<(), Error> {
    let device = Device::flex().autodiff();
    device.seed(1);
    let drawn =
        |shape: [usize; 3]| Tensor::<3>::random(shape, Distribution::Normal(0.0, 1.0), (&device, DType::F64));
    // Boundaries of all tasks are near to one that the learner is not told.
    let hidden = drawn([1, FEATURES, 1]) * 2.0;
    let tasks = || -> Tasks {
        let boundary = hidden.clone() + drawn([TASKS, FEATURES, 1]) * 0.5;
        let set = |count| {
            let examples = drawn([TASKS, count, FEATURES]);
            let labels = examples.clone().matmul(boundary.clone()).squeeze_dim::<2>(2).sign();
            (examples, labels)
        };
        let ((examples, labels), (queries, answers)) = (set(SHOTS), set(QUERIES));
        (examples, labels, queries, answers)
    };
    let zeros = Tensor::<2>::zeros([1, FEATURES], (&device, DType::F64));
    let untrained = learner(zeros.clone())?;

    // ANCHOR: learn
    let mut trained = untrained.clone();
    let mut optimizer = AdamConfig::new().init();
    for _ in 0..150 {
        let gradients = GradientsParams::from_grads(loss(&trained, tasks()).backward(), &trained);
        trained = optimizer.step(0.05, trained, gradients);
    }
    // ANCHOR_END: learn
    let test = tasks();
    let [before, after] = [&untrained, &trained].map(|learner| {
        let phi = learner.forward((test.0.clone(), test.1.clone())).unsqueeze_dim::<3>(2);
        let guesses = test.2.clone().matmul(phi).squeeze_dim::<2>(2).sign();
        50.0 * (1.0 + (guesses * test.3.clone()).mean().into_scalar::<f64>())
    });
    println!(
        "right after {SHOTS} examples of a new task: {before:.1} % from zeros, {after:.1} % from the learned start"
    );
    assert!(after > before + 10.0);

    // The slope in the first number of the start, by differences.
    let gradients = loss(&untrained, test.clone()).backward();
    let slope = untrained.update().energy().start.grad(&gradients).expect("θ is on the tape");
    let slope: f64 = slope.narrow(1, 0, 1).into_scalar();
    let moved = |by: f64| -> Result<f64, Error> {
        let step = Tensor::<2>::from_data([[by]], (&device, DType::F64));
        let start = Tensor::cat(vec![step, zeros.clone().narrow(1, 1, FEATURES - 1)], 1);
        Ok(loss(&learner(start)?, test.clone()).into_scalar())
    };
    let difference = (moved(1e-4)? - moved(-1e-4)?) / 2e-4;
    println!("slope in the start: {slope:+.9}, by differences {difference:+.9}");
    assert!((slope - difference).abs() < 1e-7);
    Ok(())
}
