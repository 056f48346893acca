//! Random affine maps with and without a fixed point, none of them misclassified.
//!
//! `BANACH_CASES=2400 cargo test -p banach-solve --test suite solvable` runs the full number.

use crate::{newton, plain_solvers};
use banach_solve::{
    Dense, FixedPointSolver, LinearSolver, Map, Matrix, Newton, NewtonInner, Number, Rows, Settings, Smooth,
    Tolerance, fixed_point_smooth, solve_linear,
};

/// Numbers in `[-1, 1)` that look random (splitmix64).
struct Random(u64);

impl Random {
    fn bits(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut bits = self.0;
        bits = (bits ^ (bits >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        bits = (bits ^ (bits >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        bits ^ (bits >> 31)
    }

    fn number(&mut self) -> f64 {
        (self.bits() >> 11) as f64 / (1_u64 << 52) as f64 - 1.0
    }

    fn below(&mut self, n: usize) -> usize {
        (self.bits() % n as u64) as usize
    }
}

/// `x -> x + (z - x A) step`, whose fixed points solve `x A = z`.
#[derive(Debug, Clone)]
struct Affine {
    n: usize,
    /// Row after row; integers where it is singular, so that it is so in every precision.
    a: Vec<f64>,
    z: Vec<f64>,
    step: f64,
    kind: &'static str,
}

impl Affine {
    fn times(&self, x: &[f64]) -> Vec<f64> {
        (0..self.n).map(|j| (0..self.n).map(|i| x[i] * self.a[i * self.n + j]).sum()).collect()
    }

    /// The largest sum of absolute values in a row or column.
    fn size(&self) -> f64 {
        let sum = |k: usize, stride: (usize, usize)| -> f64 {
            (0..self.n).map(|l| self.a[k * stride.0 + l * stride.1].abs()).sum()
        };
        (0..self.n).map(|k| sum(k, (self.n, 1)).max(sum(k, (1, self.n)))).fold(0.0, f64::max)
    }

    /// The distance of `z` from the rows of `A`, relative to its length.
    fn distance(&self) -> f64 {
        let mut basis: Vec<Vec<f64>> = Vec::new();
        let without = |basis: &[Vec<f64>], mut v: Vec<f64>| {
            for _ in 0..2 {
                for q in basis {
                    let along = dot(q, &v);
                    v.iter_mut().zip(q).for_each(|(v, q)| *v -= along * q);
                }
            }
            v
        };
        for row in self.a.chunks(self.n) {
            let rest = without(&basis, row.to_vec());
            let length = dot(&rest, &rest).sqrt();
            if length > 1e-9 * (1.0 + dot(row, row).sqrt()) {
                basis.push(rest.iter().map(|value| value / length).collect());
            }
        }
        let rest = without(&basis, self.z.clone());
        (dot(&rest, &rest) / dot(&self.z, &self.z)).sqrt()
    }

    /// `‖(z - x A) step‖` in double precision, and `‖x‖`.
    fn residual(&self, x: &[f64]) -> (f64, f64) {
        let off: Vec<f64> = self.times(x).iter().zip(&self.z).map(|(a, z)| (z - a) * self.step).collect();
        (dot(&off, &off).sqrt(), dot(x, x).sqrt())
    }
}

fn dot(a: &[f64], b: &[f64]) -> f64 {
    a.iter().zip(b).map(|(a, b)| a * b).sum()
}

/// The map in one precision, with its derivative.
struct In<T> {
    n: usize,
    a: Vec<T>,
    z: Vec<T>,
    step: T,
}

impl<T: Real> In<T> {
    fn new(map: &Affine) -> Self {
        let all = |values: &[f64]| values.iter().map(|value| T::from_f64(*value)).collect();
        Self { n: map.n, a: all(&map.a), z: all(&map.z), step: T::from_f64(map.step) }
    }

    /// `t - t A step`, and `z step` more where it is said so.
    fn moved(&self, x: &Matrix<T>, with_z: bool) -> Matrix<T> {
        let mut out = vec![T::default(); self.n];
        for (i, x) in x.as_slice().iter().enumerate() {
            out.iter_mut().zip(&self.a[i * self.n..]).for_each(|(out, a)| *out = *out + *x * *a);
        }
        for ((out, z), x) in out.iter_mut().zip(&self.z).zip(x.as_slice()) {
            let z = if with_z { *z } else { T::default() };
            *out = *x + (z - *out) * self.step;
        }
        Matrix::new(1, self.n, out)
    }
}

/// Numbers one can compute with.
trait Real:
    Number + std::ops::Add<Output = Self> + std::ops::Sub<Output = Self> + std::ops::Mul<Output = Self>
{
}
impl Real for f32 {}
impl Real for f64 {}

impl<T: Real> Map<Matrix<T>> for In<T> {
    fn apply(&self, x: &Matrix<T>) -> Matrix<T> {
        self.moved(x, true)
    }
}

impl<T: Real> Smooth<Matrix<T>> for In<T> {
    fn derivative<'a>(&'a self, _: &Matrix<T>) -> Box<dyn Map<Matrix<T>> + 'a> {
        Box::new(|t: &Matrix<T>| self.moved(t, false))
    }
}

/// The Laplacian of a connected graph of `n` nodes: a tree, and some edges more.
fn laplacian(random: &mut Random, n: usize) -> Vec<f64> {
    let mut a = vec![0.0; n * n];
    let mut edge = |i: usize, j: usize, weight: f64| {
        for (k, l, value) in [(i, i, weight), (j, j, weight), (i, j, -weight), (j, i, -weight)] {
            a[k * n + l] += value;
        }
    };
    let path = random.below(2) == 0;
    for k in 1..n {
        edge(k, if path { k - 1 } else { random.below(k) }, 1.0 + random.below(3) as f64);
    }
    for _ in 0..random.below(n) {
        let (i, j) = (random.below(n), random.below(n));
        if i != j {
            edge(i, j, 1.0);
        }
    }
    a
}

/// `L Rᵀ` of small integers in `rank` columns each.
fn deficient(random: &mut Random, n: usize, rank: usize) -> Vec<f64> {
    let mut factor = || -> Vec<f64> { (0..n * rank).map(|_| random.below(7) as f64 - 3.0).collect() };
    let (left, right) = (factor(), factor());
    let entry = |k: usize| dot(&left[k / n * rank..][..rank], &right[k % n * rank..][..rank]);
    (0..n * n).map(entry).collect()
}

/// A matrix with a spectrum to the right of zero, more or less far.
fn regular(random: &mut Random, n: usize) -> Vec<f64> {
    let shift = [0.3, 1.0, 2.0][random.below(3)];
    let unit = 1.0 / (n as f64).sqrt();
    let mut entry = |k: usize| random.number() * unit + f64::from(u8::from(k / n == k % n)) * shift;
    (0..n * n).map(&mut entry).collect()
}

fn scaled(random: &mut Random, a: Vec<f64>, n: usize, kind: &'static str) -> Affine {
    let mut map = Affine { n, a, z: vec![0.0; n], step: 1.0, kind };
    map.step = [0.25, 0.5, 1.0, 1.5][random.below(4)] / map.size().max(1.0);
    map
}

/// A map without a fixed point: its residual cannot fall below a hundredth of that at zero, which is beyond
/// any tolerance here.
fn without_answer(random: &mut Random) -> Affine {
    loop {
        let n = 2 + random.below(39);
        let mut map = if random.below(2) == 0 {
            let a = laplacian(random, n);
            scaled(random, a, n, "laplacian")
        } else {
            let rank = 1 + random.below(n - 1);
            let a = deficient(random, n, rank);
            scaled(random, a, n, "deficient")
        };
        map.z = (0..n).map(|_| random.number()).collect();
        if map.distance() > 0.01 {
            return map;
        }
    }
}

/// A map with a fixed point: singular with `z` in the range, or regular.
fn with_answer(random: &mut Random) -> Affine {
    let n = 2 + random.below(39);
    let (a, kind) = match random.below(3) {
        0 => (laplacian(random, n), "laplacian"),
        1 => {
            let rank = 1 + random.below(n);
            (deficient(random, n, rank), "deficient")
        }
        _ => (regular(random, n), "regular"),
    };
    let mut map = scaled(random, a, n, kind);
    let y: Vec<f64> = (0..n).map(|_| random.number()).collect();
    map.z = if kind == "regular" { y } else { map.times(&y) };
    map
}

fn solvers() -> Vec<Settings<FixedPointSolver>> {
    let dense = Newton { inner: NewtonInner::Dense { limit: 64 }, ..Newton::default() };
    let mut all = plain_solvers().to_vec();
    all.extend([newton(), Settings::new(FixedPointSolver::Newton(dense))]);
    all
}

/// Default, and as tight as the precision comfortably gives.
fn tolerances<T: Number>() -> [Tolerance; 2] {
    let tight = if T::EPSILON > 1e-10 { 1e-5 } else { 1e-9 };
    [Tolerance::default(), Tolerance { absolute: 0.0, relative: tight, ..Tolerance::default() }]
}

/// How many rows each solver calls converged; of maps with an answer, those with a residual that is small in
/// double precision.
fn converged<T: Real>(maps: &[Affine], answer: bool, mistakes: &mut Vec<String>) -> Vec<usize> {
    let mut found = vec![0; solvers().len()];
    for (k, map) in maps.iter().enumerate() {
        let (g, x0) = (In::<T>::new(map), Matrix::<T>::zeros(1, map.n));
        let tolerance = tolerances::<T>()[k % 2];
        for (solver, settings) in solvers().into_iter().enumerate() {
            let settings = settings.with_tolerance(tolerance);
            let solution = fixed_point_smooth(&g, &x0, &settings).expect("the settings are valid");
            if !solution.converged() {
                continue;
            }
            let (residual, size) = map.residual(&solution.value.numbers());
            let rounding = 20.0 * T::EPSILON * size;
            if !answer || residual > 1.5 * tolerance.threshold(size) + rounding {
                mistakes.push(format!(
                    "{} {k} ({} of {}): residual {residual:.1e}, size {size:.1e}: {}",
                    settings.solver,
                    map.kind,
                    map.n,
                    solution.explain()
                ));
                continue;
            }
            found[solver] += 1;
        }
    }
    found
}

fn cases() -> usize {
    std::env::var("BANACH_CASES").map_or(200, |cases| cases.parse().expect("a number of cases"))
}

#[test]
fn maps_without_a_fixed_point_are_never_called_solved() {
    let mut random = Random(1);
    let maps: Vec<Affine> = (0..cases()).map(|_| without_answer(&mut random)).collect();
    let mut mistakes = Vec::new();
    let single = converged::<f32>(&maps, false, &mut mistakes);
    let double = converged::<f64>(&maps, false, &mut mistakes);
    assert!(mistakes.is_empty(), "{} of {}: {}", mistakes.len(), cases(), mistakes.join("\n"));
    assert!(single.iter().chain(&double).all(|found| *found == 0));
}

/// Of the first 200 maps with a fixed point, how many each solver finds: as many as it did when residuals of
/// states that have grown were compared with the largest one on the way, but for one map, by Newton's method
/// in single precision. There the state is so large that its rounding is not small beside the first residual.
const FOUND: [[usize; 7]; 2] = [[70, 142, 139, 96, 199, 199, 71], [58, 140, 132, 107, 200, 200, 72]];

#[test]
fn maps_with_a_fixed_point_are_solved_as_often_as_ever() {
    let mut random = Random(2);
    let maps: Vec<Affine> = (0..cases()).map(|_| with_answer(&mut random)).collect();
    let mut mistakes = Vec::new();
    let found = [converged::<f32>(&maps, true, &mut mistakes), converged::<f64>(&maps, true, &mut mistakes)];
    assert!(mistakes.is_empty(), "{} of {}: {}", mistakes.len(), cases(), mistakes.join("\n"));
    if cases() == 200 {
        for (found, before) in found.iter().zip(FOUND) {
            assert!(
                found.iter().zip(before).all(|(found, before)| *found >= before),
                "{found:?}, {before:?}"
            );
        }
    }
}

#[test]
fn systems_without_an_answer_are_never_called_solved_by_linear_solvers() {
    let mut random = Random(3);
    let mut mistakes = Vec::new();
    for k in 0..cases() {
        let map = without_answer(&mut random);
        linear::<f32>(k, &map, &mut mistakes);
        linear::<f64>(k, &map, &mut mistakes);
    }
    assert!(mistakes.is_empty(), "{} of {}: {}", mistakes.len(), cases(), mistakes.join("\n"));
}

/// `c - c (I - step A) = v` with `v = step z`, by every solver that does not stop by choice.
fn linear<T: Real>(k: usize, map: &Affine, mistakes: &mut Vec<String>) {
    let g = In::<T>::new(map);
    let v: Vec<T> = map.z.iter().map(|z| T::from_f64(z * map.step)).collect();
    let apply = |c: &Matrix<T>| g.moved(c, false);
    for solver in crate::linear::every() {
        if matches!(solver, LinearSolver::Truncated(_) | LinearSolver::Identity) {
            continue;
        }
        let dense = matches!(solver, LinearSolver::Dense(_));
        let solver = if dense { LinearSolver::Dense(Dense::default()) } else { solver };
        let tolerance = Tolerance { absolute: 0.0, ..tolerances::<T>()[k % 2] };
        let settings = Settings::new(solver).with_tolerance(tolerance);
        let v = Matrix::new(1, map.n, v.clone());
        let solution = solve_linear(&apply, &v, &settings).expect("the settings are valid");
        if solution.converged() {
            let size = R::<T>::norms(&[&solution.value])[0][0];
            mistakes.push(format!("{} {k}, size {size:.1e}: {}", settings.solver, solution.explain()));
        }
    }
}

type R<T> = Matrix<T>;
