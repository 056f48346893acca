//! Krylov subspaces of all rows on a device.

use super::columns::{squares, widened};
use crate::Error;
use crate::Map;
use crate::active_map::check_shape;
use burn::tensor::{DType, Tensor};

/// The number of vectors for which there is room at first.
const ROOM: usize = 8;

/// Orthonormal bases, one for every row, extended by Arnoldi's process.
pub(super) struct Subspace {
    /// `[rows, room, n]`, zero beyond the vectors so far.
    basis: Tensor<3>,
    /// The last vector, `[rows, n]`; zero in rows that cannot be extended.
    newest: Tensor<2>,
    /// The number of vectors.
    pub(super) dimension: usize,
    /// The precision of the state.
    stored: DType,
}

/// What the host needs of a step of Arnoldi's process.
pub(super) struct Column {
    /// The components of the image along the basis, `[rows, room]`.
    pub(super) components: Tensor<2>,
    /// The square of the length of the image, `[rows, 1]`.
    pub(super) length: Tensor<2>,
    /// The square of the length of its rest, `[rows, 1]`.
    pub(super) below: Tensor<2>,
}

impl Subspace {
    /// The subspace of the remainder, of which the squared lengths are given.
    pub(super) fn new(remainder: &Tensor<2>, square: &Tensor<2>) -> Self {
        let first = unit(&widened(remainder), square);
        let [rows, width] = first.dims();
        let basis = Tensor::zeros([rows, ROOM, width], (&first.device(), first.dtype()));
        let mut new = Self { basis, newest: first.clone(), dimension: 0, stored: remainder.dtype() };
        new.push(first);
        new
    }

    /// Extends the bases by the image of their last vectors, orthogonalized twice.
    pub(super) fn extend(&mut self, map: &dyn Map<Tensor<2>>) -> Result<Column, Error> {
        let newest = self.newest.clone().cast(self.stored);
        let image = map.apply(&newest);
        check_shape(&image, &newest)?;
        let image = widened(&image);
        let (first, rest) = self.orthogonalize(&image);
        let (second, rest) = self.orthogonalize(&rest);
        let [rows, room, _] = self.basis.dims();
        let below = squares(&rest);
        self.push(unit(&rest, &below));
        Ok(Column { components: (first + second).reshape([rows, room]), length: squares(&image), below })
    }

    /// The combination of the basis with these coefficients, `[rows, dimension]` in row-major order.
    pub(super) fn combination(&self, coefficients: Tensor<2>) -> Tensor<2> {
        let [rows, _, width] = self.basis.dims();
        let used = self.basis.clone().slice([0..rows, 0..self.dimension, 0..width]);
        let coefficients = coefficients.reshape([rows, self.dimension, 1]);
        (used * coefficients).sum_dim(1).reshape([rows, width]).cast(self.stored)
    }

    /// Components along the basis, `[rows, room, 1]`, and the rest.
    fn orthogonalize(&self, w: &Tensor<2>) -> (Tensor<3>, Tensor<2>) {
        let [rows, _, width] = self.basis.dims();
        let components = (self.basis.clone() * w.clone().reshape([rows, 1, width])).sum_dim(2);
        let along = (self.basis.clone() * components.clone()).sum_dim(1).reshape([rows, width]);
        (components, w.clone() - along)
    }

    fn push(&mut self, vector: Tensor<2>) {
        let [rows, room, width] = self.basis.dims();
        if self.dimension == room {
            let more = self.basis.zeros_like();
            self.basis = Tensor::cat(vec![self.basis.clone(), more], 1);
        }
        let here = self.dimension..self.dimension + 1;
        let basis = std::mem::replace(&mut self.basis, vector.clone().reshape([rows, 1, width]));
        self.basis = basis.slice_assign([0..rows, here, 0..width], vector.clone().reshape([rows, 1, width]));
        self.newest = vector;
        self.dimension += 1;
    }
}

/// Rows scaled to unit length; zeros where the length is zero or not finite.
fn unit(x: &Tensor<2>, square: &Tensor<2>) -> Tensor<2> {
    let broken = (square.clone() / square.clone()).is_nan();
    let scaled = x.clone() / square.clone().sqrt();
    scaled.mask_fill(broken.expand(x.dims()), 0.0)
}
