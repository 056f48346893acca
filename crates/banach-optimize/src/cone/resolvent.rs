//! The derivative of cone programs inside programs: the inverse of the Jacobian of their optimality conditions.

use super::curvature::{Combination, ConeCurvature, on_tape};
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
    let mut b = Builder::new();
    let points = b.input(Type::new([layout.operands.rows, layout.point()], types[0].kind));
    let operands: Vec<Var> = types.iter().map(|ty| b.input(ty.clone())).collect();
    let [dual, primal] = acted(&mut b, layout, points, &operands);
    let linear = operand(layout, &operands, LINEAR);
    let linear = linear.map(|linear| for_each_row(&mut b, linear, 1, layout.operands.rows));
    let bound =
        operand(layout, &operands, B).map(|bound| for_each_row(&mut b, bound, 1, layout.operands.rows));
    let (Some(linear), Some(bound)) = (linear, bound) else {
        panic!("bug: found a cone program without q or b")
    };
    let (dual, primal) = (b.add(dual, linear), b.subtract(primal, bound));
    let whole = concat(&mut b, &[dual, primal], 1);
    let negative = b.scale(whole, -1.0);
    b.finish(vec![negative])
}

/// The program (u, operands..) to -T u for T u = [P uₓ + Aᵀ u_y, A uₓ + uₛ], the part of the conditions that is linear in points.
fn action(layout: &Layout, types: &[Type]) -> Program {
    let mut b = Builder::new();
    let points = b.input(Type::new([layout.operands.rows, layout.point()], types[0].kind));
    let operands: Vec<Var> = types.iter().map(|ty| b.input(ty.clone())).collect();
    let both = acted(&mut b, layout, points, &operands);
    let whole = concat(&mut b, &both, 1);
    let negative = b.scale(whole, -1.0);
    b.finish(vec![negative])
}

/// The program (c, operands..) to -Tᵀ c, with Tᵀ (c₁, c₂) = [P c₁ + Aᵀ c₂, c₂, A c₁].
fn transposed_action(layout: &Layout, types: &[Type]) -> Program {
    let mut b = Builder::new();
    let c = b.input(Type::new([layout.operands.rows, layout.n() + layout.m()], types[0].kind));
    let operands: Vec<Var> = types.iter().map(|ty| b.input(ty.clone())).collect();
    let whole = transposed_acted(&mut b, layout, c, &operands);
    let negative = b.scale(whole, -1.0);
    b.finish(vec![negative])
}

fn operand(layout: &Layout, operands: &[Var], wanted: usize) -> Option<Var> {
    layout.operands.position(wanted).map(|at| operands[at])
}

/// Writes P x + Aᵀ y and A x + s for a point [x, s, y].
fn acted(b: &mut Builder, layout: &Layout, point: Var, operands: &[Var]) -> [Var; 2] {
    let (n, m) = (layout.n(), layout.m());
    let x = part(b, point, 1, 0, n);
    let s = part(b, point, 1, n, m);
    let y = part(b, point, 1, n + m, m);
    let matrix = matrix(b, layout, operands);
    let pulled = product(b, matrix, y, true);
    let dual = with_quadratic(b, layout, operands, (pulled, x));
    let image = product(b, matrix, x, false);
    [dual, b.add(image, s)]
}

/// Writes [P c₁ + Aᵀ c₂, c₂, A c₁].
fn transposed_acted(b: &mut Builder, layout: &Layout, c: Var, operands: &[Var]) -> Var {
    let (n, m) = (layout.n(), layout.m());
    let first = part(b, c, 1, 0, n);
    let second = part(b, c, 1, n, m);
    let matrix = matrix(b, layout, operands);
    let pulled = product(b, matrix, second, true);
    let of_x = with_quadratic(b, layout, operands, (pulled, first));
    let of_y = product(b, matrix, first, false);
    concat(b, &[of_x, second, of_y], 1)
}

/// Writes a sum and P x, with the symmetric part of P, where there is one.
fn with_quadratic(b: &mut Builder, layout: &Layout, operands: &[Var], (sum, x): (Var, Var)) -> Var {
    let Some(quadratic) = operand(layout, operands, QUADRATIC) else { return sum };
    let (one, other) = (product(b, quadratic, x, false), product(b, quadratic, x, true));
    let both = b.add(one, other);
    let half = b.scale(both, 0.5);
    b.add(sum, half)
}

fn matrix(b: &mut Builder, layout: &Layout, operands: &[Var]) -> Var {
    let Some(values) = operand(layout, operands, VALUES) else {
        panic!("bug: found a cone program without A")
    };
    scattered(b, values, layout)
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

    /// The program (result, r, points, operands..) to the direction of the curvature and the points.
    fn direction(&self) -> Program {
        let (layout, mut b) = (&self.layout, Builder::new());
        let (n, m, rows) = (layout.n(), layout.m(), layout.operands.rows);
        let (width, found) = self.widths();
        let kind = self.types[0].kind;
        let result = b.input(Type::new([rows, found], kind));
        let given = b.input(Type::new([rows, width], kind));
        let points = b.input(self.types[0].clone());
        let operands: Vec<Var> = self.types[1..].iter().map(|ty| b.input(ty.clone())).collect();
        let direction = if self.transposed {
            let acted = transposed_acted(&mut b, layout, result, &operands);
            let rest = b.subtract(given, acted);
            let (s, y) = (part(&mut b, rest, 1, n, m), part(&mut b, rest, 1, n + m, m));
            b.add(s, y)
        } else {
            let (s, y) = (part(&mut b, result, 1, n, m), part(&mut b, result, 1, n + m, m));
            b.subtract(s, y)
        };
        b.finish(vec![direction, points])
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
            return Err(on_tape(&self.name()));
        }
        self.solved(&operands).map_err(|error| error.into_program(&self.name()))
    }

    /// With u = R r, the tangent of R along points p' and operands is `R (-T' u - T k) + k`, where k = (0, κ, κ) for
    /// κ = D²Π(w)[w', dw] and w = s - y of points; that of c = Rᵀ v is `Rᵀ (-T'ᵀ c + (0, k, -k))`, where
    /// k = D²Π(w)[w', d] and d = vₛ + v_y less the same sum of Tᵀ c.
    fn tangent(&self, point: &mut dyn TangentBuilder, operands: &[Var], result: Var) -> Option<Var> {
        let (layout, types) = (&self.layout, &self.types[1..]);
        let given = point.tangent(operands[0]);
        let data: Vec<Option<Var>> = operands[2..].iter().map(|&operand| point.tangent(operand)).collect();
        let at: Vec<Var> = std::iter::once(result).chain(operands[2..].iter().copied()).collect();
        let write = if self.transposed { Combination::Difference } else { Combination::Sum };
        let (layout_kept, ty) = (layout.clone(), self.types[0].clone());
        let curvature = ConeCurvature { layout: layout_kept, ty, read: Combination::Difference, write };
        let directions = [&[result], operands].concat();
        let bent = point
            .tangent(operands[1])
            .map(|moved| point.custom_of(Arc::new(curvature), moved, &self.direction(), &directions));
        let (program, first, rest) = match self.transposed {
            true => (transposed_action(layout, types), None, bent),
            false => (action(layout, types), bent, None),
        };
        let tangents: Vec<Option<Var>> = std::iter::once(first).chain(data).collect();
        let acted = match tangents.iter().all(Option::is_none) {
            true => None,
            false => point.derivative(&program, &at, &tangents).remove(0),
        };
        let right = point.sum(given, acted);
        let right = point.sum(right, rest);
        let solved = right.map(|right| point.custom(Arc::new(self.clone()), right, &operands[1..]));
        point.sum(solved, first)
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
