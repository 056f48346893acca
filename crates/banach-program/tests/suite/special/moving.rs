//! Primitives that move, choose or add up special values: structure, indices, extremes, pooling.

use super::{Differences, Nearness, PRECISIONS, integers, numbers, program, special, tensor};
use banach_program::{Index, Machine, Pool, Primitive, Span, Structure, Type, Value, evaluate};
use burn::tensor::{DType, FloatDType};

/// Special values in every order of a small window: all triples.
fn triples(precision: FloatDType) -> Vec<f64> {
    let some = [f64::NAN, f64::INFINITY, f64::NEG_INFINITY, 0.0, -0.0, 1.0, -1.0];
    let values = || some.iter().copied();
    let mut triples: Vec<f64> =
        values().flat_map(|a| values().flat_map(move |b| values().flat_map(move |c| [a, b, c]))).collect();
    triples.extend(special(precision));
    triples.truncate(triples.len() / 3 * 3);
    triples
}

#[test]
fn extremes_and_their_positions_along_every_axis() {
    let mut differences = Differences::default();
    for precision in PRECISIONS {
        let values = triples(precision);
        let rows = values.len() / 3;
        for shape in [vec![rows, 3], vec![3, rows], vec![1, rows, 3], vec![rows * 3]] {
            for axis in 0..shape.len() {
                for largest in [true, false] {
                    let x = [tensor(&values, &shape, precision)];
                    differences.primitive(Primitive::Extreme { axis, largest }, &x, Nearness::Exact);
                    differences.primitive(Primitive::ArgExtreme { axis, largest }, &x, Nearness::Exact);
                }
            }
        }
    }
    differences.none();
}

#[test]
fn sums_along_every_axis() {
    let mut differences = Differences::default();
    for precision in PRECISIONS {
        let values = triples(precision);
        let rows = values.len() / 3;
        for shape in [vec![rows, 3], vec![3, rows], vec![1, rows, 3]] {
            for axis in 0..shape.len() {
                let x = [tensor(&values, &shape, precision)];
                let sum = Primitive::Structure(Structure::Sum(vec![axis]));
                differences.primitive(sum, &x, Nearness::Sum(8.0));
            }
        }
    }
    differences.none();
}

#[test]
fn the_largest_of_every_window() {
    let mut differences = Differences::default();
    let pool =
        |kernel: [usize; 2], stride: [usize; 2], padding: [usize; 2], dilation: [usize; 2], ceil: bool| {
            Pool { kernel, stride, padding, dilation, ceil }
        };
    for precision in PRECISIONS {
        let values = triples(precision);
        let rows = values.len() / 3;
        for pool in [
            pool([1, 3], [1, 3], [0, 0], [1, 1], false),
            pool([1, 2], [1, 1], [0, 1], [1, 1], false),
            pool([2, 2], [2, 2], [1, 1], [1, 1], true),
            pool([3, 3], [2, 1], [1, 1], [1, 1], false),
            pool([2, 2], [1, 1], [0, 0], [2, 1], false),
        ] {
            let x = [tensor(&values, &[1, 1, rows, 3], precision)];
            differences.primitive(Primitive::MaxPoolIndices(pool), &x, Nearness::Exact);
        }
        let lowest = vec![f64::NEG_INFINITY; 36];
        let x = [tensor(&lowest, &[1, 1, 6, 6], precision)];
        let pooled = pool([3, 3], [2, 2], [1, 1], [1, 1], false);
        differences.primitive(Primitive::MaxPoolIndices(pooled), &x, Nearness::Exact);
    }
    differences.none();
}

#[test]
fn sums_in_single_precision_overflow_only_where_the_sum_does() {
    // Burn adds up in single precision, the native engine in double: its sums are those of exact arithmetic,
    // rounded.
    let largest = f64::from(f32::MAX);
    let x = tensor(&[largest, largest, -largest, -largest], &[1, 4], FloatDType::F32);
    let summed = program(&[x.ty()], |builder, inputs| vec![builder.sum(inputs[0], &[1])]);
    let machine = Machine::<f32>::new(&summed, &[]).unwrap();
    assert_eq!(numbers(&machine.call(vec![x.clone()]).unwrap()[0]), [0.0]);
    let device = numbers(&evaluate(&summed, vec![x]).unwrap()[0]);
    assert!(device[0] == 0.0 || !device[0].is_finite(), "{device:?}");
}

#[test]
fn values_moved_by_structure() {
    let span = |start: usize, end: usize, step: usize| Span { start, end, step };
    let mut differences = Differences::default();
    for precision in PRECISIONS {
        let values = special(precision);
        let shape = [values.len(), 1, 1];
        let x = [tensor(&values, &shape, precision)];
        let [rows, ..] = shape;
        for structure in [
            Structure::Reshape(vec![1, rows]),
            Structure::Permute(vec![2, 0, 1]),
            Structure::Broadcast(vec![rows, 5, 1]),
            Structure::Slice(vec![span(1, rows, 2), span(0, 1, 1), span(0, 1, 1)]),
            Structure::Place(
                vec![2 * rows + 3, 2, 4],
                vec![span(1, 2 * rows + 1, 2), span(1, 2, 1), span(2, 3, 1)],
            ),
            Structure::Flip(vec![0]),
        ] {
            differences.primitive(Primitive::Structure(structure), &x, Nearness::Exact);
        }
        let twice = [x[0].clone(), x[0].clone()];
        differences.primitive(Primitive::Concat(0), &twice, Nearness::Exact);
        differences.primitive(Primitive::Concat(2), &twice, Nearness::Exact);
    }
    differences.none();
}

#[test]
fn values_moved_by_indices() {
    let mut differences = Differences::default();
    for precision in PRECISIONS {
        let values = triples(precision);
        let rows = values.len() / 3;
        let x = tensor(&values, &[rows, 3], precision);
        let places = |count: usize, size: usize| -> Vec<i64> {
            (0..count).map(|at| (at * at % size) as i64).collect()
        };
        for dtype in [DType::I64, DType::I32] {
            let along = integers(&places(rows * 2, 3), &[rows, 2], dtype);
            let list = integers(&places(7, rows), &[7], dtype);
            let back = integers(&places(rows * 3, 2), &[rows, 3], dtype);
            let rows_back = integers(&places(rows, 4), &[rows], dtype);
            for (index, positions, nearness) in [
                (Index::Gather(1), along, Nearness::Exact),
                (Index::Select(0), list, Nearness::Exact),
                (Index::GatherTransposed(1, vec![rows, 2]), back, Nearness::Sum(8.0)),
                (Index::SelectTransposed(0, vec![4, 3]), rows_back, Nearness::Sum(8.0)),
            ] {
                differences.primitive(Primitive::Index(index), &[x.clone(), positions], nearness);
            }
        }
    }
    differences.none();
}

#[test]
fn a_constant_holds_special_values() {
    let mut differences = Differences::default();
    for precision in PRECISIONS {
        for number in special(precision) {
            let x = [tensor(&[1.0, f64::NAN, -0.0], &[3], precision)];
            let types: Vec<Type> = x.iter().map(Value::ty).collect();
            let constant = program(&types, |builder, inputs| {
                let constant = builder.full(types[0].clone(), number);
                vec![builder.multiply(inputs[0], constant), constant]
            });
            differences.native(&format!("constant {number:e}"), &constant, &x, Nearness::Exact);
        }
    }
    differences.none();
}
