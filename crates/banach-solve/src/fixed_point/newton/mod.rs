//! Newton's method.

mod direction;
pub(crate) mod forcing;
mod region;
mod search;

use super::Visit;
use crate::descent::Seen;
use crate::ledger::{Ledger, picked};
use crate::present::PresentSmooth;
use crate::rows::choose;
use crate::settings::Rules;
use crate::{Error, Observe, Rows, Smooth, Solution};
use direction::{Effort, onward, straight, straight_in};
use forcing::{Aim, Forcing};
use region::{Trust, descend};
use search::{Found, search_residuals};
use serde::{Deserialize, Serialize};

/// The widest rows that go on with elimination where GMRES does not suffice: `n` applications a step, and `⅔ n³` operations.
const WRITTEN: usize = 256;

/// The part of a step that says that inexact directions have led a row astray.
const MISLED: f64 = 1.0 / 64.0;

/// What a step may need beside its search: two energies and an application at the start, a plain step, and the next visit.
const RESERVE: usize = 5;

/// The part of `tolerance.relative` that the last fall may be of the whole descent of an energy.
const SETTLED: f64 = 0.01;

/// Newton's method, truncated and safeguarded: every row steps to `x + t d` with `(I - J) d ≈ g(x) - x`.
///
/// **When.** Plain steps need thousands, as on energies with flat directions, and the derivative can be had. **Cost.** A
/// step is one evaluation and up to `inner` applications of the derivative, with eight states of memory; without an energy as many
/// states as applications. **Needs.** A [`Smooth`] map, given to
/// [`fixed_point_smooth`](crate::fixed_point_smooth); kinks in `g` are survived where there is an energy.
///
/// The equation for `d` is solved up to a part of its right-hand side ([`Forcing`]): roughly far away, closely near the
/// answer.
///
/// - With an energy `f`, so that `g(x) = x - γ ∇f(x)` and `J` is symmetric, each row minimises the model
///   `f + ⟨∇f, d⟩ + ½ ⟨d, H d⟩` with `γ H = I - J` within a trust region, by conjugate gradients that follow negative curvature to its
///   boundary (algorithms 4.1 and 7.2 of the reference). A step is taken if `f` falls by a part of what the model
///   promises. The first radius is the natural gradient step `‖∇f‖ / ‖H‖`, so that no step depends on γ. A row that meets the tolerance goes on
///   while a step lowers `f` by more than `tolerance.relative / 100` of the whole descent, and is converged whatever ends it.
/// - Without, by GMRES; then `t` is halved until `‖g - x‖` has fallen by the part `10⁻⁴ t`. A row of at most 256 numbers whose
///   step is cut to a part of 1/64 or less starts again with elimination, as with [`Dense`](NewtonInner::Dense), as far as `I - J`
///   is regular: directions that are not exact have led it to where none helps.
/// - With [`Dense`](NewtonInner::Dense), exactly: `n` applications to the unit vectors, and elimination in
///   double precision on the host. A row in which `I - J` is singular ends as
///   [`Singular`](crate::Outcome::Singular) with the best point so far; with an energy it takes its step within the trust region, as
///   does one whose exact step does not lower `f`.
///
/// Without an energy, a row in which `backtracks` halvings do not suffice takes the plain step `g(x)`. If that leads nowhere either, it ends as
/// [`Stalled`](crate::Outcome::Stalled) when patience ends, like any other row.
///
/// | setting | default | range | effect |
/// | :-- | :-- | :-- | :-- |
/// | [`inner`](Self::inner) | `krylov`, 50 | [`NewtonInner`] | how the equation of a step is solved |
/// | [`forcing`](Self::forcing) | `root` | [`Forcing`] | how closely, unless it is dense |
/// | [`backtracks`](Self::backtracks) | `20` | `>= 0` | halvings of a step, at most, where there is no energy |
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
    /// How the equation of a step is solved.
    pub inner: NewtonInner,
    /// How closely it is solved, unless it is dense.
    pub forcing: Forcing,
    /// The most halvings of one step.
    pub backtracks: usize,
}

/// How `(I - J) d = g(x) - x` is solved.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
pub enum NewtonInner {
    /// By conjugate gradients where there is an energy, else by GMRES.
    Krylov {
        /// The most applications of the derivative in a step, at least 1 (without an energy 2 are used in any case).
        applications: usize,
    },
    /// By elimination, with the whole of `J` on the host: for rows of few numbers.
    Dense {
        /// The widest rows for which that is done; [`Error::Wide`] for wider ones.
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
    /// Refuses steps without a look at the derivative, and forcing with no meaning.
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
        rules: Rules,
        observer: &mut dyn Observe,
    ) -> Result<Solution<R>, Error> {
        let least = match self.inner {
            NewtonInner::Krylov { .. } => 4,
            NewtonInner::Dense { limit } if x0.width() > limit => {
                return Err(Error::Wide { setting: "newton.inner.dense.limit", width: x0.width(), limit });
            }
            NewtonInner::Dense { .. } => x0.width(),
        };
        let mut ledger = Ledger::new(x0, rules);
        let mut present = PresentSmooth::new(map);
        let mut x = x0.clone();
        let mut image = None;
        let mut memory: Option<Memory<R>> = None;
        let mut step = 0;
        while !ledger.finished() {
            let (gx, mut energies) = match image.take() {
                Some(gx) => (gx, memory.as_ref().and_then(Memory::energies)),
                None => present.descend(&x, &mut ledger)?,
            };
            let (residuals, sizes) = gx.distances(&x);
            let seen = energies.as_ref().map(|energies| match &memory {
                Some(memory) => memory.seen(rules, (&residuals, &sizes), x.precision()),
                None => Seen::at_the_start(energies.clone()),
            });
            let (measured, sizes) = rules.tolerance.norm.measured((&gx, &x), &residuals, sizes);
            ledger.visit_descended(|_| step, &x, (&measured, &sizes), seen.as_ref());
            ledger.report(step, &measured, observer);
            ledger.enforce();
            if ledger.remaining() < RESERVE + least {
                ledger.exhaust();
            }
            if ledger.finished() {
                break;
            }
            let (mut gx, mut residuals, mut excess) =
                (gx, residuals, rules.tolerance.excess(&measured, &sizes));
            if let Some(keep) = present.narrow(ledger.batch(), ledger.actives()) {
                ledger.narrow(&keep);
                (x, gx) = (x.gather(&keep), gx.gather(&keep));
                (residuals, excess) = (picked(&residuals, &keep), picked(&excess, &keep));
                energies = energies.map(|energies| picked(&energies, &keep));
                memory = memory.map(|memory| memory.narrowed(&keep));
            }
            let active = ledger.actives().to_vec();
            let visit = Visit::new((&x, &gx), &residuals, &active, &excess);
            let mut known = match memory.take() {
                Some(known) => known,
                None => self.memory(&present, &visit, energies.as_deref(), &mut ledger)?,
            };
            let found = self.step(&present, &visit, &mut known, (rules, &mut ledger))?;
            memory = Some(known);
            x = ledger.freeze(found.next);
            image = found.image;
            step += 1;
        }
        Ok(ledger.close())
    }

    /// What is remembered from the first point on.
    fn memory<R: Rows>(
        &self,
        present: &PresentSmooth<'_, R>,
        visit: &Visit<'_, R>,
        energies: Option<&[f64]>,
        ledger: &mut Ledger<R>,
    ) -> Result<Memory<R>, Error> {
        let trust = energies.map(|energies| Trust::at(present, visit, energies, ledger)).transpose()?;
        let aims = visit.residuals.iter().map(|residual| Aim::new(*residual)).collect();
        let written = matches!(self.inner, NewtonInner::Dense { .. });
        Ok(Memory { start: visit.x.clone(), aims, trust, dense: vec![written; visit.active.len()] })
    }

    /// One step of every active row, for which something is left in the budget.
    fn step<R: Rows>(
        &self,
        present: &PresentSmooth<'_, R>,
        visit: &Visit<'_, R>,
        memory: &mut Memory<R>,
        (rules, ledger): (Rules, &mut Ledger<R>),
    ) -> Result<Found<R>, Error> {
        let inner = ledger.remaining().saturating_sub(RESERVE) / 2;
        let Memory { start, aims, trust, dense } = memory;
        let aims = aims.iter_mut().zip(visit.residuals);
        let parts = aims.map(|(aim, residual)| aim.part(self.forcing, *residual)).collect();
        let effort = match self.inner {
            NewtonInner::Krylov { applications } => Effort { parts, inner: applications.min(inner) },
            NewtonInner::Dense { .. } => {
                let exactly = vec![visit.x.precision(); visit.active.len()];
                Effort { parts: exactly, inner: (2 * visit.x.width()).min(inner) }
            }
        };
        let map = present.map();
        let derivative = map.derivative(visit.x);
        if let Some(trust) = trust {
            let free = |row: usize| dense[row] && visit.active[row] && trust[row].free();
            let free: Vec<bool> = (0..trust.len()).map(free).collect();
            let exact = if free.contains(&true) && ledger.remaining() >= visit.x.width() + 2 {
                Some(straight_in(&free, &*derivative, (visit, &visit.x.zeros()), rules, ledger)?)
            } else {
                None
            };
            return descend((present, &*derivative), visit, (trust, exact), &effort, ledger);
        }
        let direction = match self.inner {
            NewtonInner::Dense { .. } => straight(&*derivative, visit, ledger)?,
            NewtonInner::Krylov { .. } => {
                let by = |written: bool| -> Vec<bool> {
                    let rows = dense.iter().zip(visit.active);
                    rows.map(|(dense, active)| *active && *dense == written).collect()
                };
                let (iterated, written) = (by(false), by(true));
                let mut direction = visit.difference().clone();
                if iterated.contains(&true) {
                    direction = onward(&*derivative, &visit.among(&iterated), &effort, ledger)?;
                }
                if written.contains(&true) && ledger.remaining() >= visit.x.width() + RESERVE {
                    let given = (visit, &direction);
                    direction = straight_in(&written, &*derivative, given, rules, ledger)?;
                }
                direction
            }
        };
        if ledger.finished() {
            return Ok(Found { next: visit.x.clone(), image: None });
        }
        let active = ledger.actives().to_vec();
        let visit = &visit.among(&active);
        // A plain step may be needed after the search, and the next visit is.
        let trials = ledger.remaining().saturating_sub(2).min(self.backtracks.saturating_add(1));
        let (mut found, lengths) = search_residuals(map, visit, &direction, trials, ledger)?;
        // A row that inexact directions have misled stands where none helps: it starts again, with all of J.
        let mut again = vec![false; active.len()];
        for row in 0..active.len() {
            let misled = active[row] && !dense[row] && lengths[row] <= MISLED;
            again[row] = misled && visit.x.width() <= WRITTEN;
            dense[row] |= again[row];
        }
        if again.contains(&true) {
            found = Found { next: choose(&again, start, &found.next), image: None };
        }
        Ok(found)
    }
}

/// What [`Newton`] remembers.
#[derive(Debug)]
struct Memory<R> {
    /// The first point.
    start: R,
    /// What decides how closely the next equation of each row is solved.
    aims: Vec<Aim>,
    /// How far the model of every row is trusted, if the map has an energy.
    trust: Option<Vec<Trust>>,
    /// Which rows go on with elimination.
    dense: Vec<bool>,
}

impl<R: Rows> Memory<R> {
    /// The energies at the present point, if the map has any.
    fn energies(&self) -> Option<Vec<f64>> {
        Some(self.trust.as_ref()?.iter().map(Trust::energy).collect())
    }

    /// What the energies say about points of these residuals and sizes. Rows go on while the energy falls by more than the tolerance
    /// asks of the residual.
    fn seen(&self, rules: Rules, (residuals, sizes): (&[f64], &[f64]), precision: f64) -> Seen {
        let trust = || self.trust.iter().flatten();
        let part = SETTLED * rules.tolerance.relative;
        let arrived = trust().zip(residuals.iter().zip(sizes));
        Seen {
            energies: trust().map(Trust::energy).collect(),
            arrived: arrived.map(|(trust, (residual, size))| trust.arrived(*residual, *size)).collect(),
            falling: trust().map(|trust| !trust.settled(part, precision)).collect(),
        }
    }

    /// What is remembered of the rows at these positions.
    fn narrowed(self, keep: &[usize]) -> Self {
        let trust = self.trust.map(|trust| picked(&trust, keep));
        let (aims, dense) = (picked(&self.aims, keep), picked(&self.dense, keep));
        Self { start: self.start.gather(keep), aims, trust, dense }
    }
}
