//! The derivative of cone programs inside programs: the inverse of the Jacobian of their optimality conditions.

use super::layout::{B, LINEAR, Layout, QUADRATIC, VALUES};
use super::pullback::{adjoint, tangent};
use super::system::System;
use crate::algebra::matrices::{concat, for_each_row, part, product};
use crate::error::Error;
use crate::projection::cone::Projection;
use crate::tensors::{Numbers, Place};
use banach::program::{
    Builder, Constant, Custom, CustomLinear, Index, Kind, Literal, Primitive, Program, TangentBuilder, Type,
    Value, Var,
};
use burn::tensor::{IntDType, TensorData};
use rayon::prelude::*;
use std::sync::Arc;

/// The program ([x, s, y], operands..) to -[Px + q + Aᵀy, Ax + s - b].
pub(crate) fn residual(layout: &Layout, types: &[Type]) -> Program {
    let (n, m, rows) = (layout.n(), layout.m(), layout.operands.rows);
    let mut b = Builder::new();
    let points = b.input(Type::new([rows, layout.point()], types[0].kind));
    let operands: Vec<Var> = types.iter().map(|ty| b.input(ty.clone())).collect();
    let operand = |wanted: usize| layout.operands.position(wanted).map(|at| operands[at]);
    let x = part(&mut b, points, 1, 0, n);
    let s = part(&mut b, points, 1, n, m);
    let y = part(&mut b, points, 1, n + m, m);
    let (Some(linear), Some(values), Some(bound)) = (operand(LINEAR), operand(VALUES), operand(B)) else {
        panic!("bug: found a cone program without q, A or b")
    };
    let matrix = scattered(&mut b, values, layout);
    let pulled = product(&mut b, matrix, y, true);
    let linear = for_each_row(&mut b, linear, 1, rows);
    let mut dual = b.add(pulled, linear);
    if let Some(quadratic) = operand(QUADRATIC) {
        let (one, other) = (product(&mut b, quadratic, x, false), product(&mut b, quadratic, x, true));
        let both = b.add(one, other);
        let half = b.scale(both, 0.5);
        dual = b.add(dual, half);
    }
    let image = product(&mut b, matrix, x, false);
    let image = b.add(image, s);
    let bound = for_each_row(&mut b, bound, 1, rows);
    let primal = b.subtract(image, bound);
    let whole = concat(&mut b, &[dual, primal], 1);
    let negative = b.scale(whole, -1.0);
    b.finish(vec![negative])
}

/// A of shape [m, n] or [rows, m, n], from its values.
fn scattered(b: &mut Builder, values: Var, layout: &Layout) -> Var {
    let (n, m) = (layout.n(), layout.m());
    let places: Vec<i64> = layout.structure.pattern.places.iter().map(|&(i, j)| (i * n + j) as i64).collect();
    let count = places.len();
    let literal = Literal::Data(Arc::new(TensorData::new(places, [count])));
    let ty = Type::new([count], Kind::Int(IntDType::I64));
    let places = b.push(Primitive::Constant(Constant { ty, literal }), &[]);
    let mut shape = b.shape(values);
    let axis = shape.len() - 1;
    shape[axis] = m * n;
    let flat = b.push(Primitive::Index(Index::SelectTransposed(axis, shape.clone())), &[values, places]);
    shape[axis] = m;
    shape.push(n);
    b.reshape(flat, &shape)
}

/// `(r, [x, s, y], operands..) -> [dx, ds, dy]` with J (dx, dw) = r, or its transpose.
#[derive(Clone, Debug)]
pub(crate) struct ConeResolvent {
    pub(crate) layout: Layout,
    /// The types of the points and of the operands of the cone program.
    pub(crate) types: Vec<Type>,
    pub(crate) transposed: bool,
}

impl ConeResolvent {
    /// The number of columns of the operand and of the result.
    fn widths(&self) -> (usize, usize) {
        let (right, point) = (self.layout.n() + self.layout.m(), self.layout.point());
        if self.transposed { (point, right) } else { (right, point) }
    }

    fn solved(&self, operands: &[Value]) -> Result<Value, Error> {
        let types: Vec<Type> = operands[2..].iter().map(Value::ty).collect();
        let layout = Layout::new(&self.layout.structure, &types.iter().collect::<Vec<_>>())?;
        let (n, m) = (layout.n(), layout.m());
        let numbers: Vec<Numbers> = operands.iter().map(Numbers::of).collect();
        let (width, result) = self.widths();
        let rows: Vec<Vec<f64>> = (0..layout.operands.rows)
            .into_par_iter()
            .map(|at| {
                let row = layout.row(&numbers[2..], at);
                let right = &numbers[0].slice()[at * width..(at + 1) * width];
                let point = &numbers[1].slice()[at * layout.point()..(at + 1) * layout.point()];
                let (s, y) = point[n..].split_at(m);
                let w: Vec<f64> = s.iter().zip(y).map(|(s, y)| s - y).collect();
                let found = Projection::new(row.cones, &w).and_then(|projection| {
                    let system = System::new(&row, &projection)?;
                    Some(match self.transposed {
                        true => adjoint(n, &projection, &system, right),
                        false => tangent(n, &projection, &system, right),
                    })
                });
                found.unwrap_or_else(|| vec![0.0; result])
            })
            .collect();
        Place::of(&operands[0]).value(rows.concat(), &[layout.operands.rows, result])
    }
}

impl Custom for ConeResolvent {
    fn name(&self) -> String {
        if self.transposed { "transposed cone resolvent".into() } else { "cone resolvent".into() }
    }

    fn result_type(&self, operands: &[&Type]) -> Result<Type, String> {
        let [right, ..] = operands else { return Err("expected a right-hand side".into()) };
        let (width, result) = self.widths();
        match right.shape[..] {
            [rows, found] if found == width => Ok(Type::new([rows, result], right.kind)),
            _ => Err(format!("{right} where [rows, {width}] is needed")),
        }
    }

    fn evaluate(&self, operands: Vec<Value>) -> Result<Value, banach::program::Error> {
        if operands.iter().any(|operand| operand.device().is_autodiff()) {
            return Err(refusal(&self.name()));
        }
        self.solved(&operands).map_err(|error| error.into_program(&self.name()))
    }

    fn tangent(&self, point: &mut dyn TangentBuilder, operands: &[Var], _: Var) -> Option<Var> {
        let right = point.tangent(operands[0]);
        let right = right.map(|right| point.custom(Arc::new(self.clone()), right, &operands[1..]));
        // The derivative by the coefficients, of second order, refuses to be evaluated.
        let to = Type::new([self.layout.operands.rows, self.widths().1], self.types[0].kind);
        let moved = operands[1..].iter().zip(&self.types);
        let moved = moved.filter_map(|(&operand, from)| Some((point.tangent(operand)?, from.clone())));
        let refused = moved
            .collect::<Vec<_>>()
            .into_iter()
            .next()
            .map(|(moved, from)| point.custom(Arc::new(SecondOrder { from, to }), moved, &[]));
        point.sum(right, refused)
    }

    fn row_by_row(&self, has_rows: &[bool]) -> bool {
        has_rows[0]
    }
}

impl CustomLinear for ConeResolvent {
    fn primitive(&self) -> Arc<dyn Custom> {
        Arc::new(self.clone())
    }

    fn transposed(&self) -> Arc<dyn CustomLinear> {
        Arc::new(ConeResolvent { transposed: !self.transposed, ..self.clone() })
    }
}

fn refusal(primitive: &str) -> banach::program::Error {
    let found =
        "found a second derivative of a cone program, expected first derivatives; write the problem as a \
                 quadratic program where higher ones are needed"
            .into();
    banach::program::Error::Failed { primitive: primitive.into(), found }
}

/// The second derivative of a cone program, which is not available: a linear map that refuses to be evaluated.
#[derive(Clone, Debug)]
struct SecondOrder {
    from: Type,
    to: Type,
}

impl Custom for SecondOrder {
    fn name(&self) -> String {
        "second derivative of a cone program".into()
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

impl CustomLinear for SecondOrder {
    fn primitive(&self) -> Arc<dyn Custom> {
        Arc::new(self.clone())
    }

    fn transposed(&self) -> Arc<dyn CustomLinear> {
        Arc::new(SecondOrder { from: self.to.clone(), to: self.from.clone() })
    }
}
