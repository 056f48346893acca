//! A cone program as a layer: the nearest correlation matrix, and how it changes with the weights of its elements.
#![allow(clippy::print_stdout, reason = "an example prints")]

use banach_optimize::{Cone, ConeProblem, ConeProgram, ConeSolution, Error, scaled_vector, symmetric_matrix};
use burn::tensor::{DType, Device, Tensor};

const N: usize = 3;
/// The length of the vector of a symmetric matrix.
const LENGTH: usize = N * (N + 1) / 2;

// ANCHOR: nearest
/// The positive semidefinite X with ones on its diagonal nearest to C: minimise ½‖X - C‖².
fn nearest(program: &ConeProgram, c: Tensor<3>) -> Result<ConeSolution, Error> {
    let place = (&c.device(), DType::F64);
    let identity = Tensor::<2>::eye(LENGTH, place.0).cast(DType::F64);
    // X₁₁, X₂₂ and X₃₃ stand at 0, 2 and 5 in the vector of X.
    let diagonal = identity.clone().select(0, Tensor::from_data([0, 2, 5], &c.device()));
    // diag(X) = 1 for the zero cone, and -x + s = 0 for the semidefinite cone.
    let a = Tensor::cat(vec![diagonal, identity.clone().neg()], 0);
    let b = Tensor::cat(vec![Tensor::<1>::ones([N], place), Tensor::zeros([LENGTH], place)], 0);
    let q = scaled_vector(c).neg();
    program.solve(ConeProblem::new(q, a, b).with_quadratic(identity))
}
// ANCHOR_END: nearest

fn main() -> Result<(), Error> {
    let place = (&Device::flex().autodiff(), DType::F64);
    let estimate = [[1.0, 0.9, -0.6], [0.9, 1.0, 0.5], [-0.6, 0.5, 1.0]];
    let c = Tensor::<3>::from_data([estimate], place).require_grad();

    // ANCHOR: solve
    let program = ConeProgram::new(&[Cone::Zero(N), Cone::Semidefinite(N)])?;
    let solution = nearest(&program, c.clone())?;
    println!("{}", solution.report.explain());
    let x = symmetric_matrix(solution.x, N);
    println!("nearest correlation matrix {x}");
    // ANCHOR_END: solve
    let x12 = x.clone().slice([0..1, 0..1, 1..2]).sum();
    let slope = c.grad(&x12.backward()).expect("C is on the tape");
    println!("the slope of X₁₂ {slope}");

    // This slope by differences.
    let step = 1e-6;
    let mut found = [0.0; 2];
    for (found, sign) in found.iter_mut().zip([1.0, -1.0]) {
        let mut moved = estimate;
        moved[0][2] += sign * step;
        let c = Tensor::<3>::from_data([moved], (&Device::flex(), DType::F64));
        let x = symmetric_matrix(nearest(&program, c)?.x, N);
        *found = x.slice([0..1, 0..1, 1..2]).sum().into_scalar::<f64>();
    }
    let difference = (found[0] - found[1]) / (2.0 * step);
    let of_c13 = slope.slice([0..1, 0..1, 2..3]).sum().into_scalar::<f64>();
    println!("∂X₁₂/∂C₁₃ {of_c13:.9}, by differences {difference:.9}");
    assert!((of_c13 - difference).abs() < 1e-7);
    Ok(())
}
