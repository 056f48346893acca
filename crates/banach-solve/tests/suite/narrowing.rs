//! Narrowing of the batch, with results that do not depend on it.

use crate::energy::scattered;
use crate::{damped, plain_solvers};
use banach_solve::{
    Anderson, Auto, Bicgstab, Broyden, Budget, ConjugateGradient, Dense, FixedPointSolver, Gmres,
    LinearSolver, Map, Matrix, Neumann, Newton, NewtonInner, Observe, Outcome, Patience, Picard, Progress,
    Rows, Settings, Smooth, Solution, Tolerance, Truncated, fixed_point_observed,
    fixed_point_smooth_observed, solve_linear_observed,
};
use std::cell::Cell;
use std::ops::ControlFlow;

const ROWS: usize = 29;
const WIDTH: usize = 16;

/// `x = turn(a x) + z` in every row, with its own `a` and `z`, on the rows that are left.
struct Turning<'c> {
    rates: Vec<[f64; WIDTH]>,
    inputs: Vec<[f64; WIDTH]>,
    symmetric: bool,
    bent: bool,
    narrows: bool,
    /// Rows evaluated.
    count: &'c Cell<usize>,
}

impl<'c> Turning<'c> {
    fn new(bent: bool, symmetric: bool, narrows: bool, count: &'c Cell<usize>) -> Self {
        let numbers = |row: usize, seed: usize| -> [f64; WIDTH] {
            std::array::from_fn(|k| scattered(1000 * seed + WIDTH * row + k))
        };
        // Rows from quick to slow, in no order, some of them beyond what plain iteration can do.
        let speed = |row: usize| 1.1 * ((row * 11) % ROWS) as f64 / ROWS as f64;
        let rates = |row: usize| numbers(row, 1).map(|number| (0.3 + 0.7 * number.abs()) * speed(row));
        let inputs = |row: usize| match row {
            3 => [f64::NAN; WIDTH],
            4 => [0.0; WIDTH],
            _ => numbers(row, 2),
        };
        let (rates, inputs) = ((0..ROWS).map(rates).collect(), (0..ROWS).map(inputs).collect());
        Self { rates, inputs, symmetric, bent, narrows, count }
    }

    fn row(&self, row: usize, x: &[f64], out: &mut [f64]) {
        for (k, out) in out.iter_mut().enumerate() {
            let from = if self.symmetric { k } else { (k + 1) % WIDTH };
            let turned = self.rates[row][k] * x[from];
            *out = if self.bent { turned.sin() + self.inputs[row][k] } else { turned };
        }
    }

    fn v(&self) -> Matrix<f64> {
        Matrix::new(ROWS, WIDTH, self.inputs.concat())
    }
}

impl Map<Matrix<f64>> for Turning<'_> {
    fn apply(&self, x: &Matrix<f64>) -> Matrix<f64> {
        assert_eq!(x.rows(), self.rates.len(), "a state of the rows that are left");
        self.count.set(self.count.get() + x.rows());
        Matrix::written(x.rows(), WIDTH, |out| {
            (0..x.rows()).for_each(|row| self.row(row, x.row(row), &mut out[row * WIDTH..][..WIDTH]));
        })
    }

    fn narrowed<'a>(&'a self, rows: &[usize]) -> Option<Box<dyn Map<Matrix<f64>> + 'a>> {
        assert_eq!(self.rates.len(), ROWS, "only the whole map is asked");
        assert!(rows.is_sorted() && !rows.is_empty());
        let some = |all: &[[f64; WIDTH]]| rows.iter().map(|row| all[*row]).collect();
        let (rates, inputs) = (some(&self.rates), some(&self.inputs));
        self.narrows.then(|| Box::new(Turning { rates, inputs, ..*self }) as Box<dyn Map<Matrix<f64>> + 'a>)
    }

    /// `½ x² + (cos(a x) - 1) / a - z x`, whose gradient is `x - sin(a x) - z`.
    fn energy(&self, x: &Matrix<f64>) -> Option<Vec<f64>> {
        let bend = |rate: f64, x: f64| if rate == 0.0 { 0.0 } else { ((rate * x).cos() - 1.0) / rate };
        let term = |row: usize, k: usize| {
            let (x, z) = (x.row(row)[k], self.inputs[row][k]);
            0.5 * x * x + bend(self.rates[row][k], x) - z * x
        };
        self.symmetric.then(|| (0..x.rows()).map(|row| (0..WIDTH).map(|k| term(row, k)).sum()).collect())
    }
}

/// The derivative of a bent map of turned rows.
struct Slopes {
    factors: Vec<[f64; WIDTH]>,
    symmetric: bool,
    narrows: bool,
}

impl Map<Matrix<f64>> for Slopes {
    fn apply(&self, t: &Matrix<f64>) -> Matrix<f64> {
        assert_eq!(t.rows(), self.factors.len(), "a direction of the rows that are left");
        let from = |k: usize| if self.symmetric { k } else { (k + 1) % WIDTH };
        let row = |row: usize| (0..WIDTH).map(move |k| self.factors[row][k] * t.row(row)[from(k)]);
        Matrix::new(t.rows(), WIDTH, (0..t.rows()).flat_map(row).collect())
    }

    fn narrowed<'a>(&'a self, rows: &[usize]) -> Option<Box<dyn Map<Matrix<f64>> + 'a>> {
        let factors = rows.iter().map(|row| self.factors[*row]).collect();
        self.narrows.then(|| Box::new(Slopes { factors, ..*self }) as Box<dyn Map<Matrix<f64>> + 'a>)
    }
}

impl Smooth<Matrix<f64>> for Turning<'_> {
    fn derivative<'a>(&'a self, x: &Matrix<f64>) -> Box<dyn Map<Matrix<f64>> + 'a> {
        let slope = |row: usize, k: usize| {
            let (rate, from) = (self.rates[row][k], if self.symmetric { k } else { (k + 1) % WIDTH });
            rate * (rate * x.row(row)[from]).cos()
        };
        let factors = (0..x.rows()).map(|row| std::array::from_fn(|k| slope(row, k))).collect();
        Box::new(Slopes { factors, symmetric: self.symmetric, narrows: self.narrows })
    }

    fn narrowed_smooth<'a>(&'a self, rows: &[usize]) -> Option<Box<dyn Smooth<Matrix<f64>> + 'a>> {
        assert_eq!(self.rates.len(), ROWS, "only the whole map is asked");
        let some = |all: &[[f64; WIDTH]]| rows.iter().map(|row| all[*row]).collect();
        let (rates, inputs) = (some(&self.rates), some(&self.inputs));
        self.narrows.then(|| Box::new(Turning { rates, inputs, ..*self }) as Box<dyn Smooth<_> + 'a>)
    }
}

/// What an observer has seen.
#[derive(Default)]
struct Seen {
    residuals: Vec<Vec<u64>>,
    outcomes: Vec<Vec<Option<Outcome>>>,
    stop: Option<usize>,
}

impl Observe for Seen {
    fn observe(&mut self, progress: &Progress<'_>) -> ControlFlow<()> {
        self.residuals.push(bits(progress.residuals));
        self.outcomes.push(progress.outcomes.to_vec());
        if self.stop == Some(progress.step) { ControlFlow::Break(()) } else { ControlFlow::Continue(()) }
    }
}

fn bits(values: &[f64]) -> Vec<u64> {
    values.iter().map(|value| value.to_bits()).collect()
}

/// Both ways, which must be the same to the last bit; the rows evaluated with and without narrowing.
fn both_ways(
    bent: bool,
    symmetric: bool,
    stop: Option<usize>,
    solve: impl Fn(&Turning<'_>, &mut Seen) -> Solution<Matrix<f64>>,
) -> (Solution<Matrix<f64>>, [usize; 2]) {
    let [(narrow, seen, few), (whole, other, many)] = [true, false].map(|narrows| {
        let (count, mut seen) = (Cell::new(0), Seen { stop, ..Seen::default() });
        let solution = solve(&Turning::new(bent, symmetric, narrows, &count), &mut seen);
        assert_eq!(solution.statistics.row_evaluations, count.get());
        (solution, seen, count.get())
    });
    let story = format!("{}\n{}", narrow.explain(), whole.explain());
    assert_eq!(bits(narrow.value.as_slice()), bits(whole.value.as_slice()), "{story}");
    assert_eq!((&narrow.outcomes, seen.outcomes), (&whole.outcomes, other.outcomes), "{story}");
    assert_eq!(seen.residuals, other.residuals, "{story}");
    let (one, two) = (&narrow.statistics, &whole.statistics);
    assert_eq!((one.evaluations, &one.steps), (two.evaluations, &two.steps), "{story}");
    assert_eq!(one.derivative_applications, two.derivative_applications, "{story}");
    assert_eq!(one.energy_evaluations, two.energy_evaluations, "{story}");
    assert_eq!(one.switches, two.switches, "{story}");
    assert_eq!(bits(&one.residuals), bits(&two.residuals));
    assert_eq!(bits(&one.relative), bits(&two.relative));
    let trace = |solution: &Solution<Matrix<f64>>| {
        let trace = solution.statistics.trace.iter().flatten();
        trace.map(|record| (record.step, record.evaluations, bits(&record.residuals))).collect::<Vec<_>>()
    };
    assert!(trace(&narrow) == trace(&whole) && trace(&narrow).len() == seen.residuals.len());
    assert_eq!(many, ROWS * two.evaluations);
    (narrow, [few, many])
}

fn rules<S>(settings: Settings<S>) -> Settings<S> {
    let patience = Some(Patience { steps: 30, improvement: 1e-3 });
    let settings = Settings { patience, trace: true, ..settings };
    settings.with_tolerance(Tolerance::both(1e-9)).with_budget(Budget::steps(300))
}

#[test]
fn fixed_points_are_the_same_and_cost_their_own_rows() {
    let heavy = Settings::new(FixedPointSolver::Picard(Picard { momentum: 0.3, damping: 0.9 }));
    let searching = FixedPointSolver::Broyden(Broyden { memory: 4, backtracks: 3, ..Broyden::default() });
    let hasty = FixedPointSolver::Auto(Auto { soon: 3, patience: 2, ..Auto::default() });
    let others = [damped(0.7), heavy, Settings::new(searching), Settings::new(hasty)];
    for settings in plain_solvers().into_iter().chain(others).map(rules) {
        for stop in [None, Some(0), Some(7)] {
            let (solution, [few, many]) = both_ways(true, false, stop, |map, seen| {
                fixed_point_observed(map, &map.v().zeros(), &settings, seen).unwrap()
            });
            let own: usize = solution.statistics.steps.iter().map(|steps| steps + 1).sum();
            assert!(3 * few <= 4 * own + 3 * ROWS, "{few} for {own}: {}", solution.explain());
            assert!(stop.is_some() || few < many, "{few} of {many}");
            assert_eq!(solution.outcomes[3], Outcome::NonFinite);
        }
    }
}

#[test]
fn newtons_method_lets_rows_leave_its_steps_and_the_equations_in_them() {
    let dense = NewtonInner::Dense { limit: WIDTH };
    for (symmetric, inner) in
        [(false, NewtonInner::default()), (true, NewtonInner::default()), (false, dense), (true, dense)]
    {
        let settings = rules(Settings::new(FixedPointSolver::Newton(Newton { inner, ..Newton::default() })));
        for stop in [None, Some(0), Some(2)] {
            let (solution, [few, many]) = both_ways(true, symmetric, stop, |map, seen| {
                fixed_point_smooth_observed(map, &map.v().zeros(), &settings, seen).unwrap()
            });
            assert!(stop.is_some() || few < many, "{few} of {many}: {}", solution.explain());
            assert_eq!(solution.outcomes[3], Outcome::NonFinite);
            let converged =
                solution.outcomes.iter().filter(|outcome| **outcome == Outcome::Converged).count();
            assert!(stop.is_some() || converged >= ROWS - 2, "{}", solution.explain());
        }
    }
}

#[test]
fn linear_solutions_are_the_same_and_cost_their_own_rows() {
    let gmres = |restart| LinearSolver::Gmres(Gmres { restart });
    let conjugate = LinearSolver::ConjugateGradient(ConjugateGradient::default());
    let anderson = LinearSolver::Anderson(Anderson::default());
    let [two, all, some] = [
        LinearSolver::Bicgstab(Bicgstab::default()),
        LinearSolver::Dense(Dense::default()),
        LinearSolver::Truncated(Truncated { terms: 9, damping: 0.5 }),
    ];
    let neumann = LinearSolver::Neumann(Neumann::default());
    for solver in [gmres(30), gmres(2), neumann, conjugate, anderson, two, all, some] {
        let settings = rules(Settings::new(solver));
        for (symmetric, stop) in [(true, None), (false, None), (true, Some(1)), (false, Some(3))] {
            let (solution, [few, many]) = both_ways(false, symmetric, stop, |map, seen| {
                solve_linear_observed(map, &map.v(), &settings, seen).unwrap()
            });
            // Where all rows take the same steps, none can leave early.
            let together = matches!(settings.solver, LinearSolver::Dense(_) | LinearSolver::Truncated(_));
            assert!(few <= many && (stop.is_some() || together || few < many), "{few} of {many}");
            let cycles = match &settings.solver {
                LinearSolver::Gmres(gmres) => gmres.restart,
                // A look at the true residual is a look at all rows under way.
                LinearSolver::ConjugateGradient(_) | LinearSolver::Bicgstab(_) => continue,
                LinearSolver::Dense(_) | LinearSolver::Truncated(_) => continue,
                LinearSolver::Neumann(_) | _ => usize::MAX,
            };
            // A cycle is one evaluation more than its steps.
            let own: usize =
                solution.statistics.steps.iter().map(|steps| steps + steps.div_ceil(cycles)).sum();
            assert!(3 * few <= 4 * own + 3 * ROWS, "{:?} {few} for {own}", settings.solver);
        }
    }
}
