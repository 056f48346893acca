//! Tests of banach-solve: one binary, a module for each subject.

mod advice;
mod approximate;
mod auto;
mod broyden;
mod continued;
mod deferred;
mod dense;
mod energy;
mod guesses;
mod hard;
mod joined;
mod linear;
mod minima;
mod narrowing;
mod newton;
mod outcomes;
mod rates;
mod rescue;
mod rows;
mod settings;
mod singular;
mod solvable;
mod solvers;
mod spectrum;
mod speed;
mod squarem;
mod state;
mod stopping;
mod systems;
mod table;
mod user;
mod values;
mod work;

use banach_solve::{Anderson, Auto, Broyden, FixedPointSolver, Newton, Picard, Settings, Squarem, Tolerance};
use banach_zoo::Problem;
use burn::tensor::{DType, Device, Tensor, TensorData};

/// A tensor `[rows, n]` in double precision.
fn tensor(rows: usize, values: &[f64]) -> Tensor<2> {
    tensor_in(DType::F64, rows, values)
}

fn tensor_in(dtype: DType, rows: usize, values: &[f64]) -> Tensor<2> {
    Tensor::from_data(TensorData::new(values.to_vec(), [rows, values.len() / rows]), (&Device::flex(), dtype))
}

fn values(x: &Tensor<2>) -> Vec<f64> {
    x.clone().into_data().iter::<f64>().collect()
}

/// The problem as a map, with its start, in double precision.
fn posed(problem: &Problem) -> (impl Fn(&Tensor<2>) -> Tensor<2>, Tensor<2>) {
    let device = Device::flex();
    let z = problem.z(&device, DType::F64);
    (move |x: &Tensor<2>| problem.update(x, &z), problem.x0(&device, DType::F64))
}

fn zoo(name: &str) -> Problem {
    banach_zoo::named(name).expect("the zoo has this problem")
}

fn picard() -> Settings<FixedPointSolver> {
    Settings::new(FixedPointSolver::Picard(Picard::default()))
}

fn damped(damping: f64) -> Settings<FixedPointSolver> {
    Settings::new(FixedPointSolver::Picard(Picard { damping, ..Picard::default() }))
}

fn anderson() -> Settings<FixedPointSolver> {
    Settings::new(FixedPointSolver::Anderson(Anderson::default()))
}

fn broyden() -> Settings<FixedPointSolver> {
    Settings::new(FixedPointSolver::Broyden(Broyden::default()))
}

fn squarem() -> Settings<FixedPointSolver> {
    Settings::new(FixedPointSolver::Squarem(Squarem::default()))
}

fn auto() -> Settings<FixedPointSolver> {
    Settings::new(FixedPointSolver::Auto(Auto::default()))
}

/// Every solver that needs no derivative.
fn plain_solvers() -> [Settings<FixedPointSolver>; 5] {
    [picard(), anderson(), broyden(), squarem(), auto()]
}

fn newton() -> Settings<FixedPointSolver> {
    Settings::new(FixedPointSolver::Newton(Newton::default()))
}

/// As tight as double precision comfortably gives.
fn tight(settings: Settings<FixedPointSolver>) -> Settings<FixedPointSolver> {
    settings.with_tolerance(Tolerance::both(1e-10))
}
