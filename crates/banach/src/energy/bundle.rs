//! The bundle entropy method: minimisers of convex energies on the unit box, regularised by entropy.

use crate::calculus::attached::attach;
use crate::calculus::function::Function;
use crate::energy::cuts::{Adjoint, Cuts, negative_entropy};
use crate::energy::gradient_descent::Energy;
use crate::error::Error;
use banach_program::{Tensors, Value};
use banach_solve::Outcome;
use burn::module::Module;
use burn::tensor::{Int, Tensor, TensorData};
use serde::{Deserialize, Serialize};
use std::sync::Arc;

/// The settings of the bundle entropy method.
///
/// | setting | default | range | effect |
/// | :-- | :-- | :-- | :-- |
/// | `steps` | 30 | `>= 1` | most cuts that are made for a row |
/// | `tolerance` | 1e-4 | `> 0` | the gap between the energy reached and its lower bound, over 1 + \|energy\| |
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct BundleEntropyConfig {
    /// Most cuts that are made for a row.
    pub steps: usize,
    /// The relative gap at which a row counts as minimised.
    pub tolerance: f64,
}

impl Default for BundleEntropyConfig {
    fn default() -> Self {
        Self { steps: 30, tolerance: 1e-4 }
    }
}

impl BundleEntropyConfig {
    /// Creates the default settings.
    pub fn new() -> Self {
        Self::default()
    }

    /// Sets the most cuts for a row.
    #[must_use]
    pub fn with_steps(mut self, steps: usize) -> Self {
        self.steps = steps;
        self
    }

    /// Sets the relative gap at which a row counts as minimised.
    #[must_use]
    pub fn with_tolerance(mut self, tolerance: f64) -> Self {
        self.tolerance = tolerance;
        self
    }

    /// Creates the layer of an energy.
    ///
    /// # Errors
    /// [`Error::Setting`] for settings outside their range.
    pub fn init<E: Module + Energy<State = Tensor<2>>>(&self, energy: E) -> Result<BundleEntropy<E>, Error> {
        if self.steps == 0 {
            return Err(Error::setting("steps", self.steps, "1 or more"));
        }
        if !(self.tolerance > 0.0 && self.tolerance.is_finite()) {
            return Err(Error::setting("tolerance", self.tolerance, "a finite number above 0"));
        }
        Ok(BundleEntropy { energy, steps: self.steps, tolerance: self.tolerance })
    }
}

/// The layer `ŷ(z) = argmin_{y ∈ [0,1]ⁿ} f(y, z; θ) - H(y)` for an energy f that is convex in y, with
/// `H(y) = -Σ (y ln y + (1 - y) ln(1 - y))`, by the bundle entropy method (B. Amos, L. Xu and J. Z. Kolter, "Input Convex
/// Neural Networks", ICML 2017, section 4.2).
///
/// Every step adds the cut `f(y_k) + ⟨∇f(y_k), y - y_k⟩` below f and minimises the maximum of all cuts, less H(y), exactly.
/// That minimum is a lower bound of the whole, which gives the gap of each row. Cuts without weight are dropped.
///
/// The derivative is that of the KKT conditions of the final bundle, with the points y_k held fixed (section 5.2 there).
/// It is exact where f is piecewise linear and every piece that is active at ŷ has a cut; where f is curved it is an
/// approximation: an [`EntropicDescent`](crate::EntropicDescent) has the same minimiser and the exact derivative. A row
/// that failed gets no gradient.
///
/// ```
/// use banach::{BundleEntropyConfig, InputConvexConfig};
/// use burn::tensor::{Device, Tensor};
///
/// let device = Device::flex().autodiff();
/// let energy = InputConvexConfig::new(3, 4).with_hidden(vec![8]).init(&device)?;
/// let layer = BundleEntropyConfig::new().init(energy)?;
/// let y = layer.forward(Tensor::<2>::ones([2, 4], &device))?;
/// assert_eq!(y.dims(), [2, 3]);
/// # Ok::<(), banach::Error>(())
/// ```
#[derive(Module, Debug)]
pub struct BundleEntropy<E: Module> {
    energy: E,
    steps: usize,
    tolerance: f64,
}

/// The minimisers of a batch, with how each row ended.
#[derive(Clone, Debug)]
pub struct BundleSolution {
    /// The minimisers ŷ, `[batch, n]`, off the tape.
    pub value: Tensor<2>,
    /// `Converged`, `StepLimit` or `NonFinite` for each row.
    pub outcomes: Vec<Outcome>,
    /// The cuts made for each row.
    pub steps: Vec<usize>,
    /// `f(ŷ) - H(ŷ)` of each row.
    pub energies: Vec<f64>,
    /// How far `f(ŷ) - H(ŷ)` is above its lower bound, for each row.
    pub gaps: Vec<f64>,
    bundles: Vec<Cuts>,
}

/// A row while it is minimised.
#[derive(Clone, Debug)]
struct Row {
    cuts: Cuts,
    outcome: Option<Outcome>,
    steps: usize,
    energy: f64,
    gap: f64,
}

impl Default for Row {
    fn default() -> Self {
        Self { cuts: Cuts::default(), outcome: None, steps: 0, energy: f64::NAN, gap: f64::INFINITY }
    }
}

impl Row {
    /// Ends the row at a point whose gap is small enough, or adds the cut there and moves to the next point.
    fn advance<E: Module>(
        &mut self,
        (step, layer): (usize, &BundleEntropy<E>),
        point: &mut [f64],
        value: f64,
        slope: &[f64],
    ) {
        if !value.is_finite() || slope.iter().any(|slope| !slope.is_finite()) {
            self.outcome = Some(Outcome::NonFinite);
            return;
        }
        if step > 0 {
            self.energy = value + negative_entropy(&self.cuts.logits());
            self.gap = self.energy - self.cuts.bound();
            self.steps = step;
            if self.gap <= layer.tolerance * (1.0 + self.energy.abs()) {
                self.outcome = Some(Outcome::Converged);
                return;
            }
            if step == layer.steps {
                self.outcome = Some(Outcome::StepLimit);
                return;
            }
            self.cuts.drop_inactive();
        }
        self.cuts.add(point.to_vec(), value, slope.to_vec());
        point.copy_from_slice(&self.cuts.minimiser());
    }
}

impl<E: Module> BundleEntropy<E> {
    /// Returns the energy.
    pub fn energy(&self) -> &E {
        &self.energy
    }
}

impl<E: Module + Energy<State = Tensor<2>>> BundleEntropy<E> {
    /// Traces the energy as a function of (y, z.., θ..), and returns it with the values of z and θ.
    fn traced(&self, z: E::Input) -> Result<(Function, Vec<Value>), Error> {
        let start = self.energy.start(&z);
        let given = z.clone().into_values();
        let code = |energy: &E, (y, z): (Tensor<2>, E::Input)| energy.energy(y, z);
        let (energy, parameters) = Function::of_module(&self.energy, &(start, z), code)?;
        Ok((energy, [given, parameters].concat()))
    }

    /// Minimises every row, from the start of the energy, and reports how.
    ///
    /// # Errors
    /// [`Error::NotScalar`] for an energy that is not one number for each row, and the errors of a trace.
    pub fn solve(&self, z: E::Input) -> Result<BundleSolution, Error> {
        let start = self.energy.start(&z).without_autodiff();
        let (energy, given) = self.traced(z)?;
        let given: Vec<Value> = given.into_iter().map(Value::detached).collect();
        self.minimised(&energy, &given, start)
    }

    fn minimised(
        &self,
        energy: &Function,
        given: &[Value],
        start: Tensor<2>,
    ) -> Result<BundleSolution, Error> {
        let ([rows, width], gradient) = (start.dims(), energy.gradient(0)?);
        let (device, dtype) = (start.device(), start.dtype());
        let mut points = numbers(start);
        let mut all = vec![Row::default(); rows];
        for step in 0..=self.steps {
            let y = Tensor::<2>::from_data(TensorData::new(points.clone(), [rows, width]), (&device, dtype));
            let inputs = [vec![y.into()], given.to_vec()].concat();
            let values = all_numbers(energy.call_values(inputs.clone())?);
            let slopes = all_numbers(gradient.call_values(inputs)?);
            let rows = all.iter_mut().zip(points.chunks_exact_mut(width));
            for ((row, point), (&value, slope)) in rows.zip(values.iter().zip(slopes.chunks_exact(width))) {
                if row.outcome.is_none() {
                    row.advance((step, self), point, value, slope);
                }
            }
            if all.iter().all(|row| row.outcome.is_some()) {
                break;
            }
        }
        let value = Tensor::from_data(TensorData::new(points, [rows, width]), (&device, dtype));
        Ok(BundleSolution {
            value,
            outcomes: all.iter().map(|row| row.outcome.unwrap_or(Outcome::StepLimit)).collect(),
            steps: all.iter().map(|row| row.steps).collect(),
            energies: all.iter().map(|row| row.energy).collect(),
            gaps: all.iter().map(|row| row.gap).collect(),
            bundles: all.into_iter().map(|row| row.cuts).collect(),
        })
    }

    /// Returns the minimisers ŷ on Burn's tape, as a function of z and θ, and how each row ended.
    ///
    /// # Errors
    /// As [`solve`](Self::solve).
    pub fn forward_reported(&self, z: E::Input) -> Result<(Tensor<2>, BundleSolution), Error> {
        let start = self.energy.start(&z).without_autodiff();
        let count = z.clone().into_values().len();
        let (energy, inputs) = self.traced(z)?;
        let given: Vec<Value> = inputs.iter().cloned().map(Value::detached).collect();
        let solution = self.minimised(&energy, &given, start)?;
        let bundles: Vec<Cuts> = solution.bundles.iter().zip(&solution.outcomes).map(kept).collect();
        let given = without_failed_rows(given, count, &solution.outcomes)?;
        let pullback = Pullback { along: energy.jvp_of(&[0]), energy, given, bundles: bundles.into() };
        let y = attach(solution.value.clone(), inputs, move |v, needed| pullback.cotangents(v, needed))?;
        Ok((y, solution))
    }

    /// Returns the minimisers ŷ on Burn's tape, as a function of z and θ.
    ///
    /// # Errors
    /// As [`solve`](Self::solve).
    pub fn forward(&self, z: E::Input) -> Result<Tensor<2>, Error> {
        Ok(self.forward_reported(z)?.0)
    }
}

/// The first `count` values with their failed rows replaced by one that did not fail: what is not finite in them stays out of
/// the sums over rows that give the cotangents of θ.
fn without_failed_rows(
    mut given: Vec<Value>,
    count: usize,
    outcomes: &[Outcome],
) -> Result<Vec<Value>, Error> {
    let (rows, failed) = (outcomes.len(), |row: &usize| outcomes[*row] == Outcome::NonFinite);
    let (Some(_), Some(sound)) = ((0..rows).find(failed), (0..rows).find(|row| !failed(row))) else {
        return Ok(given);
    };
    let chosen: Vec<i64> = (0..rows).map(|row| if failed(&row) { sound } else { row } as i64).collect();
    for value in given.iter_mut().take(count) {
        let ty = value.ty();
        if ty.kind.is_float() && ty.shape.first() == Some(&rows) {
            let flat: Tensor<2> = value.clone().reshaped(&[rows, ty.len() / rows]).try_into_tensor()?;
            let indices =
                Tensor::<1, Int>::from_data(TensorData::new(chosen.clone(), [rows]), &flat.device());
            *value = Value::from(flat.select(0, indices)).reshaped(&ty.shape);
        }
    }
    Ok(given)
}

/// The cuts of a row; none of a row that failed.
fn kept((cuts, outcome): (&Cuts, &Outcome)) -> Cuts {
    let mut cuts = if *outcome == Outcome::NonFinite { Cuts::default() } else { cuts.clone() };
    cuts.drop_inactive();
    cuts
}

/// The pullback of a solution: of `dℓ = -Σ_k (⟨d∇f(y_k), λ_k c_y + c_λk (ŷ - y_k)⟩ + c_λk df(y_k))`.
struct Pullback {
    energy: Function,
    /// The directional derivative of the energy in y: from (y, z.., θ.., w) to ⟨∇f(y), w⟩.
    along: Function,
    given: Vec<Value>,
    bundles: Arc<[Cuts]>,
}

impl Pullback {
    fn cotangents(&self, v: Tensor<2>, needed: &[usize]) -> Result<Vec<Value>, Error> {
        let ([rows, width], device, dtype) = (v.dims(), v.device(), v.dtype());
        if self.bundles.iter().all(|cuts| cuts.weights.is_empty()) {
            let zero = |&position: &usize| Value::full(&self.given[position].ty(), 0.0, &device);
            return Ok(needed.iter().map(zero).collect());
        }
        let v = numbers(v);
        let adjoint = |(row, cuts): (usize, &Cuts)| cuts.adjoint(&v[row * width..(row + 1) * width]);
        let adjoints: Vec<Adjoint> = self.bundles.iter().enumerate().map(adjoint).collect();
        // Inputs are counted without y, which is held.
        let positions: Vec<usize> = needed.iter().map(|position| position + 1).collect();
        let (of_slopes, of_values) = (self.along.vjp_of(&positions), self.energy.vjp_of(&positions));
        let slots = self.bundles.iter().map(|cuts| cuts.weights.len()).max().unwrap_or(0);
        let mut total: Vec<Tensor<1>> = Vec::new();
        for slot in 0..slots {
            // Rows with fewer cuts have directions and cotangents of zero there.
            let (mut points, mut directions) = (vec![0.5; rows * width], vec![0.0; rows * width]);
            let mut values = vec![0.0; rows];
            for (row, (cuts, adjoint)) in self.bundles.iter().zip(&adjoints).enumerate() {
                let (Some(point), Some(&c)) = (cuts.points.get(slot), adjoint.weights.get(slot)) else {
                    continue;
                };
                let y = cuts.minimiser();
                for i in 0..width {
                    points[row * width + i] = point[i];
                    directions[row * width + i] =
                        cuts.weights[slot] * adjoint.state[i] + c * (y[i] - point[i]);
                }
                values[row] = -c;
            }
            let tensor =
                |numbers| Tensor::<2>::from_data(TensorData::new(numbers, [rows, width]), (&device, dtype));
            let column = |numbers: Vec<f64>| {
                Tensor::<1>::from_data(TensorData::new(numbers, [rows]), (&device, dtype))
            };
            let inputs = [vec![tensor(points).into()], self.given.clone()].concat();
            let slope =
                [inputs.clone(), vec![tensor(directions).into(), column(vec![-1.0; rows]).into()]].concat();
            let value = [inputs, vec![column(values).into()]].concat();
            let parts = of_slopes.call_values(slope)?.into_iter().zip(of_values.call_values(value)?);
            let parts = parts.map(|(slope, value)| Ok(flat(slope)? + flat(value)?));
            let parts: Vec<Tensor<1>> = parts.collect::<Result<_, Error>>()?;
            total = match total.is_empty() {
                true => parts,
                false => total.into_iter().zip(parts).map(|(total, part)| total + part).collect(),
            };
        }
        let shaped = |(total, &position): (Tensor<1>, &usize)| {
            Value::from(total).reshaped(&self.given[position].ty().shape)
        };
        Ok(total.into_iter().zip(needed).map(shaped).collect())
    }
}

fn flat(value: Value) -> Result<Tensor<1>, Error> {
    let count = value.ty().len();
    Ok(value.reshaped(&[count]).try_into_tensor()?)
}

fn numbers(tensor: Tensor<2>) -> Vec<f64> {
    tensor.into_data().iter::<f64>().collect()
}

fn all_numbers(values: Vec<Value>) -> Vec<f64> {
    values.into_iter().flat_map(|value| value.into_data().iter::<f64>().collect::<Vec<f64>>()).collect()
}
