//! Minima of energies: whatever the length of the gradient step, and never uphill.

use crate::energy::scattered;
use crate::{newton, plain_solvers, tensor, tensor_in, tight, values};
use banach_solve::{
    Budget, FixedPointSolver, Map, Newton, Outcome, Settings, Smooth, Solution, Tolerance, fixed_point_smooth,
};
use burn::tensor::Tensor;

/// Value, slope and bend of a function of one number.
type Curve = fn(f64) -> [f64; 3];

/// `(σ(x) - 0.3)²`: a minimum at ln(3 / 7) between two plateaus.
fn saturating(x: f64) -> [f64; 3] {
    let (y, off) = (1.0 / (1.0 + (-x).exp()), 1.0 / (1.0 + x.exp()));
    let slope = y * off;
    let bend = slope * (off - y);
    [(y - 0.3).powi(2), 2.0 * (y - 0.3) * slope, 2.0 * slope * slope + 2.0 * (y - 0.3) * bend]
}

/// `x⁴/4 - x²/2`: minima at ±1, a saddle at 0.
fn wells(x: f64) -> [f64; 3] {
    [x.powi(4) / 4.0 - x * x / 2.0, x.powi(3) - x, 3.0 * x * x - 1.0]
}

/// `1 - cos x + x² / 50`: many minima.
fn waves(x: f64) -> [f64; 3] {
    [1.0 - x.cos() + x * x / 50.0, x.sin() + x / 25.0, x.cos() + 0.04]
}

/// A gradient step of length γ of `Σ scaleₖ φ(xₖ) + c/2 (Σ wₖ xₖ)²`, entry by entry.
struct Terrain {
    curve: Curve,
    scales: Vec<f64>,
    weights: Vec<f64>,
    coupling: f64,
    gamma: f64,
}

impl Terrain {
    fn new(curve: Curve, width: usize, coupling: f64, gamma: f64) -> Self {
        let scales = (0..width).map(|k| 1.0 + 0.5 * scattered(k + 31)).collect();
        let weights = (0..width).map(|k| scattered(k + 77)).collect();
        Self { curve, scales, weights, coupling, gamma }
    }

    /// Every number of a tensor from those of its row.
    fn rows(x: &Tensor<2>, of: impl Fn(&[f64]) -> Vec<f64>) -> Tensor<2> {
        let [rows, width] = x.dims();
        let numbers: Vec<f64> = values(x).chunks(width).flat_map(of).collect();
        tensor_in(x.dtype(), rows, &numbers)
    }

    fn along(&self, x: &[f64]) -> f64 {
        x.iter().zip(&self.weights).map(|(x, w)| x * w).sum()
    }

    fn energies(&self, x: &Tensor<2>) -> Vec<f64> {
        let of = |x: &[f64]| {
            let sum: f64 = x.iter().zip(&self.scales).map(|(x, scale)| scale * (self.curve)(*x)[0]).sum();
            sum + 0.5 * self.coupling * self.along(x).powi(2)
        };
        values(x).chunks(x.dims()[1]).map(of).collect()
    }

    fn gradient(&self, x: &[f64]) -> Vec<f64> {
        let along = self.coupling * self.along(x);
        let entry = |k: usize| self.scales[k] * (self.curve)(x[k])[1] + along * self.weights[k];
        (0..x.len()).map(entry).collect()
    }
}

impl Map<Tensor<2>> for Terrain {
    fn apply(&self, x: &Tensor<2>) -> Tensor<2> {
        Self::rows(x, |x| x.iter().zip(self.gradient(x)).map(|(x, slope)| x - self.gamma * slope).collect())
    }

    fn energy(&self, x: &Tensor<2>) -> Option<Vec<f64>> {
        Some(self.energies(x))
    }
}

impl Smooth<Tensor<2>> for Terrain {
    fn derivative<'a>(&'a self, x: &Tensor<2>) -> Box<dyn Map<Tensor<2>> + 'a> {
        let bends: Vec<f64> = values(x).iter().map(|x| (self.curve)(*x)[2]).collect();
        Box::new(move |t: &Tensor<2>| {
            let width = t.dims()[1];
            let numbers = values(t);
            let pushed = numbers.chunks(width).zip(bends.chunks(width)).flat_map(|(t, bends)| {
                let along = self.coupling * self.along(t);
                (0..width)
                    .map(|k| t[k] - self.gamma * (self.scales[k] * bends[k] * t[k] + along * self.weights[k]))
                    .collect::<Vec<_>>()
            });
            tensor_in(t.dtype(), t.dims()[0], &pushed.collect::<Vec<_>>())
        })
    }
}

fn start(rows: usize, width: usize, size: f64) -> Tensor<2> {
    tensor(rows, &(0..rows * width).map(|k| size * scattered(k + 400)).collect::<Vec<_>>())
}

fn solved(terrain: &Terrain, x0: &Tensor<2>, settings: &Settings<FixedPointSolver>) -> Solution<Tensor<2>> {
    fixed_point_smooth(terrain, x0, settings).expect("the settings are valid")
}

/// Four decades of γ.
const LENGTHS: [f64; 5] = [1e-2, 1e-1, 1.0, 1e1, 1e2];

#[test]
fn newton_reaches_the_same_minimiser_whatever_the_length_of_the_step() {
    let cases: [(Curve, f64, f64); 6] = [
        (saturating, 0.0, 6.0),
        (saturating, 0.05, 9.0),
        (wells, 0.0, 0.8),
        (wells, 0.3, 3.0),
        (waves, 0.1, 9.0),
        (waves, 0.0, 20.0),
    ];
    for (case, (curve, coupling, size)) in cases.into_iter().enumerate() {
        let x0 = start(4, 6, size);
        let all = LENGTHS.map(|gamma| {
            let terrain = Terrain::new(curve, 6, coupling, gamma);
            let solution = solved(&terrain, &x0, &tight(newton()));
            assert!(solution.converged(), "case {case}, γ = {gamma}: {}", solution.explain());
            let slopes =
                values(&solution.value).chunks(6).flat_map(|x| terrain.gradient(x)).collect::<Vec<_>>();
            assert!(slopes.iter().all(|slope| slope.abs() < 1e-7), "case {case}, γ = {gamma}: {slopes:?}");
            values(&solution.value)
        });
        for (gamma, x) in LENGTHS.iter().zip(&all) {
            let off = x.iter().zip(&all[2]).map(|(a, b)| (a - b).abs()).fold(0.0, f64::max);
            assert!(off < 1e-5, "case {case}, γ = {gamma}: off by {off}");
        }
    }
}

#[test]
fn a_step_that_raises_the_energy_is_taken_back() {
    for (case, (curve, gamma, size)) in
        [(saturating as Curve, 8.0, 5.0), (wells, 0.2, 2.0), (waves, 0.5, 12.0)].into_iter().enumerate()
    {
        for settings in plain_solvers() {
            let terrain = Terrain::new(curve, 5, 0.0, gamma);
            let x0 = start(6, 5, size);
            let first = terrain.energies(&x0);
            let solution = solved(&terrain, &x0, &settings.clone().with_budget(Budget::steps(300)));
            let last = terrain.energies(&solution.value);
            let name = format!("case {case} by {}: {}", settings.solver, solution.explain());
            for row in 0..first.len() {
                assert!(last[row] <= first[row] + 1e-12, "{name}");
            }
        }
    }
}

#[test]
fn a_row_whose_energy_falls_is_not_stalled() {
    // A long slope on which the gradient grows: residuals rise for hundreds of plain steps.
    let terrain = Terrain::new(saturating, 1, 0.0, 1.0);
    let tolerance = Tolerance { absolute: 1e-6, relative: 0.0, ..Tolerance::default() };
    let settings = crate::picard().with_budget(Budget::steps(40_000)).with_tolerance(tolerance);
    let solution = solved(&terrain, &tensor(1, &[9.0]), &settings);
    assert!(solution.converged(), "{}", solution.explain());
    assert!((values(&solution.value)[0] - f64::ln(3.0 / 7.0)).abs() < 1e-2);
}

#[test]
fn random_energies_end_in_minima() {
    let cases = std::env::var("BANACH_CASES").ok().and_then(|n| n.parse().ok()).unwrap_or(60);
    let mut counts = [0; 3];
    for case in 0..cases {
        let curve = [saturating as Curve, wells, waves][case % 3];
        let width = 1 + case % 7;
        let (gamma, coupling) = (10_f64.powf(2.0 * scattered(case)), scattered(case + 9).max(0.0));
        let mut terrain = Terrain::new(curve, width, coupling, gamma);
        terrain.scales = (0..width).map(|k| 10_f64.powf(scattered(case * 11 + k))).collect();
        let x0 = start(2, width, 1.0 + 9.0 * scattered(case + 5).abs());
        let tolerance = Tolerance::both(1e-8);
        let newton = FixedPointSolver::Newton(Newton::default());
        let solution = solved(&terrain, &x0, &Settings::new(newton).with_tolerance(tolerance));
        let found = values(&solution.value);
        for row in 0..2 {
            counts[0] += 1;
            counts[1] += usize::from(solution.outcomes[row] == Outcome::Converged);
            if solution.outcomes[row] != Outcome::Converged {
                continue;
            }
            let x = &found[row * width..][..width];
            let [before, after] = [values(&x0)[row * width..][..width].to_vec(), x.to_vec()]
                .map(|x| terrain.energies(&tensor(1, &x))[0]);
            assert!(after <= before + 1e-12, "case {case}: {before} became {after}");
            let slope = terrain.gradient(x).iter().fold(0.0_f64, |a, b| a.max(b.abs()));
            assert!(slope < 1e-5, "case {case}: slope {slope}, {}", solution.explain());
            // No neighbour is lower by more than the gradient allows.
            let here = terrain.energies(&tensor(1, x))[0];
            for k in 0..20 {
                let near: Vec<f64> =
                    x.iter().enumerate().map(|(j, x)| x + 1e-3 * scattered(k * 13 + j)).collect();
                let there = terrain.energies(&tensor(1, &near))[0];
                let lower = there < here - 1e-8;
                counts[2] += usize::from(lower);
                assert!(!lower, "case {case}: {here} is not lowest, {there} is near: {}", solution.explain());
            }
        }
    }
    assert!(100 * counts[1] >= 98 * counts[0], "{counts:?}");
}

/// A gradient step of `½ ‖B x‖² - ⟨b, x⟩`, whose Hessian `Bᵀ B` is singular: without a minimum unless `b` is `Bᵀ` of something.
struct Valley {
    b: Tensor<2>,
    half: Tensor<2>,
    gamma: f64,
}

impl Valley {
    fn new(case: usize, consistent: bool) -> Self {
        let (width, rank) = (3 + case % 6, 1 + case % 3);
        let entries: Vec<f64> = (0..rank * width).map(|k| scattered(1000 * case + k)).collect();
        let some = |first: usize, count: usize| -> Vec<f64> {
            (0..count).map(|k| scattered(1000 * case + first + k)).collect()
        };
        let half = tensor(rank, &entries);
        let b = match consistent {
            true => tensor(1, &some(500, rank)).matmul(half.clone()),
            false => tensor(1, &some(700, width)),
        };
        let size: f64 = entries.iter().map(|entry| entry * entry).sum();
        Self { b, half, gamma: (0.1 + scattered(case).abs()) / size }
    }

    fn curve(&self, x: &Tensor<2>) -> Tensor<2> {
        x.clone().matmul(self.half.clone().transpose()).matmul(self.half.clone())
    }
}

impl Map<Tensor<2>> for Valley {
    fn apply(&self, x: &Tensor<2>) -> Tensor<2> {
        x.clone() - (self.curve(x) - self.b.clone()) * self.gamma
    }

    fn energy(&self, x: &Tensor<2>) -> Option<Vec<f64>> {
        let energy = x.clone() * (self.curve(x) * 0.5 - self.b.clone());
        Some(values(&energy.sum_dim(1)))
    }
}

impl Smooth<Tensor<2>> for Valley {
    fn derivative<'a>(&'a self, _: &Tensor<2>) -> Box<dyn Map<Tensor<2>> + 'a> {
        Box::new(|t: &Tensor<2>| t.clone() - self.curve(t) * self.gamma)
    }
}

#[test]
fn an_energy_without_a_minimum_is_never_green_and_no_minimum_is_lost() {
    let cases = std::env::var("BANACH_CASES").ok().and_then(|n| n.parse().ok()).unwrap_or(40);
    for case in 0..cases {
        for settings in plain_solvers().into_iter().chain([newton()]) {
            let settings = settings.with_budget(Budget::steps(2000)).with_tolerance(Tolerance::both(1e-8));
            for consistent in [false, true] {
                let valley = Valley::new(case, consistent);
                let x0 = valley.b.zeros_like();
                let solution = fixed_point_smooth(&valley, &x0, &settings).unwrap();
                let name = format!("case {case}, {}: {}", settings.solver, solution.explain());
                // Plain steps may need more of them.
                let slow = solution.outcomes[0] == Outcome::StepLimit;
                assert!(solution.converged() == consistent || consistent && slow, "{name}");
            }
        }
    }
}
