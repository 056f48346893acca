//! Automatic choice of the solver for each row.

use super::{Anderson, AndersonMemory, Broyden, BroydenMemory, Newton, Solver, Visit};
use crate::ledger::picked;
use crate::rows::choose;
use crate::{Error, Method, Reason, Rows, Switch};
use serde::{Deserialize, Serialize};

/// Cheap first: every row starts with plain iteration, and moves on to Anderson, then to Broyden, when it must.
///
/// **When.** Rows differ, or nobody knows what they need. **Cost.** One evaluation a step; two states of memory, and that of
/// [`Anderson`] and of [`Broyden`] while a row of the batch is there. **Needs.** Values of `g` alone.
///
/// - A row leaves plain iteration when its residual grows, or when, at the rate `ρ = ³√(r / r₃)` of its last three steps, the
///   tolerance is more than `soon` steps away: `ln(wanted / r) > soon · ln ρ`. Its last plain step is Anderson's first.
/// - It leaves Anderson when its residual has not been halved for `patience` steps.
/// - Where Broyden lets the residual grow a hundredfold, or leads the row to where `g` is not finite, Anderson has the row back and
///   keeps it.
///
/// - A row that ends without an answer, for another reason than time, evaluations or an observer, is solved again from its start by
///   [`Newton`] where the map knows its derivative ([`fixed_point_smooth`](crate::fixed_point_smooth)), with the budget of steps
///   anew; the better of the two points is returned ([`Handover`](crate::Handover)). So it solves what either of them solves, and
///   no derivative is taken where all rows converge.
///
/// Each decision is the row's own, from its residuals alone, and is kept in
/// [`Statistics::switches`](crate::Statistics::switches).
///
/// | setting | default | range | effect |
/// | :-- | :-- | :-- | :-- |
/// | [`soon`](Self::soon) | `10` | `>= 1` | plain steps that a row may still have to go; more saves memory, fewer save evaluations |
/// | [`patience`](Self::patience) | `10` | `>= 1` | steps of Anderson in which the residual must halve |
/// | [`anderson`](Self::anderson) | its own | [`Anderson`] | where rows go first |
/// | [`broyden`](Self::broyden) | its own | [`Broyden`] | where they go when Anderson stagnates |
/// | [`newton`](Self::newton) | its own | [`Newton`] | where rows go that end without an answer, if the map has a derivative |
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
/// Reference: those of [`Anderson`] and [`Broyden`]; the rate is that of a sequence that converges linearly, C. Kelley,
/// Iterative Methods for Linear and Nonlinear Equations (1995), section 4.1.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Auto {
    /// The plain steps that a row may still have to go.
    pub soon: usize,
    /// The steps of Anderson in which the residual must halve.
    pub patience: usize,
    /// Where rows go first.
    pub anderson: Anderson,
    /// Where they go when Anderson stagnates.
    pub broyden: Broyden,
    /// Where rows go that end without an answer, if the map has a derivative.
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
    /// Refuses settings with no meaning, those of Anderson, Broyden and Newton included.
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

/// What [`Auto`] remembers.
#[derive(Debug)]
pub struct AutoMemory<R> {
    past: Vec<Past>,
    /// The last point and its image.
    last: Option<(R, R)>,
    /// While a row is there.
    anderson: Option<AndersonMemory<R>>,
    /// While a row is there.
    broyden: Option<BroydenMemory<R>>,
    /// What has not been told yet.
    switches: Vec<Switch>,
}

/// What one row remembers of its way.
#[derive(Debug, Clone, Copy)]
struct Past {
    method: Method,
    /// The last three residuals, the newest first; none before there are any.
    residuals: [Option<f64>; 3],
    /// The residual that was last half of what it had been, and the steps since.
    milestone: (f64, usize),
    /// Whether Broyden's method has been tried and given up.
    returned: bool,
}

/// How far residuals may grow in Broyden's method.
const GROWTH: f64 = 100.0;

impl Past {
    /// Where the row moves on to from a point with this residual, so many times what the tolerance allows.
    fn moves(&mut self, settings: &Auto, residual: f64, excess: f64) -> Option<(Method, Reason)> {
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
        let past = Past {
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

    fn step(&self, visit: &Visit<'_, R>, memory: &mut Self::Memory) -> R {
        let rows = visit.active.len();
        let mut arrived: Vec<usize> = Vec::new();
        for row in (0..rows).filter(|row| visit.active[*row]) {
            let past = &mut memory.past[row];
            if let Some((to, reason)) = past.moves(self, visit.residuals[row], visit.excess[row]) {
                memory.switches.push(Switch { row, step: 0, from: past.method, to, reason });
                past.method = to;
                past.milestone = (visit.residuals[row], 0);
                arrived.push(row);
            }
        }
        let by = |method| -> Vec<bool> {
            (0..rows).map(|row| visit.active[row] && memory.past[row].method == method).collect()
        };
        let [by_anderson, by_broyden] = [by(Method::Anderson), by(Method::Broyden)];
        let mut next = visit.gx.clone();
        // What a memory holds of a row that is not there would depend on when the first row came.
        let elsewhere = |mask: &[bool]| (0..rows).filter(|row| !mask[*row]).collect::<Vec<_>>();
        memory.anderson = memory.anderson.take().filter(|_| by_anderson.contains(&true));
        if by_anderson.contains(&true) {
            let anderson = memory.anderson.get_or_insert_with(|| self.anderson.start(visit.x));
            if let Some((x, gx)) = &memory.last {
                anderson.begin(&self.anderson, (x, gx));
            }
            arrived.into_iter().for_each(|row| anderson.enter(row));
            next = choose(&by_anderson, &self.anderson.step(&visit.among(&by_anderson), anderson), &next);
            elsewhere(&by_anderson).into_iter().for_each(|row| anderson.forget(row));
        }
        memory.broyden = memory.broyden.take().filter(|_| by_broyden.contains(&true));
        if by_broyden.contains(&true) {
            let broyden = memory.broyden.get_or_insert_with(|| self.broyden.start(visit.x));
            next = choose(&by_broyden, &self.broyden.step(&visit.among(&by_broyden), broyden), &next);
            elsewhere(&by_broyden).into_iter().for_each(|row| broyden.forget(row));
        }
        memory.last = Some((visit.x.clone(), visit.gx.clone()));
        next
    }

    fn narrow(&self, memory: &mut Self::Memory, keep: &[usize]) {
        if let Some(anderson) = &mut memory.anderson {
            self.anderson.narrow(anderson, keep);
        }
        if let Some(broyden) = &mut memory.broyden {
            self.broyden.narrow(broyden, keep);
        }
        memory.past = picked(&memory.past, keep);
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
