//! Minimizers of energies that are saturated or not convex: whatever the step size, and told from saddles and plateaus.

use crate::reference::{double, numbers};
use banach::solve::{Anderson, Auto, FixedPointSolver, Newton, Tolerance};
use banach::{Energy, Engine, FixedPointConfig, GradientDescentConfig, Ground};
use burn::module::{Module, ModuleDisplay, Param};
use burn::tensor::{Device, Tensor, TensorData, activation};

/// f(x, z) = the mean of relu(W [z, σ(x)] + b)², in single precision: saturated wherever a label is certain.
#[derive(Module, Debug)]
struct Saturating {
    w: Param<Tensor<2>>,
    b: Param<Tensor<1>>,
}

impl Saturating {
    fn new() -> Self {
        let scattered = |k: usize| (12.9898 * (k as f32 + 1.0)).sin() * 2.0;
        let some = |first: usize, count: usize| (first..first + count).map(scattered).collect::<Vec<_>>();
        let device = Device::flex();
        let w = Tensor::<2>::from_data(TensorData::new(some(0, 11 * 40), [11, 40]), &device);
        let b = Tensor::<1>::from_data(TensorData::new(some(900, 40), [40]), &device);
        Saturating { w: Param::from_tensor(w), b: Param::from_tensor(b) }
    }

    fn z() -> Tensor<2> {
        let numbers: Vec<f32> = (0..36).map(|k| (7.13 * (k as f32 + 3.0)).sin() * 2.0).collect();
        Tensor::from_data(TensorData::new(numbers, [12, 3]), &Device::flex())
    }
}

impl Energy for Saturating {
    type State = Tensor<2>;
    type Input = Tensor<2>;

    fn start(&self, z: &Tensor<2>) -> Tensor<2> {
        Tensor::zeros([z.dims()[0], 8], &z.device().inner())
    }

    fn energy(&self, x: Tensor<2>, z: Tensor<2>) -> Tensor<1> {
        let units = Tensor::cat(vec![z, activation::sigmoid(x)], 1).matmul(self.w.val());
        let units = activation::relu(units + self.b.val().unsqueeze::<2>());
        (units.clone() * units).mean_dim(1).squeeze_dim(1)
    }
}

/// The energy of every row, solved by steps of size `rate` to a tolerance in proportion to it.
fn solved(rate: f64, solver: FixedPointSolver, engine: Engine) -> Vec<f64> {
    let step = GradientDescentConfig::new(rate).init(Saturating::new()).unwrap();
    let tolerance = Tolerance { absolute: 1e-4 * rate, relative: 0.0, ..Tolerance::default() };
    let config = FixedPointConfig::new().with_solver(solver).with_tolerance(tolerance).with_engine(engine);
    let layer = config.with_max_steps(400).init(step).unwrap();
    let solution = layer.solve(Saturating::z()).unwrap();
    assert!(solution.report().converged(), "γ = {rate}: {}", solution.report().explain());
    let energy = layer.update().energy().energy(solution.value().clone(), Saturating::z());
    numbers(&energy)
}

#[test]
fn newton_reaches_the_same_minimum_whatever_the_step_size() {
    for engine in [Engine::Native, Engine::Device] {
        let [small, one, large] = [0.1, 1.0, 30.0].map(|rate| solved(rate, Newton::default().into(), engine));
        for other in [&small, &large] {
            let off = one.iter().zip(other).map(|(a, b)| (a - b).abs() / a.max(1e-3)).fold(0.0, f64::max);
            assert!(off < 1e-2, "{engine:?}: off by {off}, {one:?}, {other:?}");
        }
    }
}

#[test]
fn no_solver_ends_above_its_start() {
    let start = Saturating::new().energy(Tensor::zeros([12, 8], &Device::flex()), Saturating::z());
    let start = numbers(&start);
    for solver in
        [FixedPointSolver::from(Anderson::default()), Auto::default().into(), Newton::default().into()]
    {
        let found = solved(1.0, solver, Engine::Native);
        assert!(found.iter().zip(&start).all(|(found, start)| found < start), "{found:?} {start:?}");
    }
}

/// `Σ x⁴/4 - x²/2` with minima at ±1 and a saddle at 0, from where z says.
#[derive(Module, Debug)]
struct Wells {}

impl Energy for Wells {
    type State = Tensor<2>;
    type Input = Tensor<2>;

    fn start(&self, z: &Tensor<2>) -> Tensor<2> {
        z.clone()
    }

    fn energy(&self, x: Tensor<2>, _: Tensor<2>) -> Tensor<1> {
        let square = x.clone() * x;
        (square.clone() * square.clone() * 0.25 - square * 0.5).sum_dim(1).squeeze_dim(1)
    }
}

/// `Σ (σ(x) - 0.3)²` with a minimum between two plateaus, from where z says.
#[derive(Module, Debug)]
struct Sigmoids {}

impl Energy for Sigmoids {
    type State = Tensor<2>;
    type Input = Tensor<2>;

    fn start(&self, z: &Tensor<2>) -> Tensor<2> {
        z.clone()
    }

    fn energy(&self, x: Tensor<2>, _: Tensor<2>) -> Tensor<1> {
        let off = activation::sigmoid(x) - 0.3;
        (off.clone() * off).sum_dim(1).squeeze_dim(1)
    }
}

fn grounds<E: Energy<State = Tensor<2>, Input = Tensor<2>> + Module + ModuleDisplay>(
    energy: E,
    starts: &[f64],
) -> Vec<Ground> {
    let (device, dtype) = double();
    let z = Tensor::from_data(TensorData::new(starts.to_vec(), [starts.len() / 2, 2]), (&device, dtype));
    let step = GradientDescentConfig::new(0.1).init(energy).unwrap();
    let config = FixedPointConfig::new().with_max_steps(2000);
    let certificate = config.init(step).unwrap().certificate(z).unwrap();
    certificate.rows.iter().map(|row| row.ground.expect("the update descends an energy")).collect()
}

#[test]
fn a_certificate_tells_a_minimum_from_a_saddle_and_a_plateau() {
    let wells = grounds(Wells {}, &[0.0, 0.0, 0.5, 2.0, 0.0, -0.5]);
    assert_eq!(wells, [Ground::Saddle, Ground::Minimum, Ground::Saddle]);
    let sigmoids = grounds(Sigmoids {}, &[0.0, 0.5, -60.0, 60.0]);
    assert_eq!(sigmoids, [Ground::Minimum, Ground::Plateau]);
}
