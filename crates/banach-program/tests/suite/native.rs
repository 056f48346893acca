//! The native engine against the device where the shared harness does not reach: precisions, levels, shapes,
//! packs, rows.

use crate::harness::{Numbers, assert_close, numbers, value};
use banach_program::{
    ConvolutionMethod, Error, Machine, Program, Type, Value, evaluate, hoist, trace, with_rows,
};
use burn::tensor::{DType, Device, Int, Tensor, TensorData, activation};

fn traced(types: &[Type], closure: impl Fn(&[Value]) -> Vec<Value>) -> Program {
    trace(&Device::flex(), types, |inputs| Ok(closure(inputs))).unwrap()
}

fn tensor<const D: usize>(value: &Value) -> Tensor<D> {
    value.clone().try_into_tensor().unwrap()
}

/// A cell `tanh(x W + z U + b)`.
fn cell(rows: usize) -> Program {
    let shapes: [&[usize]; 5] = [&[rows, 5], &[rows, 3], &[5, 5], &[3, 5], &[1, 5]];
    let types = shapes.map(Type::f64);
    traced(&types, |v| {
        let x = tensor::<2>(&v[0]).matmul(tensor(&v[2])) + tensor::<2>(&v[1]).matmul(tensor(&v[3]));
        vec![(x + tensor::<2>(&v[4])).tanh().into()]
    })
}

/// A cell on images: two convolutions with a rectifier between them.
fn image_cell(rows: usize) -> Program {
    cell_on_images(rows, [3, 4, 7])
}

fn cell_on_images(rows: usize, [c, h, w]: [usize; 3]) -> Program {
    let len = c * h * w;
    let shapes: [&[usize]; 5] = [&[rows, len], &[rows, c, h, w], &[c, c, 3, 3], &[c, c, 3, 3], &[1, c, 1, 1]];
    let types = shapes.map(Type::f64);
    traced(&types, |v| {
        let images = tensor::<2>(&v[0]).reshape([rows, h, w, c]).permute([0, 3, 1, 2]);
        let options = burn::tensor::ops::ConvOptions::new([1, 1], [1, 1], [1, 1], 1);
        let conv =
            |x: Tensor<4>, w: &Value| burn::tensor::module::conv2d(x, tensor::<4>(w), None, options.clone());
        let y = activation::relu(conv(images, &v[2]) + tensor::<4>(&v[1]));
        let y = conv(y, &v[3]) + tensor::<4>(&v[4]);
        vec![y.permute([0, 2, 3, 1]).reshape([rows, len]).into()]
    })
}

fn inputs(program: &Program, seed: u64) -> Vec<Value> {
    let mut stream = Numbers::new(seed);
    program.input_types().map(|ty| stream.value(ty)).collect()
}

#[test]
fn a_machine_packs_other_inputs_into_the_memory_of_an_earlier_call() {
    for cell in [cell as fn(usize) -> Program, image_cell] {
        let program = cell(6);
        for fixed in [&[][..], &[0, 1, 2, 3, 4]] {
            let machine = Machine::<f64>::new(&program, fixed).unwrap().spread();
            // Machines of other methods share that memory.
            for (seed, method) in [
                (1, ConvolutionMethod::Direct),
                (2, ConvolutionMethod::Direct),
                (3, ConvolutionMethod::Winograd),
                (4, ConvolutionMethod::Winograd),
                (5, ConvolutionMethod::Direct),
            ] {
                let given = inputs(&program, seed);
                let expected = numbers(&evaluate(&program, given.clone()).unwrap()[0]);
                let found = machine.clone().convolving(method).call(given).unwrap();
                assert_close(&numbers(&found[0]), &expected, 1e-12, "another call");
            }
        }
    }
}

#[test]
fn the_memory_of_a_machine_holds_what_it_has_packed() {
    // More weights than all states together.
    for program in [cell(1), cell_on_images(1, [16, 2, 2])] {
        let weights: usize = program.input_types().skip(2).map(|ty| ty.len() * size_of::<f64>()).sum();
        let machine = Machine::<f64>::new(&program, &[2, 3, 4]).unwrap();
        let before = machine.bytes();
        let _ = machine.call(inputs(&program, 1)).unwrap();
        let grown = machine.bytes() - before;
        let _ = machine.call(inputs(&program, 2)).unwrap();
        assert_eq!(machine.bytes() - before, grown, "a second call takes no more");
        assert!(grown >= weights, "{grown} for {weights}");
    }
}

#[test]
fn a_program_for_fewer_rows_gives_the_same_rows() {
    for (cell, per_row) in [(cell as fn(usize) -> Program, [0, 1]), (image_cell, [0, 1])] {
        let program = cell(6);
        let given = inputs(&program, 3);
        let all = evaluate(&program, given.clone()).unwrap();
        for rows in [1, 2, 5, 9] {
            let other = with_rows(&program, &per_row, rows).unwrap();
            let part: Vec<Value> = given
                .iter()
                .zip(other.input_types())
                .map(|(full, ty)| {
                    value(numbers(full).into_iter().cycle().take(ty.len()).collect(), &ty.shape)
                })
                .collect();
            let expected: Vec<f64> = numbers(&all[0])
                .into_iter()
                .cycle()
                .take(other.output_types().next().unwrap().len())
                .collect();
            let found = evaluate(&other, part.clone()).unwrap();
            assert_close(&numbers(&found[0]), &expected, 1e-14, "rows on the device");
            let machine = Machine::<f64>::new(&other, &[1, 2, 3, 4]).unwrap();
            assert_close(&numbers(&machine.call(part).unwrap()[0]), &expected, 1e-14, "rows natively");
        }
    }
}

#[test]
fn what_couples_rows_or_holds_a_number_for_each_has_no_other_number_of_rows() {
    let centred = traced(&[Type::f64([4, 3])], |v| {
        let x = tensor::<2>(&v[0]);
        vec![(x.clone() - x.mean_dim(0)).into()]
    });
    assert!(with_rows(&centred, &[0], 2).is_none());
    assert!(with_rows(&cell(4), &[0], 2).is_none());
}

#[test]
fn a_loop_carries_numbers_and_repetitions_in_no_memory() {
    let parts = hoist(&cell(6), &[0]);
    let carried: Vec<Vec<usize>> = parts.body.input_types().map(|ty| ty.shape.clone()).collect();
    assert_eq!(carried, [vec![6, 5], vec![5, 5], vec![6, 5]]);
}

#[test]
fn no_row_depends_on_how_many_there_are_or_on_the_cores() {
    for program in [cell(33), image_cell(9)] {
        let given = inputs(&program, 5);
        let whole = Machine::<f64>::new(&program, &[1, 2, 3, 4]).unwrap();
        let expected = numbers(&whole.call(given.clone()).unwrap()[0]);
        let spread = whole.clone().spread();
        for threads in [1, 3] {
            let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap();
            let found = pool.install(|| numbers(&spread.call(given.clone()).unwrap()[0]));
            assert_eq!(found, expected, "{threads} threads");
        }
        let few = with_rows(&program, &[0, 1], 4).unwrap();
        let machine = Machine::<f64>::new(&few, &[1, 2, 3, 4]).unwrap();
        let part = given.iter().zip(few.input_types());
        let part = part.map(|(all, ty)| value(numbers(all)[..ty.len()].to_vec(), &ty.shape)).collect();
        let found = numbers(&machine.call(part).unwrap()[0]);
        assert_eq!(found, expected[..found.len()]);
    }
}

#[test]
fn every_level_of_instructions_gives_the_same_within_rounding() {
    for program in [cell(33), image_cell(9)] {
        let given = inputs(&program, 7);
        let expected = numbers(&evaluate(&program, given.clone()).unwrap()[0]);
        use banach_kernels::Level;
        // Levels this machine lacks run as the portable one.
        for level in [Level::Portable, Level::Neon, Level::Avx2, Level::Avx512] {
            let machine = Machine::<f64>::new(&program, &[2, 3, 4]).unwrap().at(level);
            let found = numbers(&machine.call(given.clone()).unwrap()[0]);
            assert_close(&found, &expected, 1e-13, &level.to_string());
        }
    }
}

#[test]
fn by_winograds_method_no_row_depends_on_the_others_or_on_the_cores() {
    let shape = [16, 41, 30];
    let machine = |rows: usize| {
        let machine = Machine::<f64>::new(&cell_on_images(rows, shape), &[2, 3, 4]).unwrap();
        machine.convolving(ConvolutionMethod::Winograd)
    };
    let given = inputs(&cell_on_images(3, shape), 11);
    let direct = Machine::<f64>::new(&cell_on_images(3, shape), &[2, 3, 4]).unwrap();
    let direct = numbers(&direct.convolving(ConvolutionMethod::Direct).call(given.clone()).unwrap()[0]);
    let expected = numbers(&machine(3).call(given.clone()).unwrap()[0]);
    assert_close(&expected, &direct, 1e-13, "the direct method");
    assert_ne!(expected, direct, "it rounds otherwise");
    assert_eq!(numbers(&machine(3).spread().call(given.clone()).unwrap()[0]), expected);
    let one = machine(1);
    let first = given.iter().enumerate().map(|(at, all)| match at {
        0 => value(numbers(all)[..16 * 41 * 30].to_vec(), &[1, 16 * 41 * 30]),
        1 => value(numbers(all)[..16 * 41 * 30].to_vec(), &[1, 16, 41, 30]),
        _ => all.clone(),
    });
    let found = numbers(&one.call(first.collect()).unwrap()[0]);
    assert_eq!(found, expected[..found.len()]);
}

#[test]
fn single_precision_agrees_with_the_device() {
    let types = [[40, 70], [70, 50]].map(Type::f32);
    let program = traced(&types, |v| {
        let x = tensor::<2>(&v[0]).matmul(tensor(&v[1]));
        vec![activation::sigmoid(x.clone()).into(), activation::softmax(x, 1).into()]
    });
    let single = |value: Value| Value::from(tensor::<2>(&value).cast(DType::F32));
    let given: Vec<Value> = inputs(&program, 9).into_iter().map(single).collect();
    let expected = evaluate(&program, given.clone()).unwrap();
    let found = Machine::<f32>::new(&program, &[1]).unwrap().call(given).unwrap();
    for (found, expected) in found.iter().zip(&expected) {
        assert_close(&numbers(found), &numbers(expected), 1e-6, "single precision");
    }
}

#[test]
fn integers_and_truth_values_come_and_go() {
    let types = [Type::f64([3, 4]), Type::new([3], banach_program::Kind::Int(burn::tensor::IntDType::I64))];
    let program = traced(&types, |v| {
        let x = tensor::<2>(&v[0]);
        let at: Tensor<1, Int> = v[1].clone().try_into_int().unwrap();
        let best = x.clone().argmax(1);
        let mask = x.clone().greater_elem(0.0);
        let picked = x.clone().select(0, at.clone());
        vec![
            picked.into(),
            best.clone().into(),
            mask.into(),
            best.equal_elem(1).into(),
            at.equal_elem(2).into(),
        ]
    });
    let at =
        Tensor::<1, Int>::from_data(TensorData::new(vec![2i64, 0, 2], [3]), (&Device::flex(), DType::I64));
    let given = vec![Numbers::new(2).value(&types[0]), Value::from(at)];
    let expected = evaluate(&program, given.clone()).unwrap();
    let found = Machine::<f64>::new(&program, &[]).unwrap().call(given).unwrap();
    for (found, expected) in found.iter().zip(&expected) {
        assert_eq!(found.ty(), expected.ty());
        assert_eq!(numbers(found), numbers(expected));
    }
}

#[test]
fn what_a_machine_cannot_do_is_said() {
    let mixed = traced(&[Type::f64([2])], |v| vec![tensor::<1>(&v[0]).cast(DType::F32).into()]);
    let error = Machine::<f64>::new(&mixed, &[]).unwrap_err().to_string();
    assert_eq!(error, "not for the native engine: f32[2] beside numbers of f64");
    let double = traced(&[Type::f64([2])], |v| vec![tensor::<1>(&v[0]).exp().into()]);
    let machine = Machine::<f64>::new(&double, &[]).unwrap();
    let wrong = machine.call(vec![value(vec![1.0], &[1])]).unwrap_err();
    assert!(matches!(wrong, Error::Mismatch { .. }), "{wrong}");
}

#[test]
fn no_rows_and_no_columns_are_nothing_to_do() {
    let given = |program: &Program| inputs(program, 1);
    for program in [cell(0), image_cell(0)] {
        let found = Machine::<f64>::new(&program, &[1, 2, 3, 4]).unwrap().call(given(&program)).unwrap();
        assert_eq!(found[0].ty().len(), 0);
    }
    let empty = traced(&[Type::f64([3, 0]), Type::f64([0, 2])], |v| {
        vec![tensor::<2>(&v[0]).matmul(tensor(&v[1])).into(), tensor::<2>(&v[0]).sum().into()]
    });
    let found = Machine::<f64>::new(&empty, &[]).unwrap().call(given(&empty)).unwrap();
    assert_eq!((numbers(&found[0]), numbers(&found[1])), (vec![0.0; 6], vec![0.0]));
}

#[test]
fn too_little_memory_is_an_error_that_says_how_much() {
    let huge = traced(&[Type::f64([1, 1])], |v| {
        let x = tensor::<2>(&v[0]).expand([1 << 30, 1 << 30]);
        vec![x.exp().sum().into()]
    });
    let error = Machine::<f64>::new(&huge, &[]).unwrap().call(vec![value(vec![1.0], &[1, 1])]).unwrap_err();
    assert!(matches!(error, Error::Memory { bytes } if bytes >= 1 << 60), "{error}");
}

#[test]
fn what_is_not_a_number_goes_where_it_goes_on_the_device() {
    let program = traced(&[Type::f64([3, 4])], |v| {
        let x = tensor::<2>(&v[0]);
        let sign = x.clone().sign();
        let clamped = x.clone().clamp(-0.5, 0.5);
        vec![
            x.clone().max_dim(1).into(),
            x.clone().min_dim(0).into(),
            x.clone().argmax(1).into(),
            activation::relu(x.clone()).into(),
            sign.into(),
            clamped.into(),
            x.clone().lower_elem(0.0).into(),
            x.sum_dim(1).into(),
        ]
    });
    let x = vec![1.0, f64::NAN, 3.0, -2.0, f64::NAN, 0.0, -0.0, f64::INFINITY, -1.0, 2.0, 2.0, f64::NAN];
    crate::harness::evaluate(&program, vec![value(x, &[3, 4])]).unwrap();
}
