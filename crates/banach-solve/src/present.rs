//! On which rows is the map still called?

use crate::ledger::{Ledger, picked};
use crate::{Error, Map, Rows};
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
        let image = match &self.narrowed {
            Some(narrowed) => narrowed.apply(x),
            None => self.map.apply(x),
        };
        ledger.evaluated(x.rows());
        same_shape(&image, x)?;
        Ok(image)
    }

    /// `x - A x`, which is one evaluation.
    pub(crate) fn apply_shifted(&self, x: &R, ledger: &mut Ledger<R>) -> Result<R, Error> {
        Ok(x.minus(&self.apply(x, ledger)?))
    }

    /// Narrows the map to the rows that go on, and says at which positions they are; none where nothing has changed.
    ///
    /// Rows leave when they are at least a quarter of the batch: so no more than a third is done for nothing, and
    /// copies are few.
    pub(crate) fn narrow(&mut self, batch: &[usize], going: &[bool]) -> Option<Vec<usize>> {
        let ended = going.iter().filter(|going| !**going).count();
        if !self.able || ended == going.len() || ended == 0 || 4 * ended < going.len() {
            return None;
        }
        let keep: Vec<usize> = (0..going.len()).filter(|position| going[*position]).collect();
        let Some(narrowed) = self.map.narrowed(&picked(batch, &keep)) else {
            self.able = false;
            return None;
        };
        self.narrowed = Some(narrowed.into());
        Some(keep)
    }
}

/// Refuses a map that changes the shape of its argument.
pub(crate) fn same_shape<R: Rows>(image: &R, x: &R) -> Result<(), Error> {
    let (found, expected) = ([image.rows(), image.width()], [x.rows(), x.width()]);
    if found == expected { Ok(()) } else { Err(Error::Shape { found, expected }) }
}
