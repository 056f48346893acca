//! The size of a linear map known by application alone: the largest modulus of its eigenvalues, and its norm.

mod arnoldi;
mod complex;
mod schur;

pub use arnoldi::Arnoldi;

use crate::{Error, Map, Outcome, Rows};
use std::cell::Cell;

/// A magnitude of a linear map in every row, and how well it is known.
#[derive(Debug, Clone, PartialEq)]
#[must_use = "rows may not have converged"]
#[non_exhaustive]
pub struct Magnitude {
    /// The magnitude; NaN where the map is not finite.
    pub values: Vec<f64>,
    /// How far off it may be. A first-order estimate, not a bound: see [`Arnoldi`].
    pub uncertainties: Vec<f64>,
    /// [`Converged`](Outcome::Converged) where the uncertainty meets the tolerance, [`EvaluationLimit`] where the budget was
    /// spent before, [`Stalled`](Outcome::Stalled) where more applications cannot help (the eigenvalue is defective, or so
    /// ill-conditioned that rounding hides it), [`NonFinite`](Outcome::NonFinite) where a number was infinite or NaN.
    ///
    /// [`EvaluationLimit`]: Outcome::EvaluationLimit
    pub outcomes: Vec<Outcome>,
    /// Applications of the map, each on all rows.
    pub applications: usize,
}

/// The spectral radius of `map` in every row: the largest modulus of its eigenvalues, complex ones included, to which plain
/// iteration `x ← map(x) + b` owes its rate.
///
/// `probe`, `[rows, n]`, is where the search begins; only what the map makes of it can be found, so it should lie in no
/// special direction: [`Rows::probe`] does not.
///
/// ```
/// use banach_solve::{Arnoldi, Matrix, Rows, spectral_radius};
///
/// // A turn that shrinks by 0.8 has the eigenvalues ±0.8 i.
/// let turn = |x: &Matrix<f64>| {
///     let x = x.as_slice();
///     Matrix::new(1, 2, vec![-0.8 * x[1], 0.8 * x[0]])
/// };
/// let probe = Matrix::<f64>::zeros(1, 2).probe(0);
/// let found = spectral_radius(&turn, &probe, &Arnoldi::default())?;
/// assert!((found.values[0] - 0.8).abs() < 1e-12);
/// # Ok::<(), banach_solve::Error>(())
/// ```
///
/// # Errors
///
/// [`Error::Setting`] for settings with no meaning, [`Error::Shape`] for a map that changes the shape.
pub fn spectral_radius<R: Rows>(
    map: &(impl Map<R> + ?Sized),
    probe: &R,
    settings: &Arnoldi,
) -> Result<Magnitude, Error> {
    settings.validate()?;
    settings.search(map, probe)
}

/// The norm of `map` in every row: by how much it stretches a vector at most, the root of the spectral radius of
/// `transposed(map(·))`, which is symmetric.
///
/// ```
/// use banach_solve::{Arnoldi, Matrix, Rows, spectral_norm, spectral_radius};
///
/// // [0.5, 3; 0, 0.4] stretches by more than 3, and yet its powers vanish.
/// let map = |x: &Matrix<f64>| {
///     let x = x.as_slice();
///     Matrix::new(1, 2, vec![0.5 * x[0] + 3.0 * x[1], 0.4 * x[1]])
/// };
/// let transposed = |x: &Matrix<f64>| {
///     let x = x.as_slice();
///     Matrix::new(1, 2, vec![0.5 * x[0], 3.0 * x[0] + 0.4 * x[1]])
/// };
/// let probe = Matrix::<f64>::zeros(1, 2).probe(0);
/// let norm = spectral_norm(&map, &transposed, &probe, &Arnoldi::default())?;
/// let radius = spectral_radius(&map, &probe, &Arnoldi::default())?;
/// assert!(norm.values[0] > 3.0 && (radius.values[0] - 0.5).abs() < 1e-9);
/// # Ok::<(), banach_solve::Error>(())
/// ```
///
/// # Errors
///
/// As for [`spectral_radius`].
pub fn spectral_norm<R: Rows>(
    map: &(impl Map<R> + ?Sized),
    transposed: &(impl Map<R> + ?Sized),
    probe: &R,
    settings: &Arnoldi,
) -> Result<Magnitude, Error> {
    settings.validate()?;
    let count = Cell::new(0);
    let square = |x: &R| {
        count.set(count.get() + 2);
        transposed.apply(&map.apply(x))
    };
    let mut found = settings.search(&square, probe)?;
    for (value, uncertainty) in found.values.iter_mut().zip(&mut found.uncertainties) {
        let low = (*value - *uncertainty).max(0.0).sqrt();
        *value = value.sqrt();
        *uncertainty = *value - low;
    }
    found.applications = count.get();
    Ok(found)
}
