//! Speed of chains: elements per second, and the time of a small call.

#![allow(clippy::print_stdout, reason = "a program that prints")]

use banach_kernels::{Binary, Chain, Comparison, Input, Level, Operation, Output, Real, Step, Unary};
use banach_kernels::{axpy, change, combined, distances_and_sizes, dot, dots, subtract};
use std::hint::black_box;
use std::time::Instant;

/// The best time of one call in seconds.
fn seconds(mut call: impl FnMut()) -> f64 {
    let mut best = f64::INFINITY;
    for _ in 0..20 {
        let repeats = 200;
        let start = Instant::now();
        for _ in 0..repeats {
            call();
        }
        best = best.min(start.elapsed().as_secs_f64() / f64::from(repeats));
    }
    best
}

fn measure<T: Real>(level: Level, name: &str, chain: &Chain<T>, rows: usize, columns: usize) {
    let size = rows * columns;
    let numbers =
        |seed: usize| (0..size).map(move |i| T::from_f64(((i * seed) % 1000) as f64 / 300.0 - 1.6)).collect();
    let data: Vec<Vec<T>> = (0..chain.inputs()).map(|input| numbers(2 * input + 7)).collect();
    let mut y = vec![T::ZERO; size];
    let inputs: Vec<Input<'_, T>> = data.iter().map(|data| Input::rows(data, columns)).collect();
    let time = seconds(|| {
        let mut outputs = [Output::rows(&mut y, columns)];
        black_box(chain).run(level, rows, columns, black_box(&inputs), &mut outputs);
    });
    let rate = size as f64 / time / 1e9;
    println!(
        "{level} f{} {name:16} {rows:4} x {columns:5} {rate:7.3} G/s {:8.1} ns",
        8 * size_of::<T>(),
        time * 1e9
    );
}

fn every<T: Real>(level: Level) {
    let unary = Operation::Unary;
    let binary = Operation::Binary;
    let then = |first, second| vec![Step::new(binary(first), &[0, 1], 2), Step::new(unary(second), &[2], 3)];
    let chains = [
        ("a + b", 2, vec![Step::new(binary(Binary::Add), &[0, 1], 3)]),
        ("a b", 2, vec![Step::new(binary(Binary::Multiply), &[0, 1], 3)]),
        ("absorbing a b", 2, vec![Step::new(binary(Binary::AbsorbingProduct), &[0, 1], 3)]),
        ("relu(a + b)", 2, then(Binary::Add, Unary::Relu)),
        ("tanh(a + b)", 2, then(Binary::Add, Unary::Tanh)),
        ("sigmoid(a + b)", 2, then(Binary::Add, Unary::Sigmoid)),
        ("exp", 1, vec![Step::new(unary(Unary::Exp), &[0], 3)]),
        ("log1p", 1, vec![Step::new(unary(Unary::Log1p), &[0], 3)]),
        ("erf", 1, vec![Step::new(unary(Unary::Erf), &[0], 3)]),
        ("sin", 1, vec![Step::new(unary(Unary::Sin), &[0], 3)]),
        ("floor", 1, vec![Step::new(unary(Unary::Floor), &[0], 3)]),
        (
            "a (1 - b b)",
            2,
            vec![
                Step::new(binary(Binary::Multiply), &[1, 1], 2),
                Step::new(Operation::Scale(-1.0), &[2], 2),
                Step::new(Operation::Offset(1.0), &[2], 2),
                Step::new(binary(Binary::Multiply), &[0, 2], 3),
            ],
        ),
        (
            "a exp(b)",
            2,
            vec![Step::new(unary(Unary::Exp), &[1], 2), Step::new(binary(Binary::Multiply), &[0, 2], 3)],
        ),
        (
            "absorbing exp",
            2,
            vec![
                Step::new(unary(Unary::Exp), &[1], 2),
                Step::new(binary(Binary::AbsorbingProduct), &[0, 2], 3),
            ],
        ),
        (
            "b > 0 ? a : 0",
            2,
            vec![
                Step::new(Operation::CompareScalar(Comparison::LessEqual, 0.0), &[1], 2),
                Step::new(Operation::Erase, &[2, 0], 3),
            ],
        ),
    ];
    for (name, inputs, steps) in &chains {
        if let Ok(chain) = Chain::<T>::new(*inputs, steps, &[3]) {
            measure(level, name, &chain, 1, 4096);
            measure(level, name, &chain, 1, 16384);
        }
    }
    for (name, inputs, steps) in &chains[..6] {
        if let Ok(chain) = Chain::<T>::new(*inputs, steps, &[3]) {
            measure(level, name, &chain, 1, 64);
            measure(level, name, &chain, 32, 10);
        }
    }
}

fn main() {
    for level in Level::all().into_iter().rev() {
        every::<f32>(level);
        every::<f64>(level);
        rows::<f32>(level);
        rows::<f64>(level);
    }
}

fn rows<T: Real>(level: Level) {
    let numbers = |seed: usize| {
        (0..16384).map(move |i| T::from_f64(((i * seed) % 1000) as f64 / 300.0 - 1.6)).collect::<Vec<T>>()
    };
    let (a, b, mut y, mut z) = (numbers(7), numbers(11), numbers(13), numbers(17));
    for (width, rows) in [(64, 16), (159, 16), (1024, 16)] {
        let (a, b) = (&a[..width * rows], &b[..width * rows]);
        let (mut sums, mut products) = (vec![[0.0; 2]; rows], vec![vec![0.0; rows]; 4]);
        let factors = vec![1e-3; rows];
        let terms: [(&[f64], &[T]); 4] = [(&factors, a), (&factors, b), (&factors, b), (&factors, a)];
        let times = [
            ("distances", seconds(|| distances_and_sizes(level, [black_box(a), b], width, &mut sums))),
            ("dots 4", seconds(|| dots(level, &[[black_box(a), b]; 4], width, &mut products))),
            ("combined 4", seconds(|| combined(level, black_box(&mut y[..width * rows]), a, &terms, width))),
            (
                "change of 2",
                seconds(|| {
                    let out = [&mut y[..width * rows], &mut z[..width * rows]];
                    change(level, [[black_box(a), b], [b, a]], &[b], width, (out, &mut products));
                }),
            ),
        ];
        for (name, time) in times {
            println!("{level} f{} {name:16} {rows} x {width:5} {:8.1} ns", 8 * size_of::<T>(), time * 1e9);
        }
    }
    for size in [64, 1024, 16384] {
        let (a, b, y) = (&a[..size], &b[..size], &mut y[..size]);
        let times = [
            ("dot", seconds(|| _ = black_box(dot(level, black_box(a), b)))),
            ("axpy", seconds(|| axpy(level, black_box(&mut *y), 1e-3, a))),
            ("subtract", seconds(|| subtract(level, black_box(&mut *y), a, b))),
        ];
        for (name, time) in times {
            let rate = size as f64 / time / 1e9;
            println!(
                "{level} f{} {name:16} {size:5} {rate:7.3} G/s {:8.1} ns",
                8 * size_of::<T>(),
                time * 1e9
            );
        }
    }
}
