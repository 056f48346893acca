//! The trait of user code: the update `g(x, z)` and the start of its iteration.

use crate::error::Error;
use banach_program::{Tensors, Type, Value, panics_as_errors};
use burn::tensor::Tensor;

/// An update `g(x, z; θ)` with a fixed point `x = g(x, z; θ)`. Implement it for a Burn module; its parameters are θ.
///
/// The first axis of every state is the batch, and every row is a problem of its own. An update that mixes rows (by a mean
/// over the batch, say) is detected and solved as one problem.
///
/// An update must be a function: equal arguments give equal results. Dropout and batch statistics inside it are refused;
/// write `mask_where` for an `if` on tensor values. Tensors in fields that are no `Param` are constants. Burn's `detach`
/// inside it is an error: write `banach::detached(x)`, which a trace records. A parameter without `require_grad` is frozen.
pub trait Update {
    /// The state x: a tensor, or a tuple, array or `Vec` of tensors.
    type State: Tensors;

    /// The input z: any number of tensors of any shapes; `()` for none.
    type Input: Tensors;

    /// Returns the start of the iteration, usually zeros, which determines the shape of the state.
    fn start(&self, z: &Self::Input) -> Self::State;

    /// Applies g once.
    fn update(&self, x: Self::State, z: Self::Input) -> Self::State;

    /// Returns the energy of every row, `[batch]`, if g is a gradient step on an energy: solvers descend it.
    /// Returns None for other updates.
    fn energy(&self, _x: Self::State, _z: Self::Input) -> Option<Tensor<1>> {
        None
    }
}

/// Calls [`Update::start`]; panics become errors.
pub(crate) fn start_of<U: Update>(update: &U, z: &U::Input) -> Result<U::State, Error> {
    let values = z.clone().into_values();
    let types: Vec<Type> = values.iter().filter(|value| !value.is_quantized()).map(Value::ty).collect();
    Ok(panics_as_errors(&types, || update.start(z))?)
}
