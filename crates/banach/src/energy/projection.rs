//! Projections onto convex sets: the box, the non-negative numbers, the simplex.

use crate::error::Error;
use banach_program::{Builder, Comparison, Constant, Kind, Literal, Primitive, Structure, Type, Unary, Var};
use burn::tensor::{FloatDType, TensorData};
use serde::{Deserialize, Serialize};
use std::sync::Arc;

/// The projection of every row of a state onto a convex set.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
#[non_exhaustive]
pub enum Projection {
    /// No constraint.
    #[default]
    None,
    /// `lower <= x <= upper`, with one bound for all elements of a row, or one for each.
    Box {
        /// The lower bounds.
        lower: Vec<f64>,
        /// The upper bounds.
        upper: Vec<f64>,
    },
    /// `x >= 0`.
    NonNegative,
    /// `x >= 0` with sum 1 along the last axis.
    Simplex,
}

impl Projection {
    /// Refuses empty sets.
    ///
    /// # Errors
    /// [`Error::Projection`] with the bounds.
    pub fn validate(&self) -> Result<(), Error> {
        let Projection::Box { lower, upper } = self else { return Ok(()) };
        if lower.len() != upper.len() || lower.is_empty() {
            let found = format!("{} lower and {} upper bounds", lower.len(), upper.len());
            return Err(Error::Projection { found });
        }
        let wrong = lower
            .iter()
            .zip(upper)
            .position(|(lower, upper)| lower.is_nan() || upper.is_nan() || lower > upper);
        match wrong {
            Some(at) => Err(Error::Projection {
                found: format!("bounds {} to {} at number {at}", lower[at], upper[at]),
            }),
            None => Ok(()),
        }
    }

    /// Writes the projection of x into a program.
    ///
    /// # Errors
    /// [`Error::Projection`] if the number of bounds is neither one nor the length of the last axis.
    pub(crate) fn lines(&self, b: &mut Builder, x: Var) -> Result<Var, Error> {
        match self {
            Projection::None => Ok(x),
            Projection::NonNegative => Ok(b.unary(Unary::Relu, x)),
            Projection::Box { lower, upper } => {
                let low = bound(b, x, lower)?;
                let below = b.push(Primitive::Compare(Comparison::Less), &[x, low]);
                let x = b.choose(below, low, x);
                let high = bound(b, x, upper)?;
                let above = b.push(Primitive::Compare(Comparison::Greater), &[x, high]);
                Ok(b.choose(above, high, x))
            }
            Projection::Simplex => Ok(simplex(b, x)),
        }
    }
}

fn bound(b: &mut Builder, x: Var, numbers: &[f64]) -> Result<Var, Error> {
    let ty = b.type_of(x).clone();
    if let [number] = numbers {
        return Ok(b.full(ty, *number));
    }
    if ty.shape.last() != Some(&numbers.len()) {
        return Err(Error::Projection { found: format!("{} bounds for a state {ty}", numbers.len()) });
    }
    let data = TensorData::new(numbers.to_vec(), [numbers.len()]);
    let constant = Constant {
        ty: Type::new([numbers.len()], Kind::Float(FloatDType::F64)),
        literal: Literal::Data(Arc::new(data)),
    };
    let var = b.push(Primitive::Constant(constant), &[]);
    let var = b.cast(var, ty.kind);
    Ok(b.broadcast(var, &ty.shape))
}

/// Writes max(x - τ, 0) with τ such that the sum is 1. No sorting is needed: every x_i has a threshold
/// `(Σ_{x_j >= x_i} x_j - 1) / #{x_j >= x_i}`, and τ is the largest threshold.
fn simplex(b: &mut Builder, x: Var) -> Var {
    let shape = b.shape(x);
    let (rows, n) = (shape[..shape.len() - 1].iter().product(), shape[shape.len() - 1]);
    let kind = b.type_of(x).kind;
    let square = [rows, n, n];
    let flat = b.reshape(x, &[rows, 1, n]);
    let others = b.broadcast(flat, &square);
    let turned = b.reshape(x, &[rows, n, 1]);
    let own = b.broadcast(turned, &square);
    let counted = b.push(Primitive::Compare(Comparison::GreaterEqual), &[others, own]);
    let ones = b.cast(counted, kind);
    let count = b.sum(ones, &[2]);
    let kept = b.multiply(ones, others);
    let sum = b.sum(kept, &[2]);
    let excess = b.offset(sum, -1.0);
    let threshold = b.divide(excess, count);
    let largest = b.push(Primitive::Extreme { axis: 1, largest: true }, &[threshold]);
    let largest = b.structure(Structure::Reshape(vec![rows, 1]), largest);
    let whole = b.broadcast(largest, &[rows, n]);
    let flat = b.reshape(x, &[rows, n]);
    let shifted = b.subtract(flat, whole);
    let projected = b.unary(Unary::Relu, shifted);
    b.reshape(projected, &shape)
}
