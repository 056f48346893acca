//! Minima of energies: whatever the length of the step, never a plateau, never a saddle, never uphill.

use crate::energy::scattered;
use crate::{newton, plain_solvers, tensor, tensor_in, tight, values};
use banach_solve::{
    Budget, FixedPointSolver, Map, Newton, Outcome, Settings, Smooth, Solution, Tolerance, fixed_point_smooth,
};
use burn::tensor::{DType, Tensor};

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

    fn energy(&self, x: &Tensor<2>) -> Option<Vec<f64>> {
        Some(self.energies(x))
    }
}

fn start(rows: usize, width: usize, size: f64) -> Tensor<2> {
    tensor(rows, &(0..rows * width).map(|k| size * scattered(k + 400)).collect::<Vec<_>>())
}

fn solved(terrain: &Terrain, x0: &Tensor<2>, settings: &Settings) -> Solution<Tensor<2>> {
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
fn convergence_means_the_same_for_every_length_of_the_step() {
    // With the residual γ ‖∇f‖, every start is converged if only γ is small enough.
    for gamma in [1e-9, 1e-6, 1e-3] {
        let terrain = Terrain::new(wells, 3, 0.0, gamma);
        let x0 = tensor(1, &[0.5, 2.0, -0.7]);
        for settings in plain_solvers() {
            let solution = solved(&terrain, &x0, &settings.with_budget(Budget::steps(20)));
            let slope = values(&solution.value)
                .chunks(3)
                .flat_map(|x| terrain.gradient(x))
                .fold(0.0_f64, |a, b| a.max(b.abs()));
            assert!(
                !solution.converged() || slope < 1e-2,
                "γ = {gamma}: slope {slope}, {}",
                solution.explain()
            );
        }
        let solution = solved(&terrain, &x0, &newton());
        assert!(solution.converged(), "γ = {gamma}: {}", solution.explain());
        let off = values(&solution.value).iter().map(|x| (x.abs() - 1.0).abs()).fold(0.0, f64::max);
        assert!(off < 1e-3, "γ = {gamma}: off by {off}");
    }
}

#[test]
fn a_saddle_is_left_by_newton_and_auto_and_told_by_all_others() {
    let terrain = Terrain::new(wells, 2, 0.0, 0.1);
    // A saddle itself, and a start from which no gradient leads away from one.
    for x0 in [[0.0, 0.0], [0.0, 2.0]] {
        let x0 = tensor(1, &x0);
        for settings in [newton(), crate::auto()] {
            let solution = solved(&terrain, &x0, &tight(settings));
            assert!(solution.converged(), "{}", solution.explain());
            let found = values(&solution.value);
            assert!(found.iter().all(|x| (x.abs() - 1.0).abs() < 1e-8), "{}", solution.value);
        }
        for settings in [crate::picard(), crate::anderson(), crate::broyden(), crate::squarem()] {
            let solution = solved(&terrain, &x0, &settings.clone().with_budget(Budget::steps(1000)));
            assert_eq!(solution.outcomes, [Outcome::Saddle], "{}: {}", settings.solver, solution.explain());
            assert!(solution.explain().contains("no minimum"), "{}", solution.explain());
        }
    }
}

#[test]
fn a_saturated_plateau_is_never_green() {
    let terrain = Terrain::new(saturating, 4, 0.0, 1.0);
    let minimum = f64::ln(3.0 / 7.0);
    for (dtype, far) in [
        (DType::F64, 18.0),
        (DType::F64, -25.0),
        (DType::F64, 700.0),
        (DType::F32, 60.0),
        (DType::F32, -14.0),
    ] {
        let x0 = tensor_in(dtype, 1, &[far; 4]);
        for settings in plain_solvers().into_iter().chain([newton()]) {
            let solution = solved(&terrain, &x0, &settings);
            let off = values(&solution.value).iter().map(|x| (x - minimum).abs()).fold(0.0, f64::max);
            let name =
                format!("{dtype:?} from {far} by {}: off by {off}, {}", settings.solver, solution.explain());
            assert!(!solution.converged() || off < 0.1, "{name}");
        }
    }
    // From where slopes are not tiny beside the state, Newton arrives.
    for far in [4.0, -6.0, 12.0, -20.0] {
        let solution = solved(&terrain, &tensor(1, &[far; 4]), &newton());
        let off = values(&solution.value).iter().map(|x| (x - minimum).abs()).fold(0.0, f64::max);
        assert!(solution.converged() && off < 1e-2, "from {far}: off by {off}, {}", solution.explain());
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
    let solution = solved(&terrain, &tensor(1, &[9.0]), &crate::picard().with_budget(Budget::steps(40_000)));
    assert!(solution.converged(), "{}", solution.explain());
    assert!((values(&solution.value)[0] - f64::ln(3.0 / 7.0)).abs() < 1e-2);
}

#[test]
fn an_energy_without_a_minimum_diverges_in_words() {
    struct Slope;
    impl Map<Tensor<2>> for Slope {
        fn apply(&self, x: &Tensor<2>) -> Tensor<2> {
            x.clone() + 1.0
        }
    }
    impl Smooth<Tensor<2>> for Slope {
        fn derivative<'a>(&'a self, _: &Tensor<2>) -> Box<dyn Map<Tensor<2>> + 'a> {
            Box::new(|t: &Tensor<2>| t.clone())
        }
        fn energy(&self, x: &Tensor<2>) -> Option<Vec<f64>> {
            Some(values(x).iter().map(|x| -x).collect())
        }
    }
    let solution = fixed_point_smooth(&Slope, &tensor(1, &[5.0]), &newton()).unwrap();
    assert_eq!(solution.outcomes, [Outcome::Diverged], "{}", solution.explain());
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
                println!("case {case} row {row}: {}", solution.explain());
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
    println!("{} rows, {} converged", counts[0], counts[1]);
    assert!(100 * counts[1] >= 98 * counts[0], "{counts:?}");
}
