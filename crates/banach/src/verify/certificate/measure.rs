//! The measurements of a certificate, in their order.

use super::numbers::{BoundMethod, Certificate, RowCertificate};
use crate::calculus::implicit::FixedPointOp;
use crate::calculus::resolvent::Resolvent;
use crate::engine::failure::Failure;
use crate::engine::linear_system::LinearSystem;
use crate::error::Error;
use crate::layer::call::Call;
use crate::settings::configuration::{FixedPointConfig, OnFailure};
use crate::settings::precision::Precision;
use crate::settings::report::AdjointReport;
use crate::tracing::layout::{point, run_single};
use crate::tracing::row_substitution::{RowSubstitution, failed_rows, zero_rows};
use banach_program::{Program, Value, evaluate, in_precision, jvp, simplify, vjp};
use banach_solve::{
    Arnoldi, Budget, Gmres, LinearSolver, Outcome, Rows as _, Settings, Solution, Tolerance, spectral_norm,
    spectral_radius,
};
use burn::tensor::{FloatDType, Tensor};
use std::cell::RefCell;
use std::sync::Arc;

/// The accuracy of the radius and the norm of J.
pub(super) const SPECTRUM: Arnoldi = Arnoldi { space: 24, applications: 300, tolerance: 1e-3 };
/// The accuracy of norms whose applications are two solves, or two derivatives of g.
const COARSE: Arnoldi = Arnoldi { space: 12, applications: 60, tolerance: 1e-2 };
/// The norm of J up to which the Neumann bound suffices.
const MILD: f64 = 0.9;
/// The factor that covers the terms of higher order in a first-order estimate of the error of the gradient.
const SAFETY: f64 = 2.0;
/// The largest part of the residual after Newton's step for which a row is trusted.
const LEFT: f64 = 0.25;
/// The largest ratio of Newton's second step to the first, so that all further steps together are shorter than the second.
const HALVED: f64 = 0.5;
/// The largest relative residual of a solve for Newton's step.
const SOLVED: f64 = 1e-3;

/// Returns the certificate of one call, for the gradient of `⟨v, x̂⟩`.
pub(super) fn certificate(
    call: &Call,
    config: &FixedPointConfig,
    v: Tensor<2>,
) -> Result<Certificate, Error> {
    let fix = &call.traced.fixed_point;
    let solution = fix.solve(&call.x0, &call.fixed)?;
    let residuals = &solution.statistics.residuals;
    let failed = failed_rows(residuals);
    let sizes = Tensor::<2>::norms(&[&solution.value]).swap_remove(0);
    let mut rows: Vec<RowCertificate> =
        (0..residuals.len()).map(|row| unmeasured(&solution, &sizes, row)).collect();
    let mut found = Certificate {
        rows: vec![],
        inputs: f64::NAN,
        gradient_from_adjoint: f64::NAN,
        gradient_from_state: f64::NAN,
    };
    if rows.is_empty() {
        (found.inputs, found.gradient_from_adjoint, found.gradient_from_state) = (0.0, 0.0, 0.0);
    }
    if !failed.contains(&false) {
        found.rows = rows;
        return Ok(found);
    }
    let (mut point, mut v) = (call.point(&solution.value), v);
    if let Some(substitution) = RowSubstitution::new(&failed) {
        point = substitution.apply(fix.per_row(), point)?;
        v = zero_rows(&failed, v);
    }
    // Double precision is that of this machine: a device may not compute in it.
    let point = point.into_iter().map(Value::on_host).collect();
    let v = Value::from(v).on_host().try_into_tensor()?;
    let at = DiagnosedPoint::new(fix, config, point)?;
    at.spectrum(&mut rows)?;
    if fix.energy.is_some() {
        let norms: Vec<f64> = rows.iter().map(|row| row.norm).collect();
        let start =
            Value::from(call.x0.clone()).on_host().in_precision(at.x.dtype().into()).try_into_tensor()?;
        let ground = at.ground(&start, &norms)?;
        rows.iter_mut().zip(ground).for_each(|(row, ground)| row.ground = Some(ground));
    }
    // I - J is known up to the rounding of J: the relative error of its inverse is that rounding times the norm of the inverse.
    let rounding = 16.0 * at.x.precision();
    rows.iter_mut().for_each(|row| row.resolvent *= 1.0 + rounding * row.resolvent);
    let path = at.state(&mut rows)?;
    let positions: Vec<usize> =
        (0..call.fixed.len()).filter(|at| call.fixed[*at].ty().kind.is_float()).map(|at| at + 1).collect();
    at.gradient(&mut rows, &mut found, (&v, &path, &positions))?;
    for (row, failed) in rows.iter_mut().zip(failed) {
        if failed {
            let RowCertificate { residual, size, rate, outcome, .. } = *row;
            *row = RowCertificate { residual, size, rate, outcome, ..NOTHING };
        }
    }
    found.rows = rows;
    Ok(found)
}

/// A row without any measurement.
const NOTHING: RowCertificate = RowCertificate {
    outcome: Outcome::NonFinite,
    residual: f64::NAN,
    size: f64::NAN,
    rate: f64::NAN,
    radius: f64::NAN,
    radius_uncertainty: f64::NAN,
    norm: f64::NAN,
    resolvent: f64::NAN,
    bound_method: BoundMethod::Measured,
    ground: None,
    state_error: f64::NAN,
    adjoint_outcome: Outcome::NonFinite,
    adjoint_residual: f64::NAN,
    adjoint_error: f64::NAN,
    trusted: false,
};

/// Returns a row with the results of the solve alone.
fn unmeasured(solution: &Solution<Tensor<2>>, sizes: &[f64], row: usize) -> RowCertificate {
    let statistics = &solution.statistics;
    let (outcome, size) = (solution.outcomes[row], sizes[row]);
    let (residual, rate) = (statistics.residuals[row], statistics.rates[row]);
    RowCertificate { outcome, residual, size, rate, ..NOTHING }
}

/// A point `(x, q..)` with J there, in double precision if the update supports it.
pub(super) struct DiagnosedPoint<'a> {
    /// The fixed point with the settings of the layer.
    fix: &'a FixedPointOp,
    /// The point in the precision of the layer.
    stated: Vec<Value>,
    /// The fixed point solved as exactly as the precision allows.
    pub(super) exact: FixedPointOp,
    point: Vec<Value>,
    pub(super) x: Tensor<2>,
    pub(super) coefficients: Vec<Value>,
    pub(super) resolvent: Arc<Resolvent>,
    transposed: Arc<Resolvent>,
    precise: Settings<LinearSolver>,
}

impl<'a> DiagnosedPoint<'a> {
    fn new(fix: &'a FixedPointOp, config: &FixedPointConfig, stated: Vec<Value>) -> Result<Self, Error> {
        // An update with fixed points inside has one precision only.
        let (g, point) = match in_precision(&fix.g, FloatDType::F64) {
            Ok(g) => (g, stated.iter().map(|value| value.clone().in_precision(FloatDType::F64)).collect()),
            Err(_) => (fix.g.clone(), stated.clone()),
        };
        let x = point[0].clone().try_into_tensor::<2>()?;
        let tolerance =
            Tolerance { absolute: 0.0, relative: (1e3 * x.precision()).max(1e-11), ..Tolerance::default() };
        let precise = Settings::new(LinearSolver::Gmres(Gmres { restart: 60 }))
            .with_tolerance(tolerance)
            .with_budget(Budget::steps(600));
        let (precision, on_failure) = (Precision::Stated, OnFailure::Best);
        let adjoint = precise.clone();
        let config = FixedPointConfig { adjoint, precision, on_failure, escalate: false, ..config.clone() };
        let exact = FixedPointOp::new(g, config, Arc::default());
        let (resolvent, coefficients) = exact.resolvent_at(&point)?;
        let transposed = resolvent.transposed();
        Ok(DiagnosedPoint { fix, stated, exact, point, x, coefficients, resolvent, transposed, precise })
    }

    /// Measures the radius and the norm of J, and the norm of `(I - J)⁻¹`.
    fn spectrum(&self, rows: &mut [RowCertificate]) -> Result<(), Error> {
        let failure = Failure::default();
        let apply = |t: &Tensor<2>| failure.or_nan(self.resolvent.apply(t, &self.coefficients), t);
        let back = |t: &Tensor<2>| failure.or_nan(self.transposed.apply(t, &self.coefficients), t);
        let probe = self.x.probe(2);
        let radius = spectral_radius(&apply, &probe, &SPECTRUM)?;
        let norm = failure.checked(spectral_norm(&apply, &back, &probe, &SPECTRUM)?)?;
        for (at, row) in rows.iter_mut().enumerate() {
            (row.radius, row.radius_uncertainty) = (radius.values[at], radius.uncertainties[at]);
            row.norm = norm.values[at];
            let highest = norm.values[at] + norm.uncertainties[at];
            // A norm that is NaN is replaced by a measurement below.
            row.resolvent = if highest < 1.0 { 1.0 / (1.0 - highest) } else { f64::INFINITY };
            row.bound_method = if highest < 1.0 { BoundMethod::Neumann } else { BoundMethod::Measured };
        }
        if rows.iter().all(|row| row.resolvent <= 1.0 / (1.0 - MILD)) {
            return Ok(());
        }
        let failed = RefCell::new(vec![false; rows.len()]);
        let solve = |resolvent: &Resolvent, b: &Tensor<2>| {
            let solution = match resolvent.solve_by(LinearSystem::new(b, &self.coefficients), &self.precise) {
                Ok(solution) => solution,
                Err(error) => return failure.or_nan(Err(error), b),
            };
            let unsolved: Vec<bool> =
                solution.outcomes.iter().map(|outcome| !outcome.is_converged()).collect();
            failed.borrow_mut().iter_mut().zip(&unsolved).for_each(|(failed, unsolved)| *failed |= unsolved);
            zero_rows(&unsolved, solution.value)
        };
        let apply = |b: &Tensor<2>| solve(&self.resolvent, b);
        let back = |b: &Tensor<2>| solve(&self.transposed, b);
        let measured = spectral_norm(&apply, &back, &probe, &COARSE)?;
        let most = 1.0 / (1e3 * self.x.precision());
        for (at, row) in rows.iter_mut().enumerate() {
            let norm = measured.values[at] + measured.uncertainties[at];
            let norm = if failed.borrow()[at] || norm > most || norm.is_nan() { f64::INFINITY } else { norm };
            if norm < row.resolvent || row.bound_method == BoundMethod::Measured {
                (row.resolvent, row.bound_method) = (norm, BoundMethod::Measured);
            }
        }
        failure.checked(())
    }

    /// Measures the error of the state. Returns the displacement from x̂ to the fixed point by Newton's method, and by rounding.
    fn state(&self, rows: &mut [RowCertificate]) -> Result<Tensor<2>, Error> {
        let left = self.residual(&self.x)?;
        let singular: Vec<bool> = rows.iter().map(|row| !row.resolvent.is_finite()).collect();
        let solved =
            |resolvent: &Resolvent, b: &Tensor<2>, q: &[Value]| -> Result<(Tensor<2>, Vec<bool>), Error> {
                let solution = resolvent.solve_by(LinearSystem::new(b, q), &self.precise)?;
                let residuals = &solution.statistics.relative;
                let good = residuals.iter().map(|residual| *residual <= SOLVED).collect();
                Ok((zero_rows(&singular, solution.value), good))
            };
        let (first, good) = solved(&self.resolvent, &left, &self.coefficients)?;
        let there = self.x.clone() + first.clone();
        let moved = self.residual(&there)?;
        let (resolvent, coefficients) = self.exact.resolvent_at(&self.at(&there))?;
        let (second, still_good) = solved(&resolvent, &moved, &coefficients)?;
        let stretched = solved(&self.resolvent, &self.x.probe(4), &self.coefficients)?.0;
        let norms = Tensor::<2>::norms(&[&left, &moved, &first, &second, &stretched]);
        let mut drift = vec![0.0; rows.len()];
        for (at, row) in rows.iter_mut().enumerate() {
            let [left, moved, first, second, stretched] = [0, 1, 2, 3, 4].map(|norm| norms[norm][at]);
            let rounding = self.x.precision() * row.size;
            row.state_error = row.resolvent * (left + rounding) + 2.0 * second;
            let attained = left <= 16.0 * rounding;
            let near = moved <= LEFT * left && second <= HALVED * first && good[at] && still_good[at];
            row.trusted = (near || attained) && row.state_error.is_finite();
            let length = row.resolvent * rounding / stretched;
            drift[at] = if length.is_finite() { length } else { 0.0 };
        }
        Ok((first + second).add_scaled(&[(&drift, &stretched)]))
    }

    /// Returns the residual `g(x) - x`.
    fn residual(&self, x: &Tensor<2>) -> Result<Tensor<2>, Error> {
        let gx: Tensor<2> = run_single(&self.exact.g, self.at(x))?.try_into_tensor()?;
        Ok(gx - x.clone())
    }

    /// Returns the point with another x.
    pub(super) fn at(&self, x: &Tensor<2>) -> Vec<Value> {
        point(x, &self.point[1..])
    }

    /// Measures the errors of the adjoint and of the gradient for the inputs at these positions, for the cotangent v.
    fn gradient(
        &self,
        rows: &mut [RowCertificate],
        found: &mut Certificate,
        (v, path, positions): (&Tensor<2>, &Tensor<2>, &[usize]),
    ) -> Result<(), Error> {
        let (c, given, report) = self.fix.cotangents(v, &self.stated, positions)?;
        let double = |value: Value| value.in_precision(self.x.dtype().into());
        let (c, v): (Tensor<2>, Tensor<2>) =
            (double(c.into()).try_into_tensor()?, double(v.clone().into()).try_into_tensor()?);
        let given: Vec<Value> = given.into_iter().map(double).collect();
        let (here, at_x, exact) = self.exact.cotangents(&v, &self.point, positions)?;
        let there = self.at(&(self.x.clone() + path.clone()));
        let (moved, at_moved, _) = self.exact.cotangents(&v, &there, positions)?;
        let pulled = self.transposed.apply(&c, &self.coefficients)?;
        let remainder = v.minus(&c.minus(&pulled));
        let norms = Tensor::<2>::norms(&[&c, &moved.minus(&here), &v, &remainder]);
        let mut left = vec![0.0; rows.len()];
        for (at, row) in rows.iter_mut().enumerate() {
            let [c, changed, v, remainder] = [0, 1, 2, 3].map(|norm| norms[norm][at]);
            let (stated, exact) = (self.is_non_finite(&report, at), self.is_non_finite(&exact, at));
            row.adjoint_outcome = if stated || exact { Outcome::NonFinite } else { report.outcomes[at] };
            row.adjoint_residual = report.residuals[at];
            let rounding = self.x.precision() * (v + (1.0 + row.norm) * c);
            // A row without a cotangent has no error, even if I - J is singular.
            left[at] = if remainder + v == 0.0 { 0.0 } else { row.resolvent * (remainder + rounding) };
            let error = left[at] + SAFETY * changed;
            row.adjoint_error = if error == 0.0 { 0.0 } else { error / c };
        }
        if positions.is_empty() {
            (found.inputs, found.gradient_from_adjoint, found.gradient_from_state) = (0.0, 0.0, 0.0);
            return Ok(());
        }
        found.inputs = self.inputs(positions)?;
        let length = larger(length(&given), f64::MIN_POSITIVE);
        let adjoint = left.iter().fold(0.0, |sum: f64, left| sum.hypot(*left));
        found.gradient_from_adjoint = larger(found.inputs * adjoint, distance(&given, &at_x)) / length;
        found.gradient_from_state = SAFETY * distance(&at_x, &at_moved) / length;
        Ok(())
    }

    /// Returns whether a row has no finite gradient.
    fn is_non_finite(&self, report: &AdjointReport, row: usize) -> bool {
        report.non_finite.get(row).is_some_and(|lost| *lost)
    }

    /// Measures `‖∂g/∂q‖` over the whole batch: the root of the radius of `B Bᵀ`, which maps states to states.
    fn inputs(&self, positions: &[usize]) -> Result<f64, Error> {
        let without_value = |program: Program| {
            let rest: Vec<usize> = (1..program.outputs().len()).collect();
            simplify(&program.with_outputs(&rest))
        };
        let back = without_value(vjp(&self.exact.g, positions));
        let there = without_value(jvp(&self.exact.g, positions));
        let shape = self.x.dims();
        let gram = |y: &Tensor<2>| {
            let run = || -> Result<Tensor<2>, Error> {
                let c = Value::from(y.clone()).reshaped(&shape);
                let cotangents = evaluate(&back, [self.point.clone(), vec![c]].concat())?;
                let image = run_single(&there, [self.point.clone(), cotangents].concat())?;
                Ok(image.reshaped(&y.dims()).try_into_tensor()?)
            };
            run().unwrap_or_else(|error| panic!("the derivative of a traced update: {error}"))
        };
        let whole = Value::from(self.x.clone()).reshaped(&[1, shape[0] * shape[1]]);
        let probe = whole.try_into_tensor::<2>()?.probe(3);
        let found = spectral_radius(&gram, &probe, &COARSE)?;
        Ok((found.values[0] + found.uncertainties[0]).sqrt())
    }
}

/// Returns the larger number, or NaN if one of them is NaN, which `f64::max` ignores.
fn larger(a: f64, b: f64) -> f64 {
    if a.is_nan() || b.is_nan() { f64::NAN } else { a.max(b) }
}

/// Returns the Euclidean norm of all elements.
fn length(values: &[Value]) -> f64 {
    values.iter().flat_map(numbers).fold(0.0, |sum: f64, number| sum.hypot(number))
}

/// Returns the Euclidean norm of the difference.
fn distance(a: &[Value], b: &[Value]) -> f64 {
    let pairs = a.iter().flat_map(numbers).zip(b.iter().flat_map(numbers));
    pairs.fold(0.0, |sum: f64, (a, b)| sum.hypot(a - b))
}

fn numbers(value: &Value) -> Vec<f64> {
    value.clone().into_data().iter::<f64>().collect()
}
