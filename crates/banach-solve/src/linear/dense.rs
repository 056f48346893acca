//! Dense elimination for small systems.

use super::factors::Factors;
use super::system::LinearSystem;
use crate::ledger::Ledger;
use crate::state::rows::entries_at;
use crate::{Error, Map, Outcome, Rows, Solution};
use serde::{Deserialize, Serialize};

/// The rounding error of the map, in units of the precision of the state, within which a system counts as
/// singular.
const ROUNDING: f64 = 8.0;

/// Gaussian elimination: assembles `A` from its images of unit vectors, and solves every row in double
/// precision.
///
/// **When.** The state is small, and the system so ill-conditioned or `A` so far from a contraction that
/// iterations take about `n` steps. **Cost.** `n` applications for the whole batch, and one or two more; `n²`
/// numbers in double precision and `⅔ n³` operations on the host for every row whose start does not meet the
/// tolerance. **Needs.** `I - A` regular, else the row ends as [`Singular`](Outcome::Singular).
///
/// A row is singular if `1 / ((1 + ‖A‖) ‖(I - A)⁻¹‖)`, in the 1-norm and with an estimate of the second
/// factor, is at most 8 times the precision of the state, within rounding errors of `I` and `A`. The residual
/// of the solution is computed, and one step of iterative refinement taken where it exceeds the tolerance,
/// which a state in single precision needs. A row that still exceeds it ends as
/// [`Stalled`](Outcome::Stalled).
///
/// | setting | default | range | effect |
/// | :-- | :-- | :-- | :-- |
/// | [`limit`](Self::limit) | `1024` | `>= 1` | the largest width `n`; wider states are an [`Error::Wide`] |
///
/// ```
/// use banach_solve::{Dense, LinearSolver, Settings, solve_linear};
/// use burn::tensor::{Device, Tensor};
///
/// let settings = Settings::new(LinearSolver::Dense(Dense::default()));
/// let v = Tensor::<2>::from_floats([[1.0, 0.0]], &Device::flex());
/// let expand = |c: &Tensor<2>| c.clone().flip([1]) * 100.0;
/// let c: Vec<f32> = solve_linear(&expand, &v, &settings)?.into_converged()?.into_data().iter::<f32>().collect();
/// assert!((c[0] + 1.0 / 9999.0).abs() < 1e-7 && (c[1] + 100.0 / 9999.0).abs() < 1e-7);
/// # Ok::<(), banach_solve::Error>(())
/// ```
///
/// Reference: G. Golub and C. Van Loan, Matrix Computations (2013), algorithm 3.4.1 and section 3.5.3.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Dense {
    /// The largest width `n`.
    pub limit: usize,
}

impl Default for Dense {
    fn default() -> Self {
        Self { limit: 1024 }
    }
}

impl Dense {
    /// Refuses a limit of zero.
    pub fn validate(&self) -> Result<(), Error> {
        Error::unless(self.limit > 0, "dense.limit", self.limit, "at least 1", "the default is 1024")
    }

    /// Refuses states wider than the limit.
    pub(super) fn check_width(&self, width: usize) -> Result<(), Error> {
        let limit = self.limit;
        if width <= limit { Ok(()) } else { Err(Error::Wide { setting: "dense.limit", width, limit }) }
    }

    pub(super) fn solve<R: Rows, M: Map<R> + ?Sized>(
        &self,
        mut system: LinearSystem<'_, '_, R, M>,
    ) -> Result<Solution<R>, Error> {
        // One application for each column, and one to verify the solution.
        if system.ledger.remaining() < system.v.width() + 1 {
            system.ledger.exhaust();
        }
        let mut factors: Option<Vec<Option<Factors>>> = None;
        for step in 1..=2 {
            if system.ledger.finished() {
                break;
            }
            if let Some(keep) = system.narrow() {
                factors = factors.map(|factors| entries_at(&factors, &keep));
            }
            let known = match &mut factors {
                Some(known) => known,
                None => {
                    let column = |unit: &R, ledger: &mut Ledger<R>| system.map.apply(unit, ledger);
                    factors.insert(factorized(column, &system.v, &mut system.ledger)?)
                }
            };
            if system.ledger.finished() {
                break;
            }
            let corrections = corrections(known, &system.remainder, system.ledger.actives());
            system.move_to(system.c.plus(&corrections))?;
            system.record(|_| step);
            system.report(step);
        }
        (0..system.ledger.batch().len()).for_each(|position| system.ledger.end(position, Outcome::Stalled));
        Ok(system.ledger.close())
    }
}

/// Assembles and factorizes `I - A` in active rows, from the images of unit vectors. Ends rows that are
/// singular or not finite.
pub(crate) fn factorized<R: Rows>(
    mut map: impl FnMut(&R, &mut Ledger<R>) -> Result<R, Error>,
    v: &R,
    ledger: &mut Ledger<R>,
) -> Result<Vec<Option<Factors>>, Error> {
    let (rows, n) = (v.rows(), v.width());
    let active = ledger.actives().to_vec();
    let entries = |active: &bool| if *active { vec![0.0; n * n] } else { Vec::new() };
    let mut matrices: Vec<Vec<f64>> = active.iter().map(entries).collect();
    let mut unit = vec![0.0; rows * n];
    for column in 0..n {
        (0..rows).for_each(|row| unit[row * n + column] = 1.0);
        let image = map(&v.holding(&unit), ledger)?.numbers();
        (0..rows).for_each(|row| unit[row * n + column] = 0.0);
        for (matrix, image) in
            matrices.iter_mut().zip(image.chunks(n)).filter(|(matrix, _)| !matrix.is_empty())
        {
            image.iter().enumerate().for_each(|(i, image)| matrix[i * n + column] = *image);
        }
    }
    let threshold = ROUNDING * v.precision();
    let factors = matrices.into_iter().enumerate().map(|(row, mut matrix)| {
        if !active[row] {
            return None;
        }
        if !matrix.iter().all(|entry| entry.is_finite()) {
            ledger.end(row, Outcome::NonFinite);
            return None;
        }
        let column = |k: usize| matrix.iter().skip(k).step_by(n).map(|entry| entry.abs()).sum::<f64>();
        let norm = (0..n).map(column).fold(0.0, f64::max);
        matrix.iter_mut().for_each(|entry| *entry = -*entry);
        (0..n).for_each(|k| matrix[k * n + k] += 1.0);
        let factors = Factors::new(n, matrix);
        if 1.0 / ((1.0 + norm) * factors.inverse_norm()) > threshold {
            return Some(factors);
        }
        ledger.end(row, Outcome::Singular);
        None
    });
    Ok(factors.collect())
}

/// `(I - A)⁻¹` times the remainder in active rows; zeros elsewhere.
pub(crate) fn corrections<R: Rows>(factors: &[Option<Factors>], remainder: &R, active: &[bool]) -> R {
    let mut numbers = remainder.numbers();
    for (row, numbers) in numbers.chunks_mut(remainder.width()).enumerate() {
        match &factors[row] {
            Some(factors) if active[row] => factors.solve(numbers),
            Some(_) | None => numbers.fill(0.0),
        }
    }
    remainder.holding(&numbers)
}
