//! Restarted GMRES on a device, whose least-squares problems the host solves for several steps at once.

use super::columns::{finite_rows, largest, mask, numbers, read, replaced, squares, widened};
use super::krylov::{Column, Subspace};
use super::schedule::Schedule;
use crate::active_map::check_shape;
use crate::ledger::Ledger;
use crate::linear::{Extension, Hessenberg, end_closed};
use crate::settings::StoppingRules;
use crate::{Error, Gmres, Map, Outcome, Rows, Solution, Transfers, Unobserved};
use burn::tensor::Tensor;

/// A system whose rows are scaled so that the largest entry of `v` is one: no square overflows or underflows.
struct System<'a> {
    map: &'a dyn Map<Tensor<2>>,
    /// The scaled right-hand side.
    v: Tensor<2>,
    /// The scaled iterate.
    c: Tensor<2>,
    /// The scaled remainder `v - (c - A c)`.
    remainder: Tensor<2>,
    /// Its squared norms, `[rows, 1]`.
    square: Tensor<2>,
    /// The scale of every row, `[rows, 1]`.
    scale: Tensor<2>,
    /// What the host knows of the rows, after the first look.
    known: Option<Known>,
    ledger: Ledger<Tensor<2>>,
    rules: StoppingRules,
    transfers: Transfers,
}

/// Numbers of rows on the host.
struct Known {
    scales: Vec<f64>,
    /// The norms of `v`, unscaled.
    sizes: Vec<f64>,
    /// The norms of the remainder, unscaled.
    residuals: Vec<f64>,
}

/// Solves `(I - A) c = v`, from a guess or from zeros. `expected` is the number of steps that a similar system took.
pub(super) fn solve(
    gmres: &Gmres,
    map: &dyn Map<Tensor<2>>,
    (v, c0): (&Tensor<2>, Option<&Tensor<2>>),
    rules: StoppingRules,
    expected: Option<usize>,
) -> Result<Solution<Tensor<2>>, Error> {
    let mut system = System::new(map, v, c0, rules)?;
    let mut schedule = Schedule::new(expected, v.shape().num_elements() * v.dtype().size());
    let mut steps = vec![0; v.rows()];
    while !system.ledger.finished() {
        let mut cycle = Cycle::new(&system, steps);
        let subspace = system.grow(gmres.restart, &mut cycle, &mut schedule)?;
        steps = cycle.steps.clone();
        if !system.ledger.finished() {
            system.settle(&subspace, &cycle)?;
        }
    }
    Ok(system.ledger.close().with_transfers(system.transfers))
}

/// The small problems of the rows between two restarts.
struct Cycle {
    small: Vec<Hessenberg>,
    /// Rows that still extend their subspace.
    open: Vec<bool>,
    /// Why a row has closed, unless by convergence.
    closed: Vec<Option<Outcome>>,
    /// Steps of each row, over all cycles.
    steps: Vec<usize>,
    /// The number of vectors that the host knows.
    dimension: usize,
}

impl Cycle {
    fn new(system: &System<'_>, steps: Vec<usize>) -> Self {
        let open = system.ledger.actives().to_vec();
        let small = system.known.as_ref().map_or_else(Vec::new, Known::small);
        Self { small, closed: vec![None; open.len()], open, steps, dimension: 1 }
    }

    fn can_grow(&self, restart: usize) -> bool {
        self.dimension <= restart && self.open.contains(&true)
    }

    /// The most steps of any row.
    fn longest(&self) -> usize {
        self.steps.iter().max().copied().unwrap_or(0)
    }
}

impl Known {
    /// The small problems at the start of a cycle, in scaled numbers.
    fn small(&self) -> Vec<Hessenberg> {
        self.residuals
            .iter()
            .zip(&self.scales)
            .map(|(residual, scale)| Hessenberg::new(residual / scale))
            .collect()
    }
}

impl<'a> System<'a> {
    fn new(
        map: &'a dyn Map<Tensor<2>>,
        v: &Tensor<2>,
        c0: Option<&Tensor<2>>,
        rules: StoppingRules,
    ) -> Result<Self, Error> {
        let scale = largest(v);
        let unscaled = scale.clone().equal_elem(0.0).bool_or(scale.clone().equal_elem(f64::INFINITY));
        let scale = scale.mask_fill(unscaled, 1.0);
        let v = v.clone() / scale.clone();
        let zeros = v.zeros_like();
        let (mut c, mut remainder) = (zeros.clone(), v.clone());
        let mut ledger = Ledger::new(&c, rules);
        if let Some(c0) = c0 {
            let guess = finite_rows(&(finite_rows(c0, &zeros) / scale.clone()), &zeros);
            let image = map.apply(&guess);
            check_shape(&image, &guess)?;
            ledger.evaluated(v.rows());
            let rest = v.clone() - (guess.clone() - image);
            let broken = (squares(&rest) - squares(&rest)).is_nan();
            c = replaced(&guess, &broken, &c);
            remainder = replaced(&rest, &broken, &remainder);
        }
        let square = squares(&remainder);
        ledger.set_best(c.clone() * scale.clone());
        let transfers = Transfers::default();
        Ok(Self { map, v, c, remainder, square, scale, known: None, ledger, rules, transfers })
    }

    /// Extends the subspaces of all rows until each has closed, the cycle is full or the budget spent.
    fn grow(
        &mut self,
        restart: usize,
        cycle: &mut Cycle,
        schedule: &mut Schedule,
    ) -> Result<Subspace, Error> {
        let mut subspace = Subspace::new(&self.remainder, &self.square);
        loop {
            let budget = self.rules.budget;
            let spent = self.ledger.evaluations + 1;
            let evaluations = budget.evaluations.map_or(usize::MAX, |limit| limit.saturating_sub(spent));
            let least =
                cycle.steps.iter().zip(&cycle.open).filter(|(_, open)| **open).map(|(steps, _)| *steps).min();
            let limit = evaluations
                .min(restart + 1 - subspace.dimension)
                .min(budget.steps.saturating_sub(least.unwrap_or(0)));
            let mut columns = Vec::new();
            for _ in 0..schedule.length(limit).min(limit) {
                columns.push(subspace.extend(self.map)?);
            }
            let tables = self.read(&columns, cycle);
            let before: Vec<f64> = cycle.small.iter().map(Hessenberg::residual).collect();
            let first = cycle.dimension;
            for table in &tables {
                if self.ledger.finished() || !cycle.can_grow(restart) || self.ledger.remaining() <= 1 {
                    break;
                }
                self.step(cycle, table);
            }
            let taken = cycle.dimension - first;
            schedule.looked(cycle.longest(), self.predicted(cycle, &before, taken));
            let over = !cycle.can_grow(restart) || self.ledger.remaining() <= 1 || taken == 0;
            if self.ledger.finished() || over {
                return Ok(subspace);
            }
        }
    }

    /// Reads columns, and with the first ones what the host has to know of the rows.
    fn read(&mut self, columns: &[Column], cycle: &mut Cycle) -> Vec<[Vec<f64>; 3]> {
        let of_column =
            |column: &Column| [column.components.clone(), column.length.clone(), column.below.clone()];
        let of_rows = [widened(&self.scale), squares(&self.v), self.square.clone()];
        let unknown = self.known.is_none();
        let tensors = columns.iter().flat_map(of_column).chain(of_rows.into_iter().filter(|_| unknown));
        let mut found = read(tensors.collect(), &mut self.transfers).into_iter();
        let mut next = || found.next().unwrap_or_default();
        let tables = columns.iter().map(|_| [next(), next(), next()]).collect();
        if unknown {
            let scales = next();
            let mut norms = || {
                next().iter().zip(&scales).map(|(square, scale)| square.sqrt() * scale).collect::<Vec<f64>>()
            };
            let (sizes, residuals) = (norms(), norms());
            self.ledger.apply_rules(|_| 0, (&residuals, &sizes), None);
            self.ledger.report(0, &residuals, &mut Unobserved);
            self.ledger.enforce();
            let known = Known { scales, sizes, residuals };
            cycle.small = known.small();
            cycle.open = self.ledger.actives().to_vec();
            self.known = Some(known);
        }
        tables
    }

    /// What the host knows of the rows.
    fn known(&self) -> &Known {
        self.known
            .as_ref()
            .unwrap_or_else(|| panic!("bug: found no norms of rows, expected those of the first look"))
    }

    /// The largest residual that a row may have, in scaled numbers.
    fn wanted(&self, row: usize) -> f64 {
        let known = self.known();
        self.rules.tolerance.threshold(known.sizes[row]) / known.scales[row]
    }

    /// Adds one column to the small problem of every open row.
    fn step(&mut self, cycle: &mut Cycle, [components, lengths, below]: &[Vec<f64>; 3]) {
        let rows = cycle.open.len();
        let room = components.len() / rows;
        self.ledger.evaluated(rows);
        for row in (0..rows).filter(|row| cycle.open[*row]).collect::<Vec<_>>() {
            cycle.steps[row] += 1;
            let along = components[row * room..][..cycle.dimension].iter().copied();
            let lengths = (below[row].sqrt(), lengths[row].sqrt());
            let outcome = match cycle.small[row].extend(along, lengths, self.v.precision()) {
                Extension::Grown => None,
                Extension::Exhausted => Some(Outcome::Stalled),
                Extension::NonFinite => Some(Outcome::NonFinite),
            };
            let done = cycle.small[row].residual() <= self.wanted(row);
            cycle.closed[row] = outcome;
            cycle.open[row] = !(outcome.is_some() || done || cycle.steps[row] >= self.rules.budget.steps);
        }
        cycle.dimension += 1;
        let scales = &self.known().scales;
        let estimates: Vec<f64> =
            cycle.small.iter().zip(scales).map(|(small, scale)| small.residual() * scale).collect();
        self.ledger.report(cycle.longest(), &estimates, &mut Unobserved);
    }

    /// The most steps that an open row is likely to need, at the mean rate of the steps since the last look.
    fn predicted(&self, cycle: &Cycle, before: &[f64], taken: usize) -> usize {
        let remaining = |row: usize| {
            let now = cycle.small[row].residual();
            let start = before.get(row).copied().unwrap_or(f64::NAN);
            let steps = (now / self.wanted(row)).ln() / (start / now).ln() * taken as f64;
            if steps.is_finite() && steps >= 0.0 { steps.ceil() as usize } else { usize::MAX }
        };
        (0..cycle.open.len()).filter(|row| cycle.open[*row]).map(remaining).max().unwrap_or(0)
    }

    /// Moves to the minimizers over the subspaces, computes the remainder there, and applies the stopping rules.
    fn settle(&mut self, subspace: &Subspace, cycle: &Cycle) -> Result<(), Error> {
        let precision = self.v.precision();
        let of_row = |small: &Hessenberg| {
            let mut coefficients = small.combination(precision);
            coefficients.resize(subspace.dimension, 0.0);
            coefficients
        };
        let active = self.ledger.actives().to_vec();
        let none = vec![0.0; subspace.dimension];
        let table: Vec<f64> = (0..active.len())
            .flat_map(|row| if active[row] { of_row(&cycle.small[row]) } else { none.clone() })
            .collect();
        let coefficients =
            numbers(table, [active.len(), subspace.dimension], &self.scale, &mut self.transfers);
        self.c = self.c.clone() + subspace.combination(coefficients);
        let image = self.map.apply(&self.c);
        check_shape(&image, &self.c)?;
        self.ledger.evaluated(active.len());
        self.remainder = self.v.clone() - (self.c.clone() - image);
        self.square = squares(&self.remainder);
        let found = read(vec![self.square.clone()], &mut self.transfers).swap_remove(0);
        let Some(known) = &mut self.known else {
            panic!("bug: found no norms of rows, expected those of the first look");
        };
        let scaled = found.iter().zip(&known.scales).map(|(square, scale)| square.sqrt() * scale);
        let before = std::mem::replace(&mut known.residuals, scaled.collect());
        let worse = self.ledger.apply_rules(|row| cycle.steps[row], (&known.residuals, &known.sizes), None);
        let better: Vec<bool> = (0..active.len()).map(|row| active[row] && !worse.contains(&row)).collect();
        let c = self.c.clone() * self.scale.clone();
        if !better.contains(&false) {
            self.ledger.set_best(c);
        } else if better.contains(&true) {
            let better = mask(&better, &c, &mut self.transfers);
            self.ledger.set_best(replaced(self.ledger.best(), &better, &c));
        }
        end_closed(&mut self.ledger, &cycle.closed, &before, &known.residuals);
        self.ledger.enforce();
        Ok(())
    }
}
