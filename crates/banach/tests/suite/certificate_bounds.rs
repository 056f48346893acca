//! Certificates against true errors, over many maps in both precisions, up to a spectral radius of 0.9999.

use crate::reference::numbers;
use crate::update;
use banach::solve::{Broyden, FixedPointSolver, Newton, Picard, Tolerance};
use banach::{FixedPoint, FixedPointConfig};
use burn::module::{Module, Param};
use burn::tensor::{DType, Device, Tensor, TensorData};

/// x = x W + z, tanh(x W + z), or sin(x W) + z² / 2 + z.
#[derive(Module, Debug)]
struct Map {
    kind: usize,
    w: Param<Tensor<2>>,
}

update!(Map, Tensor<2>, Tensor<2>, |this, z| z.zeros_like().inner(), |x, z| {
    let y = x.matmul(this.w.val());
    match this.kind {
        0 => y + z,
        1 => (y + z).tanh(),
        _ => y.sin() + z.clone().square() * 0.5 + z,
    }
});

/// One map of the test, from its number.
struct Case {
    kind: usize,
    n: usize,
    dtype: DType,
    weights: Vec<f64>,
    z: Vec<f64>,
    config: FixedPointConfig,
}

const ROWS: usize = 2;

/// Numbers between -1 and 1 that look random.
fn scattered(seed: usize) -> impl FnMut() -> f64 {
    let mut bits = seed as u64;
    move || {
        bits = bits.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = (bits ^ (bits >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        ((mixed ^ (mixed >> 31)) >> 11) as f64 / (1_u64 << 52) as f64 - 1.0
    }
}

fn case(number: usize) -> Case {
    let mut random = scattered(number * 1_000_003);
    let of = |choices: &[f64], random: &mut dyn FnMut() -> f64| {
        choices[((random() * 0.5 + 0.5) * choices.len() as f64) as usize]
    };
    let n = of(&[1.0, 2.0, 5.0, 16.0], &mut random) as usize;
    let radius = of(&[0.3, 0.9, 0.99, 0.999, 0.9999], &mut random);
    let above = of(&[0.0, 0.1, 0.4], &mut random) / (n as f64).sqrt();
    let amplitude = of(&[0.003, 0.05, 0.5], &mut random);
    // Triangular, with the radius on its diagonal.
    let mut weights = vec![0.0; n * n];
    for i in 0..n {
        for j in i..n {
            let number = random();
            weights[i * n + j] = if i != j {
                above * number
            } else if i == 0 {
                radius
            } else {
                radius * number
            };
        }
    }
    let z = (0..ROWS * n).map(|_| amplitude * random()).collect();
    let dtype = if number.is_multiple_of(2) { DType::F32 } else { DType::F64 };
    let relative =
        of(if dtype == DType::F32 { &[1e-3, 1e-5, 1e-6] } else { &[1e-3, 1e-6, 1e-9] }, &mut random);
    let solver = match number / 2 % 3 {
        0 => FixedPointSolver::default(),
        1 => FixedPointSolver::Broyden(Broyden::default()),
        _ => FixedPointSolver::Picard(Picard::default()),
    };
    let tolerance = Tolerance { absolute: 0.0, relative, ..Tolerance::default() };
    let config = FixedPointConfig::new().with_solver(solver).with_tolerance(tolerance).with_max_steps(400);
    Case { kind: number / 6 % 3, n, dtype, weights, z, config }
}

impl Case {
    /// The layer in a precision, with the weights as those of the case's own precision are.
    fn layer(&self, config: &FixedPointConfig, dtype: DType) -> FixedPoint<Map> {
        let data = TensorData::new(self.weights.clone(), [self.n; 2]);
        let w = Tensor::<2>::from_data(data, (&Device::flex(), self.dtype)).cast(dtype).autodiff();
        config.init(Map { kind: self.kind, w: Param::from_tensor(w.require_grad()) }).unwrap()
    }

    fn z(&self, dtype: DType) -> Tensor<2> {
        let data = TensorData::new(self.z.clone(), [ROWS, self.n]);
        Tensor::<2>::from_data(data, (&Device::flex(), self.dtype)).cast(dtype)
    }
}

/// x̂ from a start, and the gradient of its sum to W and z.
fn solved(layer: &FixedPoint<Map>, x0: Tensor<2>, z: Tensor<2>) -> (Tensor<2>, Vec<f64>) {
    let z = z.autodiff().require_grad();
    let x = layer.solve_from(x0, z.clone()).unwrap().into_value();
    let gradients = x.clone().sum().backward();
    let [w, z] = [layer.update().w.val().grad(&gradients), z.grad(&gradients)].map(Option::unwrap);
    (x.inner(), [numbers(&w), numbers(&z)].concat())
}

fn distance(a: &[f64], b: &[f64]) -> f64 {
    a.iter().zip(b).map(|(a, b)| (a - b) * (a - b)).sum::<f64>().sqrt()
}

fn median(mut ratios: Vec<f64>) -> f64 {
    ratios.sort_by(f64::total_cmp);
    ratios.get(ratios.len() / 2).copied().unwrap_or(f64::NAN)
}

#[test]
fn what_is_certified_is_a_bound_of_the_true_error() {
    let cases = std::env::var("BANACH_CASES").ok().and_then(|cases| cases.parse().ok()).unwrap_or(60);
    let mut exact = FixedPointConfig::new().with_solver(Newton::default());
    exact = exact.with_tolerance(Tolerance { absolute: 0.0, relative: 1e-14, ..Tolerance::default() });
    let (mut trusted, mut wrong) = (0, vec![]);
    let (mut of_states, mut of_gradients) = (vec![], vec![]);
    for number in 0..cases {
        let case = case(number);
        let layer = case.layer(&case.config, case.dtype);
        let z = case.z(case.dtype);
        let certificate = layer.certificate_along(z.clone(), z.ones_like()).unwrap();
        if !certificate.rows.iter().all(|row| row.trusted) {
            continue;
        }
        trusted += 1;
        let (rough, gradient) = solved(&layer, z.zeros_like(), z);
        let reference = case.layer(&exact, DType::F64);
        let (x, true_gradient) = solved(&reference, rough.clone().cast(DType::F64), case.z(DType::F64));
        let (rough, x) = (numbers(&rough), numbers(&x));
        let story = format!("case {number}, kind {}, n {}, {:?}", case.kind, case.n, case.dtype);
        for (at, row) in certificate.rows.iter().enumerate() {
            let here = at * case.n..(at + 1) * case.n;
            let error = distance(&rough[here.clone()], &x[here]);
            of_states.push(row.state_error / error);
            if error > row.state_error {
                wrong.push(format!("{story}, row {at}: the state's error {error:e}, {row:?}"));
            }
        }
        let length = distance(&gradient, &vec![0.0; gradient.len()]);
        let error = distance(&gradient, &true_gradient) / length;
        of_gradients.push(certificate.gradient_error() / error);
        if error > certificate.gradient_error() {
            let (state, adjoint) = (certificate.gradient_from_state, certificate.gradient_from_adjoint);
            wrong.push(format!(
                "{story}: the gradient's error {error:e}, of state {state:e}, adjoint {adjoint:e}"
            ));
        }
    }
    let (states, gradients) = (median(of_states), median(of_gradients));
    eprintln!(
        "{trusted} of {cases} cases trusted; bound / error: {states:.2} of states, {gradients:.2} of gradients"
    );
    assert!(wrong.is_empty(), "{} of {trusted} trusted cases:\n{}", wrong.len(), wrong.join("\n"));
    assert!(2 * trusted > cases, "{trusted} of {cases} are trusted");
    assert!(states < 20.0 && gradients < 50.0, "{states}, {gradients}");
}
