//! The solves of a group: guessed active sets, interior-point iteration, active-set finish.

use super::data::{Data, Dual, pivot_ratio};
use super::iteration::Iteration;
use super::system::{GroupSystem, Mask};
use crate::dense::buffer::Buffer;
use crate::dense::lanes::{LANES, Lanes};
use crate::dense::packed::packed;
use crate::dense::product::add_transposed_product;
use crate::quadratic::active_set::RESIDUAL;
use crate::quadratic::curvature::{RangeSpace, WELL_CONDITIONED};
use crate::quadratic::row::{Row, Sizes};
use crate::quadratic::settings::QuadraticSettings;
use crate::quadratic::solve::{Derivative, EARLY, FINISH_FROM, RowSolution};
use crate::termination::Termination;
use std::array::from_fn;

/// Programs with more variables or constraints are solved alone: a group takes as long for one row as for eight, which
/// a large program on an idle core does not repay.
const LARGEST: usize = 80;
/// A lane that has taken so many steps is left to the general method.
const MAX_STEPS: usize = 25;

/// The solutions of a group.
#[derive(Debug)]
pub(crate) struct GroupSolution {
    /// The rows that end optimal and differentiable; None for the others, which are to be solved alone.
    pub(crate) rows: [Option<RowSolution>; LANES],
    /// None where there are no such rows.
    pub(crate) system: Option<GroupSystem>,
}

/// Returns whether programs of these sizes are solved in groups, whatever the number of rows, so that a row has the same
/// bits alone and in any batch.
pub(crate) fn is_small(sizes: Sizes) -> bool {
    let Sizes { n, m, p } = sizes;
    n.max(m + p) <= LARGEST && RangeSpace::is_cheaper(sizes, 10)
}

/// How far a lane is.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Progress {
    Iterating,
    /// The active set is found, after so many steps.
    Found(usize),
    LeftAlone,
}

/// Solves up to eight rows, from the active sets of earlier solves where there are any.
pub(crate) fn solve_group(
    given: &[Row<'_>],
    guesses: &[Option<&[usize]>],
    settings: &QuadraticSettings,
) -> GroupSolution {
    let rows: [Row<'_>; LANES] = from_fn(|lane| given[lane.min(given.len() - 1)]);
    let data = Data::new(&rows);
    let n = data.sizes.n;
    let definite = |lane: &usize| {
        *lane < given.len() && pivot_ratio(&data.hessian, &data.factor, *lane, 0..n) > WELL_CONDITIONED
    };
    let mut search = Search::new(&data, from_fn(|lane| definite(&lane)));
    if search.is_over() {
        return GroupSolution { rows: Default::default(), system: None };
    }
    let dual = data.dual();
    search.run(&dual, guesses, settings);
    let Search { progress, mask, factor, .. } = search;
    let system = GroupSystem { data, mask, factor };
    let rows = finish(&system, &dual, progress, settings);
    GroupSolution { system: rows.iter().any(Option::is_some).then_some(system), rows }
}

/// The search for the active sets.
struct Search {
    sizes: Sizes,
    progress: [Progress; LANES],
    /// The active sets that are found, and those that were tried last.
    mask: Mask,
    tried: [bool; LANES],
    /// The factor of M for these active sets.
    factor: Buffer<Lanes>,
}

impl Search {
    fn new(data: &Data, solvable: [bool; LANES]) -> Self {
        let of = |solvable| if solvable { Progress::Iterating } else { Progress::LeftAlone };
        let k = data.constraint_count();
        Search {
            sizes: data.sizes,
            progress: solvable.map(of),
            mask: Buffer::filled(Lanes::ONE, k),
            tried: [false; LANES],
            factor: Buffer::zeros(packed(k)),
        }
    }

    fn is_over(&self) -> bool {
        !self.progress.contains(&Progress::Iterating)
    }

    fn run(&mut self, dual: &Dual, guesses: &[Option<&[usize]>], settings: &QuadraticSettings) {
        let m = self.sizes.m;
        if guesses.iter().any(Option::is_some) {
            let of = |lane: usize| guesses.get(lane).copied().flatten();
            let active = |lane: usize, i: usize| of(lane).is_some_and(|guess| guess.contains(&i));
            self.attempt(dual, 0, from_fn(|lane| of(lane).is_some()), active);
            self.tried = [false; LANES];
        }
        if self.is_over() {
            return;
        }
        let mut iteration = Iteration::new(dual, m);
        for steps in 0.. {
            let error = iteration.error();
            let close = error.0.map(|error| error <= FINISH_FROM);
            self.attempt(dual, steps, close, |lane, i| iteration.y[i].0[lane] > iteration.s[i].0[lane]);
            if self.is_over() || steps == MAX_STEPS.min(settings.max_steps) {
                return;
            }
            let length = iteration.advance();
            for (progress, length) in self.progress.iter_mut().zip(length.0) {
                if *progress == Progress::Iterating && (length.is_nan() || length == 0.0) {
                    *progress = Progress::LeftAlone;
                }
            }
        }
    }

    /// Tries active sets that differ from those tried before, in the lanes of interest.
    fn attempt(
        &mut self,
        dual: &Dual,
        steps: usize,
        wanted: [bool; LANES],
        is_active: impl Fn(usize, usize) -> bool,
    ) {
        let m = self.sizes.m;
        let mut any = false;
        let mut trial = [false; LANES];
        for lane in 0..LANES {
            if !wanted[lane] || self.progress[lane] != Progress::Iterating {
                continue;
            }
            let mut changed = !self.tried[lane];
            for (i, active) in self.mask[..m].iter_mut().enumerate() {
                let now = if is_active(lane, i) { 1.0 } else { 0.0 };
                changed |= active.0[lane] != now;
                active.0[lane] = now;
            }
            (trial[lane], self.tried[lane]) = (changed, true);
            any |= changed;
        }
        if !any {
            return;
        }
        let optimal = self.optimal(dual);
        for lane in 0..LANES {
            if trial[lane] && optimal[lane] {
                self.progress[lane] = Progress::Found(steps);
            }
        }
    }

    /// Returns in which lanes the solution of the active set satisfies all constraints, with multipliers that are not
    /// negative.
    fn optimal(&mut self, dual: &Dual) -> [bool; LANES] {
        let m = self.sizes.m;
        dual.factor_active(&self.mask, &mut self.factor);
        let (y, slack) = dual.minimiser(&self.mask, &self.factor);
        let multiplier = y[..m].iter().fold(Lanes::ONE, |largest, lambda| largest.max(*lambda + Lanes::ONE));
        let mut optimal = from_fn(|lane| dual.is_regular(&self.mask, &self.factor, lane));
        for i in 0..m {
            for (lane, optimal) in optimal.iter_mut().enumerate() {
                let (number, scale) = if self.mask[i].0[lane] > 0.0 {
                    (y[i].0[lane], multiplier.0[lane])
                } else {
                    (slack[i].0[lane], dual.scale.0[lane])
                };
                *optimal &= number >= -EARLY * scale;
            }
        }
        optimal
    }
}

/// The solutions of the lanes whose active set is found.
fn finish(
    system: &GroupSystem,
    dual: &Dual,
    progress: [Progress; LANES],
    settings: &QuadraticSettings,
) -> [Option<RowSolution>; LANES] {
    let data = &system.data;
    let (Sizes { n, m, .. }, k) = (data.sizes, data.constraint_count());
    let right = data.linear.iter().map(|q| -*q).chain(data.bounds.iter().copied());
    let right = Buffer::collect(n + k, right);
    let point = system.solve(&right);
    let mut residual = right;
    system.subtract_product(&point, &mut residual);
    let mut pulled = Buffer::zeros(n);
    add_transposed_product(&mut pulled, &data.constraints, &point[n..]);
    from_fn(|lane| {
        let Progress::Found(steps) = progress[lane] else { return None };
        let of = |numbers: &[Lanes]| -> Vec<f64> { numbers.iter().map(|number| number.0[lane]).collect() };
        let (y, slack) = (of(&point), of(&residual[n..]));
        let dual_scale = largest(&data.linear, lane).max(largest(&pulled, lane)) + 1.0;
        let multiplier = 1.0 + largest(&point[n..n + m], lane);
        let primal_scale = dual.scale.0[lane];
        let mut primal: f64 = 0.0;
        let mut strict = true;
        for i in 0..k {
            if system.is_active(i, lane) {
                primal = if slack[i].is_nan() { slack[i] } else { primal.max(slack[i].abs()) };
                strict &= i >= m || y[n + i] > settings.degeneracy * multiplier;
            } else {
                strict &= slack[i] > settings.degeneracy * primal_scale;
            }
        }
        let error = (largest(&residual[..n], lane) / dual_scale).max(primal / primal_scale);
        let exact = y.iter().chain(&slack).all(|number| number.is_finite()) && error <= RESIDUAL;
        let violation = |i: usize| if i < m { -slack[i] } else { slack[i].abs() };
        let infeasibility = (0..k).map(violation).fold(0.0, f64::max);
        let active = (0..m).filter(|&i| system.is_active(i, lane)).collect();
        (strict && exact && system.is_regular(dual, lane)).then_some(RowSolution {
            y,
            termination: Termination::Optimal,
            steps,
            error,
            active,
            derivative: Derivative::InGroup,
            infeasibility,
        })
    })
}

/// The largest absolute value of a lane.
fn largest(numbers: &[Lanes], lane: usize) -> f64 {
    numbers.iter().fold(0.0, |largest: f64, number| largest.max(number.0[lane].abs()))
}
