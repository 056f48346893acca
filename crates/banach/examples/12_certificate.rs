//! How good are a solution and its gradient? A certificate says it: in numbers, and in words with advice.

#![allow(clippy::print_stdout, reason = "an example prints")]

use banach::{Error, FixedPoint, FixedPointConfig, Update, solve::Tolerance};
use burn::module::Module;
use burn::tensor::{DType, Device, Tensor, TensorData};

/// x = slope · sin(x) + z, with a slope for every row: a contraction where it is small, an expansion where it is large.
#[derive(Module, Debug)]
struct Swing {}

impl Update for Swing {
    type State = Tensor<2>;
    type Input = (Tensor<2>, Tensor<2>);

    fn start(&self, (slope, _): &Self::Input) -> Tensor<2> {
        slope.zeros_like()
    }

    fn update(&self, x: Tensor<2>, (slope, z): Self::Input) -> Tensor<2> {
        slope * x.sin() + z
    }
}

fn column(numbers: [f64; 3]) -> Tensor<2> {
    Tensor::from_data(TensorData::new(numbers.to_vec(), [3, 1]), (&Device::flex(), DType::F64))
}

fn main() -> Result<(), Error> {
    let (slope, z) = (column([0.5, 0.95, -1.7]), column([0.3, 0.2, 0.1]));
    // ANCHOR: certificate
    let layer: FixedPoint<Swing> = FixedPointConfig::new().init(Swing {})?;
    let rough = layer.certificate((slope.clone(), z.clone()))?;
    println!("With the default tolerance:\n{rough}\n");
    assert!(rough.holds(1e-2));
    // ANCHOR_END: certificate

    // J = slope · cos(x̂): row 0 contracts well, row 1 slowly, row 2 expands, and Anderson's method solves them all.
    let radii: Vec<f64> = rough.rows.iter().map(|row| row.radius).collect();
    assert!(radii[0] < 0.5 && radii[1] < 0.95 && radii[2] > 1.6, "{radii:?}");
    assert!(rough.explain().contains("Row 2: the update expands"));

    // ANCHOR: far
    // What a residual means depends on the row: the slower it contracts, the farther is the fixed point.
    let far = |row: usize| rough.rows[row].state_error / rough.rows[row].residual;
    println!(
        "A residual of 1e-6 is an error of {:.1e} in row 0 and of {:.1e} in row 1.\n",
        1e-6 * far(0),
        1e-6 * far(1)
    );
    assert!(far(1) > far(0));
    // ANCHOR_END: far

    // ANCHOR: fine
    let layer = layer.with_config(FixedPointConfig::new().with_tolerance(Tolerance::both(1e-11)))?;
    let fine = layer.certificate((slope, z))?;
    println!("To 1e-11:\n{fine}");
    assert!(fine.holds(1e-9) && fine.gradient_error() < 1e-4 * rough.gradient_error());
    // ANCHOR_END: fine
    Ok(())
}
