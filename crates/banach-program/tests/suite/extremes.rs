//! Random programs with branches, powers, roots, norms and activations at extreme inputs: no derivative is
//! NaN where the true one is finite, and the engines agree.

use crate::dual::{Dual, Run};
use crate::expression::{COLUMNS, Expression, below};
use crate::harness::{Numbers, numbers};
use banach_program::{Machine, Number, Program, Type, Value, evaluate, jvp, trace, vjp};
use burn::tensor::{DType, Device, Tensor, TensorData};

const ROWS: usize = 2;
const EXTREMES: [f64; 24] = [
    0.0,
    -0.0,
    1e-30,
    -1e-30,
    1e30,
    -1e30,
    f64::INFINITY,
    f64::NEG_INFINITY,
    f64::NAN,
    1.0,
    -1.0,
    0.5,
    2.0,
    -3.0,
    60.0,
    -60.0,
    100.0,
    -100.0,
    1e-8,
    1e8,
    1e20,
    -1e20,
    1e-20,
    0.0,
];

fn cases() -> u64 {
    std::env::var("BANACH_CASES").ok().and_then(|count| count.parse().ok()).unwrap_or(300)
}

fn tensor(numbers: &[f64], single: bool) -> Value {
    let dtype = if single { DType::F32 } else { DType::F64 };
    let flat = Tensor::<1>::from_data(TensorData::from(numbers), (&Device::flex(), dtype));
    Value::from(flat).reshaped(&[ROWS, COLUMNS])
}

/// One random program at one point.
struct Case {
    expression: Expression,
    single: bool,
    inputs: [Vec<f64>; 2],
    program: Program,
}

impl Case {
    fn random(seed: u64) -> Self {
        let mut stream = Numbers::new(seed);
        let depth = 1 + below(&mut stream, 4);
        let expression = Expression::random(&mut stream, depth);
        let single = below(&mut stream, 2) == 0;
        let number = |stream: &mut Numbers| {
            if below(stream, 3) == 0 { 3.0 * stream.next() } else { EXTREMES[below(stream, EXTREMES.len())] }
        };
        let inputs = [0, 1].map(|_| {
            let numbers = (0..ROWS * COLUMNS).map(|_| number(&mut stream));
            numbers.map(|x| if single { f64::from(x as f32) } else { x }).collect::<Vec<f64>>()
        });
        let shape = [ROWS, COLUMNS];
        let ty = if single { Type::f32(shape) } else { Type::f64(shape) };
        let traced = trace(&Device::flex(), &[ty.clone(), ty], |inputs| {
            let inputs = [inputs[0].clone().try_into_tensor()?, inputs[1].clone().try_into_tensor()?];
            Ok(vec![expression.build(&inputs).into()])
        });
        let program = traced.unwrap_or_else(|error| panic!("{expression:?}: {error}"));
        Case { expression, single, inputs, program }
    }

    fn row(&self, input: usize, row: usize) -> &[f64] {
        &self.inputs[input][row * COLUMNS..][..COLUMNS]
    }

    /// The derivatives of a row's outputs in the direction of some elements of its inputs, and the largest
    /// number met.
    fn truth(&self, row: usize, moving: impl Fn(usize, usize) -> bool) -> ([Dual; COLUMNS], f64) {
        let of = |input: usize| {
            std::array::from_fn(|at| Dual {
                value: self.row(input, row)[at],
                tangent: f64::from(u8::from(moving(input, at))),
                moves: moving(input, at),
            })
        };
        let finite_inputs = [0, 1].iter().all(|&input| self.row(input, row).iter().all(|x| x.is_finite()));
        let mut run = Run { single: self.single, finite_inputs, largest: 0.0 };
        let outputs = self.expression.dual(&[of(0), of(1)], &mut run);
        (outputs, run.largest)
    }

    /// The outputs of a program on the device and natively, which must agree.
    fn outputs(&self, program: &Program, inputs: Vec<Value>, largest: f64) -> Vec<Vec<f64>> {
        let device: Vec<Vec<f64>> = evaluate(program, inputs.clone()).unwrap().iter().map(numbers).collect();
        let native = if self.single {
            self.natively::<f32>(program, inputs)
        } else {
            self.natively::<f64>(program, inputs)
        };
        for (device, native) in device.iter().zip(&native) {
            for (position, (a, b)) in device.iter().zip(native).enumerate() {
                let tolerance = if self.single { 1e-3 } else { 1e-8 };
                // Beyond, a rounding more or less is worth any difference.
                let comparable = largest < 1e4;
                let same = a == b
                    || (a.is_nan() && b.is_nan())
                    || (!comparable && a.is_nan() == b.is_nan())
                    || (a - b).abs() <= tolerance * a.abs().max(b.abs()).max(1.0);
                assert!(same, "{self}position {position}: {a} on the device, {b} natively\n{program}");
            }
        }
        device
    }

    fn natively<T: Number>(&self, program: &Program, inputs: Vec<Value>) -> Vec<Vec<f64>> {
        let machine = Machine::<T>::new(program, &[]).unwrap_or_else(|error| panic!("{self}{error}"));
        machine.call(inputs).unwrap().iter().map(numbers).collect()
    }

    /// Checks both modes; how many derivatives had a finite truth.
    fn check(&self) -> usize {
        let inputs = self.inputs.each_ref().map(|numbers| tensor(numbers, self.single)).to_vec();
        let ones = tensor(&[1.0; ROWS * COLUMNS], self.single);
        let largest = (0..ROWS).map(|row| self.truth(row, |_, _| true).1);
        let largest = largest.fold(0.0, |a: f64, b| if b.is_nan() { f64::INFINITY } else { a.max(b) });
        let forward = [inputs.clone(), vec![ones.clone(), ones.clone()]].concat();
        let forward = self.outputs(&jvp(&self.program, &[0, 1]), forward, largest);
        let reverse = [inputs, vec![ones]].concat();
        let reverse = self.outputs(&vjp(&self.program, &[0, 1]), reverse, largest);
        let mut finite = 0;
        for row in 0..ROWS {
            let values = &reverse[0][row * COLUMNS..][..COLUMNS];
            let (truth, largest) = self.truth(row, |_, _| true);
            for (at, truth) in truth.iter().enumerate() {
                let place = row * COLUMNS + at;
                if values[at].is_finite() && self.in_range(truth.tangent, largest) {
                    finite += 1;
                    let found = forward[1][place];
                    assert!(
                        !found.is_nan(),
                        "{self}J t at {place} is NaN, not {}\n{}",
                        truth.tangent,
                        self.program
                    );
                    self.close(truth.tangent, found, largest, "J t", place);
                }
            }
            if !values.iter().all(|value| value.is_finite()) {
                continue;
            }
            for input in [0, 1] {
                for at in 0..COLUMNS {
                    let place = row * COLUMNS + at;
                    let (column, largest) = self.truth(row, |i, j| (i, j) == (input, at));
                    let truth: f64 = column.iter().map(|dual| dual.tangent).sum();
                    if self.in_range(truth, largest) {
                        finite += 1;
                        let found = reverse[1 + input][place];
                        let reverse = vjp(&self.program, &[0, 1]);
                        assert!(
                            !found.is_nan(),
                            "{self}Jᵀ v of input {input} at {place} is NaN, not {truth}\n{reverse}"
                        );
                        self.close(truth, found, largest, "Jᵀ v", place);
                    }
                }
            }
        }
        finite
    }

    /// Whether the true derivative is finite and nothing on the way to it leaves the precision.
    fn in_range(&self, truth: f64, largest: f64) -> bool {
        let limit = if self.single { 1e37 } else { 1e300 };
        truth.is_finite() && !largest.is_nan() && largest < limit
    }

    fn close(&self, truth: f64, found: f64, largest: f64, what: &str, place: usize) {
        let tolerance = if self.single { 2e-2 } else { 1e-5 };
        let close = largest > 1e3 || (truth - found).abs() <= tolerance * truth.abs().max(1.0);
        assert!(close, "{self}{what} at {place} is {found}, not {truth}\n{}", self.program);
    }
}

impl std::fmt::Display for Case {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        writeln!(f, "{:?} of x = {:?}, z = {:?}", self.expression, self.inputs[0], self.inputs[1])
    }
}

#[test]
fn derivatives_at_extreme_inputs_are_finite_where_the_true_ones_are() {
    let mut finite = 0;
    let mut failures = vec![];
    for seed in 0..cases() {
        let case = std::panic::catch_unwind(|| Case::random(seed + 1).check());
        match case {
            Ok(count) => finite += count,
            Err(message) => {
                failures.push((seed, message.downcast_ref::<String>().cloned().unwrap_or_default()))
            }
        }
    }
    let shown: Vec<String> =
        failures.iter().take(8).map(|(seed, message)| format!("seed {seed}: {message}")).collect();
    assert!(failures.is_empty(), "{} of {} programs failed\n{}", failures.len(), cases(), shown.join("\n\n"));
    assert!(finite as u64 > 3 * cases(), "only {finite} derivatives of {} programs are finite", cases());
}
