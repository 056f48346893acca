//! Newton's method.

mod direction;
pub(crate) mod forcing;
mod memory;
mod region;
mod search;

use crate::active_map::ActiveSmoothMap;
use crate::descent::EnergyEvidence;
use crate::ledger::Ledger;
use crate::settings::StoppingRules;
use crate::state::rows::{entries_at, select_rows};
use crate::{Error, Iterate, Observe, Rows, Smooth, Solution};
use direction::{InnerLimits, dense_direction, dense_direction_in, gmres_direction};
use forcing::{Forcing, ForcingTerm};
use memory::Memory;
use region::descend;
use search::{SearchResult, search_residuals};
use serde::{Deserialize, Serialize};

/// The widest rows that change to elimination where GMRES fails: `n` applications a step, and `⅔ n³`
/// operations.
const ELIMINATION_WIDTH: usize = 256;

/// The step length at or below which the inexact directions of a row have failed.
const FAILED_LENGTH: f64 = 1.0 / 64.0;

/// The evaluations of a step beside its search: two energies and an application at the start, a plain step, and
/// the next iterate.
const RESERVE: usize = 5;

/// Newton's method, truncated and safeguarded: every row steps to `x + t d` with `(I - J) d ≈ g(x) - x`.
///
/// **When.** Plain iteration needs thousands of steps, as on energies with flat directions, and the map has a
/// derivative. **Cost.** A step is one evaluation and up to `inner` applications of the derivative, with eight
/// states of memory; without an energy as many states as applications. **Needs.** A [`Smooth`] map, given to
/// [`fixed_point_smooth`](crate::fixed_point_smooth); with an energy, `g` may have kinks.
///
/// The equation for `d` is solved up to a fraction of its right-hand side ([`Forcing`]), more accurately near
/// the solution.
///
/// - With an energy `f`, so that `g(x) = x - γ ∇f(x)` and `J` is symmetric, each row minimizes the model
///   `f + ⟨∇f, d⟩ + ½ ⟨d, H d⟩` with `γ H = I - J` within a trust region, by conjugate gradients that follow
///   negative curvature to its boundary (algorithms 4.1 and 7.2 of the reference). A step is accepted if `f`
///   falls by a fraction of the predicted decrease. The first radius is `‖∇f‖ / ‖H‖`, so that no step depends
///   on γ. A row that meets the tolerance continues while a step lowers `f` by more than
///   `tolerance.relative / 100` of the whole descent, and has converged however it ends.
/// - Without, by GMRES; then `t` is halved until `‖g - x‖` has fallen by the fraction `10⁻⁴ t`. A row of
///   width at most 256 whose step is cut to 1/64 or less restarts from its start with elimination, as with
///   [`Dense`](NewtonInner::Dense), where `I - J` is regular: inexact directions have failed there.
/// - With [`Dense`](NewtonInner::Dense), exactly: `n` applications to the unit vectors, and elimination in
///   double precision on the host. A row in which `I - J` is singular ends as
///   [`Singular`](crate::Outcome::Singular) with its best iterate. With an energy it takes a step within its
///   trust region instead, as does a row whose exact step does not lower `f`.
///
/// Without an energy, a row in which `backtracks` halvings do not suffice takes the plain step `g(x)`. Without
/// further progress it ends as [`Stalled`](crate::Outcome::Stalled) when patience ends, like any other row.
///
/// | setting | default | range | effect |
/// | :-- | :-- | :-- | :-- |
/// | [`inner`](Self::inner) | `krylov`, 50 | [`NewtonInner`] | the solver of the equation of a step |
/// | [`forcing`](Self::forcing) | `root` | [`Forcing`] | its tolerance, unless it is dense |
/// | [`backtracks`](Self::backtracks) | `20` | `>= 0` | the most halvings of a step, without an energy |
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
/// }
///
/// let settings = Settings::new(FixedPointSolver::Newton(Newton::default()));
/// let solution = fixed_point_smooth(&Cosine, &Tensor::zeros([1, 1], &Device::flex()), &settings)?;
/// assert!(solution.statistics.steps[0] <= 4);
/// assert!((solution.into_converged()?.into_scalar::<f32>() - 0.739085).abs() < 1e-4);
/// # Ok::<(), banach_solve::Error>(())
/// ```
///
/// Reference: J. Nocedal and S. Wright, Numerical Optimization (2006), sections 4.1, 7.1 and 11.2.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Newton {
    /// The solver of the equation of a step.
    pub inner: NewtonInner,
    /// The tolerance of that solver, unless it is dense.
    pub forcing: Forcing,
    /// The most halvings of one step.
    pub backtracks: usize,
}

/// The solver of `(I - J) d = g(x) - x`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
pub enum NewtonInner {
    /// Conjugate gradients with an energy, else GMRES.
    Krylov {
        /// The most applications of the derivative in a step, at least 1 (without an energy at least 2 are
        /// used).
        applications: usize,
    },
    /// Elimination with a dense `J` on the host, for narrow rows.
    Dense {
        /// The largest width of a row; wider rows are an [`Error::Wide`].
        limit: usize,
    },
}

impl Default for NewtonInner {
    fn default() -> Self {
        Self::Krylov { applications: 50 }
    }
}

impl Default for Newton {
    fn default() -> Self {
        Self { inner: NewtonInner::default(), forcing: Forcing::default(), backtracks: 20 }
    }
}

impl Newton {
    /// Refuses zero applications or widths, and invalid forcing terms.
    pub fn validate(&self) -> Result<(), Error> {
        let (setting, value) = match self.inner {
            NewtonInner::Krylov { applications } => ("newton.inner.krylov.applications", applications),
            NewtonInner::Dense { limit } => ("newton.inner.dense.limit", limit),
        };
        Error::unless(value > 0, setting, value, "at least 1", "50 is usual")?;
        self.forcing.validate()
    }

    pub(super) fn solve<R: Rows>(
        &self,
        map: &dyn Smooth<R>,
        x0: &R,
        rules: StoppingRules,
        observer: &mut dyn Observe,
    ) -> Result<Solution<R>, Error> {
        let least = match self.inner {
            NewtonInner::Krylov { .. } => 4,
            NewtonInner::Dense { limit } if x0.width() > limit => {
                return Err(Error::Wide { setting: "newton.inner.dense.limit", width: x0.width(), limit });
            }
            NewtonInner::Dense { .. } => x0.width(),
        };
        let elimination = matches!(self.inner, NewtonInner::Dense { .. });
        let mut ledger = Ledger::new(x0, rules);
        let mut active_map = ActiveSmoothMap::new(map);
        let mut x = x0.clone();
        let mut image = None;
        let mut memory: Option<Memory<R>> = None;
        let mut step = 0;
        while !ledger.finished() {
            let (gx, mut energies) = match image.take() {
                Some(gx) => (gx, memory.as_ref().and_then(Memory::energies)),
                None => active_map.image_and_energy(&x, &mut ledger)?,
            };
            let (residuals, sizes) = gx.distances(&x);
            let evidence = energies.as_ref().map(|energies| match &memory {
                Some(memory) => memory.evidence(rules, (&residuals, &sizes), x.precision()),
                None => EnergyEvidence::at_start(energies.clone()),
            });
            let (measured, sizes) = rules.tolerance.norm.measured((&gx, &x), &residuals, sizes);
            ledger.record_descent(|_| step, &x, (&measured, &sizes), evidence.as_ref());
            ledger.report(step, &measured, observer);
            ledger.enforce();
            if ledger.remaining() < RESERVE + least {
                ledger.exhaust();
            }
            if ledger.finished() {
                break;
            }
            let mut excess = rules.tolerance.excess(&measured, &sizes);
            let (mut gx, mut residuals) = (gx, residuals);
            if let Some(keep) = active_map.narrow(ledger.batch(), ledger.actives()) {
                ledger.narrow(&keep);
                (x, gx) = (x.gather(&keep), gx.gather(&keep));
                (residuals, excess) = (entries_at(&residuals, &keep), entries_at(&excess, &keep));
                energies = energies.map(|energies| entries_at(&energies, &keep));
                memory = memory.map(|memory| memory.narrowed(&keep));
            }
            let active = ledger.actives().to_vec();
            let iterate = Iterate::new((&x, &gx), &residuals, &active, &excess);
            let mut known = match memory.take() {
                Some(known) => known,
                None => Memory::new(elimination, &active_map, &iterate, energies.as_deref(), &mut ledger)?,
            };
            let found = self.step(&active_map, &iterate, &mut known, (rules, &mut ledger))?;
            memory = Some(known);
            x = ledger.freeze(found.next);
            image = found.image;
            step += 1;
        }
        Ok(ledger.close())
    }

    /// The limits of an inner solve.
    fn inner_limits<R: Rows>(
        &self,
        forcing: &mut [ForcingTerm],
        iterate: &Iterate<'_, R>,
        available: usize,
    ) -> InnerLimits {
        match self.inner {
            NewtonInner::Krylov { applications } => {
                let terms = forcing.iter_mut().zip(iterate.residuals);
                let tolerances = terms.map(|(term, residual)| term.next(self.forcing, *residual)).collect();
                InnerLimits { tolerances, inner: applications.min(available) }
            }
            NewtonInner::Dense { .. } => {
                let tolerances = vec![iterate.x.precision(); iterate.active.len()];
                InnerLimits { tolerances, inner: (2 * iterate.x.width()).min(available) }
            }
        }
    }

    /// Takes one step in every active row; the budget allows it.
    fn step<R: Rows>(
        &self,
        active_map: &ActiveSmoothMap<'_, R>,
        iterate: &Iterate<'_, R>,
        memory: &mut Memory<R>,
        (rules, ledger): (StoppingRules, &mut Ledger<R>),
    ) -> Result<SearchResult<R>, Error> {
        let available = ledger.remaining().saturating_sub(RESERVE) / 2;
        let Memory { start, forcing, trust, dense } = memory;
        let limits = self.inner_limits(forcing, iterate, available);
        let derivative = active_map.map().derivative(iterate.x);
        if let Some(trust) = trust {
            let exact = |row: usize| dense[row] && iterate.active[row] && trust[row].accepted();
            let exact: Vec<bool> = (0..trust.len()).map(exact).collect();
            let affordable = ledger.remaining() >= iterate.x.width() + 2;
            let step = if affordable && exact.contains(&true) {
                let none = iterate.x.zeros();
                Some(dense_direction_in(&exact, &*derivative, (iterate, &none), rules, ledger)?)
            } else {
                None
            };
            return descend((active_map, &*derivative), iterate, (trust, step), &limits, ledger);
        }
        let direction = match self.inner {
            NewtonInner::Dense { .. } => dense_direction(&*derivative, iterate, ledger)?,
            NewtonInner::Krylov { .. } => {
                let rows_by = |elimination: bool| -> Vec<bool> {
                    let rows = dense.iter().zip(iterate.active);
                    rows.map(|(dense, active)| *active && *dense == elimination).collect()
                };
                let (iterated, eliminated) = (rows_by(false), rows_by(true));
                let mut direction = iterate.difference().clone();
                if iterated.contains(&true) {
                    direction = gmres_direction(&*derivative, &iterate.among(&iterated), &limits, ledger)?;
                }
                if eliminated.contains(&true) && ledger.remaining() >= iterate.x.width() + RESERVE {
                    let given = (iterate, &direction);
                    direction = dense_direction_in(&eliminated, &*derivative, given, rules, ledger)?;
                }
                direction
            }
        };
        if ledger.finished() {
            return Ok(SearchResult { next: iterate.x.clone(), image: None });
        }
        let active = ledger.actives().to_vec();
        let iterate = &iterate.among(&active);
        // Reserves a plain step after the search, and the evaluation of the next iterate.
        let trials = ledger.remaining().saturating_sub(2).min(self.backtracks.saturating_add(1));
        let (mut found, lengths) = search_residuals(active_map.map(), iterate, &direction, trials, ledger)?;
        // A row whose inexact directions have failed restarts with a dense J.
        let mut restarted = vec![false; active.len()];
        for row in 0..active.len() {
            let failed = active[row] && !dense[row] && lengths[row] <= FAILED_LENGTH;
            restarted[row] = failed && iterate.x.width() <= ELIMINATION_WIDTH;
            dense[row] |= restarted[row];
        }
        if restarted.contains(&true) {
            found = SearchResult { next: select_rows(&restarted, start, &found.next), image: None };
        }
        Ok(found)
    }
}
