//! What is known of the rows of a solution when it is put on the tape.

use crate::layer::warm::Visit;
use crate::settings::gradient::Inverse;
use banach_solve::Outcome;

/// What is known of the rows of a solution.
#[derive(Debug, Default)]
pub(crate) struct KnownRows {
    /// Which of them have no finite residual, if there are any.
    pub(crate) lost: Option<Vec<bool>>,
    /// Which samples they are, if these are remembered.
    pub(crate) visit: Option<Visit>,
    /// How they ended, and with which relative residuals.
    pub(crate) reached: Option<(Vec<Outcome>, Vec<f64>)>,
    /// What the forward solve has learnt of the derivative, if that shall do for the adjoint.
    pub(crate) inverse: Option<Inverse>,
}
