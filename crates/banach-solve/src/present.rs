//! The map on the rows that are still active.

use crate::ledger::{Ledger, picked};
use crate::{Error, Map, Rows, Smooth};
use std::rc::Rc;

/// A map on the rows that are left in the batch.
pub(crate) struct Present<'a, R, M: ?Sized> {
    map: &'a M,
    /// The map on the rows that are left, once some have gone.
    narrowed: Option<Rc<dyn Map<R> + 'a>>,
    /// Whether the map can do with fewer rows, as far as is known.
    able: bool,
}

impl<'a, R: Rows, M: Map<R> + ?Sized> Present<'a, R, M> {
    /// The map on all rows.
    pub(crate) fn new(map: &'a M) -> Self {
        Self { map, narrowed: None, able: true }
    }

    /// The same map on the same rows, to be narrowed for itself.
    pub(crate) fn branch(&self) -> Self {
        Self { map: self.map, narrowed: self.narrowed.clone(), able: self.able }
    }

    /// The image of `x`, which is one evaluation.
    pub(crate) fn apply(&self, x: &R, ledger: &mut Ledger<R>) -> Result<R, Error> {
        let image = self.image(x)?;
        ledger.evaluated(x.rows());
        Ok(image)
    }

    /// The image of `x` and, where the map has one, the energy of every row: one evaluation.
    pub(crate) fn descend(&self, x: &R, ledger: &mut Ledger<R>) -> Result<(R, Option<Vec<f64>>), Error> {
        let (image, energies) = match &self.narrowed {
            Some(narrowed) => narrowed.image_and_energy(x),
            None => self.map.image_and_energy(x),
        };
        ledger.evaluated(x.rows());
        sound(x, (image, energies))
    }

    /// The image of `x`, which nobody counts.
    pub(crate) fn image(&self, x: &R) -> Result<R, Error> {
        let image = match &self.narrowed {
            Some(narrowed) => narrowed.apply(x),
            None => self.map.apply(x),
        };
        same_shape(&image, x)?;
        Ok(image)
    }

    /// `x - A x`, which is one evaluation.
    pub(crate) fn apply_shifted(&self, x: &R, ledger: &mut Ledger<R>) -> Result<R, Error> {
        Ok(x.minus(&self.apply(x, ledger)?))
    }

    /// Narrows the map to the rows that go on, and says at which positions they are; none where nothing has changed.
    pub(crate) fn narrow(&mut self, batch: &[usize], going: &[bool]) -> Option<Vec<usize>> {
        let keep = staying(going).filter(|_| self.able)?;
        let Some(narrowed) = self.map.narrowed(&picked(batch, &keep)) else {
            self.able = false;
            return None;
        };
        self.narrowed = Some(narrowed.into());
        Some(keep)
    }
}

/// A smooth map on the rows that are left in the batch.
pub(crate) struct PresentSmooth<'a, R> {
    map: &'a dyn Smooth<R>,
    narrowed: Option<Box<dyn Smooth<R> + 'a>>,
    able: bool,
}

impl<'a, R> PresentSmooth<'a, R> {
    /// The map on all rows.
    pub(crate) fn new(map: &'a dyn Smooth<R>) -> Self {
        Self { map, narrowed: None, able: true }
    }

    /// The map on the rows that are left.
    pub(crate) fn map(&self) -> &dyn Smooth<R> {
        self.narrowed.as_deref().unwrap_or(self.map)
    }

    /// As [`Present::descend`].
    pub(crate) fn descend(&self, x: &R, ledger: &mut Ledger<R>) -> Result<(R, Option<Vec<f64>>), Error>
    where
        R: Rows,
    {
        ledger.evaluated(x.rows());
        sound(x, self.map().image_and_energy(x))
    }

    /// As [`Present::narrow`].
    pub(crate) fn narrow(&mut self, batch: &[usize], going: &[bool]) -> Option<Vec<usize>> {
        let keep = staying(going).filter(|_| self.able)?;
        self.narrowed = self.map.narrowed_smooth(&picked(batch, &keep));
        self.able = self.narrowed.is_some();
        self.able.then_some(keep)
    }
}

/// The positions of the rows that go on, where it is time for the others to leave: when they are at least a quarter of the
/// batch. So no more than a third is done for nothing, and copies are few.
fn staying(going: &[bool]) -> Option<Vec<usize>> {
    let keep: Vec<usize> = (0..going.len()).filter(|position| going[*position]).collect();
    let ended = going.len() - keep.len();
    (ended > 0 && !keep.is_empty() && 4 * ended >= going.len()).then_some(keep)
}

/// Refuses images of another shape than `x`, and energies that are not one number a row.
fn sound<R: Rows>(x: &R, (image, energies): (R, Option<Vec<f64>>)) -> Result<(R, Option<Vec<f64>>), Error> {
    same_shape(&image, x)?;
    match energies.as_ref().map(Vec::len) {
        Some(found) if found != x.rows() => Err(Error::Energy { found, expected: x.rows() }),
        Some(_) | None => Ok((image, energies)),
    }
}

/// Refuses a map that changes the shape of its argument.
pub(crate) fn same_shape<R: Rows>(image: &R, x: &R) -> Result<(), Error> {
    let (found, expected) = ([image.rows(), image.width()], [x.rows(), x.width()]);
    if found == expected { Ok(()) } else { Err(Error::Shape { found, expected }) }
}
