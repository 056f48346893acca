//! Records of the residuals of every step, and their CSV form.

use serde::{Deserialize, Serialize};
use std::fmt::Write;

/// The residuals after one step, an entry of a trace.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct Record {
    /// The number of steps; 0 at the start.
    pub step: usize,
    /// Calls of the map so far.
    pub evaluations: usize,
    /// The residual of every row, as in [`Progress::residuals`](crate::Progress::residuals).
    pub residuals: Vec<f64>,
}

impl Record {
    /// Formats records as comma-separated values: a header, then a line `row,step,evaluations,residual` for
    /// every step of every row, row by row.
    ///
    /// Numbers are written with the digits of a lossless round trip; those that are not finite are `NaN` or
    /// `inf`.
    ///
    /// ```
    /// use banach_solve::{FixedPointSolver, Matrix, Picard, Record, Settings, fixed_point};
    ///
    /// let settings = Settings { trace: true, ..Settings::new(FixedPointSolver::Picard(Picard::default())) };
    /// let half = |x: &Matrix<f64>| Matrix::new(1, 1, vec![x.as_slice()[0] / 2.0 + 1.0]);
    /// let solution = fixed_point(&half, &Matrix::zeros(1, 1), &settings)?;
    /// let table = Record::csv(&solution.statistics.trace.unwrap_or_default());
    /// assert!(table.starts_with("row,step,evaluations,residual\n0,0,1,1.0\n0,1,2,0.5\n"));
    /// # Ok::<(), banach_solve::Error>(())
    /// ```
    pub fn csv(records: &[Self]) -> String {
        let mut text = String::from("row,step,evaluations,residual\n");
        let rows = records.iter().map(|record| record.residuals.len()).max().unwrap_or(0);
        for row in 0..rows {
            for Record { step, evaluations, residuals } in records {
                if let Some(residual) = residuals.get(row) {
                    // Writing into a String cannot fail.
                    let _ = writeln!(text, "{row},{step},{evaluations},{residual:?}");
                }
            }
        }
        text
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_row_of_every_step_is_a_line() {
        let record = |step: usize, residuals: &[f64]| Record {
            step,
            evaluations: step + 1,
            residuals: residuals.into(),
        };
        let text = Record::csv(&[record(0, &[1.0, f64::NAN]), record(1, &[1e-300, f64::INFINITY])]);
        let lines: Vec<&str> = text.lines().collect();
        assert_eq!(
            lines,
            ["row,step,evaluations,residual", "0,0,1,1.0", "0,1,2,1e-300", "1,0,1,NaN", "1,1,2,inf",]
        );
        assert_eq!(Record::csv(&[]).lines().count(), 1);
    }
}
