//! Chains against a scalar interpreter, for all shapes and strides.

use crate::meaning::{Generator, meaning, same};
use banach_kernels::{Binary, Chain, Comparison, Input, Level, Operation, Output, Step, Unary};

/// A chain of exact operations, so that the interpreter's results are equal to the last bit.
fn random_chain(generator: &mut Generator, inputs: usize) -> (Vec<Step>, Vec<usize>) {
    let mut steps = Vec::new();
    let mut written: Vec<usize> = (0..inputs).collect();
    for _ in 0..generator.below(12) {
        let operation = match generator.below(12) {
            0 => Operation::Binary(Binary::Add),
            1 => Operation::Binary(Binary::Subtract),
            2 => Operation::Binary(Binary::Multiply),
            3 => Operation::Unary(Unary::Relu),
            4 => Operation::Unary(Unary::Abs),
            5 => Operation::Scale(0.5),
            6 => Operation::Offset(1.25),
            7 => Operation::Compare(Comparison::Less),
            8 => Operation::Choose,
            9 => Operation::Constant(0.75),
            10 => Operation::Unary(Unary::Floor),
            _ => Operation::Erase,
        };
        let operands: Vec<usize> =
            (0..operation.arity()).map(|_| written[generator.below(written.len())]).collect();
        let result = generator.below(inputs + 6);
        steps.push(Step::new(operation, &operands, result));
        if !written.contains(&result) {
            written.push(result);
        }
    }
    let outputs = (0..1 + generator.below(3)).map(|_| written[generator.below(written.len())]).collect();
    (steps, outputs)
}

fn interpreted(steps: &[Step], outputs: &[usize], inputs: &[f64]) -> Vec<f64> {
    let mut registers = vec![0.0; inputs.len() + 6];
    registers[..inputs.len()].copy_from_slice(inputs);
    for step in steps {
        let mut operands = [0.0; 3];
        for (operand, &register) in operands.iter_mut().zip(&step.operands) {
            *operand = registers[register];
        }
        registers[step.result] = meaning(step.operation, operands);
    }
    outputs.iter().map(|&register| registers[register]).collect()
}

struct Case {
    steps: Vec<Step>,
    outputs: Vec<usize>,
    inputs: usize,
    rows: usize,
    columns: usize,
}

fn case(generator: &mut Generator) -> Case {
    let inputs = 1 + generator.below(3);
    let (steps, outputs) = random_chain(generator, inputs);
    let columns = [0, 1, 3, 10, 16, 33, 64, 513, 700][generator.below(9)];
    let rows = [0, 1, 2, 5, 40][generator.below(5)];
    Case { steps, outputs, inputs, rows, columns }
}

#[test]
fn random_chains_are_those_of_the_interpreter() {
    let mut generator = Generator(7);
    for round in 0..600 {
        let Case { steps, outputs, inputs, rows, columns } = case(&mut generator);
        let chain = Chain::<f64>::new(inputs, &steps, &outputs).expect("a chain");
        let strides: Vec<(usize, usize)> = (0..inputs)
            .map(|_| ([0, columns, columns + 3, 1][generator.below(4)], generator.below(2)))
            .collect();
        let data: Vec<Vec<f64>> = strides
            .iter()
            .map(|&(row, column)| {
                let length = rows.saturating_sub(1) * row + columns.saturating_sub(1) * column + 1;
                (0..length).map(|_| generator.number()).collect()
            })
            .collect();
        let stride = columns + [0, 5][generator.below(2)];
        for level in Level::all() {
            let arguments: Vec<Input<'_, f64>> = strides
                .iter()
                .zip(&data)
                .map(|(&(row_stride, column_stride), data)| Input { data, row_stride, column_stride })
                .collect();
            let mut results = vec![vec![-7.0; rows * stride]; outputs.len()];
            let mut written: Vec<Output<'_, f64>> =
                results.iter_mut().map(|result| Output::rows(result, stride)).collect();
            chain.run(level, rows, columns, &arguments, &mut written);
            for (row, column) in (0..rows).flat_map(|row| (0..stride).map(move |column| (row, column))) {
                let values: Vec<f64> = if column < columns {
                    let at = |(&(r, c), data): (&(usize, usize), &Vec<f64>)| data[row * r + column * c];
                    interpreted(&steps, &outputs, &strides.iter().zip(&data).map(at).collect::<Vec<_>>())
                } else {
                    vec![-7.0; outputs.len()]
                };
                for (result, value) in results.iter().zip(values) {
                    let y = result[row * stride + column];
                    assert!(same(y, value, 0.0), "round {round}, {level}, {row} {column}: {y}, not {value}");
                }
            }
        }
    }
}

#[test]
fn chains_in_place_are_those_of_the_interpreter() {
    let mut generator = Generator(11);
    for round in 0..400 {
        let Case { steps, outputs, inputs, rows, columns } = case(&mut generator);
        let chain = Chain::<f64>::new(inputs, &steps, &outputs).expect("a chain");
        let data: Vec<Vec<f64>> =
            (0..inputs).map(|_| (0..rows * columns).map(|_| generator.number()).collect()).collect();
        for level in Level::all() {
            let mut target = data[0].clone();
            let others: Vec<Input<'_, f64>> =
                data[1..].iter().map(|data| Input::rows(data, columns)).collect();
            let mut results = vec![vec![0.0; rows * columns]; outputs.len() - 1];
            let mut written: Vec<Output<'_, f64>> =
                results.iter_mut().map(|result| Output::rows(result, columns)).collect();
            let mut place = Output::rows(&mut target, columns);
            chain.run_in_place(level, rows, columns, &mut place, &others, &mut written);
            for i in 0..rows * columns {
                let inputs: Vec<f64> = data.iter().map(|data| data[i]).collect();
                let values = interpreted(&steps, &outputs, &inputs);
                let found = std::iter::once(target[i]).chain(results.iter().map(|result| result[i]));
                for (y, value) in found.zip(values) {
                    assert!(same(y, value, 0.0), "round {round}, {level}, {i}: {y}, not {value}");
                }
            }
        }
    }
}

#[test]
fn chains_that_read_nothing_are_refused() {
    let add = Operation::Binary(Binary::Add);
    assert!(Chain::<f32>::new(1, &[Step::new(add, &[0, 1], 2)], &[2]).is_err());
    assert!(Chain::<f32>::new(2, &[Step::new(add, &[0], 2)], &[2]).is_err());
    assert!(Chain::<f32>::new(2, &[], &[2]).is_err());
    assert!(Chain::<f32>::new(2, &[], &[]).is_err());
}

#[test]
fn joined_steps_round_like_separate_ones() {
    let mut generator = Generator(3);
    let numbers: Vec<f32> = (0..2000).map(|_| generator.number() as f32).collect();
    let (a, b) = numbers.split_at(1000);
    let first = [Binary::Add, Binary::Subtract, Binary::Multiply];
    let second = [Unary::Relu, Unary::Tanh, Unary::Sigmoid];
    for (first, second) in first.into_iter().flat_map(|first| second.map(|second| (first, second))) {
        let steps =
            [Step::new(Operation::Binary(first), &[0, 1], 2), Step::new(Operation::Unary(second), &[2], 3)];
        let joined = Chain::<f32>::new(2, &steps, &[3]).expect("a chain");
        let separate = Chain::<f32>::new(2, &steps, &[3, 2]).expect("a chain");
        for level in Level::all() {
            let inputs = [Input::rows(a, 1000), Input::rows(b, 1000)];
            let (mut x, mut y, mut z) = (vec![0.0; 1000], vec![0.0; 1000], vec![0.0; 1000]);
            joined.run(level, 1, 1000, &inputs, &mut [Output::rows(&mut x, 1000)]);
            let mut outputs = [Output::rows(&mut y, 1000), Output::rows(&mut z, 1000)];
            separate.run(level, 1, 1000, &inputs, &mut outputs);
            assert!(x.iter().zip(&y).all(|(x, y)| x.to_bits() == y.to_bits() || x.is_nan() && y.is_nan()));
        }
    }
}
