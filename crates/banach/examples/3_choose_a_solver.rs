//! A rotation: plain iteration runs in circles and says so; Anderson acceleration finds the centre.
#![allow(clippy::print_stdout, reason = "an example prints")]

use banach::solve::{Anderson, FixedPointSolver, Outcome, Picard};
use banach::{FixedPointConfig, OnFailure, Update};
use burn::module::Module;
use burn::tensor::{Device, Tensor};

/// x = a quarter turn of x about the centre z: every step keeps the distance to the solution.
#[derive(Module, Debug)]
struct Rotation;

impl Update for Rotation {
    type State = Tensor<2>;
    type Input = Tensor<2>;

    fn start(&self, z: &Tensor<2>) -> Tensor<2> {
        z.zeros_like()
    }

    fn update(&self, x: Tensor<2>, z: Tensor<2>) -> Tensor<2> {
        let quarter = Tensor::from_floats([[0.0, 1.0], [-1.0, 0.0]], &x.device());
        (x - z.clone()).matmul(quarter) + z
    }
}

fn main() -> Result<(), banach::Error> {
    let centre = Tensor::<2>::from_floats([[1.0, 2.0]], &Device::flex());

    // ANCHOR: picard
    let picard = FixedPointConfig::new().with_solver(Picard::default());
    let circles = picard.init(Rotation)?.solve(centre.clone())?;
    println!("Picard: {}", circles.report().explain());
    assert_eq!(circles.report().outcomes, [Outcome::Stalled]);
    // ANCHOR_END: picard

    // ANCHOR: error
    let strict = picard.with_on_failure(OnFailure::Error).init(Rotation)?;
    let refusal = strict.solve(centre.clone()).err();
    println!("As an error: {}", refusal.as_ref().map_or_else(String::new, ToString::to_string));
    assert!(refusal.is_some());
    // ANCHOR_END: error

    // ANCHOR: anderson
    let anderson = FixedPointSolver::Anderson(Anderson { window: 2, ..Anderson::default() });
    let found = FixedPointConfig::new().with_solver(anderson).init(Rotation)?.solve(centre.clone())?;
    println!("Anderson: {}", found.report().explain());
    assert!(found.report().converged());
    // ANCHOR_END: anderson
    let distance: f32 = (found.into_value() - centre).abs().max().into_scalar();
    assert!(distance < 1e-3);
    Ok(())
}
