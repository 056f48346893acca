//! The curvature of cone programs: the second derivative of the projection as a linear map between points.

use super::layout::Layout;
use crate::error::Error;
use crate::projection::curvature::second_derivative;
use crate::tensors::{Numbers, Place};
use banach::program::{Custom, CustomLinear, TangentBuilder, Type, Value, Var};
use rayon::prelude::*;
use std::sync::Arc;

/// The combination of the parts s and y of a point [x, s, y].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Combination {
    /// w = s - y.
    Difference,
    /// s + y.
    Sum,
}

impl Combination {
    fn sign(self) -> f64 {
        match self {
            Combination::Difference => -1.0,
            Combination::Sum => 1.0,
        }
    }
}

/// `(z, d, points) -> Lᵀ D²Π(w)[K z, d]` with the combinations K and L of the parts of points.
#[derive(Clone, Debug)]
pub(crate) struct ConeCurvature {
    pub(crate) layout: Layout,
    /// The type of points [x, s, y].
    pub(crate) ty: Type,
    /// K, which combines the parts of z.
    pub(crate) read: Combination,
    /// L, whose transpose writes the result.
    pub(crate) write: Combination,
}

impl ConeCurvature {
    fn bent(&self, operands: &[Value]) -> Result<Value, Error> {
        let (n, m, size) = (self.layout.n(), self.layout.m(), self.layout.point());
        let numbers: Vec<Numbers> = operands.iter().map(Numbers::of).collect();
        let [z, d, points] = [0, 1, 2].map(|at| numbers[at].slice());
        let combined = |point: &[f64], sign: f64| -> Vec<f64> {
            let (s, y) = point[n..].split_at(m);
            s.iter().zip(y).map(|(s, y)| s + sign * y).collect()
        };
        let rows = z.len() / size.max(1);
        let of_row = |row: usize| {
            let part = row * size..(row + 1) * size;
            let w = combined(&points[part.clone()], Combination::Difference.sign());
            let moved = combined(&z[part], self.read.sign());
            let bent =
                second_derivative(&self.layout.structure.cones, &w, &moved, &d[row * m..(row + 1) * m]);
            let bent = bent.unwrap_or_else(|| vec![0.0; m]);
            let sign = self.write.sign();
            let other = bent.iter().map(|bent| sign * bent).collect::<Vec<f64>>();
            [vec![0.0; n], bent, other].concat()
        };
        let all: Vec<Vec<f64>> = (0..rows).into_par_iter().map(of_row).collect();
        Place::of(&operands[0]).value(all.concat(), &[rows, size])
    }
}

impl Custom for ConeCurvature {
    fn name(&self) -> String {
        "curvature of a cone program".into()
    }

    fn result_type(&self, operands: &[&Type]) -> Result<Type, String> {
        match operands {
            [z, _, points] if z == points && z.shape.last() == self.ty.shape.last() => Ok((*z).clone()),
            _ => Err(format!("expected points such as {}", self.ty)),
        }
    }

    fn evaluate(&self, operands: Vec<Value>) -> Result<Value, banach::program::Error> {
        if operands.iter().any(|operand| operand.device().is_autodiff()) {
            return Err(on_tape(&self.name()));
        }
        self.bent(&operands).map_err(|error| error.into_program(&self.name()))
    }

    fn tangent(&self, point: &mut dyn TangentBuilder, operands: &[Var], _: Var) -> Option<Var> {
        let linear = point.tangent(operands[0]);
        let linear = linear.map(|z| point.custom(Arc::new(self.clone()), z, &operands[1..]));
        // The derivative by the coefficients, of third order, refuses to be evaluated.
        let direction = Type::new([self.ty.shape[0], self.layout.m()], self.ty.kind);
        let moved = [(operands[1], direction), (operands[2], self.ty.clone())];
        let moved = moved.into_iter().find_map(|(operand, from)| Some((point.tangent(operand)?, from)));
        let refused = moved.map(|(moved, from)| {
            let refused = ThirdOrder { from, to: self.ty.clone() };
            point.custom(Arc::new(refused), moved, &[])
        });
        point.sum(linear, refused)
    }

    fn row_by_row(&self, has_rows: &[bool]) -> bool {
        has_rows[0]
    }
}

impl CustomLinear for ConeCurvature {
    fn primitive(&self) -> Arc<dyn Custom> {
        Arc::new(self.clone())
    }

    fn transposed(&self) -> Arc<dyn CustomLinear> {
        Arc::new(ConeCurvature { read: self.write, write: self.read, ..self.clone() })
    }
}

/// The error of a derivative that is evaluated on Burn's tape.
pub(super) fn on_tape(primitive: &str) -> banach::program::Error {
    let found = "found a derivative of a cone program on the tape, expected tensors off it; take higher derivatives of its \
                 `function`"
        .into();
    banach::program::Error::Failed { primitive: primitive.into(), found }
}

fn refusal(primitive: &str) -> banach::program::Error {
    let found =
        "found a third derivative of a cone program, expected first and second ones; write the problem as a \
                 quadratic program where higher ones are needed"
            .into();
    banach::program::Error::Failed { primitive: primitive.into(), found }
}

/// The third derivative of a cone program, which is not available: a linear map that refuses to be evaluated.
#[derive(Clone, Debug)]
struct ThirdOrder {
    from: Type,
    to: Type,
}

impl Custom for ThirdOrder {
    fn name(&self) -> String {
        "third derivative of a cone program".into()
    }

    fn result_type(&self, operands: &[&Type]) -> Result<Type, String> {
        match operands {
            [operand] if **operand == self.from => Ok(self.to.clone()),
            _ => Err(format!("expected {}", self.from)),
        }
    }

    fn evaluate(&self, _: Vec<Value>) -> Result<Value, banach::program::Error> {
        Err(refusal(&self.name()))
    }

    fn tangent(&self, point: &mut dyn TangentBuilder, operands: &[Var], _: Var) -> Option<Var> {
        let moved = point.tangent(operands[0])?;
        Some(point.custom(Arc::new(self.clone()), moved, &[]))
    }

    fn row_by_row(&self, _: &[bool]) -> bool {
        false
    }
}

impl CustomLinear for ThirdOrder {
    fn primitive(&self) -> Arc<dyn Custom> {
        Arc::new(self.clone())
    }

    fn transposed(&self) -> Arc<dyn CustomLinear> {
        Arc::new(ThirdOrder { from: self.to.clone(), to: self.from.clone() })
    }
}
