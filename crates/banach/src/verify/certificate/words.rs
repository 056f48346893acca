//! A certificate in words, with advice.

use super::numbers::{BoundMethod, Certificate, Ground, RowCertificate};
use banach_solve::Outcome;

/// The least error that is mentioned.
const LARGE: f64 = 1e-2;

impl Certificate {
    /// Describes the certificate in a few sentences: the errors of the state and the gradient, the worst row, and advice for
    /// each kind of problem.
    pub fn explain(&self) -> String {
        let total = self.rows.len();
        let converged = self.rows.iter().filter(|row| row.outcome.is_converged()).count();
        let mut text = format!("{converged} of {total} rows converged.");
        let known = |row: &usize| self.rows[*row].state_error.is_finite();
        if let Some(worst) = self.largest(known, RowCertificate::relative_state_error) {
            let error = self.rows[worst].relative_state_error();
            text += &format!(" The state is good to {error:.1e} (relative; row {worst} is the worst)");
            text += &match self.gradient_error() {
                error if error.is_finite() && self.inputs > 0.0 => format!(", the gradient to {error:.1e}."),
                _ => ".".into(),
            };
        }
        let slowest = self.largest(|row| self.rows[*row].radius.is_finite(), |row| row.radius);
        if let Some(row) = slowest {
            text += &format!(" Row {row}: {}", self.rows[row].portrait());
        }
        text + &self.advice()
    }

    /// Returns one sentence for each kind of problem.
    fn advice(&self) -> String {
        let mut text = String::new();
        let mut say = |found: Vec<usize>, what: &str| {
            if let Some(named) = named(&found) {
                text += &format!(" {named}: {what}");
            }
        };
        let such = |is: fn(&RowCertificate) -> bool| -> Vec<usize> {
            (0..self.rows.len()).filter(|row| is(&self.rows[*row])).collect()
        };
        say(
            such(|row| !row.residual.is_finite()),
            "no point with a finite residual was found, so there is no gradient; look for overflow in the update.",
        );
        say(
            such(|row| row.resolvent.is_infinite()),
            "I - J could not be inverted; it is singular there, or nearly, and there is no derivative to trust: the fixed \
             point is not isolated, or about to vanish.",
        );
        say(
            such(|row| row.ground == Some(Ground::Saddle)),
            "the energy curves down in some direction, so x̂ is a saddle and no minimum; use Newton, which follows that direction, or \
             start elsewhere.",
        );
        say(
            such(|row| row.ground == Some(Ground::Plateau)),
            "the energy is flat, so x̂ may lie on a plateau (saturated units) from which almost nothing flows back; start nearer, use \
             Newton, or add a small quadratic term to the energy.",
        );
        say(
            such(|row| row.radius - row.radius_uncertainty > 1.0 && row.ground != Some(Ground::Saddle)),
            "the update expands (its spectral radius is above 1), so plain iteration and the Neumann series cannot converge; \
             Anderson or Newton forward and GMRES backward can, and the gradient is that of the point they found.",
        );
        say(
            such(|row| !row.trusted && row.resolvent.is_finite()),
            "x̂ is too far from a fixed point for these errors, which are those near one; tighten `forward.tolerance` or raise \
             `forward.budget.steps`.",
        );
        say(
            such(|row| row.residual.is_finite() && row.adjoint_outcome == Outcome::NonFinite),
            "there is no finite gradient; g has no finite derivative there (a root or power at 0, a division by 0, an \
             overflow).",
        );
        if !self.gradient_error().is_finite() && self.rows.iter().any(|row| row.residual.is_finite()) {
            text += " The error of the gradient is not known.";
        }
        if self.gradient_error() > LARGE && self.gradient_error().is_finite() {
            let setting =
                if self.gradient_from_state > self.gradient_from_adjoint { "forward" } else { "adjoint" };
            text += &format!(
                " Most of the gradient's error comes from the {setting} solve: tighten `{setting}.tolerance`."
            );
        }
        text
    }

    /// Returns the row, among those selected, in which a number is largest.
    fn largest(
        &self,
        select: impl Fn(&usize) -> bool,
        number: impl Fn(&RowCertificate) -> f64,
    ) -> Option<usize> {
        let rows = (0..self.rows.len()).filter(select);
        rows.max_by(|a, b| number(&self.rows[*a]).total_cmp(&number(&self.rows[*b])))
    }
}

impl RowCertificate {
    /// Describes J and the residuals of the row.
    fn portrait(&self) -> String {
        let kind = if self.radius < 1.0 { "contraction" } else { "expansion" };
        let mut text = format!("{kind} {:.3}", self.radius);
        if self.radius_uncertainty > LARGE * self.radius {
            text += &format!(" ± {:.1e}", self.radius_uncertainty);
        }
        text += &format!(", ‖J‖ = {:.3}", self.norm);
        if self.resolvent.is_finite() {
            let qualifier = match self.bound_method {
                BoundMethod::Neumann => "at most",
                BoundMethod::Measured => "about",
            };
            text += &format!(", ‖(I - J)⁻¹‖ {qualifier} {:.2}", self.resolvent);
        }
        text += &format!("; residual {:.1e} forward, {:.1e} adjoint", self.residual, self.adjoint_residual);
        if self.adjoint_error.is_finite() {
            text += &format!("; its part of the gradient is good to {:.1e} (relative)", self.adjoint_error);
        }
        if self.radius < 1.0 && self.norm > 1.0 {
            text += "; J is far from normal, so residuals may grow before they fall";
        }
        text + "."
    }
}

/// Names the first few rows by number; None without rows.
fn named(rows: &[usize]) -> Option<String> {
    const SHOWN: usize = 5;
    let numbers: Vec<String> = rows.iter().take(SHOWN).map(ToString::to_string).collect();
    let list = numbers.join(", ");
    match rows.len() {
        0 => None,
        1 => Some(format!("Row {list}")),
        count if count > SHOWN => Some(format!("Rows {list} and {} more", count - SHOWN)),
        _ => Some(format!("Rows {list}")),
    }
}
