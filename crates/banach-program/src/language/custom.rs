//! Custom primitives: operations that other crates define by their type, value, tangent and transpose.
//!
//! Fixed points and linear solves are custom primitives, so a program that contains them is differentiated to
//! any order by tables that know no solver.

use crate::error::Error;
use crate::language::program::{Program, Var};
use crate::language::tensor_type::Type;
use crate::language::value::Value;
use std::fmt::Debug;
use std::sync::Arc;

/// A primitive defined by another crate, with one result.
pub trait Custom: Debug + Send + Sync {
    /// Returns the name under which programs print the primitive.
    fn name(&self) -> String;

    /// Returns the type of the result.
    ///
    /// # Errors
    /// A message that says which operands were found and which were expected.
    fn result_type(&self, operands: &[&Type]) -> Result<Type, String>;

    /// Computes the result. It is on Burn's tape where one of the operands is.
    ///
    /// # Errors
    /// [`Error::Failed`] where there is no result.
    fn evaluate(&self, operands: Vec<Value>) -> Result<Value, Error>;

    /// Writes the tangent of the result with the builder; `None` is a zero tangent.
    fn tangent(&self, builder: &mut dyn TangentBuilder, operands: &[Var], result: Var) -> Option<Var>;

    /// Returns whether row `i` of the result depends only on row `i` of the operands marked in `has_rows`.
    ///
    /// Operands without rows are shared by all rows.
    fn row_by_row(&self, has_rows: &[bool]) -> bool;
}

/// A linear map defined by another crate, from one operand to one result, whose coefficients are residuals.
pub trait CustomLinear: Debug + Send + Sync {
    /// Returns the map as a primitive of `(operand, residuals..)`.
    fn primitive(&self) -> Arc<dyn Custom>;

    /// Returns the transposed map, which has the residuals of the map itself.
    fn transposed(&self) -> Arc<dyn CustomLinear>;
}

/// The operations with which a [`Custom`] primitive writes its tangent, during
/// [`linearize()`](crate::linearize()).
///
/// Variables passed in as values are those of the program under linearization; tangents are those that this
/// trait returned.
pub trait TangentBuilder {
    /// Returns the tangent of a variable; `None` is a zero tangent.
    fn tangent(&self, var: Var) -> Option<Var>;

    /// Applies the derivative of a program at the point `at` to tangents of its inputs, and returns the
    /// tangents of its outputs.
    fn derivative(&mut self, program: &Program, at: &[Var], tangents: &[Option<Var>]) -> Vec<Option<Var>>;

    /// Applies a custom linear map to a tangent, with variables of the program under linearization as
    /// coefficients.
    fn custom(&mut self, map: Arc<dyn CustomLinear>, tangent: Var, coefficients: &[Var]) -> Var;

    /// Applies a custom linear map to a tangent; its coefficients are the outputs of `program` at the point
    /// `at`.
    fn custom_of(&mut self, map: Arc<dyn CustomLinear>, tangent: Var, program: &Program, at: &[Var]) -> Var;

    /// Adds two tangents.
    fn sum(&mut self, a: Option<Var>, b: Option<Var>) -> Option<Var>;
}

/// A shared custom operation inside a program. Two are equal if they are one allocation.
#[derive(Debug)]
pub struct CustomOp<T: ?Sized>(pub Arc<T>);

impl<T: ?Sized> Clone for CustomOp<T> {
    fn clone(&self) -> Self {
        CustomOp(Arc::clone(&self.0))
    }
}

impl<T: ?Sized> PartialEq for CustomOp<T> {
    fn eq(&self, other: &Self) -> bool {
        Arc::ptr_eq(&self.0, &other.0)
    }
}
