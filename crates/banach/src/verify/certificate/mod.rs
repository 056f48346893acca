//! Certificates of a solution and its gradient: in numbers, with what they rest on, and in words with advice.
//!
//! Let x̂ be what the solver returned, `r = g(x̂) - x̂` its residual, x* the fixed point near it, `J = ∂g/∂x` and
//! `B = ∂g/∂(z, θ)` at x̂, v the cotangent of the state, ĉ the adjoint the solver returned and
//! `s = v - (ĉ - Jᵀ ĉ)` its residual, all of one row.
//!
//! **The state.** With `J̄ = ∫ J(x* + t (x̂ - x*)) dt`, `g(x̂) - g(x*) = J̄ (x̂ - x*)`, hence
//!
//! ```text
//! x̂ - x* = -(I - J̄)⁻¹ r,      ‖x̂ - x*‖ <= ‖(I - J̄)⁻¹‖ ‖r‖
//! ```
//!
//! which is exact. J̄ is not known, J is, and they agree exactly where g is affine. How much g bends is measured by two
//! steps of Newton's method from x̂,
//!
//! ```text
//! δ₁ = (I - J)⁻¹ r,    δ₂ = (I - J(x̂ + δ₁))⁻¹ (g(x̂ + δ₁) - x̂ - δ₁)
//! ‖x̂ - x*‖ <= ‖(I - J)⁻¹‖ (‖r‖ + ε ‖x̂‖) + 2 ‖δ₂‖
//! ```
//!
//! since the steps of Newton's method add up to `x* - x̂`, the first is no longer than the first term, and the others
//! fall so fast, once the second is at most half the first, that all of them together are at most twice the second. ε stands for the
//! rounding of g. All of this is computed in double precision, whatever the precision of the layer, unless the update has fixed
//! points inside: then x̂ is one more inexact point, and rounding in the layer's precision is part of r and s.
//!
//! **The norm of the resolvent.** Where `‖J‖ < 1`, `‖(I - J)⁻¹‖ <= 1 / (1 - ‖J‖)` (Neumann); elsewhere, or where that says
//! little, it is measured by Arnoldi's method on `(I - Jᵀ)⁻¹ (I - J)⁻¹`, one solve an application. Both rest on norms that
//! an iteration has found, which approaches them from below; what it is not certain of is added.
//!
//! **The gradient.** Wanted is `G = B(x*)ᵀ c*` with `c* = (I - J(x*)ᵀ)⁻¹ v`, for a v that is given. What is returned differs
//! by what the adjoint solve left, and by what was differentiated at x̂ in place of x*:
//!
//! ```text
//! ‖Bᵀ (ĉ - c)‖ <= ‖B‖ ‖(I - J)⁻¹‖ (‖s‖ + ε ‖v‖ + ε (1 + ‖J‖) ‖ĉ‖)
//! ‖G(x*) - G(x̂)‖ <= 2 ‖G(x̂ + δ) - G(x̂)‖    with  δ = δ₁ + δ₂ + ‖(I - J)⁻¹‖ ε ‖x̂‖ u
//! ```
//!
//! The first line is a bound at x̂, in which ε stands for the rounding of the adjoint, or what the gradient returned differs
//! from the exact one at x̂ by, if that is more. In the second, δ leads from x̂ to x* as Newton's method and rounding do, with u
//! of length one in a direction in which `(I - J)⁻¹` stretches; both gradients are solved for as exactly as the precision
//! allows, and the factor 2 is for what δ leaves. It is an estimate of a bound: no bound on the second derivative of g is known.
//! Whether it tells enough is found out: `x̂ + δ₁` must leave no more than a quarter of the residual of x̂, and `δ₂` be no more than
//! half of δ₁, else the row is not [`trusted`](RowCertificate::trusted) (L. Kantorovich's condition, in the numbers of it that
//! can be had).

mod ground;
mod measure;
mod numbers;
mod words;

pub use numbers::{BoundMethod, Certificate, Ground, RowCertificate};

use crate::error::Error;
use crate::layer::call::Call;
use crate::layer::fixed_point::FixedPoint;
use crate::tracing::update::{Update, start_of};
use banach_program::{Tensors, Value};
use banach_solve::Rows as _;
use burn::module::Module;
use burn::tensor::Tensor;

impl<M: Module + Update> FixedPoint<M> {
    /// Solves as [`solve`](Self::solve) does, and says how good the solution and its gradient are.
    ///
    /// The gradient is that of `⟨v, x̂⟩` for a fixed v that looks random; see
    /// [`certificate_along`](Self::certificate_along) for that of your loss. It costs some hundred applications of J and Jᵀ,
    /// and tens of adjoint solves where J does not contract well: a look now and then, not a part of training.
    ///
    /// ```
    /// use banach::{FixedPointConfig, Update};
    /// use burn::module::Module;
    /// use burn::tensor::{DType, Device, Tensor};
    ///
    /// /// x = cos(x) + z
    /// #[derive(Module, Debug)]
    /// struct Cosine {}
    ///
    /// impl Update for Cosine {
    ///     type State = Tensor<2>;
    ///     type Input = Tensor<2>;
    ///
    ///     fn start(&self, z: &Tensor<2>) -> Tensor<2> {
    ///         z.zeros_like()
    ///     }
    ///
    ///     fn update(&self, x: Tensor<2>, z: Tensor<2>) -> Tensor<2> {
    ///         x.cos() + z
    ///     }
    /// }
    ///
    /// let layer = FixedPointConfig::new().init(Cosine {})?;
    /// let certificate = layer.certificate(Tensor::zeros([1, 1], (&Device::flex(), DType::F64)))?;
    /// // |-sin(x̂)| = 0.674 at x̂ = 0.739.
    /// assert!((certificate.rows[0].radius - 0.674).abs() < 1e-3);
    /// assert!(certificate.holds(1e-3), "{certificate}");
    /// # Ok::<(), banach::Error>(())
    /// ```
    ///
    /// The forward solve runs where the tensors are, all measurements on this machine's processor.
    ///
    /// # Errors
    /// As [`solve`](Self::solve), but for rows that do not converge: those are what a certificate is about.
    pub fn certificate(&self, z: M::Input) -> Result<Certificate, Error> {
        let call = self.diagnosed(&z)?;
        let v = call.x0.probe(1);
        measure::certificate(&call, self.config(), v)
    }

    /// [`certificate`](Self::certificate) for the gradient of `⟨v, x̂⟩`: v is the derivative of your loss by the state, of the
    /// state's shape. That v may depend on x̂ itself is not looked at.
    ///
    /// # Errors
    /// As [`certificate`](Self::certificate); [`Error::Program`] for a v of another shape or dtype.
    pub fn certificate_along(&self, z: M::Input, v: M::State) -> Result<Certificate, Error> {
        let call = self.diagnosed(&z)?;
        let v = v.into_values().into_iter().map(Value::detached).collect();
        let v: Tensor<2> = call.traced.update.packing.pack(v)?;
        measure::certificate(&call, self.config(), v)
    }

    fn diagnosed(&self, z: &M::Input) -> Result<Call, Error> {
        self.config().refuse_other_gradients()?;
        let x0 = start_of(self.update(), z)?;
        let call = self.call(&x0, z)?;
        if Value::from(call.x0.clone()).is_placeholder() {
            let found = "asked for inside a trace, where nothing is solved; ask for it outside".into();
            return Err(banach_program::Error::Failed { primitive: "a certificate".into(), found }.into());
        }
        Ok(call)
    }
}
