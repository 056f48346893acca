//! The loop of deferred solves: steps on the device, and the stopping rules applied late.

use super::columns::{Columns, mask, replaced};
use super::schedule::Schedule;
use super::window::{Point, Step, best, look};
use crate::active_map::check_shape;
use crate::ledger::Ledger;
use crate::settings::StoppingRules;
use crate::{Error, Map, Rows, Solution, Transfers, Unobserved};
use burn::tensor::{Bool, Tensor};

/// A solver whose steps need nothing of the host.
pub(super) trait DeferredSolver {
    /// The state kept between steps.
    type Memory;
    /// The part of the state that the last points do not determine.
    type Mark;

    /// The number of earlier points from which, with a mark, the memory can be rebuilt.
    fn history(&self) -> usize;

    /// Creates the memory before the first step.
    fn start(&self, x0: &Tensor<2>) -> Self::Memory;

    /// Returns the next state of all rows.
    fn step(&self, point: &Point, memory: &mut Self::Memory) -> Tensor<2>;

    /// What the host will read of the last step: `‖g(x) - x‖²`, `‖g(x)‖²`, and, where steps
    /// may be extrapolated, a number that is not zero in rows whose step was.
    fn columns(&self, point: &Point, memory: &Self::Memory) -> Vec<Columns>;

    /// The mark of the memory.
    fn mark(&self, memory: &Self::Memory) -> Self::Mark;

    /// The memory that had this mark, after steps from these points, of which the last ones suffice.
    fn rebuilt(&self, points: &[Point], mark: &Self::Mark) -> Self::Memory;

    /// Clears the memory of these rows.
    fn forget(&self, memory: &mut Self::Memory, rows: &Tensor<2, Bool>);
}

/// A solution, and what deferred iteration knows beside it.
pub(super) struct Solved {
    pub(super) solution: Solution<Tensor<2>>,
    /// The fixed scale of the residuals of every row; empty where there is none.
    pub(super) scale: Vec<f64>,
    /// The norm of the image of the solution of every row.
    pub(super) lengths: Vec<f64>,
}

/// A batch on a device.
struct Batch<'a, S: DeferredSolver> {
    solver: &'a S,
    rules: StoppingRules,
    /// The point to evaluate next.
    x: Tensor<2>,
    /// The number of steps to that point.
    step: usize,
    memory: S::Memory,
    /// The points before the window, as many as the solver needs to rebuild its memory.
    history: Vec<Point>,
    /// The steps since the last look.
    window: Vec<Step<S::Mark>>,
    ledger: Ledger<Tensor<2>>,
    transfers: Transfers,
    /// The fixed scale of the residuals, once it is read.
    scale: Option<Vec<f64>>,
    /// The norms of the images of the best iterates.
    lengths: Vec<f64>,
}

/// Iterates until every row has ended. `scale` is a column of the squares of the scales of the relative
/// residuals, by default the norms of the images; `expected` is the number of steps that a similar solve took.
pub(super) fn iterate<S: DeferredSolver>(
    map: &dyn Map<Tensor<2>>,
    x0: &Tensor<2>,
    solver: &S,
    scale: Option<Tensor<2>>,
    (rules, expected): (StoppingRules, Option<usize>),
) -> Result<Solved, Error> {
    let mut batch = Batch {
        solver,
        rules,
        x: x0.clone(),
        step: 0,
        memory: solver.start(x0),
        history: Vec::new(),
        window: Vec::new(),
        ledger: Ledger::new(x0, rules),
        transfers: Transfers::default(),
        scale: None,
        lengths: vec![f64::NAN; x0.rows()],
    };
    let mut schedule = Schedule::new(expected, x0.shape().num_elements() * x0.dtype().size());
    while !batch.ledger.finished() {
        for _ in 0..schedule.length(batch.limit()) {
            batch.advance(map)?;
        }
        match batch.catch_up(scale.as_ref()) {
            Some(predicted) => schedule.looked(batch.step.saturating_sub(1), predicted),
            None => schedule.interrupted(),
        }
    }
    let Batch { ledger, transfers, scale, lengths, .. } = batch;
    let solution = ledger.close().with_transfers(transfers);
    Ok(Solved { solution, scale: scale.unwrap_or_default(), lengths })
}

impl<S: DeferredSolver> Batch<'_, S> {
    /// The number of points that the budget still permits.
    fn limit(&self) -> usize {
        let steps = self.rules.budget.steps.saturating_sub(self.step) + 1;
        let evaluations = self.rules.budget.evaluations.unwrap_or(usize::MAX);
        steps.min(evaluations.saturating_sub(self.ledger.evaluations))
    }

    /// Evaluates the map at the point and takes a step from there.
    fn advance(&mut self, map: &dyn Map<Tensor<2>>) -> Result<(), Error> {
        let gx = map.apply(&self.x);
        check_shape(&gx, &self.x)?;
        let point = Point { x: self.x.clone(), gx };
        let mark = self.solver.mark(&self.memory);
        self.x = self.solver.step(&point, &mut self.memory);
        let columns = self.solver.columns(&point, &self.memory);
        self.window.push(Step::new(point, mark, columns, self.rules.tolerance.norm));
        self.step += 1;
        Ok(())
    }

    /// Reads the residuals of the window and applies the stopping rules to its steps in order. Returns the
    /// number of steps that are probably left, or `None` where the batch had to go back to a step and take it
    /// again.
    fn catch_up(&mut self, scale: Option<&Tensor<2>>) -> Option<usize> {
        let unread = scale.filter(|_| self.scale.is_none());
        let (looks, found) = look(&self.window, self.rules.tolerance.norm, unread, &mut self.transfers);
        self.scale = found.or(self.scale.take());
        let rows = self.x.rows();
        let first = self.step - self.window.len();
        let mut chosen: Vec<Option<usize>> = vec![None; rows];
        let mut predicted = 0;
        for (index, mut look) in looks.into_iter().enumerate() {
            let norm = self.rules.tolerance.norm;
            let before = self.ledger.actives().to_vec();
            let point = &self.window[index].point;
            let (residuals, sizes) =
                look.measured(point, (norm, &before), self.scale.as_deref(), &mut self.transfers);
            self.ledger.evaluated(rows);
            let worse = self.ledger.apply_rules(|_| first + index, (&residuals, &sizes), None);
            for row in (0..rows).filter(|row| before[*row] && !worse.contains(row)) {
                (chosen[row], self.lengths[row]) = (Some(index), look.sizes[row]);
            }
            self.ledger.report(first + index, &residuals, &mut Unobserved);
            self.ledger.enforce();
            if self.ledger.finished() {
                break;
            }
            let plain: Vec<bool> = (0..rows).map(|row| self.has_to_forget(row)).collect();
            self.ledger.record_extrapolations(|row| look.is_extrapolated(row) && !plain[row]);
            if plain.contains(&true) {
                self.set_best(&chosen);
                self.take_again(index, &plain);
                return None;
            }
            predicted = self.ledger.predicted_steps(&residuals, &sizes);
        }
        self.set_best(&chosen);
        self.remember(self.window.len());
        Some(predicted)
    }

    /// Whether the row has to go on with an empty memory: it was reset, or is restricted to plain steps.
    fn has_to_forget(&self, row: usize) -> bool {
        self.ledger.actives()[row] && (self.ledger.reset()[row] || self.ledger.needs_plain_steps(row))
    }

    fn set_best(&mut self, chosen: &[Option<usize>]) {
        let best = best(self.ledger.best(), &self.window, chosen, &mut self.transfers);
        self.ledger.set_best(best);
    }

    /// Drops the window but for the last points of its first steps, which the solver may need.
    fn remember(&mut self, count: usize) {
        self.history.extend(self.window.drain(..).take(count).map(|step| step.point));
        let surplus = self.history.len().saturating_sub(self.solver.history());
        self.history.drain(..surplus);
    }

    /// Goes back to a step of the window and takes it again, with these rows going on with an empty memory:
    /// those that were reset wait at their best iterates.
    fn take_again(&mut self, index: usize, plain: &[bool]) {
        let (mut point, mark) = {
            let step = self.window.swap_remove(index);
            (step.point, step.mark)
        };
        self.step -= self.window.len() - index;
        self.remember(index);
        let mut memory = self.solver.rebuilt(&self.history, &mark);
        let plain = mask(plain, &self.x, &mut self.transfers);
        self.solver.forget(&mut memory, &plain);
        let waits = self.ledger.reset().to_vec();
        let waiting = waits.contains(&true).then(|| mask(&waits, &self.x, &mut self.transfers));
        if let Some(waiting) = &waiting {
            let best = self.ledger.best();
            point = Point { x: replaced(&point.x, waiting, best), gx: replaced(&point.gx, waiting, best) };
        }
        self.x = self.solver.step(&point, &mut memory);
        if let Some(waiting) = &waiting {
            self.x = replaced(&self.x, waiting, self.ledger.best());
            self.solver.forget(&mut memory, waiting);
        }
        self.memory = memory;
        self.history.push(point);
    }
}
