//! Projections onto convex sets: boxes, the simplex, balls, half-spaces, the monotone cone.

use super::nearest;
use crate::error::Error;
use banach_program::{
    Builder, Comparison, Constant, Elementwise, Kind, Literal, Primitive, Type, Unary, Var,
};
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
    /// `Σ|x| <= radius` along the last axis.
    SumBall {
        /// The largest sum of absolute values.
        radius: f64,
    },
    /// `‖x‖ <= radius` along the last axis.
    EuclideanBall {
        /// The largest Euclidean norm.
        radius: f64,
    },
    /// `⟨normal, x⟩ <= offset` along the last axis.
    HalfSpace {
        /// The outward normal, with one number for each of a row.
        normal: Vec<f64>,
        /// The largest inner product.
        offset: f64,
    },
    /// `x₁ <= x₂ <= … <= x_n` along the last axis. Its program has of the order of n³ operations.
    Monotone,
}

impl Projection {
    /// Refuses empty sets.
    ///
    /// # Errors
    /// [`Error::Projection`] with the bounds.
    pub fn validate(&self) -> Result<(), Error> {
        match self {
            Projection::Box { lower, upper } => check_box(lower, upper),
            Projection::SumBall { radius } | Projection::EuclideanBall { radius }
                if !(*radius > 0.0 && radius.is_finite()) =>
            {
                Err(Error::Projection { found: format!("the radius {radius}") })
            }
            Projection::HalfSpace { normal, offset } => {
                let square: f64 = normal.iter().map(|a| a * a).sum();
                if square > 0.0 && square.is_finite() && offset.is_finite() {
                    return Ok(());
                }
                let found =
                    format!("a half-space with a normal of squared length {square} and offset {offset}");
                Err(Error::Projection { found })
            }
            Projection::None
            | Projection::NonNegative
            | Projection::Simplex
            | Projection::SumBall { .. }
            | Projection::EuclideanBall { .. }
            | Projection::Monotone => Ok(()),
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
                let below = b.push(Elementwise::Compare(Comparison::Less), &[x, low]);
                let x = b.choose(below, low, x);
                let high = bound(b, x, upper)?;
                let above = b.push(Elementwise::Compare(Comparison::Greater), &[x, high]);
                Ok(b.choose(above, high, x))
            }
            Projection::Simplex => Ok(nearest::simplex(b, x)),
            Projection::SumBall { radius } => Ok(nearest::sum_ball(b, x, *radius)),
            Projection::EuclideanBall { radius } => Ok(nearest::euclidean_ball(b, x, *radius)),
            Projection::HalfSpace { normal, offset } => {
                let ty = b.type_of(x).clone();
                if ty.shape.last() != Some(&normal.len()) {
                    let found = format!("a normal of {} numbers for a state {ty}", normal.len());
                    return Err(Error::Projection { found });
                }
                Ok(nearest::half_space(b, x, normal, *offset))
            }
            Projection::Monotone => Ok(nearest::monotone(b, x)),
        }
    }
}

fn check_box(lower: &[f64], upper: &[f64]) -> Result<(), Error> {
    if lower.len() != upper.len() || lower.is_empty() {
        let found = format!("{} lower and {} upper bounds", lower.len(), upper.len());
        return Err(Error::Projection { found });
    }
    let wrong =
        lower.iter().zip(upper).position(|(lower, upper)| lower.is_nan() || upper.is_nan() || lower > upper);
    match wrong {
        Some(at) => {
            Err(Error::Projection { found: format!("bounds {} to {} at number {at}", lower[at], upper[at]) })
        }
        None => Ok(()),
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
