//! Minimisers of entropy-regularised energies on the unit box, as fixed points.

use crate::calculus::function::Function;
use crate::energy::gradient_descent::Energy;
use crate::error::Error;
use crate::tracing::update::Update;
use banach_program::{Tensors, Value};
use burn::module::Module;
use burn::tensor::{Tensor, activation};

/// The update `x ← (1 - γ) x - γ ∇f(σ(x), z; θ)` in logits x, whose fixed points are the minimisers
/// `ŷ = σ(x̂) = argmin_{y ∈ [0,1]ⁿ} f(y, z; θ) - H(y)` of a convex energy f, with
/// `H(y) = -Σ (y ln y + (1 - y) ln(1 - y))`.
///
/// `σ(x) = argmax_{y ∈ [0,1]ⁿ} ⟨x, y⟩ + H(y)` is the entropy-regularised projection of x onto the box, so the update is a
/// mirror descent step with the entropy as its mirror map. The minimiser never touches the box: every ŷ_i has a
/// derivative, and `I - J = γ (I + ∇²f D)` with `D = diag(y (1 - y))` is regular wherever f is convex. J is not symmetric.
/// Steps contract for `γ < 2 / (1 + M / 4)`, M the largest curvature of f;
/// [`Newton`](crate::solve::Newton) and [`Auto`](crate::solve::Auto) need no such bound.
///
/// The state starts at 0, the centre of the box, whatever the energy's own start is.
///
/// ```
/// use banach::{EntropicDescent, FixedPointConfig, InputConvexConfig};
/// use burn::tensor::{Device, Tensor, activation};
///
/// let device = Device::flex().autodiff();
/// let energy = InputConvexConfig::new(3, 4).with_hidden(vec![8]).init(&device)?;
/// let layer = FixedPointConfig::new().init(EntropicDescent::new(energy, 0.5)?)?;
/// let y = activation::sigmoid(layer.forward(Tensor::<2>::ones([2, 4], &device)));
/// assert_eq!(y.dims(), [2, 3]);
/// # Ok::<(), banach::Error>(())
/// ```
#[derive(Module, Debug)]
pub struct EntropicDescent<E: Module> {
    energy: E,
    rate: f64,
}

impl<E: Module> EntropicDescent<E> {
    /// Creates the update of an energy with the step size γ.
    ///
    /// # Errors
    /// [`Error::Rate`] unless `0 < γ`, finite.
    pub fn new(energy: E, rate: f64) -> Result<Self, Error> {
        if rate > 0.0 && rate.is_finite() {
            Ok(Self { energy, rate })
        } else {
            Err(Error::Rate { found: rate })
        }
    }

    /// Returns the energy.
    pub fn energy(&self) -> &E {
        &self.energy
    }
}

impl<E: Module + Energy<State = Tensor<2>>> EntropicDescent<E> {
    /// Returns `f(σ(x), z; θ) - H(σ(x))` of every row, `[batch]`, for logits x.
    pub fn regularised_energy(&self, x: Tensor<2>, z: E::Input) -> Tensor<1> {
        let y = activation::sigmoid(x.clone());
        let softplus = activation::log_sigmoid(x.clone().neg()).neg();
        let entropy = (y.clone() * x - softplus).sum_dim(1).squeeze_dim(1);
        self.energy.energy(y, z) + entropy
    }

    fn step(&self, x: Tensor<2>, z: E::Input) -> Result<Tensor<2>, Error> {
        let y = activation::sigmoid(x.clone());
        let given = z.clone().into_values();
        let code = |energy: &E, (y, z): (Tensor<2>, E::Input)| energy.energy(y, z);
        let (energy, parameters) = Function::of_module(&self.energy, &(y.clone(), z), code)?;
        let inputs: Vec<Value> = [vec![y.into()], given, parameters].concat();
        let slope = energy.gradient(0)?.call_values(inputs)?;
        let slope: Tensor<2> = match slope.into_iter().next() {
            Some(slope) => slope.try_into_tensor()?,
            None => x.zeros_like(),
        };
        Ok(x * (1.0 - self.rate) - slope * self.rate)
    }
}

impl<E: Module + Energy<State = Tensor<2>>> Update for EntropicDescent<E> {
    type State = Tensor<2>;
    type Input = E::Input;

    /// Returns logits of zero, the centre of the box.
    fn start(&self, z: &E::Input) -> Tensor<2> {
        self.energy.start(z).zeros_like()
    }

    /// # Panics
    /// If the energy cannot be traced or is not one value per row; a [`FixedPoint`](crate::FixedPoint) layer returns that as
    /// its error.
    fn update(&self, x: Tensor<2>, z: E::Input) -> Tensor<2> {
        self.step(x, z).unwrap_or_else(|error| std::panic::panic_any(error))
    }
}
