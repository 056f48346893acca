//! Automatic choice of the solver for each row.

use super::newton::Newton;
use crate::state::rows::{entries_at, select_rows};
use crate::{
    Anderson, AndersonMemory, Broyden, BroydenMemory, Error, Iterate, Method, Reason, Rows, Solver, Switch,
};
use serde::{Deserialize, Serialize};

/// Automatic choice: every row starts with plain iteration, and changes to Anderson, then to Broyden, when it
/// converges slowly.
///
/// **When.** Rows differ in difficulty, or it is unknown. **Cost.** One evaluation a step; two states of
/// memory, and the memory of [`Anderson`] and of [`Broyden`] while a row of the batch uses them. **Needs.**
/// Values of `g` alone.
///
/// - A row leaves plain iteration when its residual grows, or when, at the rate `ρ = ³√(r / r₃)` of its last
///   three steps, it needs more than `soon` further steps: `ln(wanted / r) > soon · ln ρ`. Its last plain
///   step is Anderson's first.
/// - It leaves Anderson when its residual has not halved in `patience` steps.
/// - It returns from Broyden to Anderson, for good, when the residual grows a hundredfold or a step leads to
///   where `g` is not finite.
/// - If the map has a derivative ([`fixed_point_smooth`](crate::fixed_point_smooth)), a row that fails for
///   another reason than time, evaluations or an observer is solved again from its start by [`Newton`], with
///   a new budget of steps; the better of the two points is returned ([`Handover`](crate::Handover)). No
///   derivative is evaluated where all rows converge.
///
/// Each decision depends on the residuals of the row alone, and is recorded in
/// [`Statistics::switches`](crate::Statistics::switches).
///
/// | setting | default | range | effect |
/// | :-- | :-- | :-- | :-- |
/// | [`soon`](Self::soon) | `10` | `>= 1` | the most predicted plain steps; a larger value saves memory, a smaller one evaluations |
/// | [`patience`](Self::patience) | `10` | `>= 1` | the steps of Anderson in which the residual must halve |
/// | [`anderson`](Self::anderson) | its own | [`Anderson`] | settings of Anderson |
/// | [`broyden`](Self::broyden) | its own | [`Broyden`] | settings of Broyden |
/// | [`newton`](Self::newton) | its own | [`Newton`] | settings of Newton, for failed rows of a map with a derivative |
///
/// ```
/// use banach_solve::{Auto, FixedPointSolver, Method, Settings, fixed_point};
/// use burn::tensor::{Device, Tensor};
///
/// let rates = Tensor::<2>::from_floats([[0.01], [0.99]], &Device::flex());
/// let settings = Settings::new(FixedPointSolver::Auto(Auto::default()));
/// let solution = fixed_point(&|x: &Tensor<2>| x.clone() * rates.clone() + 1.0, &rates.zeros_like(), &settings)?;
/// assert!(solution.converged());
/// let switches = &solution.statistics.switches;
/// assert!(switches.len() == 1 && switches[0].row == 1 && switches[0].to == Method::Anderson);
/// # Ok::<(), banach_solve::Error>(())
/// ```
///
/// Reference: those of [`Anderson`] and [`Broyden`]; the rate is that of a sequence that converges linearly,
/// C. Kelley, Iterative Methods for Linear and Nonlinear Equations (1995), section 4.1.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Auto {
    /// The most predicted plain steps.
    pub soon: usize,
    /// The steps of Anderson in which the residual must halve.
    pub patience: usize,
    /// Settings of Anderson.
    pub anderson: Anderson,
    /// Settings of Broyden.
    pub broyden: Broyden,
    /// Settings of Newton, for failed rows of a map with a derivative.
    pub newton: Newton,
}

impl Default for Auto {
    fn default() -> Self {
        Self {
            soon: 10,
            patience: 10,
            anderson: Anderson::default(),
            broyden: Broyden::default(),
            newton: Newton::default(),
        }
    }
}

impl Auto {
    /// Refuses invalid settings, including those of Anderson, Broyden and Newton.
    pub fn validate(&self) -> Result<(), Error> {
        let remedy = "use Anderson to have no plain steps";
        Error::unless(self.soon > 0, "auto.soon", self.soon, "at least 1", remedy)?;
        let remedy = "use Broyden to have no steps of Anderson";
        Error::unless(self.patience > 0, "auto.patience", self.patience, "at least 1", remedy)?;
        self.anderson.validate()?;
        self.broyden.validate()?;
        self.newton.validate()
    }
}

/// The memory of [`Auto`].
#[derive(Debug)]
pub struct AutoMemory<R> {
    /// The method and the recent residuals of every row.
    past: Vec<MethodState>,
    /// The last iterate and its image.
    last: Option<(R, R)>,
    /// The memory of Anderson, while a row uses it.
    anderson: Option<AndersonMemory<R>>,
    /// The memory of Broyden, while a row uses it.
    broyden: Option<BroydenMemory<R>>,
    /// Changes of method that the loop has not taken yet.
    switches: Vec<Switch>,
}

/// The method and the recent residuals of one row.
#[derive(Debug, Clone, Copy)]
struct MethodState {
    method: Method,
    /// The last three residuals, the newest first; `None` before there are three.
    residuals: [Option<f64>; 3],
    /// The residual at the last halving, and the number of steps since.
    milestone: (f64, usize),
    /// Whether the row has returned from Broyden.
    returned: bool,
}

/// The growth of the residual at which a row returns from Broyden.
const GROWTH: f64 = 100.0;

impl MethodState {
    /// The next method of a row with this residual and excess over the tolerance, if it changes, and the
    /// reason.
    fn change(&mut self, settings: &Auto, residual: f64, excess: f64) -> Option<(Method, Reason)> {
        match self.method {
            Method::Picard => {
                let [newest, _, oldest] = self.residuals;
                self.residuals = [Some(residual), self.residuals[0], self.residuals[1]];
                let grows = newest.is_some_and(|newest| residual >= newest);
                let rate = oldest.map(|oldest| (residual / oldest).cbrt());
                let far = rate.is_some_and(|rate| excess.ln() > -(settings.soon as f64) * rate.ln());
                let reason = if grows { Reason::Growing } else { Reason::Slow };
                (grows || far).then_some((Method::Anderson, reason))
            }
            Method::Anderson if self.returned => None,
            Method::Anderson => {
                let (milestone, waited) = self.milestone;
                self.milestone =
                    if residual < 0.5 * milestone { (residual, 0) } else { (milestone, waited + 1) };
                (self.milestone.1 > settings.patience).then_some((Method::Broyden, Reason::Stagnant))
            }
            Method::Newton => None,
            Method::Broyden => {
                self.returned = residual > GROWTH * self.milestone.0;
                self.returned.then_some((Method::Anderson, Reason::Growing))
            }
        }
    }
}

impl<R: Rows> Solver<R> for Auto {
    type Memory = AutoMemory<R>;

    fn start(&self, x0: &R) -> Self::Memory {
        let past = MethodState {
            method: Method::Picard,
            residuals: [None; 3],
            milestone: (f64::INFINITY, 0),
            returned: false,
        };
        AutoMemory {
            past: vec![past; x0.rows()],
            last: None,
            anderson: None,
            broyden: None,
            switches: Vec::new(),
        }
    }

    fn step(&self, iterate: &Iterate<'_, R>, memory: &mut Self::Memory) -> R {
        let rows = iterate.active.len();
        let mut changed: Vec<usize> = Vec::new();
        for row in (0..rows).filter(|row| iterate.active[*row]) {
            let past = &mut memory.past[row];
            if let Some((to, reason)) = past.change(self, iterate.residuals[row], iterate.excess[row]) {
                memory.switches.push(Switch { row, step: 0, from: past.method, to, reason });
                past.method = to;
                past.milestone = (iterate.residuals[row], 0);
                changed.push(row);
            }
        }
        let by = |method| -> Vec<bool> {
            (0..rows).map(|row| iterate.active[row] && memory.past[row].method == method).collect()
        };
        let [by_anderson, by_broyden] = [by(Method::Anderson), by(Method::Broyden)];
        let mut next = iterate.gx.clone();
        // Without this, the memory of a row that uses another method would depend on the other rows of the
        // batch.
        let elsewhere = |mask: &[bool]| (0..rows).filter(|row| !mask[*row]).collect::<Vec<_>>();
        memory.anderson = memory.anderson.take().filter(|_| by_anderson.contains(&true));
        if by_anderson.contains(&true) {
            let anderson = memory.anderson.get_or_insert_with(|| self.anderson.start(iterate.x));
            if let Some((x, gx)) = &memory.last {
                anderson.begin((x, gx));
            }
            changed.into_iter().for_each(|row| anderson.enter(row));
            next =
                select_rows(&by_anderson, &self.anderson.step(&iterate.among(&by_anderson), anderson), &next);
            elsewhere(&by_anderson).into_iter().for_each(|row| anderson.forget(row));
        }
        memory.broyden = memory.broyden.take().filter(|_| by_broyden.contains(&true));
        if by_broyden.contains(&true) {
            let broyden = memory.broyden.get_or_insert_with(|| self.broyden.start(iterate.x));
            next = select_rows(&by_broyden, &self.broyden.step(&iterate.among(&by_broyden), broyden), &next);
            elsewhere(&by_broyden).into_iter().for_each(|row| broyden.forget(row));
        }
        memory.last = Some((iterate.x.clone(), iterate.gx.clone()));
        next
    }

    fn narrow(&self, memory: &mut Self::Memory, keep: &[usize]) {
        if let Some(anderson) = &mut memory.anderson {
            self.anderson.narrow(anderson, keep);
        }
        if let Some(broyden) = &mut memory.broyden {
            self.broyden.narrow(broyden, keep);
        }
        memory.past = entries_at(&memory.past, keep);
        memory.last = memory.last.take().map(|(x, gx)| (x.gather(keep), gx.gather(keep)));
    }

    fn restart(&self, memory: &mut Self::Memory, row: usize) {
        let past = &mut memory.past[row];
        past.residuals = [None; 3];
        if past.method == Method::Broyden {
            let (from, to, reason) = (past.method, Method::Anderson, Reason::Growing);
            memory.switches.push(Switch { row, step: 0, from, to, reason });
            (past.method, past.returned) = (to, true);
        }
        memory.anderson.iter_mut().for_each(|anderson| anderson.forget(row));
        memory.broyden.iter_mut().for_each(|broyden| broyden.forget(row));
    }

    fn extrapolated(&self, memory: &Self::Memory, row: usize) -> bool {
        let anderson = |memory| self.anderson.extrapolated(memory, row);
        let broyden = |memory| self.broyden.extrapolated(memory, row);
        match memory.past[row].method {
            Method::Picard | Method::Newton => false,
            Method::Anderson => memory.anderson.as_ref().is_some_and(anderson),
            Method::Broyden => memory.broyden.as_ref().is_some_and(broyden),
        }
    }

    fn switches(&self, memory: &mut Self::Memory) -> Vec<Switch> {
        std::mem::take(&mut memory.switches)
    }
}
