//! Two solves as one, where the second begins at the result of the first.

use crate::{Record, Solution, Statistics, Switch};

impl<R> Solution<R> {
    /// This solution, of a solve that began where an earlier one of the same rows had ended, with what both took.
    ///
    /// Steps, calls and rows evaluated are added, and switches and traces follow one another; value, outcomes and residuals
    /// are this solution's; growths are multiplied. A row has the rate it had here, or before where it took too few steps here. There is a trace if
    /// both have one; the point at which this solve began is in it twice, as the last of the earlier and the first of this
    /// one.
    ///
    /// ```
    /// use banach_solve::{Settings, Tolerance, fixed_point};
    /// use burn::tensor::{DType, Device, Tensor};
    ///
    /// let x0 = Tensor::<2>::zeros([1, 1], (&Device::flex(), DType::F64));
    /// let cosine = |x: &Tensor<2>| x.clone().cos();
    /// let roughly = fixed_point(&cosine, &x0, &Settings::default())?;
    /// let settings = Settings::default().with_tolerance(Tolerance::both(1e-12));
    /// let closely = fixed_point(&cosine, &roughly.value, &settings)?;
    /// let (before, after) = (roughly.statistics.steps[0], closely.statistics.steps[0]);
    /// let solution = closely.continuing(roughly.statistics);
    /// assert_eq!(solution.statistics.steps, [before + after]);
    /// assert_eq!(solution.statistics.earlier, before + 1);
    /// # Ok::<(), banach_solve::Error>(())
    /// ```
    ///
    /// # Panics
    /// Where the earlier statistics are of another number of rows.
    pub fn continuing(mut self, earlier: Statistics) -> Self {
        let (found, expected) = (earlier.steps.len(), self.statistics.steps.len());
        assert!(found == expected, "a solution of {expected} rows cannot continue one of {found}");
        self.statistics = self.statistics.after(earlier);
        self
    }
}

impl Statistics {
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
                .map(|(now, before)| followed(before, now, earlier.evaluations)),
            steps: self.steps.iter().zip(&earlier.steps).map(|(now, before)| now + before).collect(),
            earlier: self.earlier + earlier.evaluations,
            evaluations: self.evaluations + earlier.evaluations,
            row_evaluations: self.row_evaluations + earlier.row_evaluations,
            derivative_applications: self.derivative_applications + earlier.derivative_applications,
            energy_evaluations: self.energy_evaluations + earlier.energy_evaluations,
            switches,
            ..self
        }
    }
}

/// Records of a solve after so many evaluations, behind those before it.
fn followed(mut before: Vec<Record>, now: Vec<Record>, evaluations: usize) -> Vec<Record> {
    let steps = before.last().map_or(0, |last| last.step);
    before.extend(now.into_iter().map(|record| Record {
        step: steps + record.step,
        evaluations: evaluations + record.evaluations,
        ..record
    }));
    before
}
