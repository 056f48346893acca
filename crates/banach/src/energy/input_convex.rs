//! Partially input-convex networks: energies that are convex in the state and arbitrary in the input.

use crate::energy::gradient_descent::Energy;
use crate::error::Error;
use burn::module::{Module, ModuleMapper, Param, ParamId};
use burn::nn::{Linear, LinearConfig};
use burn::tensor::{Device, Tensor, activation};
use serde::{Deserialize, Serialize};

/// The settings of an [`InputConvex`] network.
///
/// | setting | default | range | effect |
/// | :-- | :-- | :-- | :-- |
/// | `state` | given | `>= 1` | numbers of the state y |
/// | `input` | given | `>= 1` | numbers of the input z |
/// | `hidden` | `[64]` | at least one, each `>= 1` | units of the hidden layers, in y and in z |
/// | `bend` | `Softplus` | | the convex nondecreasing activation |
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct InputConvexConfig {
    /// Numbers of the state y.
    pub state: usize,
    /// Numbers of the input z.
    pub input: usize,
    /// Units of the hidden layers.
    pub hidden: Vec<usize>,
    /// The activation.
    pub bend: Bend,
}

/// A convex and nondecreasing activation.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum Bend {
    /// `max(x, 0)`: the energy is piecewise linear in y, as in the paper, and has no curvature.
    Relu,
    /// `ln(1 + exp(x))`: the energy is smooth, so that Newton's method and implicit derivatives see its curvature.
    #[default]
    Softplus,
}

impl Bend {
    fn of(self, x: Tensor<2>) -> Tensor<2> {
        match self {
            Bend::Relu => activation::relu(x),
            // Finite for every finite x, with slopes that are known to be finite.
            Bend::Softplus => activation::log_sigmoid(x.neg()).neg(),
        }
    }
}

impl InputConvexConfig {
    /// Creates the settings for states of `state` numbers and inputs of `input` numbers.
    pub fn new(state: usize, input: usize) -> Self {
        Self { state, input, hidden: vec![64], bend: Bend::default() }
    }

    /// Sets the units of the hidden layers.
    #[must_use]
    pub fn with_hidden(mut self, hidden: Vec<usize>) -> Self {
        self.hidden = hidden;
        self
    }

    /// Sets the activation.
    #[must_use]
    pub fn with_bend(mut self, bend: Bend) -> Self {
        self.bend = bend;
        self
    }

    /// Creates the network on a device, with Burn's random numbers, and with weights that are convex.
    ///
    /// # Errors
    /// [`Error::Setting`] for widths of zero, or no hidden layer.
    pub fn init(&self, device: &Device) -> Result<InputConvex, Error> {
        let Self { state, input, ref hidden, bend } = *self;
        if state == 0 || input == 0 || hidden.is_empty() || hidden.contains(&0) {
            let found = format!("{state} numbers of the state, {input} of the input, hidden {hidden:?}");
            return Err(Error::setting(
                "widths",
                found,
                "at least one of each, and at least one hidden layer",
            ));
        }
        let dense = |from: usize, to: usize| LinearConfig::new(from, to).init(device);
        let bare = |from: usize, to: usize| LinearConfig::new(from, to).with_bias(false).init(device);
        let mut layers = Vec::new();
        for (at, &units) in hidden.iter().chain([&1]).enumerate() {
            let below = at.checked_sub(1).map(|at| hidden[at]);
            let u = below.unwrap_or(input);
            layers.push(Layer {
                from_hidden: below.map(|below| bare(below, units)),
                hidden_gate: below.map(|below| dense(u, below)),
                from_state: bare(state, units),
                state_gate: dense(u, state),
                from_input: dense(u, units),
                next_input: (at < hidden.len()).then(|| dense(u, units)),
            });
        }
        Ok(InputConvex { layers, state, bend }.projected())
    }
}

/// A partially input-convex network (B. Amos, L. Xu and J. Z. Kolter, "Input Convex Neural Networks", ICML 2017,
/// equation 3): an [`Energy`] `f(y, z; θ)` that is convex in y for every z.
///
/// With u₀ = z and no v₀, for the layers i:
///
/// ```text
/// u_{i+1} = relu(Ũ_i u_i + ũ_i)
/// v_{i+1} = s(V_i (v_i ∘ relu(A_i u_i + a_i)) + Y_i (y ∘ (B_i u_i + b_i)) + U_i u_i + c_i)
/// ```
///
/// where s is the activation, the identity in the last layer, whose one unit is f. f is convex in y where every weight V
/// is at least 0: s is convex and nondecreasing, and both gates depend on z alone. An optimizer step may leave the
/// constraint; [`projected`](Self::projected) returns to it.
///
/// ```
/// use banach::{Energy, InputConvexConfig};
/// use burn::tensor::{Device, Tensor};
///
/// let device = Device::flex();
/// let f = InputConvexConfig::new(2, 3).with_hidden(vec![8, 8]).init(&device)?;
/// let (a, b, z) = (
///     Tensor::<2>::from_data([[0.0, 1.0]], &device),
///     Tensor::<2>::from_data([[0.8, 0.2]], &device),
///     Tensor::<2>::ones([1, 3], &device),
/// );
/// let middle = f.energy((a.clone() + b.clone()) * 0.5, z.clone());
/// let mean = (f.energy(a, z.clone()) + f.energy(b, z)) * 0.5;
/// assert!((middle - mean).into_scalar::<f32>() <= 1e-6);
/// # Ok::<(), banach::Error>(())
/// ```
#[derive(Module, Debug)]
pub struct InputConvex {
    layers: Vec<Layer>,
    state: usize,
    #[module(skip)]
    bend: Bend,
}

#[derive(Module, Debug)]
struct Layer {
    /// V; none in the first layer.
    from_hidden: Option<Linear>,
    /// A and a; none in the first layer.
    hidden_gate: Option<Linear>,
    /// Y.
    from_state: Linear,
    /// B and b.
    state_gate: Linear,
    /// U and c.
    from_input: Linear,
    /// Ũ and ũ; none in the last layer.
    next_input: Option<Linear>,
}

impl InputConvex {
    /// Returns the network with every weight V below 0 set to 0, the nearest network that is convex in y.
    #[must_use]
    pub fn projected(self) -> Self {
        self.clone().projected_in(self)
    }

    /// Returns a module that holds this network with every weight V of the network below 0 set to 0.
    ///
    /// Call it after every optimizer step of a model that trains the network.
    #[must_use]
    pub fn projected_in<M: Module>(&self, module: M) -> M {
        let linears = self.layers.iter().filter_map(|layer| layer.from_hidden.as_ref());
        module.map(&mut Clamp(linears.map(|linear| linear.weight.id).collect()))
    }

    /// Returns the least weight V: f is convex in y where it is at least 0.
    pub fn least_weight(&self) -> f64 {
        let weights = self.layers.iter().filter_map(|layer| layer.from_hidden.as_ref());
        let least = |linear: &Linear| -> f64 { linear.weight.val().min().into_data().iter::<f64>().sum() };
        weights.map(least).fold(f64::INFINITY, f64::min)
    }
}

/// Sets the numbers below 0 of some parameters to 0.
struct Clamp(Vec<ParamId>);

impl ModuleMapper for Clamp {
    fn map_float<const D: usize>(&mut self, param: Param<Tensor<D>>) -> Param<Tensor<D>> {
        if self.0.contains(&param.id) { param.map(clamped) } else { param }
    }
}

/// A weight that is at least 0, a leaf of the tape where the weight was one.
fn clamped<const D: usize>(weight: Tensor<D>) -> Tensor<D> {
    let tracked = weight.is_require_grad();
    let weight = weight.clamp_min(0.0).detach();
    if tracked { weight.require_grad() } else { weight }
}

impl Energy for InputConvex {
    type State = Tensor<2>;
    type Input = Tensor<2>;

    /// Returns the centre of the unit box.
    fn start(&self, z: &Tensor<2>) -> Tensor<2> {
        Tensor::full([z.dims()[0], self.state], 0.5, (&z.device(), z.dtype()))
    }

    fn energy(&self, y: Tensor<2>, z: Tensor<2>) -> Tensor<1> {
        let (mut u, mut v): (Tensor<2>, Option<Tensor<2>>) = (z, None);
        let mut last = None;
        for layer in &self.layers {
            let gated = y.clone() * layer.state_gate.forward(u.clone());
            let mut sum = layer.from_state.forward(gated) + layer.from_input.forward(u.clone());
            if let (Some(v), Some(linear), Some(gate)) = (v.take(), &layer.from_hidden, &layer.hidden_gate) {
                sum = sum + linear.forward(v * activation::relu(gate.forward(u.clone())));
            }
            match &layer.next_input {
                Some(next) => {
                    (u, v) = (activation::relu(next.forward(u)), Some(self.bend.of(sum)));
                }
                None => last = Some(sum),
            }
        }
        last.unwrap_or_else(|| panic!("bug: an input-convex network without its last layer")).squeeze_dim(1)
    }
}
