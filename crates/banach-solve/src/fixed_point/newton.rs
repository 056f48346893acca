//! How does a derivative lead straight to the fixed point?

use super::Visit;
use super::direction::{Forcing, downhill, onward};
use super::search::{Energies, Found, search_residuals};
use crate::ledger::Ledger;
use crate::present::same_shape;
use crate::settings::Rules;
use crate::{Error, Observe, Rows, Smooth, Solution};
use serde::{Deserialize, Serialize};

/// What a step may need beside its search: energies of the start (3), of a plain step (1), and the next visit (1).
const RESERVE: usize = 5;

/// Newton's method, truncated and safeguarded: every row steps to `x + t d` with `(I - J) d ≈ g(x) - x`.
///
/// **When.** Plain steps need thousands, as on energies with flat directions, and the derivative can be had. **Cost.** A
/// step is one evaluation, up to `inner` applications of the derivative and a few evaluations of the energy, with five
/// states of memory; without an energy `inner` states. **Needs.** A [`Smooth`] map, given to
/// [`fixed_point_smooth`](crate::fixed_point_smooth); kinks in `g` are survived where there is an energy.
///
/// The equation for `d` is solved up to the part `min(½, √(‖g(x) - x‖ / ‖g(x₀) - x₀‖))` of its right-hand side: roughly far
/// away, closely near the answer.
///
/// - With an energy `f`, so that `g(x) = x - γ ∇f(x)` and `J` is symmetric, by conjugate gradients that end where `f` curves
///   down, with the way so far or, at first, `g(x) - x` itself (algorithm 7.1 of the reference). Then `t` is halved until
///   `f(x + t d) <= f(x) + 10⁻⁴ t ⟨∇f(x), d⟩`, where the whole step may be off by the rounding of `f`.
/// - Without, by GMRES; then `t` is halved until `‖g - x‖` has fallen by the part `10⁻⁴ t`.
///
/// Rows that have ended stay in the batch: a step of the others still evaluates the map for all of them.
///
/// A row in which `backtracks` halvings do not suffice takes the plain step `g(x)`. If that leads nowhere either, it ends as
/// [`Stalled`](crate::Outcome::Stalled) when patience ends, like any other row.
///
/// | setting | default | range | effect |
/// | :-- | :-- | :-- | :-- |
/// | [`inner`](Self::inner) | `50` | `>= 1` | applications of the derivative in a step, at most (without an energy 2 at least) |
/// | [`backtracks`](Self::backtracks) | `20` | `>= 0` | halvings of a step, at most |
///
/// ```
/// use banach_solve::{FixedPointSolver, Map, Newton, Settings, Smooth, fixed_point_smooth};
/// use burn::tensor::{Device, Tensor};
///
/// /// x = cos(x)
/// struct Cosine;
///
/// impl Map<Tensor<2>> for Cosine {
///     fn apply(&self, x: &Tensor<2>) -> Tensor<2> {
///         x.clone().cos()
///     }
/// }
///
/// impl Smooth<Tensor<2>> for Cosine {
///     fn derivative<'a>(&'a self, x: &Tensor<2>) -> Box<dyn Map<Tensor<2>> + 'a> {
///         let slope = x.clone().sin().neg();
///         Box::new(move |t: &Tensor<2>| slope.clone() * t.clone())
///     }
///
///     fn energy(&self, _: &Tensor<2>) -> Option<Vec<f64>> {
///         None
///     }
/// }
///
/// let settings = Settings::new(FixedPointSolver::Newton(Newton::default()));
/// let solution = fixed_point_smooth(&Cosine, &Tensor::zeros([1, 1], &Device::flex()), &settings)?;
/// assert!(solution.statistics.steps[0] <= 4);
/// assert!((solution.into_converged()?.into_scalar::<f32>() - 0.739085).abs() < 1e-4);
/// # Ok::<(), banach_solve::Error>(())
/// ```
///
/// Reference: J. Nocedal and S. Wright, Numerical Optimization (2006), sections 7.1 and 11.2.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Newton {
    /// The most applications of the derivative in one step.
    pub inner: usize,
    /// The most halvings of one step.
    pub backtracks: usize,
}

impl Default for Newton {
    fn default() -> Self {
        Self { inner: 50, backtracks: 20 }
    }
}

impl Newton {
    /// Refuses steps without a look at the derivative.
    pub fn validate(&self) -> Result<(), Error> {
        Error::unless(self.inner > 0, "newton.inner", self.inner, "at least 1", "the default is 50")
    }

    pub(super) fn solve<R: Rows>(
        &self,
        map: &(impl Smooth<R> + ?Sized),
        x0: &R,
        rules: Rules,
        observer: &mut dyn Observe,
    ) -> Result<Solution<R>, Error> {
        let mut ledger = Ledger::new(x0, rules);
        let mut x = x0.clone();
        let mut image = None;
        let mut memory = None;
        let mut step = 0;
        while !ledger.finished() {
            let gx = image.take().unwrap_or_else(|| {
                ledger.evaluated(x.rows());
                map.apply(&x)
            });
            same_shape(&gx, &x)?;
            let (residuals, sizes) = gx.distances(&x);
            ledger.visit(|_| step, &x, &residuals, &sizes);
            ledger.report(step, &residuals, observer);
            ledger.enforce();
            if ledger.remaining() < RESERVE + 4 {
                ledger.exhaust();
            }
            if ledger.finished() {
                break;
            }
            let active = ledger.actives().to_vec();
            let visit = Visit::new(&x, &gx, &residuals, &active);
            let found = self.step(map, &visit, &mut memory, &mut ledger)?;
            x = ledger.freeze(found.next);
            image = found.image;
            step += 1;
        }
        Ok(ledger.close())
    }

    /// One step of every active row, for which something is left in the budget.
    fn step<R: Rows>(
        &self,
        map: &(impl Smooth<R> + ?Sized),
        visit: &Visit<'_, R>,
        memory: &mut Option<Memory>,
        ledger: &mut Ledger<R>,
    ) -> Result<Found<R>, Error> {
        let room = ledger.remaining() - RESERVE;
        let Memory { first, energies } = match memory {
            Some(memory) => memory,
            None => {
                let energies = Energies::at(map, visit, ledger)?;
                memory.insert(Memory { first: visit.residuals.to_vec(), energies })
            }
        };
        let part = |row: usize| (visit.residuals[row] / first[row]).sqrt().min(0.5);
        let parts = (0..first.len()).map(part).collect();
        let forcing = Forcing { parts, inner: self.inner.min(room / 2) };
        let derivative = map.derivative(visit.x);
        let direction = match energies {
            Some(_) => downhill(&*derivative, visit, &forcing, ledger)?,
            None => onward(&*derivative, visit, &forcing, ledger)?,
        };
        // A plain step may be needed after the search, and the next visit is.
        let trials = ledger.remaining().saturating_sub(2).min(self.backtracks + 1);
        match energies {
            Some(energies) => energies.search(map, visit, &direction, trials, ledger),
            None => search_residuals(map, visit, &direction, trials, ledger),
        }
    }
}

/// What [`Newton`] remembers.
#[derive(Debug)]
struct Memory {
    /// The residuals at the start.
    first: Vec<f64>,
    /// The energies at the present point, if the map has any.
    energies: Option<Energies>,
}
