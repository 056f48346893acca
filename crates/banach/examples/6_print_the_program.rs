//! What does an update look like from inside? Its program, its derivative, and what the loop really runs.
#![allow(clippy::print_stdout, reason = "an example prints")]

use banach::program::{hoist, linearize, transpose};
use banach::{FixedPointConfig, Update};
use burn::module::Module;
use burn::nn::{Linear, LinearConfig};
use burn::tensor::{Device, Tensor};

/// x = tanh([x, z] W + b): one linear map sees the state and the input side by side.
#[derive(Module, Debug)]
struct Cell {
    linear: Linear,
}

impl Update for Cell {
    type State = Tensor<2>;
    type Input = Tensor<2>;

    fn start(&self, z: &Tensor<2>) -> Tensor<2> {
        Tensor::zeros([z.dims()[0], 3], &z.device())
    }

    fn update(&self, x: Tensor<2>, z: Tensor<2>) -> Tensor<2> {
        self.linear.forward(Tensor::cat(vec![x, z], 1)).tanh()
    }
}

fn main() -> Result<(), banach::Error> {
    let device = Device::flex();
    let layer = FixedPointConfig::new().init(Cell { linear: LinearConfig::new(5, 3).init(&device) })?;
    let program = layer.program(Tensor::zeros([4, 2], &device))?;
    println!("The update, with inputs x, z and the parameters:\n{program}\n");

    let split = hoist(&program, &[0]);
    println!("What runs once, before the loop over x:\n{}\n", split.prologue);
    println!("What runs in every step:\n{}\n", split.body);

    let derivative = linearize(&program, &[0]);
    println!("The derivative J, linear in the tangent of x:\n{}\n", derivative.tangent);
    println!("Its transpose:\n{}", transpose(&derivative.tangent));

    assert_eq!(program.inputs().len(), 4);
    assert!(split.body.to_string().contains("tanh"));
    assert!(!split.prologue.to_string().contains("tanh"));
    Ok(())
}
