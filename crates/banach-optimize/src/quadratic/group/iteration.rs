//! The interior-point iteration of the dual programs of a group, in lockstep.
//!
//! The steps are those of the iteration of one row, from which x is eliminated.

use super::data::Dual;
use crate::dense::buffer::Buffer;
use crate::dense::lanes::Lanes;
use crate::dense::packed::{factor, packed, solve_rows, solve_transposed};
use crate::dense::product::add_symmetric_product;
use crate::dense::registers::{Kernel, Register, run};
use crate::quadratic::interior_point::{NEAR_BOUNDARY, SHORTEST, SMALLEST};
use crate::quadratic::newton::REGULARIZATION;
use pulp::Simd;

/// The iterates of a group: y = [λ, ν], and the slacks s of the inequalities.
#[derive(Debug)]
pub(super) struct Iteration<'a> {
    dual: &'a Dual,
    pub(super) y: Buffer<Lanes>,
    pub(super) s: Buffer<Lanes>,
    /// M y + c, which s tends to.
    slack: Buffer<Lanes>,
    /// The number added to the diagonal of M.
    added: Lanes,
    d: Buffer<Lanes>,
    factor: Buffer<Lanes>,
    right: Buffer<Lanes>,
    step: Buffer<Lanes>,
    slack_step: Buffer<Lanes>,
    second: Buffer<Lanes>,
}

impl<'a> Iteration<'a> {
    /// Begins at the minimiser of ½ yᵀMy + cᵀy + ½ ‖λ‖², moved into the interior.
    pub(super) fn new(dual: &'a Dual, m: usize) -> Self {
        let k = dual.linear.len();
        let diagonal = (0..k).map(|i| dual.gram[packed(i) + i]);
        let largest = diagonal.fold(Lanes::ZERO, Lanes::max);
        let mut iteration = Iteration {
            dual,
            y: Buffer::default(),
            s: Buffer::default(),
            slack: dual.linear.clone(),
            added: largest.map(|largest| REGULARIZATION * largest),
            d: Buffer::filled(Lanes::ONE, m),
            factor: dual.gram.clone(),
            right: Buffer::collect(k, dual.linear.iter().map(|c| -*c)),
            step: Buffer::zeros(k),
            slack_step: Buffer::zeros(m),
            second: Buffer::zeros(m),
        };
        iteration.factor();
        iteration.solve();
        iteration.y = iteration.step.clone();
        iteration.s = Buffer::collect(m, iteration.y[..m].iter().map(|lambda| -*lambda));
        into_interior(&mut iteration.s);
        into_interior(&mut iteration.y[..m]);
        add_symmetric_product(&mut iteration.slack, &dual.gram, &iteration.y);
        iteration
    }

    /// The largest of the residuals and of the complementarity gap, each relative to its scale.
    pub(super) fn error(&self) -> Lanes {
        let mut residual = Lanes::ZERO;
        for (i, slack) in self.slack.iter().enumerate() {
            let distance = *slack - self.s.get(i).copied().unwrap_or(Lanes::ZERO);
            residual = residual.max(distance.map(f64::abs));
        }
        let objective = dot(&self.dual.pulled, &self.y).map(|objective| 1.0 + objective.abs());
        let gap = dot(&self.s, &self.y).zip(objective, |gap, objective| gap / objective);
        let residual = residual.zip(self.dual.scale, |residual, scale| residual / scale);
        residual.zip(gap, |residual, gap| if gap.is_nan() { gap } else { residual.max(gap) })
    }

    /// Takes a step, and returns its length; the lanes of a length of zero or NaN make no progress.
    pub(super) fn advance(&mut self) -> Lanes {
        let m = self.s.len();
        run(Ratios(self));
        self.factor();
        // The predictor aims at complementarity zero.
        self.right.iter_mut().zip(&self.slack[..]).for_each(|(right, slack)| *right = -*slack);
        self.solve();
        run(Correction(self));
        if m > 0 {
            self.solve();
        }
        let mut taken = Lanes::ZERO;
        run(Move(self, &mut taken));
        taken.map(|length| if length <= SHORTEST { 0.0 } else { length })
    }

    /// Factors M + D.
    fn factor(&mut self) {
        self.factor.copy_from_slice(&self.dual.gram);
        let k = self.right.len();
        for i in 0..k {
            self.factor[packed(i) + i] += self.added + self.d.get(i).copied().unwrap_or(Lanes::ZERO);
        }
        factor(&mut self.factor, k);
    }

    /// Solves for the right-hand side.
    fn solve(&mut self) {
        self.step.copy_from_slice(&self.right);
        solve_rows(&self.factor, self.right.len(), &mut self.step);
        solve_transposed(&self.factor, &mut self.step);
    }

    /// The steps of the slacks for the complementarity s λ + `second` λ; returns the longest step, at most 1 / 0.995, at
    /// which slacks and multipliers are not negative.
    #[inline(always)]
    fn slack_steps<S: Simd, const N: usize>(&mut self, simd: S) -> Register<S, N> {
        let infinity = Register::splat(simd, f64::INFINITY);
        let mut length = Register::splat(simd, 1.0 / NEAR_BOUNDARY);
        let bound =
            |at: Register<S, N>, step: Register<S, N>| at.over(step).negated().where_negative(step, infinity);
        for i in 0..self.s.len() {
            let [s, second, d] = [&self.s, &self.second, &self.d].map(|of| Register::load(simd, &of[i]));
            let [lambda, step] = [&self.y, &self.step].map(|of| Register::load(simd, &of[i]));
            let slack_step = s.plus(second).negated().minus_product(d, step);
            slack_step.store(&mut self.slack_step[i]);
            length = length.smaller(bound(s, slack_step)).smaller(bound(lambda, step));
        }
        length
    }
}

/// D = S Λ⁻¹
struct Ratios<'a, 'b>(&'a mut Iteration<'b>);

impl Kernel for Ratios<'_, '_> {
    #[inline(always)]
    fn run<S: Simd, const N: usize>(self, simd: S) {
        let Iteration { s, y, d, second, .. } = self.0;
        for i in 0..s.len() {
            let (s, lambda) = (Register::<S, N>::load(simd, &s[i]), Register::load(simd, &y[i]));
            s.over(lambda).store(&mut d[i]);
            Register::<S, N>::zero(simd).store(&mut second[i]);
        }
    }
}

/// The right-hand side of the corrector, after the predictor's step.
struct Correction<'a, 'b>(&'a mut Iteration<'b>);

impl Kernel for Correction<'_, '_> {
    #[inline(always)]
    fn run<S: Simd, const N: usize>(self, simd: S) {
        let length = self.0.slack_steps::<S, N>(simd);
        let Iteration { s, y, step, slack_step, second, right, .. } = self.0;
        let (m, load) = (s.len(), |lanes: &Lanes| Register::<S, N>::load(simd, lanes));
        let (mut mu, mut ahead) = (Register::zero(simd), Register::zero(simd));
        for i in 0..m {
            let (s, lambda) = (load(&s[i]), load(&y[i]));
            mu = mu.plus_product(s, lambda);
            let (s, lambda) =
                (s.plus_product(length, load(&slack_step[i])), lambda.plus_product(length, load(&step[i])));
            ahead = ahead.plus_product(s, lambda);
        }
        let [zero, one, count] = [0.0, 1.0, m.max(1) as f64].map(|number| Register::splat(simd, number));
        let share = zero.larger(ahead.over(mu)).smaller(one);
        let target = share.times(share).times(share).times(mu.over(count));
        for i in 0..m {
            let correction = load(&slack_step[i]).times(load(&step[i])).minus(target);
            let correction = correction.over(load(&y[i]));
            correction.store(&mut second[i]);
            load(&right[i]).minus(correction).store(&mut right[i]);
        }
    }
}

/// The step of the corrector, and how far it goes.
struct Move<'a, 'b>(&'a mut Iteration<'b>, &'a mut Lanes);

impl Kernel for Move<'_, '_> {
    #[inline(always)]
    fn run<S: Simd, const N: usize>(self, simd: S) {
        let Move(iteration, taken) = self;
        let near = Register::<S, N>::splat(simd, NEAR_BOUNDARY);
        let length = near.times(iteration.slack_steps(simd)).smaller(Register::splat(simd, 1.0));
        length.store(taken);
        let Iteration { s, y, d, step, slack_step, right, slack, .. } = iteration;
        let load = |lanes: &Lanes| Register::<S, N>::load(simd, lanes);
        let smallest = Register::splat(simd, SMALLEST);
        for i in 0..y.len() {
            // M times the step, by the system that the step solves.
            let (step, mut change) = (load(&step[i]), load(&right[i]));
            let mut next = load(&y[i]).plus_product(length, step);
            if i < s.len() {
                change = change.minus_product(load(&d[i]), step);
                let next_slack = load(&s[i]).plus_product(length, load(&slack_step[i]));
                next_slack.larger(smallest).store(&mut s[i]);
                next = next.larger(smallest);
            }
            next.store(&mut y[i]);
            load(&slack[i]).plus_product(length, change).store(&mut slack[i]);
        }
    }
}

/// Σ aᵢ bᵢ over the shorter length.
fn dot(a: &[Lanes], b: &[Lanes]) -> Lanes {
    a.iter().zip(b).fold(Lanes::ZERO, |sum, (a, b)| sum + *a * *b)
}

/// Moves numbers that are not all positive so that the smallest in a lane is 1.
fn into_interior(numbers: &mut [Lanes]) {
    let smallest = numbers.iter().fold(Lanes([f64::INFINITY; _]), |smallest, number| smallest.min(*number));
    let added = smallest.map(|smallest| if smallest <= 1e-8 { 1.0 - smallest } else { 0.0 });
    numbers.iter_mut().for_each(|number| *number += added);
}
