//! Linear systems with the expected outcome of every solver.

use crate::energy::scattered;
use crate::state::State;
use crate::{tensor_in, values};
use banach_solve::{
    Anderson, Bicgstab, Budget, ConjugateGradient, Dense, Gmres, LinearSolver, Map, Neumann, Outcome,
    Outcome::*, Patience, Rows, Settings, Solution, Tolerance,
};
use burn::tensor::DType;

/// The width of every system.
pub(crate) const N: usize = 12;

/// A matrix for every row, known by application.
#[derive(Clone)]
pub(crate) struct Systems(pub(crate) Vec<Vec<f64>>);

impl Systems {
    pub(crate) fn transposed(&self) -> Self {
        let turned = |a: &Vec<f64>| (0..N * N).map(|k| a[(k % N) * N + k / N]).collect();
        Self(self.0.iter().map(turned).collect())
    }
}

impl<R: Rows> Map<R> for Systems {
    fn apply(&self, x: &R) -> R {
        assert_eq!(x.rows(), self.0.len(), "a state of the rows that are left");
        let product = |(a, x): (&Vec<f64>, &[f64])| times(a, x);
        let width = x.width().max(1);
        x.holding(&self.0.iter().zip(x.numbers().chunks(width)).flat_map(product).collect::<Vec<_>>())
    }

    fn narrowed<'a>(&'a self, rows: &[usize]) -> Option<Box<dyn Map<R> + 'a>> {
        Some(Box::new(Self(rows.iter().map(|row| self.0[*row].clone()).collect())))
    }
}

pub(crate) fn times(a: &[f64], x: &[f64]) -> Vec<f64> {
    a.chunks(x.len()).map(|row| row.iter().zip(x).map(|(a, x)| a * x).sum()).collect()
}

pub(crate) fn norm(x: &[f64]) -> f64 {
    x.iter().map(|x| x * x).sum::<f64>().sqrt()
}

/// `Q D Q` for a reflection `Q` and a matrix `D` given by its entries.
fn reflected(d: impl Fn(usize, usize) -> f64) -> Vec<f64> {
    let mirror: Vec<f64> = (0..N).map(scattered).collect();
    let square = norm(&mirror).powi(2);
    let q: Vec<f64> = (0..N * N)
        .map(|k| f64::from(k / N == k % N) - 2.0 * mirror[k / N] * mirror[k % N] / square)
        .collect();
    let product = |a: &[f64], b: &[f64]| -> Vec<f64> {
        (0..N * N).map(|k| (0..N).map(|j| a[k / N * N + j] * b[j * N + k % N]).sum()).collect()
    };
    let d: Vec<f64> = (0..N * N).map(|k| d(k / N, k % N)).collect();
    product(&product(&q, &d), &q)
}

fn diagonal(eigenvalue: impl Fn(usize) -> f64) -> Vec<f64> {
    reflected(|i, j| if i == j { eigenvalue(i) } else { 0.0 })
}

fn unreflected(entry: impl Fn(usize, usize) -> f64) -> Vec<f64> {
    (0..N * N).map(|k| entry(k / N, k % N)).collect()
}

/// A system, its right-hand side, and how it ends.
pub(crate) struct System {
    pub(crate) name: &'static str,
    pub(crate) a: Vec<f64>,
    pub(crate) v: Vec<f64>,
    /// A bound of `‖(I - A)⁻¹‖`, where there is an answer: `answer`.
    pub(crate) inverse: Option<f64>,
    pub(crate) ends: [Outcome; 7],
}

pub(crate) fn answer() -> Vec<f64> {
    (0..N).map(|k| 1.0 + scattered(500 + k)).collect()
}

/// The solvers, in the order of [`System::ends`].
pub(crate) fn solvers() -> [LinearSolver; 7] {
    let gmres = |restart| LinearSolver::Gmres(Gmres { restart });
    [
        LinearSolver::Neumann(Neumann::default()),
        gmres(30),
        gmres(8),
        LinearSolver::Bicgstab(Bicgstab::default()),
        LinearSolver::ConjugateGradient(ConjugateGradient::default()),
        LinearSolver::Dense(Dense::default()),
        LinearSolver::Anderson(Anderson { window: N, ..Anderson::default() }),
    ]
}

/// Systems with one answer.
fn regular(precision: f64) -> Vec<System> {
    let v = |a: &[f64]| -> Vec<f64> {
        answer().iter().zip(times(a, &answer())).map(|(c, image)| c - image).collect()
    };
    let system =
        |name, a: Vec<f64>, inverse, ends| System { name, v: v(&a), a, inverse: Some(inverse), ends };
    let gap = precision.powf(0.4).max(1e-4);
    let turns = |i: usize, j: usize| match (i / 2 == j / 2, i % 2, j % 2) {
        (false, ..) => 0.0,
        (true, 0, 0) | (true, 1, 1) => 0.9 * f64::cos(0.5 + (i / 2) as f64),
        (true, 0, _) => -0.9 * f64::sin(0.5 + (i / 2) as f64),
        (true, ..) => 0.9 * f64::sin(0.5 + (i / 2) as f64),
    };
    vec![
        system("symmetric", diagonal(|k| 0.9 * scattered(k)), 10.0, [Converged; 7]),
        system(
            "not symmetric",
            unreflected(|i, j| 0.25 * scattered(900 + i * N + j)),
            10.0,
            [Converged, Converged, Converged, Converged, Asymmetric, Converged, Converged],
        ),
        system(
            "complex spectrum",
            reflected(turns),
            10.0,
            [Converged, Converged, Converged, Converged, Asymmetric, Converged, Converged],
        ),
        system(
            "expanding",
            diagonal(|k| if k % 3 == 0 { 2.5 + 0.1 * k as f64 } else { 0.3 * scattered(k) }),
            10.0,
            [Diverged, Converged, Converged, Converged, Indefinite, Converged, Converged],
        ),
        system(
            "nearly singular",
            diagonal(|k| if k == 0 { 1.0 - gap } else { 0.5 * scattered(k) }),
            2.0 / gap,
            [StepLimit, Converged, Converged, Converged, Converged, Converged, Converged],
        ),
        system("nothing to invert", vec![0.0; N * N], 1.0, [Converged; 7]),
        system(
            "large",
            diagonal(|k| -1e4 * (1.0 + k as f64)),
            1e-4,
            [Diverged, Converged, Converged, Converged, Converged, Converged, Diverged],
        ),
    ]
}

/// Systems with many answers or none, or where nothing can be or need be solved.
fn others() -> Vec<System> {
    let singular = |k: usize| if k == 3 { 1.0 } else { 0.5 * scattered(k) };
    let mut lost = answer();
    lost[5] = f64::NAN;
    let mut broken = vec![0.0; N * N];
    broken[7] = f64::NAN;
    vec![
        System {
            name: "singular",
            a: unreflected(|i, j| if i == j { singular(i) } else { 0.0 }),
            v: answer(),
            inverse: None,
            ends: [Stalled, Stalled, Stalled, Singular, Indefinite, Singular, Stalled],
        },
        System {
            name: "singular with v in the range",
            a: unreflected(|i, j| if i == j { singular(i) } else { 0.0 }),
            v: answer().iter().enumerate().map(|(k, v)| if k == 3 { 0.0 } else { *v }).collect(),
            inverse: None,
            ends: [Converged, Converged, Converged, Converged, Converged, Singular, Converged],
        },
        System {
            name: "nilpotent",
            // I - A takes the second unit vector to the first, the third to the second, and so on.
            a: unreflected(|i, j| f64::from(i == j) - f64::from(i + 1 == j)),
            v: (0..N).map(|k| f64::from(k == 0)).collect(),
            inverse: None,
            ends: [Stalled, Stalled, Stalled, Singular, Asymmetric, Singular, Stalled],
        },
        System {
            name: "nothing wanted",
            a: diagonal(|k| 3.0 + scattered(k)),
            v: vec![0.0; N],
            inverse: None,
            ends: [Converged; 7],
        },
        System { name: "v not a number", a: vec![0.0; N * N], v: lost, inverse: None, ends: [NonFinite; 7] },
        System { name: "A not a number", a: broken, v: answer(), inverse: None, ends: [NonFinite; 7] },
    ]
}

pub(crate) fn settings(solver: LinearSolver, dtype: DType) -> Settings<LinearSolver> {
    let tolerance = Tolerance {
        absolute: 0.0,
        relative: if dtype == DType::F32 { 1e-5 } else { 1e-9 },
        ..Tolerance::default()
    };
    let patience = Some(Patience { steps: 60, improvement: 1e-3 });
    let budget = Budget::steps(400);
    Settings { patience, ..Settings::new(solver).with_tolerance(tolerance).with_budget(budget) }
}

/// All systems as rows of one batch.
pub(crate) fn batch<R: State>(dtype: DType, chosen: &[usize]) -> (Systems, R, Vec<System>) {
    let precision = if dtype == DType::F32 { f64::from(f32::EPSILON) } else { f64::EPSILON };
    let all = regular(precision).into_iter().chain(others());
    let mut all: Vec<Option<System>> = all.map(Some).collect();
    let chosen: Vec<System> = chosen.iter().filter_map(|row| all[*row].take()).collect();
    let v: Vec<f64> = chosen.iter().flat_map(|system| system.v.clone()).collect();
    let map = Systems(chosen.iter().map(|system| system.a.clone()).collect());
    (map, R::of(&tensor_in(dtype, chosen.len(), &v)), chosen)
}

pub(crate) fn every() -> Vec<usize> {
    (0..regular(f64::EPSILON).len() + others().len()).collect()
}

/// A test on every state.
pub(crate) fn on_every_state(tensors: fn(DType), singles: fn(DType), doubles: fn(DType)) {
    tensors(DType::F64);
    doubles(DType::F64);
    singles(DType::F32);
}

fn bits(values: &[f64]) -> Vec<u64> {
    values.iter().map(|value| value.to_bits()).collect()
}

pub(crate) fn row<R: State>(solution: &Solution<R>, row: usize) -> (Vec<u64>, Outcome, usize, u64) {
    let c = values(&solution.value.tensor());
    let statistics = &solution.statistics;
    let residual = statistics.residuals[row].to_bits();
    (bits(&c[row * N..][..N]), solution.outcomes[row], statistics.steps[row], residual)
}
