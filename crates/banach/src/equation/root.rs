//! Equations, and their roots as fixed points.

use crate::calculus::function::Function;
use crate::equation::difference::difference;
use crate::error::Error;
use crate::settings::configuration::FixedPointConfig;
use crate::tracing::layout::types_of;
use crate::tracing::update::Update;
use banach_program::Tensors;
use banach_solve::Newton;
use burn::module::Module;

/// An equation `F(x, z; θ) = 0` for x, with as many equations as unknowns. Implement it for a Burn module;
/// its parameters are θ.
///
/// The first axis of every unknown is the batch, and every row is an equation of its own. As for an
/// [`Update`], F must be a function.
///
/// ```
/// use banach::{Equation, FixedPointConfig, Root};
/// use burn::module::Module;
/// use burn::tensor::{Device, Tensor};
///
/// /// The meeting points of a circle and a parabola: x² + y² = r² and y = x².
/// #[derive(Module, Debug)]
/// struct Meeting {}
///
/// impl Equation for Meeting {
///     type State = (Tensor<2>, Tensor<2>);
///     type Input = Tensor<2>;
///
///     fn start(&self, r: &Tensor<2>) -> Self::State {
///         (r.clone(), r.clone())
///     }
///
///     fn residual(&self, (x, y): Self::State, r: Tensor<2>) -> Self::State {
///         (x.clone().square() + y.clone().square() - r.square(), y - x.square())
///     }
/// }
///
/// let layer = FixedPointConfig::for_roots().init(Root::new(Meeting {}))?;
/// let r = Tensor::<2>::from_data([[2.0_f32.sqrt()]], &Device::flex().autodiff()).require_grad();
/// let (x, y) = layer.forward(r.clone());
/// assert!((x.into_scalar::<f32>() - 1.0).abs() < 1e-4);
/// // y² + y = r², so dy/dr = 2 r / (2 y + 1).
/// let slope: f32 = r.grad(&y.backward()).unwrap().into_scalar();
/// assert!((slope - 2.0 * 2.0_f32.sqrt() / 3.0).abs() < 1e-3);
/// # Ok::<(), banach::Error>(())
/// ```
pub trait Equation {
    /// The unknown x: a tensor, or a tuple, array or `Vec` of tensors, whose first axis is the batch.
    type State: Tensors;

    /// The input z: any number of tensors of any shapes; `()` for none.
    type Input: Tensors;

    /// Returns the start of the solve, which determines the shape of x. An equation with several roots is
    /// solved for one near its start.
    fn start(&self, z: &Self::Input) -> Self::State;

    /// Returns F at x, in the shapes of x.
    fn residual(&self, x: Self::State, z: Self::Input) -> Self::State;
}

/// The update `g(x, z) = x - F(x, z)` of an [`Equation`] F, whose fixed points are the roots of F.
///
/// Its residual `‖g(x) - x‖` is `‖F(x)‖`, and `I - J` is ∂F/∂x. So the implicit function theorem reads
/// `dx̂ = -(∂F/∂x)⁻¹ ∂F/∂(z, θ) d(z, θ)`, and what a report says of a singular `I - J` it says of ∂F/∂x.
#[derive(Module, Debug)]
pub struct Root<E: Module> {
    equation: E,
}

impl<E: Module> Root<E> {
    /// Creates the update of an equation.
    pub fn new(equation: E) -> Self {
        Root { equation }
    }

    /// Returns the equation.
    pub fn equation(&self) -> &E {
        &self.equation
    }
}

impl<E: Module + Equation> Root<E> {
    fn step(&self, x: E::State, z: E::Input) -> Result<E::State, Error> {
        let states = x.clone().into_values();
        let residuals = self.equation.residual(x.clone(), z).into_values();
        let program = difference(&types_of(&states), &types_of(&residuals))?;
        let results = Function::from(program).call_values([states, residuals].concat())?;
        Ok(x.rebuild(&mut results.into_iter())?)
    }
}

impl<E: Module + Equation> Update for Root<E> {
    type State = E::State;
    type Input = E::Input;

    fn start(&self, z: &E::Input) -> E::State {
        self.equation.start(z)
    }

    /// # Panics
    /// If F has not the shapes of x; a [`FixedPoint`](crate::FixedPoint) layer returns that as its error.
    fn update(&self, x: E::State, z: E::Input) -> E::State {
        self.step(x, z).unwrap_or_else(|error| std::panic::panic_any(error))
    }
}

impl FixedPointConfig {
    /// Returns the settings for [`Root`]s: the defaults, with [`Newton`]'s method forward.
    ///
    /// Where F is nearly the identity, so that `x - F(x)` contracts, the other solvers find roots as well.
    /// Where ∂F/∂x is singular, Newton's method with [`NewtonInner::Dense`](banach_solve::NewtonInner::Dense)
    /// ends the row as [`Outcome::Singular`](banach_solve::Outcome::Singular); its default inner solver takes
    /// what steps there are, and ends a row that gets no further as
    /// [`Outcome::Stalled`](banach_solve::Outcome::Stalled).
    pub fn for_roots() -> Self {
        FixedPointConfig::new().with_solver(Newton::default())
    }
}
