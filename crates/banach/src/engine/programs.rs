//! The programs of a loop: what runs once, the map, and what Newton's method needs of it.

use crate::tracing::cache::Bytes;
use banach_program::{Builder, Hoisted, Program, Var, hoist, simplify};

/// The programs of a loop.
#[derive(Debug)]
#[cfg_attr(feature = "remote", derive(serde::Serialize, serde::Deserialize))]
pub(crate) struct LoopPrograms {
    /// `q.. -> carried..`, which runs once.
    pub(crate) prologue: Program,
    /// `(x, carried..) -> g`, with the energy of every row, a column, as a second result where g is a gradient step.
    pub(crate) map: Program,
    pub(crate) jacobian: Option<JacobianPrograms>,
}

/// The Jacobian J of a map at a point.
#[derive(Debug)]
#[cfg_attr(feature = "remote", derive(serde::Serialize, serde::Deserialize))]
pub(crate) struct JacobianPrograms {
    /// The point, `(x, carried..)`, to the coefficients of J.
    pub(crate) coefficients: Program,
    /// `(t, coefficients..) -> J t`.
    pub(crate) product: Program,
}

impl Bytes for LoopPrograms {
    fn bytes(&self) -> usize {
        self.prologue.bytes() + self.map.bytes() + self.jacobian.bytes()
    }
}

impl Bytes for JacobianPrograms {
    fn bytes(&self) -> usize {
        self.coefficients.bytes() + self.product.bytes()
    }
}

impl LoopPrograms {
    /// Splits a map `(x, q..) -> g`, and its energy if there is one, into what runs once and what runs in every step.
    pub(crate) fn new(map: &Program, energy: Option<&Program>) -> Self {
        let Hoisted { prologue, body } = match energy {
            None => hoist(map, &[0]),
            Some(energy) => {
                let mut builder = Builder::new();
                let results = joined(&mut builder, map, Some(energy)).1;
                hoist(&simplify(&builder.finish(results)), &[0])
            }
        };
        LoopPrograms { prologue, map: body, jacobian: None }
    }

    /// Returns g alone, `(x, carried..) -> g`.
    pub(crate) fn g(&self) -> Program {
        if self.has_energy() { self.result(0) } else { self.map.clone() }
    }

    /// Returns the energy alone, `(x, carried..)` to a column, if there is one.
    pub(crate) fn energy(&self) -> Option<Program> {
        self.has_energy().then(|| self.result(1))
    }

    /// Returns whether the map has an energy.
    pub(crate) fn has_energy(&self) -> bool {
        self.map.outputs().len() > 1
    }

    fn result(&self, position: usize) -> Program {
        simplify(&self.map.clone().with_outputs(&[position]))
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
        let (inputs, mut results) = joined(&mut builder, map, energy);
        let first = results.len();
        results.extend(builder.inline(coefficients, &inputs));
        let all: Vec<usize> = (first..results.len()).collect();
        let Hoisted { prologue, body } = hoist(&simplify(&builder.finish(results)), &[0]);
        let select = |results: &[usize]| simplify(&body.clone().with_outputs(results));
        let jacobian = JacobianPrograms { coefficients: select(&all), product: product.clone() };
        let map = select(&(0..first).collect::<Vec<_>>());
        LoopPrograms { prologue, map, jacobian: Some(jacobian) }
    }
}

/// Writes a map and its energy into one program. Returns their inputs and results.
fn joined(builder: &mut Builder, map: &Program, energy: Option<&Program>) -> (Vec<Var>, Vec<Var>) {
    let inputs: Vec<Var> = map.input_types().map(|ty| builder.input(ty.clone())).collect();
    let mut results = builder.inline(map, &inputs);
    results.extend(energy.map(|energy| builder.inline(energy, &inputs)).into_iter().flatten());
    (inputs, results)
}
