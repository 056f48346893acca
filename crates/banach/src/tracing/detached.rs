//! Detached tensors inside traced code, where Burn's `detach` is not recorded.

use banach_program::{Builder, Error, Tensors, Value, Var, record};

/// Detaches tensors: no gradient passes through them, on Burn's tape and inside a trace.
///
/// Use it in place of Burn's `detach`, which a trace does not record, in an update, an energy, a loss or a function.
///
/// ```
/// use banach::{Function, detached};
/// use burn::tensor::{DType, Device, Tensor};
///
/// // f(x) = Σ x · x with the second x held fixed: its gradient is x, not 2 x.
/// let x = Tensor::<1>::from_data([1.0, 3.0], (&Device::flex(), DType::F64));
/// let product = Function::of(&x, |x: Tensor<1>| (x.clone() * detached(x)).sum())?;
/// let slope: Tensor<1> = product.gradient(0)?.call(x)?;
/// assert_eq!(slope.into_data().iter::<f64>().collect::<Vec<_>>(), [1.0, 3.0]);
/// # Ok::<(), banach::Error>(())
/// ```
///
/// # Panics
/// Inside a trace, for tensors that do not belong to it; the trace returns that as its error.
pub fn detached<T: Tensors>(tensors: T) -> T {
    let fixed = |values: Vec<Value>| -> Result<T, Error> {
        let values = values.into_iter().map(fixed).collect::<Result<Vec<Value>, Error>>()?;
        tensors.rebuild(&mut values.into_iter())
    };
    fixed(tensors.clone().into_values()).unwrap_or_else(|error| std::panic::panic_any(error))
}

fn fixed(value: Value) -> Result<Value, Error> {
    if !value.ty().kind.is_float() {
        return Ok(value);
    }
    let mut builder = Builder::new();
    let input: Var = builder.input(value.ty());
    let output = builder.detach(input);
    let program = builder.finish(vec![output]);
    let placeholder = value.is_placeholder();
    let mut results = if placeholder {
        record(&program, &[value])?
    } else {
        banach_program::evaluate(&program, vec![value])?
    };
    Ok(results.remove(0))
}
