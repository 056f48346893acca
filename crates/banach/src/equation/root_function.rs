//! Roots of functions.

use crate::calculus::function::Function;
use crate::equation::difference::difference;
use crate::error::Error;
use crate::settings::configuration::FixedPointConfig;
use banach_program::{Builder, Type, Var};

impl Function {
    /// Returns the root in the first inputs: for `F(x.., z..) -> F..`, the function `(x0.., z..) -> x̂..`
    /// with `F(x̂.., z..) = 0`, one unknown for each output. It is [`fix`](Self::fix) of `x - F`, for
    /// settings such as [`FixedPointConfig::for_roots`].
    ///
    /// ```
    /// use banach::{FixedPointConfig, Function};
    /// use burn::tensor::{Device, Tensor};
    ///
    /// // x² = z, and the forward derivative of its root, 1 / (2 x).
    /// let [x0, z] = [1.0, 9.0].map(|x: f32| Tensor::<2>::from_data([[x]], &Device::flex()));
    /// let square = Function::of(&(x0.clone(), z.clone()), |(x, z): (Tensor<2>, Tensor<2>)| x.square() - z)?;
    /// let root = square.root(&FixedPointConfig::for_roots())?;
    /// let slope: Tensor<2> = root.jvp_of(&[1]).call((x0, z.clone(), z.ones_like()))?;
    /// assert!((slope.into_scalar::<f32>() - 1.0 / 6.0).abs() < 1e-4);
    /// # Ok::<(), banach::Error>(())
    /// ```
    ///
    /// # Errors
    /// [`Error::Equation`] unless each output has the type of its unknown; as [`fix`](Self::fix) for the
    /// settings.
    pub fn root(&self, config: &FixedPointConfig) -> Result<Function, Error> {
        let residuals: Vec<Type> = self.program().output_types().cloned().collect();
        let unknowns: Vec<Type> = self.program().input_types().take(residuals.len()).cloned().collect();
        let difference = difference(&unknowns, &residuals)?;
        let mut builder = Builder::new();
        let inputs: Vec<Var> = self.program().input_types().map(|ty| builder.input(ty.clone())).collect();
        let found = builder.inline(self.program(), &inputs);
        let images = builder.inline(&difference, &[&inputs[..found.len()], &found].concat());
        Function::from(builder.finish(images)).fix(config)
    }
}
