//! Losses on the trajectory of an iteration: iterates, each with a gradient of its own.

use crate::calculus::resolvent::Resolvent;
use crate::engine::linear_system::LinearSystem;
use crate::error::Error;
use crate::layer::call::Call;
use crate::layer::fixed_point::FixedPoint;
use crate::settings::strict::strict_config;
use crate::tracing::row_substitution::select_rows;
use crate::tracing::update::{Update, start_of};
use banach_program::{Tensors, Value};
use burn::module::Module;
use burn::tensor::Tensor;

/// The gradient of an iterate.
#[derive(Clone, Debug, Copy, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
#[serde(deny_unknown_fields)]
pub enum StateGradient {
    /// The gradient of the last applications of g, with the state before them held fixed. One application gives the one-step
    /// gradient ∂g/∂(z, θ) (Fung et al., "JFB: Jacobian-Free Backpropagation for Implicit Networks", 2022), several give the
    /// unrolled phantom gradient (Geng et al., "On Training Implicit Models", 2021), and all steps from the start give the
    /// exact gradient of the iterate. Memory grows with the number of applications.
    Steps(usize),
    /// The gradient of the implicit function theorem as if the iterate were the solution: `(I - J)⁻¹ ∂g/∂(z, θ)` at the
    /// iterate. It is exact at the solution, and an approximation before.
    Implicit,
}

strict_config!(as_config StateGradient);

strict_config! {
    /// Iterates `x_t` of plain iteration, `x_{t+1} = g(x_t, z)`, each with a gradient.
    ///
    /// A loss on them in addition to that on x̂ stabilises training: fixed-point correction (Bai, Geng, Savani and Kolter,
    /// "Deep Equilibrium Optical Flow Estimation", 2022), with `Σ_i γ^(n-i) ℓ(x_{t_i})` for n iterates, [`discounted`].
    ///
    /// | setting | default | range | effect |
    /// | :-- | :-- | :-- | :-- |
    /// | `at` | given | increasing, each `>= 1` | the steps t of the iterates |
    /// | `gradient` | `Steps(1)` | `Steps(k)` with `k >= 1`, `Implicit` | the gradient of each iterate |
    ///
    /// ```
    /// # use banach::{FixedPointConfig, Update};
    /// # use burn::{module::Module, nn::{Linear, LinearConfig}, tensor::{Device, Tensor}};
    /// use banach::regularize::{FixedPointCorrection, discounted};
    ///
    /// # #[derive(Module, Debug)]
    /// # struct Cell { state: Linear }
    /// # impl Update for Cell {
    /// #     type State = Tensor<2>;
    /// #     type Input = Tensor<2>;
    /// #     fn start(&self, z: &Tensor<2>) -> Tensor<2> { z.zeros_like() }
    /// #     fn update(&self, x: Tensor<2>, z: Tensor<2>) -> Tensor<2> { (self.state.forward(x) * 0.5 + z).tanh() }
    /// # }
    /// # let cell = Cell { state: LinearConfig::new(8, 8).init(&Device::flex().autodiff()) };
    /// let layer = FixedPointConfig::new().init(cell)?;
    /// let z = Tensor::<2>::ones([4, 8], &Device::flex().autodiff());
    /// let states = FixedPointCorrection::evenly(12, 3).states(&layer, z.clone())?; // After 4, 8 and 12 steps.
    /// let loss = |x: &Tensor<2>| x.clone().square().mean();
    /// let total = loss(&layer.forward(z)) + discounted(&states, 0.8, loss)?;
    /// assert!(layer.update().state.weight.grad(&total.backward()).is_some());
    /// # Ok::<(), banach::Error>(())
    /// ```
    #[derive(Debug, PartialEq, Eq)]
    pub struct FixedPointCorrection {
        given {
            /// The steps of the iterates, increasing.
            at: Vec<usize>,
        }
        defaults {
            /// The gradient of each iterate.
            with_gradient(gradient: StateGradient = StateGradient::Steps(1)),
        }
    }
}

impl FixedPointCorrection {
    /// Selects `count` iterates evenly spread over a number of steps; the last one is that of the last step.
    pub fn evenly(steps: usize, count: usize) -> Self {
        let mut at: Vec<usize> = (1..=count).map(|part| (part * steps).div_ceil(count)).collect();
        at.dedup();
        FixedPointCorrection::new(at)
    }

    /// Selects `count` iterates of different steps drawn uniformly from `1..=steps`; equal seeds give equal steps.
    pub fn sampled(steps: usize, count: usize, seed: u64) -> Self {
        let mut state = seed;
        let (mut at, mut missing) = (vec![], count.min(steps));
        for step in 1..=steps {
            // `missing` of the remaining steps are still to be drawn.
            let left = (steps - step + 1) as u64;
            if splitmix(&mut state) % left < missing as u64 {
                at.push(step);
                missing -= 1;
            }
        }
        FixedPointCorrection::new(at)
    }

    /// Returns the iterates from [`Update::start`].
    ///
    /// # Errors
    /// As [`states_from`](Self::states_from).
    pub fn states<M: Module + Update>(
        &self,
        layer: &FixedPoint<M>,
        z: M::Input,
    ) -> Result<Vec<M::State>, Error> {
        let x0 = start_of(layer.update(), &z)?;
        self.states_from(layer, x0, z)
    }

    /// Returns the iterates from a given start, which has no gradient. A row that becomes not finite stays at its last finite
    /// iterate, without a gradient.
    ///
    /// # Errors
    /// [`Error::Setting`] for settings outside their range, and inside a trace, where no state can be held fixed; an update
    /// that cannot be traced.
    pub fn states_from<M: Module + Update>(
        &self,
        layer: &FixedPoint<M>,
        x0: M::State,
        z: M::Input,
    ) -> Result<Vec<M::State>, Error> {
        self.validate()?;
        let call = layer.call(&x0, &z)?;
        if Value::from(call.x0.clone()).is_placeholder() {
            let expected = "plain tensors or tensors on the tape: inside a trace no state can be held fixed";
            return Err(Error::setting("x0", "a placeholder of a trace", expected));
        }
        let mut trajectory = Trajectory::new(&call);
        let mut states = vec![];
        for step in 0..=self.at.last().copied().unwrap_or(0) {
            let ahead = if let StateGradient::Steps(steps) = self.gradient { steps } else { 0 };
            trajectory.keep(self.at.iter().copied().filter(|at| at.saturating_sub(ahead) == step));
            if self.at.contains(&step) {
                let flat = match self.gradient {
                    StateGradient::Steps(steps) => trajectory.unrolled(step, steps.min(step))?,
                    StateGradient::Implicit => trajectory.implicit(layer)?,
                };
                let state = call.traced.update.packing.unpack(flat)?;
                states.push(x0.rebuild(&mut state.into_iter())?);
            }
            trajectory.advance()?;
        }
        Ok(states)
    }

    fn validate(&self) -> Result<(), Error> {
        let rising = self.at.windows(2).all(|pair| pair[0] < pair[1]);
        if self.at.first().is_none_or(|&first| first == 0) || !rising {
            let found = format!("{:?}", self.at);
            return Err(Error::setting("at", found, "one or more steps, increasing, each at least 1"));
        }
        match self.gradient {
            StateGradient::Steps(0) => Err(Error::setting("gradient", "Steps(0)", "at least one step")),
            StateGradient::Steps(_) | StateGradient::Implicit => Ok(()),
        }
    }
}

/// Returns `Σ_i γ^(n-i) ℓ(x_i)` over n states.
///
/// # Errors
/// [`Error::Setting`] without a state.
pub fn discounted<S>(states: &[S], gamma: f64, loss: impl Fn(&S) -> Tensor<1>) -> Result<Tensor<1>, Error> {
    let sum = states.iter().map(loss).reduce(|sum, loss| sum * gamma + loss);
    sum.ok_or_else(|| Error::setting("states", "empty", "at least one state"))
}

/// The trajectory of plain iteration, off the tape.
struct Trajectory<'a> {
    call: &'a Call,
    /// The current state.
    x: Tensor<2>,
    /// Rows that became not finite.
    failed: Vec<bool>,
    /// States from which later steps are unrolled, by the step they lead to.
    kept: Vec<(usize, Tensor<2>)>,
}

impl<'a> Trajectory<'a> {
    fn new(call: &'a Call) -> Self {
        let x = call.x0.clone();
        Trajectory { call, failed: vec![false; x.dims()[0]], x, kept: vec![] }
    }

    /// Keeps the current state for the steps that are unrolled from here.
    fn keep(&mut self, steps: impl Iterator<Item = usize>) {
        self.kept.extend(steps.map(|step| (step, self.x.clone())));
    }

    /// Moves on by one application of g. Rows that become not finite stay.
    fn advance(&mut self) -> Result<(), Error> {
        let next = self.call.update(self.x.clone().into(), &self.call.fixed)?.try_into_tensor()?;
        for (failed, found) in self.failed.iter_mut().zip(not_finite(&next)) {
            *failed |= found;
        }
        self.x = select_rows(&self.failed, self.x.clone(), next);
        Ok(())
    }

    /// Returns the state after a step, with the last applications of g on the tape.
    fn unrolled(&mut self, step: usize, applications: usize) -> Result<Tensor<2>, Error> {
        let kept = self.kept.iter().position(|(kept, _)| *kept == step);
        let kept = kept.unwrap_or_else(|| panic!("bug: found no state kept for step {step}, expected one"));
        let (_, start) = self.kept.swap_remove(kept);
        // Failed rows end at their last finite state.
        let end = self.call.unrolled(start, &self.failed, applications)?;
        Ok(select_rows(&self.failed, self.x.clone(), end))
    }

    /// Returns the current state on the tape as if it were the solution.
    fn implicit<M: Module + Update>(&self, layer: &FixedPoint<M>) -> Result<Tensor<2>, Error> {
        let settings = layer.config().adjoint.clone();
        let solve = move |v: &Tensor<2>, adjoint: &Resolvent, q: &[Value]| {
            adjoint.solve(LinearSystem::new(v, q), &settings)
        };
        self.call.implicit(self.x.clone(), &self.failed, Box::new(solve), Box::new(|_| ()))
    }
}

/// Returns which rows hold a number that is not finite; read by the host.
fn not_finite(x: &Tensor<2>) -> Vec<bool> {
    let [rows, width] = x.dims();
    let numbers: Vec<f64> = x.clone().into_data().iter::<f64>().collect();
    (0..rows).map(|row| !numbers[row * width..][..width].iter().all(|number| number.is_finite())).collect()
}

/// Returns the next number of splitmix64, the splittable generator of Steele, Lea and Flood.
fn splitmix(state: &mut u64) -> u64 {
    *state = state.wrapping_add(0x9e37_79b9_7f4a_7c15);
    let mixed = (*state ^ (*state >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    let mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    mixed ^ (mixed >> 31)
}
