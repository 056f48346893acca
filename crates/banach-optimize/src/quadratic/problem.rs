//! The data of a batch of quadratic programs.

use super::layout::Constraints;
use banach::program::Value;

/// A batch of problems: minimise ½ xᵀQx + qᵀx subject to Gx ≤ h and Ax = b.
///
/// Every tensor is shared by all rows, or has a leading axis with one problem for every row: Q is `[n, n]` or
/// `[rows, n, n]`, q `[n]` or `[rows, n]`, G `[m, n]` or `[rows, m, n]`, h `[m]` or `[rows, m]`, A `[p, n]` or
/// `[rows, p, n]`, b `[p]` or `[rows, p]`. All have one dtype, f32 or f64, and any of them may be on the tape. Of Q,
/// the symmetric part ½ (Q + Qᵀ) counts.
#[derive(Clone, Debug)]
pub struct QuadraticProblem {
    hessian: Value,
    linear: Value,
    inequalities: Option<(Value, Value)>,
    equalities: Option<(Value, Value)>,
}

impl QuadraticProblem {
    /// The objective ½ xᵀQx + qᵀx without constraints.
    pub fn new(hessian: impl Into<Value>, linear: impl Into<Value>) -> Self {
        let (hessian, linear) = (hessian.into(), linear.into());
        QuadraticProblem { hessian, linear, inequalities: None, equalities: None }
    }

    /// Sets the inequalities Gx ≤ h.
    #[must_use]
    pub fn with_inequalities(mut self, g: impl Into<Value>, h: impl Into<Value>) -> Self {
        self.inequalities = Some((g.into(), h.into()));
        self
    }

    /// Sets the equalities Ax = b.
    #[must_use]
    pub fn with_equalities(mut self, a: impl Into<Value>, b: impl Into<Value>) -> Self {
        self.equalities = Some((a.into(), b.into()));
        self
    }

    pub(crate) fn constraints(&self) -> Constraints {
        Constraints { inequalities: self.inequalities.is_some(), equalities: self.equalities.is_some() }
    }

    /// The operands in their order.
    pub(crate) fn operands(self) -> Vec<Value> {
        let constraints = self.inequalities.into_iter().chain(self.equalities).flat_map(|(a, b)| [a, b]);
        [self.hessian, self.linear].into_iter().chain(constraints).collect()
    }
}
