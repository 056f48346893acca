//! The numbers of a certificate.

use banach_solve::Outcome;
use std::fmt;

/// How good a solution of a layer and its gradient are: by [`FixedPoint::certificate`](crate::FixedPoint::certificate).
///
/// | number | what it rests on |
/// | :-- | :-- |
/// | residuals, rates, outcomes | what the solvers saw |
/// | radius, norm | Arnoldi's method on J at x̂, to 0.1 % |
/// | resolvent | a bound by ‖J‖, or measured: [`RowCertificate::bound_method`] |
/// | state error | ‖(I - J)⁻¹‖ ‖g(x̂) - x̂‖: a bound for affine updates; else with twice Newton's second step, which measures how g bends |
/// | adjoint and gradient error | a bound for what the adjoint solve left, and twice what Newton's steps change, for the error of x̂ |
///
/// The maths is on the page of the [module](super). A `Certificate` [`Display`](fmt::Display)s as what [`explain`](Self::explain) says.
#[derive(Clone, Debug, PartialEq)]
#[must_use = "a certificate is what it says"]
#[non_exhaustive]
pub struct Certificate {
    /// What is known of each row; one for all, where the update mixes rows.
    pub rows: Vec<RowCertificate>,
    /// `‖∂g/∂(z, θ)‖` for the whole batch: how much the inputs move g at most.
    pub inputs: f64,
    /// The part of the gradient's error that is due to the adjoint solve, relative to the gradient to z and θ together; 0
    /// without inputs, NaN where no row has a finite residual.
    pub gradient_from_adjoint: f64,
    /// The part that is due to the error of x̂, relative as well.
    pub gradient_from_state: f64,
}

/// How good one row is.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub struct RowCertificate {
    /// How the forward solve ended.
    pub outcome: Outcome,
    /// `‖g(x̂) - x̂‖`.
    pub residual: f64,
    /// `‖x̂‖`.
    pub size: f64,
    /// By what factor the residual fell in one of the last steps: of the solver, which may be faster than g.
    pub rate: f64,
    /// The largest modulus of the eigenvalues of J at x̂: by what factor plain iteration contracts in the end.
    pub radius: f64,
    /// How far off the radius may be, to first order.
    pub radius_uncertainty: f64,
    /// `‖J‖` at x̂: by what factor one step stretches at most.
    pub norm: f64,
    /// `‖(I - J)⁻¹‖` at x̂; infinite where `I - J` could not be inverted.
    pub resolvent: f64,
    /// How the resolvent's norm was found.
    pub bound_method: BoundMethod,
    /// What the energy is like at x̂, where g is the gradient step of one.
    pub ground: Option<Ground>,
    /// How far x̂ is from the fixed point at most, where the row is trusted.
    pub state_error: f64,
    /// How the adjoint solve ended.
    pub adjoint_outcome: Outcome,
    /// `‖v - (ĉ - Jᵀ ĉ)‖`.
    pub adjoint_residual: f64,
    /// The error of the adjoint ĉ, and with it of this row's part of the gradient, relative to ‖ĉ‖.
    pub adjoint_error: f64,
    /// Whether these errors are bounds, as far as is known: Newton's step leaves a quarter of the residual or less and the
    /// next one is at most half as long, or x̂ is as good as the precision allows.
    pub trusted: bool,
}

/// How the norm of `(I - J)⁻¹` was found.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum BoundMethod {
    /// Bounded by `1 / (1 - ‖J‖)`.
    Neumann,
    /// Measured, one solve an application.
    Measured,
}

/// What the energy of a row is like at x̂, by its curvatures there.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Ground {
    /// It curves down in no direction, and up in at least one.
    Minimum,
    /// It curves down in some direction.
    Saddle,
    /// Its largest curvature is less than a thousandth of that at the start, or is lost in rounding: units are saturated, as a
    /// rule, and the energy may be lower elsewhere.
    Plateau,
}

impl RowCertificate {
    /// The error of the state relative to its size.
    pub fn relative_state_error(&self) -> f64 {
        if self.state_error == 0.0 { 0.0 } else { self.state_error / self.size }
    }
}

impl Certificate {
    /// The error of the gradient to z and θ, relative to its length: both parts.
    pub fn gradient_error(&self) -> f64 {
        self.gradient_from_adjoint + self.gradient_from_state
    }

    /// Whether every row converged, forward and backward, can be trusted, and is good to the relative error given, as is the
    /// gradient; an error that is not a number is none.
    pub fn holds(&self, error: f64) -> bool {
        let sound = |row: &RowCertificate| {
            let solved = row.outcome.is_converged() && row.adjoint_outcome.is_converged();
            solved && row.trusted && row.relative_state_error() <= error && row.adjoint_error <= error
        };
        self.rows.iter().all(sound) && self.gradient_error() <= error
    }
}

impl fmt::Display for Certificate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.explain())
    }
}
