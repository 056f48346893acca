//! The trait of user code: the update `g(x, z)` and where the iteration starts.

use crate::error::Error;
use banach_program::{Tensors, Type, Value, panics_as_errors};
use burn::tensor::Tensor;

/// An update `g(x, z; θ)` whose fixed point `x = g(x, z; θ)` is wanted. Implement it for a Burn module; its
/// parameters are θ.
///
/// The first axis of every state is the batch, and every row is solved for itself. An update that mixes rows (a mean
/// over the batch, say) is found out and solved as one problem.
///
/// An update is a function: it must give the same result for the same arguments. Dropout and batch statistics inside
/// it are refused; `if` on tensor values becomes `mask_where`. Tensors in fields that are no `Param` are constants.
/// Burn's `detach` inside it is an error: write `banach::detached(x)`, which a trace records; a parameter without
/// `require_grad` is frozen.
pub trait Update {
    /// The state x: a tensor, or a tuple, array or `Vec` of tensors.
    type State: Tensors;

    /// The input z: any number of tensors of any shapes; `()` for none.
    type Input: Tensors;

    /// Where the iteration starts, usually zeros; the shape of the state comes from here.
    fn start(&self, z: &Self::Input) -> Self::State;

    /// One application of g.
    fn update(&self, x: Self::State, z: Self::Input) -> Self::State;

    /// Where g is a gradient step on an energy: the energy of every row, `[batch]`. Solvers take no accelerated step that raises it.
    /// None where it is not.
    fn descended(&self, _x: Self::State, _z: Self::Input) -> Option<Tensor<1>> {
        None
    }
}

/// [`Update::start`], whose panics become errors.
pub(crate) fn start_of<U: Update>(update: &U, z: &U::Input) -> Result<U::State, Error> {
    let values = z.clone().into_values();
    let types: Vec<Type> = values.iter().filter(|value| !value.is_quantized()).map(Value::ty).collect();
    Ok(panics_as_errors(&types, || update.start(z))?)
}
