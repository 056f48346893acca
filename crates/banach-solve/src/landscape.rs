//! The energy of a map: values, gradients and curvature, from the energy itself or from the steps of the map.

use crate::ledger::Ledger;
use crate::present::same_shape;
use crate::rows::choose;
use crate::{Error, Map, Rows, Smooth};

/// The rounding of an energy, in units of the precision.
pub(crate) const ROUNDING: f64 = 16.0;

/// Parts of the way from the anchor to a flat point at which the energy is compared.
const PARTS: [f64; 10] = [0.5, 0.25, 0.125, 0.0625, 0.03125, 0.015625, 0.75, 0.375, 0.1, 0.0];

/// The energy of a map. Where the map has no [`Descent`](crate::Descent), gradient and Hessian are `x - g(x)` and `t - J t`:
/// those of `γ f`.
pub(crate) struct Landscape<'m, R> {
    map: &'m dyn Smooth<R>,
}

impl<'m, R: Rows> Landscape<'m, R> {
    pub(crate) fn new(map: &'m dyn Smooth<R>) -> Self {
        Self { map }
    }

    /// Images and energies at `x`.
    pub(crate) fn image(&self, x: &R, ledger: &mut Ledger<R>) -> Result<(R, Vec<f64>), Error> {
        let (gx, values) = self.map.apply_with_energy(x);
        ledger.evaluated(x.rows());
        ledger.energy_evaluations += 1;
        same_shape(&gx, x)?;
        Ok((gx, counted(values.unwrap_or_default(), x)?))
    }

    /// γ times the curvature along the gradient: what `‖g(x) - x‖` is divided by to be `‖∇f‖ / ‖H‖`, zero where there is no
    /// gradient; and whether the energy falls along `g(x) - x`, given as `steps`.
    pub(crate) fn turned(
        &self,
        (x, steps): (&R, &R),
        values: &[f64],
        ledger: &mut Ledger<R>,
    ) -> Result<(Vec<f64>, Vec<bool>), Error> {
        let (_, gradient) = self.look(x, ledger)?;
        let image = self.hessian(x).apply(&gradient);
        ledger.derivative_applications += 1;
        same_shape(&image, x)?;
        let norms = R::norms(&[&image, &gradient, steps]);
        let rates = self.rates(x, (values, &gradient), &norms[1], ledger)?;
        let along = R::dots(&[(&gradient, steps)]).swap_remove(0);
        let ratio = |row: usize| norms[2][row] / norms[1][row] * (norms[0][row] / norms[1][row]);
        let finite = |ratio: f64| if ratio.is_finite() { ratio } else { 0.0 };
        let falls = |row: usize| rates[row] > 0.0 && along[row] <= 0.0;
        let rows = 0..values.len();
        Ok((rows.clone().map(ratio).map(finite).collect(), rows.map(falls).collect()))
    }

    /// Energies and gradients at `x`.
    pub(crate) fn look(&self, x: &R, ledger: &mut Ledger<R>) -> Result<(Vec<f64>, R), Error> {
        ledger.evaluated(x.rows());
        let Some(descent) = self.map.descent() else {
            let gx = self.map.apply(x);
            same_shape(&gx, x)?;
            // A budget of one evaluation has none left for the energy.
            let values = match ledger.remaining() {
                0 => vec![f64::NAN; x.rows()],
                _ => self.values(x, ledger)?,
            };
            return Ok((values, x.minus(&gx)));
        };
        let (values, gradient) = descent.value_and_gradient(x);
        same_shape(&gradient, x)?;
        Ok((counted(values, x)?, gradient))
    }

    /// Energies at `x`.
    pub(crate) fn values(&self, x: &R, ledger: &mut Ledger<R>) -> Result<Vec<f64>, Error> {
        ledger.energy_evaluations += 1;
        counted(self.map.energy(x).unwrap_or_default(), x)
    }

    /// The Hessian at `x`.
    pub(crate) fn hessian(&self, x: &R) -> Box<dyn Map<R> + 'm> {
        match self.map.descent() {
            Some(descent) => descent.hessian(x),
            None => Box::new(Shifted(self.map.derivative(x))),
        }
    }

    /// `‖H d‖ / ‖d‖` along a random direction `d`, zero where it is not finite.
    pub(crate) fn largest_at(&self, x: &R, ledger: &mut Ledger<R>) -> Result<Vec<f64>, Error> {
        let probe = x.probe(1);
        let image = self.hessian(x).apply(&probe);
        ledger.derivative_applications += 1;
        same_shape(&image, x)?;
        let norms = R::norms(&[&image, &probe]);
        let ratio = |row: usize| norms[0][row] / norms[1][row];
        Ok((0..x.rows()).map(ratio).map(|ratio| if ratio.is_finite() { ratio } else { 0.0 }).collect())
    }

    /// What a gradient of [`look`](Self::look) must be multiplied by to be that of the energy: 1, or `1 / γ` by a central
    /// difference along the gradient. Zero in rows whose energy does not fall along it, or
    /// by less than its rounding at any distance.
    pub(crate) fn rates(
        &self,
        x: &R,
        (values, gradient): (&[f64], &R),
        slopes: &[f64],
        ledger: &mut Ledger<R>,
    ) -> Result<Vec<f64>, Error> {
        if self.map.descent().is_some() {
            return Ok(values.iter().map(|value| f64::from(u8::from(value.is_finite()))).collect());
        }
        let (count, sizes, precision) = (values.len(), lengths(x), x.precision());
        // In lengths of the state, as γ may be any length: what a central difference is best at, and longer where rounding hides it.
        let parts = [precision.cbrt(), precision.sqrt().sqrt(), 1.0];
        let (mut rates, mut open) = (vec![0.0; count], vec![true; count]);
        for part in parts {
            if !open.contains(&true) || ledger.remaining() < 4 {
                break;
            }
            let reach = |row: usize| part * sizes[row].max(1.0) / slopes[row];
            let usable = |reach: f64| if reach.is_finite() { reach } else { 0.0 };
            let reach: Vec<f64> = (0..count).map(reach).map(usable).collect();
            let back: Vec<f64> = reach.iter().map(|reach| -reach).collect();
            let ahead = self.values(&x.add_scaled(&[(&back, gradient)]), ledger)?;
            let behind = self.values(&x.add_scaled(&[(&reach, gradient)]), ledger)?;
            let left: Vec<usize> = (0..count).filter(|row| open[*row]).collect();
            for row in left {
                let (fall, noise) =
                    (behind[row] - ahead[row], ROUNDING * precision * (behind[row].abs() + ahead[row].abs()));
                // At least this much of the difference is not rounding.
                let rate = 0.5 * (fall - noise) / (reach[row] * slopes[row].powi(2));
                rates[row] = if rate.is_finite() { rate.max(0.0) } else { 0.0 };
                open[row] = fall.abs() <= noise;
            }
        }
        Ok(rates)
    }

    /// For flat rows, where gradient and curvature vanish: the lowest point between the start and `x`, or between zero and `x`
    /// where the row has not moved, and by how much it lies below; nothing where none of them does.
    pub(crate) fn lower(
        &self,
        (start, x): (&R, &R),
        values: &[f64],
        flat: &[bool],
        ledger: &mut Ledger<R>,
    ) -> Result<(R, Vec<f64>), Error> {
        let moved: Vec<bool> = R::norms(&[&x.minus(start)])[0].iter().map(|way| *way > 0.0).collect();
        let anchor = choose(&moved, start, &x.zeros());
        let (mut lowest, mut falls) = (x.clone(), vec![0.0_f64; values.len()]);
        for part in PARTS {
            let rows = values.len();
            let point = anchor.scaled(&vec![1.0 - part; rows]).add_scaled(&[(&vec![part; rows], x)]);
            let found = self.values(&point, ledger)?;
            let noise = |row: usize| ROUNDING * x.precision() * values[row].abs();
            let below = |row: usize| flat[row] && values[row] - found[row] > falls[row].max(noise(row));
            let below: Vec<bool> = (0..rows).map(below).collect();
            (0..rows).filter(|row| below[*row]).for_each(|row| falls[row] = values[row] - found[row]);
            lowest = choose(&below, &point, &lowest);
        }
        Ok((lowest, falls))
    }
}

/// `t - J t`.
struct Shifted<'a, R>(Box<dyn Map<R> + 'a>);

impl<R: Rows> Map<R> for Shifted<'_, R> {
    fn apply(&self, t: &R) -> R {
        let image = self.0.apply(t);
        // A map of another shape is refused by the caller.
        if same_shape(&image, t).is_ok() { t.minus(&image) } else { image }
    }

    fn narrowed<'a>(&'a self, rows: &[usize]) -> Option<Box<dyn Map<R> + 'a>> {
        Some(Box::new(Shifted(self.0.narrowed(rows)?)))
    }
}

/// One energy for each row of `x`.
pub(crate) fn counted<R: Rows>(values: Vec<f64>, x: &R) -> Result<Vec<f64>, Error> {
    let (found, expected) = (values.len(), x.rows());
    if found == expected { Ok(values) } else { Err(Error::Energy { found, expected }) }
}

/// The norm of every row.
pub(crate) fn lengths<R: Rows>(x: &R) -> Vec<f64> {
    R::norms(&[x]).swap_remove(0)
}
