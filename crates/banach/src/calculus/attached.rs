//! Values computed outside Burn, attached to the tape with a pullback of their own.

use crate::calculus::pullback::join_inputs;
use crate::error::Error;
use banach_program::Value;
use burn::tensor::Tensor;

/// Attaches a value x `[rows, n]` to Burn's tape, as a function of the float tensors among `inputs`.
///
/// In `backward`, `pullback` receives the cotangent of x, and the positions of those inputs whose cotangents are
/// needed, in ascending order. It returns the cotangents of these inputs in this order, each of the type of its
/// input. Where no input is on the tape, x is returned as it is.
///
/// ```
/// use banach::attach;
/// use burn::tensor::{Device, Tensor};
///
/// // x = a², computed elsewhere; its pullback is v ↦ 2 a v.
/// let a = Tensor::<2>::from_data([[3.0]], &Device::flex().autodiff()).require_grad();
/// let x = Tensor::<2>::from_data([[9.0]], &Device::flex());
/// let plain = a.clone().without_autodiff();
/// let x = attach(x, vec![a.clone().into()], move |v, _| Ok(vec![(v * plain.clone() * 2.0).into()]))?;
/// let gradient = a.grad(&x.backward()).expect("a is on the tape");
/// assert_eq!(gradient.into_scalar::<f32>(), 6.0);
/// # Ok::<(), banach::Error>(())
/// ```
///
/// # Errors
/// [`Error::Program`] for an input that cannot be reshaped.
///
/// # Panics
/// In `backward`, if `pullback` returns an error, which Burn has no way to hand on.
pub fn attach(
    x: Tensor<2>,
    inputs: Vec<Value>,
    pullback: impl Fn(Tensor<2>, &[usize]) -> Result<Vec<Value>, Error> + Send + Sync + 'static,
) -> Result<Tensor<2>, Error> {
    let tape = inputs.iter().any(|input| input.device().is_autodiff());
    // Burn joins tensors of one device; inputs off the tape become leaves without a gradient.
    let on_tape =
        |input: Value| if tape && !input.device().is_autodiff() { input.leaf(false) } else { input };
    let inputs = inputs.into_iter().map(on_tape).collect();
    let back = move |v: Tensor<2>, positions: &[usize]| {
        // Positions are counted from 1 there: position 0 is x itself.
        let positions: Vec<usize> = positions.iter().map(|position| position - 1).collect();
        let cotangents = pullback(v.clone(), &positions)?;
        Ok((v, cotangents))
    };
    join_inputs(x, inputs, None, Box::new(back))
}
