//! How does another crate add a primitive? By saying what it computes and what its tangent and transpose are.
//!
//! This is the only open door of the vocabulary: a fixed point and a linear solve enter here, so that a program with
//! fixed points inside is differentiated to any order by tables that know no solver.

use crate::derive::linearize::Linearizer;
use crate::error::Error;
use crate::language::primitive::Type;
use crate::language::program::Var;
use crate::run::value::Value;
use std::fmt::Debug;
use std::sync::Arc;

/// A primitive defined elsewhere, with one result.
pub trait Custom: Debug + Send + Sync {
    /// Its name, for printing.
    fn name(&self) -> String;

    /// The type of the result, or what is wrong with the operands.
    ///
    /// # Errors
    /// What was found and expected, in words.
    fn result_type(&self, operands: &[&Type]) -> Result<Type, String>;

    /// The result; where operands are on a tape, the result is too.
    ///
    /// # Errors
    /// [`Error::Failed`] where there is no result.
    fn evaluate(&self, operands: Vec<Value>) -> Result<Value, Error>;

    /// The tangent of the result, written with the calculus of the point; none where it is zero.
    fn tangent(&self, point: &mut Linearizer, operands: &[Var], result: Var) -> Option<Var>;

    /// Whether row `i` of the result depends on rows `i` alone of those operands that have rows; the others are the same for
    /// every row.
    fn row_by_row(&self, has_rows: &[bool]) -> bool;
}

/// A linear map defined elsewhere, from one operand to a result, with residuals as coefficients.
pub trait CustomLinear: Debug + Send + Sync {
    /// The same map as a primitive of `(operand, residuals..)`.
    fn primitive(&self) -> Arc<dyn Custom>;

    /// The transposed map, with the same residuals.
    fn transposed(&self) -> Arc<dyn CustomLinear>;
}

/// A custom primitive as it stands in a program: equal to itself alone.
#[derive(Debug)]
pub struct Door<T: ?Sized>(pub Arc<T>);

impl<T: ?Sized> Clone for Door<T> {
    fn clone(&self) -> Self {
        Door(Arc::clone(&self.0))
    }
}

impl<T: ?Sized> PartialEq for Door<T> {
    fn eq(&self, other: &Self) -> bool {
        Arc::ptr_eq(&self.0, &other.0)
    }
}
