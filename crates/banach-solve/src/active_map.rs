//! Maps restricted to the rows left in the batch.

use crate::ledger::Ledger;
use crate::state::rows::entries_at;
use crate::{Error, Map, Rows, Smooth};
use std::rc::Rc;

/// A map restricted to the rows left in the batch.
pub(crate) struct ActiveMap<'a, R, M: ?Sized> {
    map: &'a M,
    /// The restricted map, once rows have left.
    narrowed: Option<Rc<dyn Map<R> + 'a>>,
    /// False once the map has refused to be narrowed.
    can_narrow: bool,
}

impl<'a, R: Rows, M: Map<R> + ?Sized> ActiveMap<'a, R, M> {
    /// The map on all rows.
    pub(crate) fn new(map: &'a M) -> Self {
        Self { map, narrowed: None, can_narrow: true }
    }

    /// A copy that can be narrowed independently.
    pub(crate) fn branch(&self) -> Self {
        Self { map: self.map, narrowed: self.narrowed.clone(), can_narrow: self.can_narrow }
    }

    /// The image of `x`, counted as one evaluation.
    pub(crate) fn apply(&self, x: &R, ledger: &mut Ledger<R>) -> Result<R, Error> {
        let image = self.image(x)?;
        ledger.evaluated(x.rows());
        Ok(image)
    }

    /// The image of `x` and the energies, if the map has any, counted as one evaluation.
    pub(crate) fn image_and_energy(
        &self,
        x: &R,
        ledger: &mut Ledger<R>,
    ) -> Result<(R, Option<Vec<f64>>), Error> {
        ledger.evaluated(x.rows());
        checked(
            x,
            match &self.narrowed {
                Some(narrowed) => narrowed.image_and_energy(x),
                None => self.map.image_and_energy(x),
            },
        )
    }

    /// The image of `x`, not counted.
    pub(crate) fn image(&self, x: &R) -> Result<R, Error> {
        let image = match &self.narrowed {
            Some(narrowed) => narrowed.apply(x),
            None => self.map.apply(x),
        };
        check_shape(&image, x)?;
        Ok(image)
    }

    /// `x - A x`, counted as one evaluation.
    pub(crate) fn apply_shifted(&self, x: &R, ledger: &mut Ledger<R>) -> Result<R, Error> {
        Ok(x.minus(&self.apply(x, ledger)?))
    }

    /// Restricts the map to the active rows of the batch when enough others have ended, and returns their
    /// positions.
    pub(crate) fn narrow(&mut self, batch: &[usize], active: &[bool]) -> Option<Vec<usize>> {
        let keep = positions_to_keep(active).filter(|_| self.can_narrow)?;
        let Some(narrowed) = self.map.narrowed(&entries_at(batch, &keep)) else {
            self.can_narrow = false;
            return None;
        };
        self.narrowed = Some(narrowed.into());
        Some(keep)
    }
}

/// A smooth map restricted to the rows left in the batch.
pub(crate) struct ActiveSmoothMap<'a, R> {
    map: &'a dyn Smooth<R>,
    narrowed: Option<Box<dyn Smooth<R> + 'a>>,
    can_narrow: bool,
}

impl<'a, R: Rows> ActiveSmoothMap<'a, R> {
    /// The map on all rows.
    pub(crate) fn new(map: &'a dyn Smooth<R>) -> Self {
        Self { map, narrowed: None, can_narrow: true }
    }

    /// The map on the rows left in the batch.
    pub(crate) fn map(&self) -> &dyn Smooth<R> {
        self.narrowed.as_deref().unwrap_or(self.map)
    }

    /// As [`ActiveMap::image_and_energy`].
    pub(crate) fn image_and_energy(
        &self,
        x: &R,
        ledger: &mut Ledger<R>,
    ) -> Result<(R, Option<Vec<f64>>), Error> {
        ledger.evaluated(x.rows());
        checked(x, self.map().image_and_energy(x))
    }

    /// As [`ActiveMap::narrow`].
    pub(crate) fn narrow(&mut self, batch: &[usize], active: &[bool]) -> Option<Vec<usize>> {
        let keep = positions_to_keep(active).filter(|_| self.can_narrow)?;
        self.narrowed = self.map.narrowed_smooth(&entries_at(batch, &keep));
        self.can_narrow = self.narrowed.is_some();
        self.can_narrow.then_some(keep)
    }
}

/// The positions of the active rows, where at least a quarter of the batch has ended: then at most a third of
/// the work is wasted on ended rows, and copies are rare.
fn positions_to_keep(active: &[bool]) -> Option<Vec<usize>> {
    let left = || (0..active.len()).filter(|position| active[*position]);
    let ended = active.len() - left().count();
    (ended > 0 && ended < active.len() && 4 * ended >= active.len()).then(|| left().collect())
}

/// Refuses an image of another shape than `x`, and energies without exactly one value a row.
fn checked<R: Rows>(x: &R, (image, energies): (R, Option<Vec<f64>>)) -> Result<(R, Option<Vec<f64>>), Error> {
    check_shape(&image, x)?;
    match energies.as_ref().map(Vec::len) {
        Some(found) if found != x.rows() => Err(Error::Energy { found, expected: x.rows() }),
        Some(_) | None => Ok((image, energies)),
    }
}

/// Refuses an image whose shape differs from that of its argument.
pub(crate) fn check_shape<R: Rows>(image: &R, x: &R) -> Result<(), Error> {
    let (found, expected) = ([image.rows(), image.width()], [x.rows(), x.width()]);
    if found == expected { Ok(()) } else { Err(Error::Shape { found, expected }) }
}
