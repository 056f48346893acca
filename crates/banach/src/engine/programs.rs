//! The programs of a loop: what runs once, the map, and what Newton's method needs of it.

use crate::tracing::cache::Bytes;
use banach_program::{Builder, Hoisted, Program, Var, hoist, simplify};

/// The programs of a loop.
#[derive(Debug)]
pub(crate) struct LoopPrograms {
    /// `q.. -> carried..`, which runs once.
    pub(crate) prologue: Program,
    /// `(x, carried..) -> g`.
    pub(crate) map: Program,
    /// `(x, carried..)` to a column with the energy of every row, where g is a gradient step.
    pub(crate) energy: Option<Program>,
    pub(crate) jacobian: Option<JacobianPrograms>,
}

/// The Jacobian J of a map at a point.
#[derive(Debug)]
pub(crate) struct JacobianPrograms {
    /// The point, `(x, carried..)`, to the coefficients of J.
    pub(crate) coefficients: Program,
    /// `(t, coefficients..) -> J t`.
    pub(crate) product: Program,
}

impl Bytes for LoopPrograms {
    fn bytes(&self) -> usize {
        self.prologue.bytes() + self.map.bytes() + self.energy.bytes() + self.jacobian.bytes()
    }
}

impl Bytes for JacobianPrograms {
    fn bytes(&self) -> usize {
        self.coefficients.bytes() + self.product.bytes()
    }
}

impl LoopPrograms {
    /// Splits a map `(x, q..) -> g` into what runs once and what runs in every step.
    pub(crate) fn new(map: &Program) -> Self {
        let Hoisted { prologue, body } = hoist(map, &[0]);
        LoopPrograms { prologue, map: body, energy: None, jacobian: None }
    }

    /// Splits a map, its energy and the coefficients of its Jacobian, all of them programs of `(x, q..)`, as one program:
    /// what they share before the loop is computed once. `product` is `(t, coefficients..) -> J t`.
    pub(crate) fn for_newton(
        map: &Program,
        energy: Option<&Program>,
        coefficients: &Program,
        product: &Program,
    ) -> Self {
        let mut builder = Builder::new();
        let inputs: Vec<Var> = map.input_types().map(|ty| builder.input(ty.clone())).collect();
        let mut results = builder.inline(map, &inputs);
        results.extend(energy.map(|energy| builder.inline(energy, &inputs)).into_iter().flatten());
        let first = results.len();
        results.extend(builder.inline(coefficients, &inputs));
        let all: Vec<usize> = (first..results.len()).collect();
        let Hoisted { prologue, body } = hoist(&simplify(&builder.finish(results)), &[0]);
        let select = |results: &[usize]| simplify(&body.clone().with_outputs(results));
        let jacobian = JacobianPrograms { coefficients: select(&all), product: product.clone() };
        let energy = energy.map(|_| select(&[1]));
        LoopPrograms { prologue, map: select(&[0]), energy, jacobian: Some(jacobian) }
    }
}
