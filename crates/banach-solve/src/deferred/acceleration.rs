//! Anderson acceleration, by kernels where there are some for the device.

#[cfg(feature = "kernels")]
use super::anderson_by_kernels::ByKernels;
use super::iterate::{Solved, iterate};
use crate::settings::StoppingRules;
use crate::{Anderson, Error, Map};
use burn::tensor::Tensor;

/// Iterates until every row has ended, as [`iterate`] does.
pub(super) fn accelerate(
    map: &dyn Map<Tensor<2>>,
    x0: &Tensor<2>,
    solver: &Anderson,
    scale: Option<Tensor<2>>,
    limits: (StoppingRules, Option<usize>),
) -> Result<Solved, Error> {
    #[cfg(feature = "kernels")]
    if let Some(solver) = ByKernels::new(solver, x0) {
        return iterate(map, x0, &solver, scale, limits);
    }
    iterate(map, x0, solver, scale, limits)
}
