//! Random cone programs: gradients of all data against central differences, and derivatives as functions.

use crate::reference::{Random, assert_close, cases, numbers, numbers_of, plain};
use banach::program::Value;
use banach_optimize::{Cone, ConeProblem, ConeProgram, ConeSolution, SparseMatrix, Termination};
use burn::tensor::Tensor;

/// The data of a batch with a solution in every row.
#[derive(Clone)]
struct Batch {
    n: usize,
    m: usize,
    cones: Vec<Cone>,
    places: Vec<(usize, usize)>,
    /// P (if there is one), q, the values of A, b
    data: Vec<Vec<f64>>,
    shapes: Vec<Vec<usize>>,
}

/// A point in the interior of a cone, or of its dual.
fn interior(cone: Cone, dual: bool, random: &mut Random) -> Vec<f64> {
    match cone {
        Cone::Zero(rows) if dual => random.normals(rows),
        Cone::Zero(rows) => vec![0.0; rows],
        Cone::NonNegative(rows) => (0..rows).map(|_| 0.1 + random.uniform()).collect(),
        Cone::SecondOrder(rows) => {
            let z = random.normals(rows - 1);
            let norm = z.iter().map(|z| z * z).sum::<f64>().sqrt();
            std::iter::once(norm + 0.1 + random.uniform()).chain(z).collect()
        }
        Cone::Semidefinite(n) => {
            let half = random.normals(n * n);
            let mut vector = vec![];
            for j in 0..n {
                for i in 0..=j {
                    let sum: f64 = (0..n).map(|k| half[i * n + k] * half[j * n + k]).sum();
                    vector.push(if i == j { sum + 0.1 } else { sum * std::f64::consts::SQRT_2 });
                }
            }
            vector
        }
        Cone::Exponential if dual => {
            let (u, v) = (-0.2 - random.uniform(), random.normal());
            vec![u, v, -u * (v / u - 1.0f64).exp() + 0.1 + random.uniform()]
        }
        Cone::Exponential => {
            let (x, y) = (random.normal(), 0.2 + random.uniform());
            vec![x, y, y * (x / y).exp() + 0.1 + random.uniform()]
        }
        other => panic!("{other:?}"),
    }
}

impl Batch {
    fn random(random: &mut Random, rows: usize, semidefinite: bool) -> Self {
        let n = 2 + random.below(5);
        let mut cones = vec![];
        if random.below(2) == 0 {
            cones.push(Cone::Zero(1));
        }
        if semidefinite {
            cones.push(Cone::Semidefinite(2 + random.below(2)));
        }
        while cones.len() < 3 {
            cones.push(match random.below(3) {
                0 => Cone::NonNegative(1 + random.below(4)),
                1 => Cone::SecondOrder(2 + random.below(4)),
                _ => Cone::Exponential,
            });
        }
        let m: usize = cones.iter().map(|cone| cone.rows()).sum();
        let places: Vec<(usize, usize)> =
            (0..m * n).filter(|_| random.below(4) > 0).map(|at| (at / n, at % n)).collect();
        // A linear program needs enough rows for one solution.
        let quadratic = random.below(3) > 0 || m < n + 2;
        let mut data = vec![vec![]; 4];
        for _ in 0..rows {
            let values = random.normals(places.len());
            let x = random.normals(n);
            let mut b: Vec<f64> = cones.iter().flat_map(|&cone| interior(cone, false, random)).collect();
            let y: Vec<f64> = cones.iter().flat_map(|&cone| interior(cone, true, random)).collect();
            let mut q = vec![0.0; n];
            for (&(i, j), a) in places.iter().zip(&values) {
                b[i] += a * x[j];
                q[j] -= a * y[i];
            }
            let half = random.normals(n * n);
            for at in 0..n * n {
                let sum: f64 = (0..n).map(|k| half[at / n * n + k] * half[at % n * n + k]).sum();
                data[0].push(sum / n as f64 + if at / n == at % n { 0.1 } else { 0.0 });
            }
            data[1].extend(q);
            data[2].extend(values);
            data[3].extend(b);
        }
        let mut shapes = vec![vec![rows, n, n], vec![rows, n], vec![rows, places.len()], vec![rows, m]];
        if !quadratic {
            data.remove(0);
            shapes.remove(0);
        }
        Batch { n, m, cones, places, data, shapes }
    }

    fn values(&self, tape: bool) -> Vec<Value> {
        let value = |(data, shape): (&Vec<f64>, &Vec<usize>)| {
            let value = Value::from(plain::<1>(data, [data.len()])).reshaped(shape);
            if tape { value.leaf(true) } else { value }
        };
        self.data.iter().zip(&self.shapes).map(value).collect()
    }

    fn problem(&self, values: &[Value]) -> ConeProblem {
        let (quadratic, rest) = values.split_at(values.len() - 3);
        let a = SparseMatrix::new(self.m, self.n, &self.places, rest[1].clone()).unwrap();
        let problem = ConeProblem::new(rest[0].clone(), a, rest[2].clone());
        match quadratic {
            [p] => problem.with_quadratic(p.clone()),
            _ => problem,
        }
    }

    fn moved(&self, directions: &[Vec<f64>], step: f64) -> Self {
        let mut moved = self.clone();
        for (data, direction) in moved.data.iter_mut().zip(directions) {
            data.iter_mut().zip(direction).for_each(|(x, t)| *x += step * t);
        }
        moved
    }
}

fn points(solution: &ConeSolution) -> Tensor<2> {
    Tensor::cat(vec![solution.x.clone(), solution.slacks.clone(), solution.duals.clone()], 1)
}

#[test]
fn gradients_of_random_cone_programs_are_those_of_central_differences() {
    let (rows, mut random) = (3, Random::new(17));
    let (mut total, mut compared, mut batches) = (0, 0, 0);
    while total < cases(60).min(3000) {
        batches += 1;
        let batch = Batch::random(&mut random, rows, batches % 3 == 0);
        let program = ConeProgram::new(&batch.cones).unwrap();
        let values = batch.values(true);
        let solution = program.solve(batch.problem(&values)).unwrap();
        total += rows;
        assert!(solution.report.solved(), "{:?}: {:?}", batch.cones, solution.report);
        let exact = solution.report.errors.iter().all(|error| *error < 1e-11);
        if solution.report.terminations.iter().any(|ended| *ended != Termination::Optimal) {
            continue;
        }
        assert!(exact, "{:?}: {:?}", batch.cones, solution.report);
        let point = points(&solution);
        let width = point.dims()[1];
        let weights = random.normals(rows * width);
        let gradients = (point * plain::<2>(&weights, [rows, width]).autodiff()).sum().backward();
        let directions: Vec<Vec<f64>> = batch.data.iter().map(|data| random.normals(data.len())).collect();
        let along: f64 = values
            .iter()
            .zip(&directions)
            .map(|(value, direction)| {
                let gradient = numbers_of(&value.gradient(&gradients).unwrap());
                gradient.iter().zip(direction).map(|(g, t)| g * t).sum::<f64>()
            })
            .sum();
        let loss = |step: f64| {
            let moved = batch.moved(&directions, step);
            let found = program.solve(moved.problem(&moved.values(false))).unwrap();
            assert!(
                found.report.solved(),
                "{:?} n {} P {}: {:?}",
                batch.cones,
                batch.n,
                batch.data.len() == 4,
                found.report
            );
            numbers(&points(&found)).iter().zip(&weights).map(|(x, w)| x * w).sum::<f64>()
        };
        let difference = |step: f64| (loss(step) - loss(-step)) / (2.0 * step);
        compared += rows;
        let close = |difference: f64| (along - difference).abs() <= 1e-6 * along.abs().max(width as f64);
        let (coarse, fine) = (difference(1e-5), difference(1e-6));
        // Large third derivatives cancel between the two.
        let extrapolated = (100.0 * fine - coarse) / 99.0;
        assert!(
            close(coarse) || close(fine) || close(extrapolated),
            "{:?}: {along}, {coarse} and {fine}",
            batch.cones
        );
    }
    assert!(compared * 10 >= total * 8, "{compared} of {total} rows were compared");
}

#[test]
fn forward_mode_agrees_with_differences_and_reverse_mode_is_its_transpose() {
    let mut random = Random::new(2);
    for semidefinite in [false, false, true] {
        let batch = Batch::random(&mut random, 2, semidefinite);
        let program = ConeProgram::new(&batch.cones).unwrap();
        let values = batch.values(false);
        let function = program.function(&batch.problem(&values)).unwrap();
        let directions: Vec<Vec<f64>> = batch.data.iter().map(|data| random.normals(data.len())).collect();
        let mut moving = batch.clone();
        moving.data = directions.clone();
        let t = moving.values(false);
        let joined = |extra: &[Value]| values.iter().chain(extra).cloned().collect::<Vec<Value>>();
        let tangents = function.jvp().call_values(joined(&t)).unwrap();
        let all = |values: &[Value]| values.iter().flat_map(numbers_of).collect::<Vec<f64>>();
        let at = |step: f64| {
            let moved = batch.moved(&directions, step);
            all(&function.call_values(moved.values(false)).unwrap())
        };
        let difference: Vec<f64> = at(1e-6).iter().zip(at(-1e-6)).map(|(a, b)| (a - b) / 2e-6).collect();
        assert_close(
            &all(&tangents),
            &difference,
            1e-6,
            &format!("J t of {:?} n {} P {}", batch.cones, batch.n, batch.data.len() == 4),
        );
        let v: Vec<Value> = tangents
            .iter()
            .map(|tangent| {
                let ty = tangent.ty();
                Value::from(plain::<1>(&random.normals(ty.len()), [ty.len()])).reshaped(&ty.shape)
            })
            .collect();
        let cotangents = function.vjp().call_values(joined(&v)).unwrap();
        let inner = |a: &[Value], b: &[Value]| all(a).iter().zip(all(b)).map(|(a, b)| a * b).sum::<f64>();
        let (left, right) = (inner(&tangents, &v), inner(&t, &cotangents));
        assert!((left - right).abs() <= 1e-9 * left.abs().max(1.0), "{left} and {right}");
    }
}

/// The values moved along directions.
fn moved(values: &[Value], directions: &[Value], step: f64) -> Vec<Value> {
    let sum = |(value, direction): (&Value, &Value)| {
        let pairs = numbers_of(value).into_iter().zip(numbers_of(direction));
        let sum: Vec<f64> = pairs.map(|(x, t)| x + step * t).collect();
        Value::from(plain::<1>(&sum, [sum.len()])).reshaped(&value.ty().shape)
    };
    values.iter().zip(directions).map(sum).collect()
}

fn random_like(values: &[Value], random: &mut Random) -> Vec<Value> {
    let like = |value: &Value| {
        let ty = value.ty();
        Value::from(plain::<1>(&random.normals(ty.len()), [ty.len()])).reshaped(&ty.shape)
    };
    values.iter().map(like).collect()
}

#[test]
fn second_derivatives_are_central_differences_of_first_ones_and_third_ones_are_refused() {
    let mut random = Random::new(23);
    let all = |values: &[Value]| values.iter().flat_map(numbers_of).collect::<Vec<f64>>();
    let (mut compared, mut tried) = (0, 0);
    while tried < 30 {
        tried += 1;
        let batch = Batch::random(&mut random, 2, tried % 3 == 0);
        let program = ConeProgram::new(&batch.cones).unwrap();
        let values = batch.values(false);
        let solution = program.solve(batch.problem(&values)).unwrap();
        if solution.report.terminations.iter().any(|ended| *ended != Termination::Optimal) {
            continue;
        }
        let function = program.function(&batch.problem(&values)).unwrap();
        let (t, u) = (random_like(&values, &mut random), random_like(&values, &mut random));
        let inputs = |parts: &[&[Value]]| parts.concat();
        let what = format!("{:?} n {} P {}", batch.cones, batch.n, batch.data.len() == 4);
        // Forward over forward, along t and then u, with t held.
        let zero = moved(&t, &t, -1.0);
        let forward = function.jvp();
        let second = forward.jvp().call_values(inputs(&[&values, &t, &u, &zero])).unwrap();
        let first = |step: f64| all(&forward.call_values(inputs(&[&moved(&values, &u, step), &t])).unwrap());
        let difference = |step: f64| -> Vec<f64> {
            first(step).iter().zip(first(-step)).map(|(a, b)| (a - b) / (2.0 * step)).collect()
        };
        let (coarse, fine) = (difference(1e-4), difference(2e-5));
        let size = all(&second).iter().fold(1.0f64, |size, x| size.max(x.abs()));
        let steady = coarse.iter().zip(&fine).all(|(a, b)| (a - b).abs() < 1e-3 * size);
        if !steady {
            continue; // A boundary of a cone is near.
        }
        compared += 1;
        for (found, expected) in all(&second).iter().zip(&fine) {
            assert!((found - expected).abs() < 1e-4 * size, "{what}: {found}, by differences {expected}");
        }
        // Reverse over forward is its transpose: ⟨v, D²x[t, u]⟩ is symmetric in t and u.
        let v = random_like(&second, &mut random);
        let pulled = function.vjp();
        let of_inputs: Vec<usize> = (0..values.len()).collect();
        let along = pulled.jvp_of(&of_inputs).call_values(inputs(&[&values, &v, &u])).unwrap();
        let inner = |a: &[Value], b: &[Value]| all(a).iter().zip(all(b)).map(|(a, b)| a * b).sum::<f64>();
        let (left, right) = (inner(&second, &v), inner(&along, &t));
        assert!((left - right).abs() <= 1e-7 * size * left.abs().max(1.0), "{what}: {left} and {right}");
        let back = forward.vjp_of(&of_inputs).call_values(inputs(&[&values, &t, &v])).unwrap();
        let right = inner(&back, &u);
        assert!((left - right).abs() <= 1e-7 * size * left.abs().max(1.0), "{what}: {left} and {right}");
        let more = [zero.clone(), zero.clone()].concat();
        let third =
            forward.jvp().jvp().call_values(inputs(&[&values, &t, &u, &zero, &u, &zero, &more])).unwrap_err();
        assert!(third.to_string().contains("third derivative of a cone program"), "{third}");
    }
    assert!(compared >= 15, "{compared} of {tried} batches were compared");
}
