//! Random layers with wrong types, wrong shapes, batches of 0 and 1 and any settings: an error or a result, no panic.

use banach::regularize::{
    FixedPointCorrection, SmallGain, frobenius_penalty, random_signs, spectral_penalty,
};
use banach::solve::{
    Anderson, Auto, Bicgstab, Broyden, ConjugateGradient, Dense, FixedPointSolver, Gmres, LinearSolver,
    Neumann, Newton, Picard, Squarem, Truncated,
};
use banach::{Engine, Error, FixedPoint, FixedPointConfig, Gradient, Objective, Precision, Update, check};
use burn::module::{Module, Param};
use burn::tensor::{DType, Device, Tensor, activation, module};
use std::panic::{AssertUnwindSafe, catch_unwind};

/// A reproducible stream of choices.
#[derive(Clone, Copy, Debug)]
struct Choices(u64);

impl Choices {
    fn of(case: usize) -> Self {
        Choices((case as u64 + 1).wrapping_mul(0x9E37_79B9_7F4A_7C15))
    }

    fn below(&mut self, count: usize) -> usize {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        (self.0 >> 33) as usize % count
    }

    /// True once in so many times.
    fn once_in(&mut self, times: usize) -> bool {
        self.below(times) == 0
    }

    fn tensor<const D: usize>(&mut self, shape: [usize; D]) -> Tensor<D> {
        let dtype = if self.once_in(12) { DType::F64 } else { DType::F32 };
        let device = if self.once_in(3) { Device::flex() } else { Device::flex().autodiff() };
        Tensor::full(shape, 0.1 + 0.1 * self.below(5) as f64, (&device, dtype))
    }
}

/// An update of random operations.
#[derive(Module, Debug)]
struct Random {
    w: Param<Tensor<2>>,
    v: Param<Tensor<1>>,
    case: usize,
}

impl Update for Random {
    type State = Tensor<2>;
    type Input = Tensor<2>;

    fn start(&self, z: &Tensor<2>) -> Tensor<2> {
        let mut choices = Choices::of(7 * self.case + 1);
        let start = z.zeros_like().without_autodiff();
        match choices.below(24) {
            0 => start.transpose(),
            1 => start.reshape([2, 2]),
            2 => start.cast(DType::F64),
            3 => Tensor::zeros([1, 3], &start.device()),
            _ => start,
        }
    }

    fn update(&self, x: Tensor<2>, z: Tensor<2>) -> Tensor<2> {
        let mut choices = Choices::of(13 * self.case + 5);
        let (w, v) = (self.w.val(), self.v.val());
        let mut y = x.clone();
        for _ in 0..1 + choices.below(4) {
            let dim = choices.below(3);
            y = match choices.below(20) {
                0 | 1 => y.matmul(w.clone()),
                2 | 3 => y + z.clone(),
                4 => y * z.clone(),
                5 | 6 => module::linear(y, w.clone(), Some(v.clone())),
                7 => Tensor::cat(vec![y, z.clone()], dim),
                8 => y.clone() - y.mean_dim(dim),
                9 => y.clone() / y.max_dim(dim),
                10 => y.powf(z.clone()),
                11 => y.clone().mask_where(z.clone().greater_elem(0.2), y.log()),
                12 => activation::softmax(y, dim),
                13 => y.slice([0..1, 0..2]),
                14 => y.sqrt() + 0.1,
                15 => y.transpose(),
                16 => x.clone() * v.clone().unsqueeze(),
                _ => y.tanh() * 0.5,
            };
        }
        if choices.once_in(3) { y } else { y.tanh() * 0.5 + z * 0.1 }
    }
}

fn settings(choices: &mut Choices) -> FixedPointConfig {
    let forward = match choices.below(7) {
        0 => FixedPointSolver::Picard(Picard::default()),
        1 => FixedPointSolver::Broyden(Broyden::default()),
        2 => FixedPointSolver::Squarem(Squarem::default()),
        3 => FixedPointSolver::Auto(Auto::default()),
        4 => FixedPointSolver::Newton(Newton::default()),
        _ => FixedPointSolver::Anderson(Anderson::default()),
    };
    let adjoint = match choices.below(9) {
        0 => LinearSolver::Neumann(Neumann::default()),
        1 => LinearSolver::Bicgstab(Bicgstab::default()),
        2 => LinearSolver::ConjugateGradient(ConjugateGradient::default()),
        3 => LinearSolver::Dense(Dense { limit: 1 + choices.below(4) }),
        4 => LinearSolver::Truncated(Truncated::default()),
        5 => LinearSolver::Identity,
        6 => LinearSolver::Broyden(Broyden::default()),
        7 => LinearSolver::Anderson(Anderson::default()),
        _ => LinearSolver::Gmres(Gmres::default()),
    };
    let gradient = match choices.below(6) {
        0 => Gradient::Unrolled { steps: choices.below(3) },
        1 => Gradient::Shine { refinement: choices.below(3), limit: 1.3 },
        _ => Gradient::Implicit,
    };
    let config = FixedPointConfig::new().with_solver(forward).with_adjoint(adjoint).with_gradient(gradient);
    let engine = if choices.once_in(3) { Engine::Device } else { Engine::Native };
    let precision = if choices.once_in(6) { Precision::Mixed } else { Precision::default() };
    config.with_engine(engine).with_precision(precision).with_max_steps(8 * choices.below(3))
}

/// Everything a user may ask of a layer; errors are fine.
fn exercise(choices: &mut Choices, layer: &FixedPoint<Random>, z: &Tensor<2>) -> Result<(), Error> {
    let solution = layer.solve(z.clone());
    let program = layer.program(z.clone());
    assert!(solution.is_err() || program.is_ok(), "solved, but without a program");
    match choices.below(6) {
        0 => drop(check::gradients(layer, z.clone())),
        1 => drop(layer.certificate(z.clone())),
        2 => drop(SmallGain::new().with_steps(2).init(layer.clone().into_update(), z.clone())),
        3 => drop(FixedPointCorrection::evenly(4, 2).states(layer, z.clone())),
        4 => {
            let loss = |layer: &FixedPoint<Random>, z: Tensor<2>| layer.forward(z).sum();
            drop(Objective::new(loss).value_and_gradient(layer, z.clone()));
        }
        _ => {
            let probe = random_signs(&z.clone().without_autodiff())?;
            drop(frobenius_penalty(layer, z.clone(), z.clone(), probe.clone()));
            drop(spectral_penalty(layer, z.clone(), z.clone(), probe, 2));
        }
    }
    let x = solution?.into_value();
    if x.is_tracked() {
        x.sum().backward();
    }
    Ok(())
}

/// How many cases there are: a few hundred, or `BANACH_CASES`.
fn cases(default: usize) -> usize {
    std::env::var("BANACH_CASES").ok().and_then(|cases| cases.parse().ok()).unwrap_or(default)
}

#[test]
fn random_layers_are_refused_or_solved_and_never_panic() {
    let (mut refused, mut solved) = (0, 0);
    for case in 0..cases(400) {
        let mut choices = Choices::of(case);
        let (batch, n) = ([0, 1, 2, 3][choices.below(4)], 1 + choices.below(3));
        let side = |choices: &mut Choices| if choices.once_in(15) { choices.below(4) } else { n };
        let (rows, columns, width) = (side(&mut choices), side(&mut choices), side(&mut choices));
        let mut z = choices.tensor([batch, n]);
        if z.device().is_autodiff() {
            z = z.require_grad();
        }
        let update = Random {
            w: Param::from_tensor(choices.tensor([rows, columns])),
            v: Param::from_tensor(choices.tensor([width])),
            case,
        };
        let config = settings(&mut choices);
        let described = format!("{update:?} {config:?} on z {:?} {:?}", z.dims(), z.dtype());
        let attempt = catch_unwind(AssertUnwindSafe(|| {
            let layer = config.init(update)?;
            exercise(&mut choices, &layer, &z)
        }));
        match attempt {
            Ok(Ok(())) => solved += 1,
            Ok(Err(error)) => {
                let text = error.to_string();
                assert!(!text.contains('\n') && !text.contains("bug:"), "case {case}: {text}");
                refused += 1;
            }
            Err(_) => panic!("case {case} panicked: {described}"),
        }
    }
    assert!(refused * 20 > solved && solved * 20 > refused, "{refused} refused, {solved} solved");
}
