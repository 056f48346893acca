//! The optimality system as programs, for derivatives of every order.
//!
//! At a solution y = [x, λ, ν] the residual
//!
//! ```text
//! R(y) = [ Qx + q + Gᵀλ + Aᵀν,  λ ∘ (Gx - h),  Ax - b ]
//! ```
//!
//! is zero, so dy = -(∂R/∂y)⁻¹ ∂R (B. Amos and J. Z. Kolter, "OptNet", ICML 2017, eq. 6).

use super::layout::{A, B, G, H, HESSIAN, LINEAR, Layout};
use super::row::Sizes;
use crate::algebra::matrices::{concat, for_each_row, identity, part, product, spread, transposed};
use banach::program::{Builder, Comparison, Elementwise, Logic, Primitive, Program, Type, Unary, Var};

/// The residual above which a row has no solution, relative to its scale.
const UNSOLVED: f64 = 1e-4;

/// The programs of a layout: `(y, operands..)` to -R, and to ∂R/∂y.
#[derive(Debug)]
pub(crate) struct OptimalitySystem {
    pub(crate) negative_residual: Program,
    pub(crate) matrix: Program,
}

/// A system while it is written.
struct Writer<'a> {
    b: Builder,
    layout: &'a Layout,
    ty: Type,
    degeneracy: f64,
    y: Var,
    operands: Vec<Var>,
}

impl OptimalitySystem {
    pub(crate) fn new(layout: &Layout, types: &[Type], degeneracy: f64) -> Self {
        let ty = Type::new([layout.operands.rows, layout.sizes.point()], types[0].kind);
        let writer = || {
            let mut b = Builder::new();
            let y = b.input(ty.clone());
            let operands = types.iter().map(|ty| b.input(ty.clone())).collect();
            Writer { b, layout, ty: ty.clone(), degeneracy, y, operands }
        };
        OptimalitySystem { negative_residual: writer().residual(), matrix: writer().matrix() }
    }
}

impl Writer<'_> {
    fn operand(&self, operand: usize) -> Option<Var> {
        let at = self.layout.operands.position(operand)?;
        Some(self.operands[at])
    }

    /// A vector operand in every row.
    fn vector(&mut self, operand: usize) -> Option<Var> {
        let var = self.operand(operand)?;
        Some(for_each_row(&mut self.b, var, 1, self.layout.operands.rows))
    }

    /// A matrix operand in every row.
    fn matrices(&mut self, operand: usize) -> Option<Var> {
        let var = self.operand(operand)?;
        Some(for_each_row(&mut self.b, var, 2, self.layout.operands.rows))
    }

    fn part(&mut self, first: usize, count: usize) -> Var {
        part(&mut self.b, self.y, 1, first, count)
    }

    fn x(&mut self) -> Var {
        self.part(0, self.layout.sizes.n)
    }

    fn lambda(&mut self) -> Var {
        self.part(self.layout.sizes.n, self.layout.sizes.m)
    }

    fn nu(&mut self) -> Var {
        let Sizes { n, m, p } = self.layout.sizes;
        self.part(n + m, p)
    }

    /// The parts of R before the product with λ: [Qx + q + Gᵀλ + Aᵀν, Gx - h, Ax - b].
    fn conditions(&mut self) -> Vec<Var> {
        let x = self.x();
        let mut stationarity = None;
        if let Some(hessian) = self.operand(HESSIAN) {
            let (one, other) =
                (product(&mut self.b, hessian, x, false), product(&mut self.b, hessian, x, true));
            let both = self.b.add(one, other);
            stationarity = Some(self.b.scale(both, 0.5));
        }
        let mut sum = |writer: &mut Self, term: Option<Var>| {
            stationarity = match (stationarity, term) {
                (Some(sum), Some(term)) => Some(writer.b.add(sum, term)),
                (one, other) => one.or(other),
            };
            stationarity
        };
        let linear = self.vector(LINEAR);
        sum(self, linear);
        let mut all = vec![];
        for (matrix, bound) in [(G, H), (A, B)] {
            let (Some(matrix), Some(bound)) = (self.operand(matrix), self.vector(bound)) else { continue };
            let duals =
                if all.is_empty() && self.operand(G) == Some(matrix) { self.lambda() } else { self.nu() };
            let pulled = product(&mut self.b, matrix, duals, true);
            sum(self, Some(pulled));
            let image = product(&mut self.b, matrix, x, false);
            all.push(self.b.subtract(image, bound));
        }
        let first = sum(self, None);
        first.into_iter().chain(all).collect()
    }

    /// True in rows without a solution, as a column.
    fn unsolved(&mut self, conditions: &[Var]) -> Var {
        let residual = self.complementarity(conditions);
        let whole = concat(&mut self.b, &residual, 1);
        let size = self.b.unary(Unary::Abs, whole);
        let largest = self.b.push(Primitive::Extreme { axis: 1, largest: true }, &[size]);
        let scale = self.b.unary(Unary::Abs, self.y);
        let scale = self.b.push(Primitive::Extreme { axis: 1, largest: true }, &[scale]);
        let scale = self.b.offset(scale, 1.0);
        let relative = self.b.divide(largest, scale);
        // NaN is not less than anything, so such rows are unsolved.
        let solved = self.b.compare(Comparison::LessEqual, relative, UNSOLVED);
        self.b.push(Elementwise::Not, &[solved])
    }

    /// The parts of R.
    fn complementarity(&mut self, conditions: &[Var]) -> Vec<Var> {
        let mut parts = conditions.to_vec();
        if self.operand(G).is_some() {
            let lambda = self.lambda();
            parts[1] = self.b.multiply(lambda, parts[1]);
        }
        parts
    }

    fn residual(mut self) -> Program {
        let conditions = self.conditions();
        let unsolved = self.unsolved(&conditions);
        let parts = self.complementarity(&conditions);
        let whole = concat(&mut self.b, &parts, 1);
        let mask = self.b.broadcast(unsolved, &self.ty.shape.clone());
        let kept = self.b.push(Elementwise::Erase, &[mask, whole]);
        let negative = self.b.scale(kept, -1.0);
        self.b.finish(vec![negative])
    }

    fn zeros(&mut self, height: usize, width: usize) -> Var {
        self.b.full(Type::new([self.layout.operands.rows, height, width], self.ty.kind), 0.0)
    }

    fn matrix(mut self) -> Program {
        let Sizes { n, m, p } = self.layout.sizes;
        let conditions = self.conditions();
        let unsolved = self.unsolved(&conditions);
        let mut top = vec![];
        let mut below = vec![];
        if let Some(hessian) = self.matrices(HESSIAN) {
            let turned = transposed(&mut self.b, hessian);
            let both = self.b.add(hessian, turned);
            top.push(self.b.scale(both, 0.5));
        }
        if let Some(g) = self.matrices(G) {
            top.push(transposed(&mut self.b, g));
            let lambda = self.lambda();
            let wide = spread(&mut self.b, lambda, n);
            let left = self.b.multiply(wide, g);
            let slack = self.slack(lambda, conditions[1]);
            let wide = spread(&mut self.b, slack, m);
            let eye = identity(&mut self.b, m, self.layout.operands.rows, &self.ty);
            let diagonal = self.b.multiply(wide, eye);
            let mut parts = vec![left, diagonal];
            if p > 0 {
                parts.push(self.zeros(m, p));
            }
            below.push(concat(&mut self.b, &parts, 2));
        }
        if let Some(a) = self.matrices(A) {
            top.push(transposed(&mut self.b, a));
            let zeros = self.zeros(p, m + p);
            below.push(concat(&mut self.b, &[a, zeros], 2));
        }
        let top = concat(&mut self.b, &top, 2);
        let blocks: Vec<Var> = std::iter::once(top).chain(below).collect();
        let whole = concat(&mut self.b, &blocks, 1);
        let size = n + m + p;
        let eye = identity(&mut self.b, size, self.layout.operands.rows, &self.ty);
        let mask = self.b.reshape(unsolved, &[self.layout.operands.rows, 1, 1]);
        let mask = self.b.broadcast(mask, &[self.layout.operands.rows, size, size]);
        let matrix = self.b.choose(mask, eye, whole);
        self.b.finish(vec![matrix])
    }

    /// Gx - h, with -1 where neither slack nor multiplier exceeds the degeneracy: such a constraint counts as inactive.
    fn slack(&mut self, lambda: Var, slack: Var) -> Var {
        let below = |writer: &mut Self, x: Var| {
            let size = writer.b.unary(Unary::Abs, x);
            writer.b.compare(Comparison::LessEqual, size, writer.degeneracy)
        };
        let (small_lambda, small_slack) = (below(self, lambda), below(self, slack));
        let weak = self.b.push(Elementwise::Logic(Logic::And), &[small_lambda, small_slack]);
        let ty = self.b.type_of(slack).clone();
        let minus_one = self.b.full(ty, -1.0);
        self.b.choose(weak, minus_one, slack)
    }
}
