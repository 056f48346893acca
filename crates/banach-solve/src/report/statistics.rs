//! Counts, residuals and rates of a solve, row by row.

use super::record::Record;
use super::switch::Switch;
use super::transfers::Transfers;
use serde::{Deserialize, Serialize};

/// The cost of a solve, and the quality of its result, row by row.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct Statistics {
    /// Calls of the map, each on all rows left in the batch.
    pub evaluations: usize,
    /// The part of these calls made by earlier solves that this one continues
    /// ([`Solution::continuing`](crate::Solution::continuing)).
    pub earlier: usize,
    /// Rows evaluated in all these calls: fewer than calls times rows where the map is
    /// [`narrowed`](crate::Map::narrowed) after rows have ended.
    pub row_evaluations: usize,
    /// Applications of the map's derivative, each on all rows left in the batch; zero for solvers without it.
    pub derivative_applications: usize,
    /// Calls of the map's energy alone, each on all rows left in the batch; zero for solvers without it.
    pub energy_evaluations: usize,
    /// Steps of each row.
    pub steps: Vec<usize>,
    /// The residual of each row at the returned point, in the norm of the tolerance; NaN where no iterate had
    /// a finite residual, and where it was not computed ([`Approximate`](crate::Outcome::Approximate)).
    pub residuals: Vec<f64>,
    /// The residual of each row divided by the scale of the relative tolerance.
    pub relative: Vec<f64>,
    /// The convergence rate of each row: the factor of the residual in one step, from the median slope of its
    /// logarithm over the last eight residuals; NaN for rows without a step.
    ///
    /// For plain iteration it tends to the largest modulus of the eigenvalues of J, the contraction rate of
    /// the map. For Anderson's or Newton's method it is the rate of the method; for GMRES, whose residual is
    /// computed once a cycle, the mean rate of a cycle. At the precision of the state it is 1.
    pub rates: Vec<f64>,
    /// The growth of each row: the scale of its relative residual at the returned point divided by the scale
    /// at the first point; NaN where no point was finite. It is 1 for a linear system, whose scale is `‖v‖`.
    pub growth: Vec<f64>,
    /// Changes of method, ordered by step and row; empty for solvers other than [`Auto`](crate::Auto).
    pub switches: Vec<Switch>,
    /// Transfers between this machine and the device, where the solve was deferred
    /// ([`fixed_point_deferred`](crate::fixed_point_deferred())); others read and write at every step.
    pub transfers: Option<Transfers>,
    /// The residuals of every step, if [`Settings::trace`](crate::Settings::trace) is set.
    pub trace: Option<Vec<Record>>,
}

impl Statistics {
    /// Statistics of consecutive rows that were solved apart.
    pub(super) fn joined(parts: &[Self]) -> Self {
        let most = |calls: fn(&Self) -> usize| parts.iter().map(calls).max().unwrap_or(0);
        let traces: Option<Vec<&[Record]>> = parts.iter().map(|part| part.trace.as_deref()).collect();
        Self {
            evaluations: most(|part| part.evaluations),
            earlier: most(|part| part.earlier),
            row_evaluations: parts.iter().map(|part| part.row_evaluations).sum(),
            derivative_applications: most(|part| part.derivative_applications),
            energy_evaluations: most(|part| part.energy_evaluations),
            steps: parts.iter().flat_map(|part| part.steps.iter().copied()).collect(),
            residuals: parts.iter().flat_map(|part| part.residuals.iter().copied()).collect(),
            relative: parts.iter().flat_map(|part| part.relative.iter().copied()).collect(),
            rates: parts.iter().flat_map(|part| part.rates.iter().copied()).collect(),
            growth: parts.iter().flat_map(|part| part.growth.iter().copied()).collect(),
            switches: Self::switched(parts),
            transfers: parts.iter().map(|part| part.transfers).reduce(together).flatten(),
            trace: traces.map(|traces| Self::merged(parts, &traces)),
        }
    }

    /// The changes of method of all parts, with rows numbered consecutively.
    fn switched(parts: &[Self]) -> Vec<Switch> {
        let mut switches = Vec::new();
        let mut before = 0;
        for part in parts {
            let named = |switch: &Switch| Switch { row: before + switch.row, ..*switch };
            switches.extend(part.switches.iter().map(named));
            before += part.steps.len();
        }
        switches.sort_by_key(|switch| (switch.step, switch.row));
        switches
    }

    /// One record for every step recorded in any part.
    fn merged(parts: &[Self], traces: &[&[Record]]) -> Vec<Record> {
        let mut steps: Vec<usize> =
            traces.iter().flat_map(|trace| trace.iter()).map(|record| record.step).collect();
        steps.sort_unstable();
        steps.dedup();
        let record = |step: usize| {
            let mut merged = Record { step, evaluations: 0, residuals: Vec::new() };
            for (part, trace) in parts.iter().zip(traces) {
                let so_far = trace.iter().rfind(|record| record.step <= step);
                // A part without a record has no rows, or rows of width zero.
                merged.residuals.extend(so_far.map_or(&part.residuals, |record| &record.residuals));
                merged.evaluations = merged.evaluations.max(so_far.map_or(0, |record| record.evaluations));
            }
            merged
        };
        steps.into_iter().map(record).collect()
    }

    /// The statistics of this solve and an earlier one of the same rows together.
    pub(crate) fn after(self, earlier: Self) -> Self {
        let later = |switch: &Switch| Switch { step: earlier.steps[switch.row] + switch.step, ..*switch };
        let mut switches: Vec<Switch> =
            earlier.switches.iter().copied().chain(self.switches.iter().map(later)).collect();
        switches.sort_by_key(|switch| (switch.step, switch.row));
        let rate = |(now, before): (&f64, &f64)| if now.is_nan() { *before } else { *now };
        Self {
            rates: self.rates.iter().zip(&earlier.rates).map(rate).collect(),
            growth: self.growth.iter().zip(&earlier.growth).map(|(now, before)| now * before).collect(),
            trace: self
                .trace
                .zip(earlier.trace)
                .map(|(now, before)| concatenated(before, now, earlier.evaluations)),
            steps: self.steps.iter().zip(&earlier.steps).map(|(now, before)| now + before).collect(),
            earlier: self.earlier + earlier.evaluations,
            evaluations: self.evaluations + earlier.evaluations,
            row_evaluations: self.row_evaluations + earlier.row_evaluations,
            derivative_applications: self.derivative_applications + earlier.derivative_applications,
            energy_evaluations: self.energy_evaluations + earlier.energy_evaluations,
            switches,
            transfers: together(self.transfers, earlier.transfers),
            ..self
        }
    }
}

/// The transfers of two solves, where one of them counts its own.
fn together(first: Option<Transfers>, second: Option<Transfers>) -> Option<Transfers> {
    first.map_or(second, |first| Some(first.and(second.unwrap_or_default())))
}

/// Appends the records of a later solve, with steps and evaluations counted from the start of the earlier
/// one.
fn concatenated(mut before: Vec<Record>, now: Vec<Record>, evaluations: usize) -> Vec<Record> {
    let steps = before.last().map_or(0, |last| last.step);
    before.extend(now.into_iter().map(|record| Record {
        step: steps + record.step,
        evaluations: evaluations + record.evaluations,
        ..record
    }));
    before
}
