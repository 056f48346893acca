//! Spectral radius and norm of linear maps known by application alone.

mod arnoldi;
mod complex;
mod magnitude;
mod schur;

pub use arnoldi::Arnoldi;
pub use magnitude::Magnitude;

use crate::{Error, Map, Rows};
use std::cell::Cell;

/// The spectral radius of `map` in every row: the largest modulus of its eigenvalues, complex ones included,
/// the convergence rate of plain iteration `x ← map(x) + b`.
///
/// `probe`, `[rows, n]`, is the start vector. Only eigenvalues with a component in its Krylov subspace are
/// found, so it should have no special direction, like [`Rows::probe`].
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
/// [`Error::Setting`] for invalid settings, [`Error::Shape`] for a map that changes the shape.
pub fn spectral_radius<R: Rows>(
    map: &(impl Map<R> + ?Sized),
    probe: &R,
    settings: &Arnoldi,
) -> Result<Magnitude, Error> {
    settings.validate()?;
    settings.search(map, probe)
}

/// The 2-norm of `map` in every row: the largest factor by which it stretches a vector, the square root of
/// the spectral radius of the symmetric map `transposed(map(·))`.
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
