//! The largest eigenvalue of a linear map. Arnoldi's method, restarted with the space of the largest.

use super::Magnitude;
use super::schur::{Schur, dot};
use crate::linear::normalized;
use crate::present::same_shape;
use crate::{Error, Map, Outcome, Rows};
use serde::{Deserialize, Serialize};

/// How spectra are searched: Arnoldi's method with thick restarts.
///
/// **When.** To know whether and how fast plain iteration converges, how far a map is from normal, how well `I - J` is
/// conditioned. **Cost.** One application a step, `space + 1` states of memory, the eigenvalues of a small matrix a row
/// and cycle on the host. **Needs.** Nothing of the map but its applications; complex and clustered eigenvalues are welcome.
///
/// The map is pressed onto the space of `v, J v, J² v, ...`; the eigenvalues θ of the small matrix H that results are those of
/// the map up to the residual `‖J y - θ y‖`, which is known. When the space is full, it is replaced by that of its largest
/// eigenvalues, half as large, and grows again. In a map that is not normal a small residual does not make an eigenvalue
/// certain: what is reported as uncertainty is the residual, and rounding, times the condition `1 / |yᴴ x|` of the eigenvalue
/// in H, with y and x its eigenvectors from the left and from the right. It is right to first order, and nothing is known
/// of directions in which the probe has no part.
///
/// | setting | default | range | effect |
/// | :-- | :-- | :-- | :-- |
/// | [`space`](Self::space) | `24` | `>= 4` | states that span the space: more find clustered eigenvalues sooner and hold more memory |
/// | [`applications`](Self::applications) | `300` | `>= 1` | when to stop anyway |
/// | [`tolerance`](Self::tolerance) | `1e-4` | `>= 0` | the uncertainty that suffices, as a part of the magnitude |
///
/// Reference: W. Arnoldi, The principle of minimized iterations (1951); G. W. Stewart, A Krylov-Schur algorithm for large
/// eigenproblems, SIAM J. Matrix Anal. Appl. 23 (2002), section 3, with a real basis of the space that is kept.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Arnoldi {
    /// The states that span the space.
    pub space: usize,
    /// The most applications of the map, each on all rows.
    pub applications: usize,
    /// The uncertainty that suffices, relative to the magnitude.
    pub tolerance: f64,
}

impl Default for Arnoldi {
    fn default() -> Self {
        Self { space: 24, applications: 300, tolerance: 1e-4 }
    }
}

impl Arnoldi {
    /// Refuses a space in which no pair fits twice, no work at all, and tolerances that are no numbers.
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
        let remedy = "zero asks for as much as the precision gives";
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

/// The space of every row, and what the map is in it.
struct Space<R> {
    most: usize,
    /// Unit vectors, orthogonal in every row; zeros where a row has no more.
    basis: Vec<R>,
    /// `H[i][j]` of every row: the part along vector i of the image of vector j.
    small: Vec<Vec<Vec<f64>>>,
    /// Which rows still search.
    open: Vec<bool>,
    /// Rows whose space is mapped into itself: it cannot grow.
    closed: Vec<bool>,
    /// Why nothing can be found in a row.
    failed: Vec<Option<Outcome>>,
}

impl<R: Rows> Space<R> {
    fn new(probe: &R, most: usize) -> Self {
        let lengths = R::norms(&[probe]).swap_remove(0);
        let failed = lengths.iter().map(|length| match length {
            length if !length.is_finite() => Some(Outcome::NonFinite),
            // Nothing is made of nothing.
            length => (*length == 0.0).then_some(Outcome::Stalled),
        });
        let failed: Vec<Option<Outcome>> = failed.collect();
        let closed: Vec<bool> = failed.iter().map(Option::is_some).collect();
        let begins: Vec<bool> = failed.iter().map(Option::is_none).collect();
        let rows = probe.rows();
        Self {
            most,
            basis: vec![normalized(probe, &lengths, &begins)],
            small: vec![vec![vec![0.0; most]; most + 1]; rows],
            open: vec![true; rows],
            closed,
            failed,
        }
    }

    /// Whether there is room for another vector, and a row that has one.
    fn grows(&self) -> bool {
        self.basis.len() <= self.most && self.closed.contains(&false)
    }

    /// One more vector: the image of the newest, without its parts along the others.
    fn step(&mut self, map: &(impl Map<R> + ?Sized)) -> Result<(), Error> {
        let newest = self.basis.len() - 1;
        let image = map.apply(&self.basis[newest]);
        same_shape(&image, &self.basis[newest])?;
        let precision = image.precision();
        let (first, once) = self.without(&image);
        let (second, next) = self.without(&once);
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
        self.basis.push(normalized(&next, &lengths[1], &going));
        Ok(())
    }

    /// The parts of a matrix along the basis, and what is left without them.
    fn without(&self, w: &R) -> (Vec<Vec<f64>>, R) {
        let pairs: Vec<(&R, &R)> = self.basis.iter().map(|vector| (w, vector)).collect();
        let parts = R::dots(&pairs);
        let negative: Vec<Vec<f64>> =
            parts.iter().map(|rows| rows.iter().map(|part| -part).collect()).collect();
        let terms: Vec<(&[f64], &R)> = negative.iter().map(Vec::as_slice).zip(&self.basis).collect();
        (parts, w.add_scaled(&terms))
    }

    /// What the small matrices say about rows that still search, which of them are done, and the forms of the others.
    fn judge(&mut self, tolerance: f64, found: &mut Magnitude) -> Vec<Option<Schur>> {
        let size = self.basis.len() - 1;
        let precision = self.basis[0].precision();
        let mut forms = vec![None; self.open.len()];
        for (row, form) in forms.iter_mut().enumerate() {
            if !std::mem::take(&mut self.open[row]) {
                continue;
            }
            let pressed: Vec<Vec<f64>> =
                self.small[row][..size].iter().map(|line| line[..size].into()).collect();
            let schur = if self.failed[row].is_some() { None } else { Schur::of(&pressed) };
            let Some(schur) = schur else {
                (found.values[row], found.uncertainties[row]) = (f64::NAN, f64::NAN);
                found.outcomes[row] = self.failed[row].unwrap_or(Outcome::Stalled);
                self.closed[row] = true;
                continue;
            };
            let value = schur.t[0][0].modulus();
            let residual = schur.first_against(&self.small[row][size]);
            let moved = schur.condition() * (residual + precision * schur.norm());
            // No eigenvalue is beyond the norm.
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

    /// Keeps the space of so many of the largest eigenvalues, and the newest vector.
    fn restart(&mut self, keep: usize, forms: &[Option<Schur>]) {
        let size = self.basis.len() - 1;
        let mut factors = vec![vec![vec![0.0; forms.len()]; size]; keep];
        for (row, schur) in forms.iter().enumerate() {
            let old = std::mem::replace(&mut self.small[row], vec![vec![0.0; self.most]; self.most + 1]);
            // Where a pair is not torn for one more vector, that vector is zero, and so is its line in the small matrix.
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
