//! Dense elimination for small systems.

use super::factors::Factors;
use super::start::Start;
use crate::ledger::{Ledger, picked};
use crate::present::Present;
use crate::settings::Rules;
use crate::{Error, Map, Observe, Outcome, Rows, Solution};
use serde::{Deserialize, Serialize};

/// Rounding of the map, in units of the precision of the state, by which a system is taken for singular.
const ROUNDING: f64 = 8.0;

/// Gaussian elimination: `A` is written down by its images of unit vectors, and every row solved in double precision.
///
/// **When.** The state is small, and the system so ill-conditioned or `A` so far from a contraction that iterations take
/// about `n` steps. **Cost.** `n` applications for the whole batch, whatever `A`, and one or two more; `n²` numbers in
/// double precision and `⅔ n³` operations on the host for every row that is not solved by its start. **Needs.** `I - A`
/// regular, else the row ends as [`Singular`](Outcome::Singular).
///
/// A row is singular if `1 / ((1 + ‖A‖) ‖(I - A)⁻¹‖)`, in the norm of largest columns and with an estimate of the second
/// factor, is at most 8 times the precision of the state: then rounding alone in `I` and `A` may make it so. The answer is
/// looked at, and refined once where its residual does not suffice; so a state in single precision reaches its
/// tolerance. A row that is not solved then ends as [`Stalled`](Outcome::Stalled).
///
/// | setting | default | range | effect |
/// | :-- | :-- | :-- | :-- |
/// | [`limit`](Self::limit) | `1024` | `>= 1` | the largest `n` for which this is done; above it is an [`Error::Wide`] |
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
    /// The largest `n` for which this is done.
    pub limit: usize,
}

impl Default for Dense {
    fn default() -> Self {
        Self { limit: 1024 }
    }
}

impl Dense {
    /// Refuses a limit that lets nothing pass.
    pub fn validate(&self) -> Result<(), Error> {
        Error::unless(self.limit > 0, "dense.limit", self.limit, "at least 1", "the default is 1024")
    }

    pub(super) fn solve<R: Rows>(
        &self,
        map: &(impl Map<R> + ?Sized),
        v: &R,
        c0: Option<&R>,
        rules: Rules,
        observer: &mut dyn Observe,
    ) -> Result<Solution<R>, Error> {
        if v.width() > self.limit {
            return Err(Error::Wide { setting: "dense.limit", width: v.width(), limit: self.limit });
        }
        let mut present = Present::new(map);
        let (start, mut ledger) = Start::measured(&present, v, c0, rules)?;
        start.look(&mut ledger, observer);
        let Start { mut c, mut remainder, mut sizes, .. } = start;
        let mut v = v.clone();
        // The columns, and a look at what they lead to.
        if ledger.remaining() < v.width() + 1 {
            ledger.exhaust();
        }
        let mut factors: Option<Vec<Option<Factors>>> = None;
        for step in 1..=2 {
            if ledger.finished() {
                break;
            }
            if let Some(keep) = present.narrow(ledger.batch(), ledger.actives()) {
                ledger.narrow(&keep);
                (c, v, remainder) = (c.gather(&keep), v.gather(&keep), remainder.gather(&keep));
                sizes = picked(&sizes, &keep);
                factors = factors.map(|factors| picked(&factors, &keep));
            }
            let known = match &mut factors {
                Some(known) => known,
                None => {
                    factors.insert(factored(|unit, ledger| present.apply(unit, ledger), &v, &mut ledger)?)
                }
            };
            if ledger.finished() {
                break;
            }
            c = ledger.freeze(c.plus(&corrections(known, &remainder, ledger.actives())));
            remainder = v.minus(&present.apply_shifted(&c, &mut ledger)?);
            let residuals = R::norms(&[&remainder]).swap_remove(0);
            ledger.visit(|_| step, &c, &residuals, &sizes);
            ledger.report(step, &residuals, observer);
            ledger.enforce();
        }
        (0..ledger.batch().len()).for_each(|position| ledger.end(position, Outcome::Stalled));
        Ok(ledger.close())
    }
}

/// The factors of `I - A` in rows under way, from the images of unit vectors; rows that have none are ended.
pub(crate) fn factored<R: Rows>(
    mut map: impl FnMut(&R, &mut Ledger<R>) -> Result<R, Error>,
    v: &R,
    ledger: &mut Ledger<R>,
) -> Result<Vec<Option<Factors>>, Error> {
    let (rows, n) = (v.rows(), v.width());
    let active = ledger.actives().to_vec();
    let room = |active: &bool| if *active { vec![0.0; n * n] } else { Vec::new() };
    let mut matrices: Vec<Vec<f64>> = active.iter().map(room).collect();
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

/// `(I - A)⁻¹` times the remainder in rows under way, zeros elsewhere.
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
