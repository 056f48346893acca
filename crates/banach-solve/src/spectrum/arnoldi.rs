//! Arnoldi's method with thick restarts, for the largest eigenvalue of a linear map.

use super::magnitude::Magnitude;
use super::schur::{Schur, dot};
use crate::active_map::check_shape;
use crate::state::rows::normalized_rows;
use crate::{Error, Map, Outcome, Rows};
use serde::{Deserialize, Serialize};

/// Arnoldi's method with thick restarts, for the eigenvalue of largest modulus.
///
/// **When.** The convergence rate of plain iteration, the departure of a map from normality, or the condition
/// of `I - J` is of interest. **Cost.** One application a step, `space + 1` states of memory, the eigenvalues
/// of a small matrix a row and cycle on the host. **Needs.** Applications of the map alone; eigenvalues may
/// be complex and clustered.
///
/// The map is projected onto the Krylov subspace `v, J v, J² v, ...`; the Ritz values θ, eigenvalues of the
/// projected matrix H, approximate eigenvalues of the map with the residual `‖J y - θ y‖`. A full subspace is
/// replaced by the invariant subspace of the largest Ritz values, of half the dimension, and grows again. For
/// a nonnormal map a small residual does not imply an accurate eigenvalue: the reported uncertainty is the
/// residual plus rounding, times the condition `1 / |yᴴ x|` of the eigenvalue in H, with its left and right
/// eigenvectors y and x. It holds to first order, and says nothing about directions in which the probe has no
/// component.
///
/// | setting | default | range | effect |
/// | :-- | :-- | :-- | :-- |
/// | [`space`](Self::space) | `24` | `>= 4` | the dimension of the subspace: a larger one finds clustered eigenvalues sooner and needs more memory |
/// | [`applications`](Self::applications) | `300` | `>= 1` | the most applications |
/// | [`tolerance`](Self::tolerance) | `1e-4` | `>= 0` | the tolerance of the uncertainty, relative to the magnitude |
///
/// Reference: W. Arnoldi, The principle of minimized iterations (1951); G. W. Stewart, A Krylov-Schur
/// algorithm for large eigenproblems, SIAM J. Matrix Anal. Appl. 23 (2002), section 3, with a real basis of
/// the space that is kept.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Arnoldi {
    /// The dimension of the subspace.
    pub space: usize,
    /// The most applications of the map, each on all rows.
    pub applications: usize,
    /// The tolerance of the uncertainty, relative to the magnitude.
    pub tolerance: f64,
}

impl Default for Arnoldi {
    fn default() -> Self {
        Self { space: 24, applications: 300, tolerance: 1e-4 }
    }
}

impl Arnoldi {
    /// Refuses a dimension below 4, zero applications, and a tolerance that is negative or not finite.
    pub fn validate(&self) -> Result<(), Error> {
        Error::unless(self.space >= 4, "arnoldi.space", self.space, "at least 4", "the default is 24")?;
        let remedy = "allow at least one";
        Error::unless(
            self.applications > 0,
            "arnoldi.applications",
            self.applications,
            "at least 1",
            remedy,
        )?;
        let valid = self.tolerance >= 0.0 && self.tolerance.is_finite();
        let remedy = "use zero for the full precision";
        Error::unless(valid, "arnoldi.tolerance", self.tolerance, "a finite number >= 0", remedy)
    }

    pub(super) fn search<R: Rows>(
        &self,
        map: &(impl Map<R> + ?Sized),
        probe: &R,
    ) -> Result<Magnitude, Error> {
        let mut found = Magnitude {
            values: vec![0.0; probe.rows()],
            uncertainties: vec![0.0; probe.rows()],
            outcomes: vec![Outcome::Converged; probe.rows()],
            applications: 0,
        };
        if probe.rows() == 0 || probe.width() == 0 {
            return Ok(found);
        }
        let mut space = Space::new(probe, self.space);
        loop {
            while space.grows() && found.applications < self.applications {
                space.step(map)?;
                found.applications += 1;
            }
            let forms = space.judge(self.tolerance, &mut found);
            if found.applications >= self.applications || !space.open.contains(&true) {
                return Ok(found);
            }
            space.restart(self.space / 2, &forms);
        }
    }
}

/// The Krylov subspace of every row, with the projection of the map.
struct Space<R> {
    most: usize,
    /// Orthonormal vectors; zeros in rows whose subspace cannot grow.
    basis: Vec<R>,
    /// `H[i][j]` of every row: the component along vector i of the image of vector j.
    small: Vec<Vec<Vec<f64>>>,
    /// Rows without a result.
    open: Vec<bool>,
    /// Rows with an invariant subspace, which cannot grow.
    closed: Vec<bool>,
    /// The outcome of rows without a usable subspace.
    failed: Vec<Option<Outcome>>,
}

impl<R: Rows> Space<R> {
    fn new(probe: &R, most: usize) -> Self {
        let lengths = R::norms(&[probe]).swap_remove(0);
        let failed = lengths.iter().map(|length| match length {
            length if !length.is_finite() => Some(Outcome::NonFinite),
            // A zero probe spans no subspace.
            length => (*length == 0.0).then_some(Outcome::Stalled),
        });
        let failed: Vec<Option<Outcome>> = failed.collect();
        let closed: Vec<bool> = failed.iter().map(Option::is_some).collect();
        let begins: Vec<bool> = failed.iter().map(Option::is_none).collect();
        let rows = probe.rows();
        Self {
            most,
            basis: vec![normalized_rows(probe, &lengths, &begins)],
            small: vec![vec![vec![0.0; most]; most + 1]; rows],
            open: vec![true; rows],
            closed,
            failed,
        }
    }

    /// Whether the basis is not full, and some row can grow.
    fn grows(&self) -> bool {
        self.basis.len() <= self.most && self.closed.contains(&false)
    }

    /// Adds a vector: the image of the newest one, orthogonalized against the basis.
    fn step(&mut self, map: &(impl Map<R> + ?Sized)) -> Result<(), Error> {
        let newest = self.basis.len() - 1;
        let image = map.apply(&self.basis[newest]);
        check_shape(&image, &self.basis[newest])?;
        let precision = image.precision();
        let (first, once) = self.orthogonalize(&image);
        let (second, next) = self.orthogonalize(&once);
        let lengths = R::norms(&[&image, &next]);
        for row in 0..self.closed.len() {
            if self.closed[row] {
                continue;
            }
            let below = lengths[1][row];
            let column: Vec<f64> = first.iter().zip(&second).map(|(a, b)| a[row] + b[row]).collect();
            if !(below.is_finite() && column.iter().all(|entry| entry.is_finite())) {
                (self.closed[row], self.failed[row]) = (true, Some(Outcome::NonFinite));
                continue;
            }
            let exhausted = below <= 32.0 * precision * lengths[0][row];
            self.closed[row] = exhausted || newest + 1 == image.width();
            let column = column.into_iter().chain([if self.closed[row] { 0.0 } else { below }]);
            column.enumerate().for_each(|(i, entry)| self.small[row][i][newest] = entry);
        }
        let going: Vec<bool> = self.closed.iter().map(|closed| !closed).collect();
        self.basis.push(normalized_rows(&next, &lengths[1], &going));
        Ok(())
    }

    /// The components of a matrix along the basis, and the orthogonal remainder.
    fn orthogonalize(&self, w: &R) -> (Vec<Vec<f64>>, R) {
        let pairs: Vec<(&R, &R)> = self.basis.iter().map(|vector| (w, vector)).collect();
        let components = R::dots(&pairs);
        let negative: Vec<Vec<f64>> =
            components.iter().map(|rows| rows.iter().map(|component| -component).collect()).collect();
        let terms: Vec<(&[f64], &R)> = negative.iter().map(Vec::as_slice).zip(&self.basis).collect();
        (components, w.add_scaled(&terms))
    }

    /// Computes eigenvalues of the projections of open rows, closes rows that are done, and returns the Schur
    /// forms of the others.
    fn judge(&mut self, tolerance: f64, found: &mut Magnitude) -> Vec<Option<Schur>> {
        let size = self.basis.len() - 1;
        let precision = self.basis[0].precision();
        let mut forms = vec![None; self.open.len()];
        for (row, form) in forms.iter_mut().enumerate() {
            if !std::mem::take(&mut self.open[row]) {
                continue;
            }
            let projected: Vec<Vec<f64>> =
                self.small[row][..size].iter().map(|line| line[..size].into()).collect();
            let schur = if self.failed[row].is_some() { None } else { Schur::of(&projected) };
            let Some(schur) = schur else {
                (found.values[row], found.uncertainties[row]) = (f64::NAN, f64::NAN);
                found.outcomes[row] = self.failed[row].unwrap_or(Outcome::Stalled);
                self.closed[row] = true;
                continue;
            };
            let value = schur.t[0][0].modulus();
            let residual = schur.first_against(&self.small[row][size]);
            let moved = schur.condition() * (residual + precision * schur.norm());
            // The norm bounds all eigenvalues.
            let uncertainty = if schur.norm() > 0.0 { moved.min(schur.norm()) } else { residual };
            (found.values[row], found.uncertainties[row]) = (value, uncertainty);
            found.outcomes[row] = match uncertainty <= tolerance * value {
                true => Outcome::Converged,
                false if self.closed[row] => Outcome::Stalled,
                false => Outcome::EvaluationLimit,
            };
            self.open[row] = found.outcomes[row] == Outcome::EvaluationLimit;
            self.closed[row] = !self.open[row];
            *form = self.open[row].then_some(schur);
        }
        forms
    }

    /// Restarts with the invariant subspace of the `keep` largest eigenvalues and the newest vector.
    fn restart(&mut self, keep: usize, forms: &[Option<Schur>]) {
        let size = self.basis.len() - 1;
        let mut factors = vec![vec![vec![0.0; forms.len()]; size]; keep];
        for (row, schur) in forms.iter().enumerate() {
            let old = std::mem::replace(&mut self.small[row], vec![vec![0.0; self.most]; self.most + 1]);
            // Where a conjugate pair would be split, the last vector is zero, and so is its row in the
            // projection.
            let Some(kept) = schur.as_ref().map(|schur| schur.leading(keep)) else { continue };
            for (j, vector) in kept.iter().enumerate() {
                let image: Vec<f64> = old[..=size].iter().map(|line| dot(line, vector)).collect();
                (0..kept.len()).for_each(|i| self.small[row][i][j] = dot(&kept[i], &image));
                self.small[row][keep][j] = image[size];
                (0..size).for_each(|i| factors[j][i][row] = vector[i]);
            }
        }
        let newest = self.basis.swap_remove(size);
        let combined = factors.iter().map(|factors| {
            let terms: Vec<(&[f64], &R)> = factors.iter().map(Vec::as_slice).zip(&self.basis).collect();
            newest.zeros().add_scaled(&terms)
        });
        self.basis = combined.collect();
        self.basis.push(newest);
    }
}
