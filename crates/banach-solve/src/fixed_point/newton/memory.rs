//! The memory of Newton's method.

use super::forcing::ForcingTerm;
use super::region::TrustRegion;
use crate::active_map::ActiveSmoothMap;
use crate::descent::EnergyEvidence;
use crate::ledger::Ledger;
use crate::settings::StoppingRules;
use crate::state::rows::entries_at;
use crate::{Error, Iterate, Rows};

/// The fraction of the relative tolerance that the last decrease of an energy may be of its whole descent.
const SETTLED: f64 = 0.01;

/// The memory of [`Newton`](super::Newton).
#[derive(Debug)]
pub(super) struct Memory<R> {
    /// The start.
    pub(super) start: R,
    /// The forcing terms of each row.
    pub(super) forcing: Vec<ForcingTerm>,
    /// The trust regions, if the map has an energy.
    pub(super) trust: Option<Vec<TrustRegion>>,
    /// Rows that use elimination.
    pub(super) dense: Vec<bool>,
}

impl<R: Rows> Memory<R> {
    /// The memory at the first iterate, with or without elimination.
    pub(super) fn new(
        elimination: bool,
        active_map: &ActiveSmoothMap<'_, R>,
        iterate: &Iterate<'_, R>,
        energies: Option<&[f64]>,
        ledger: &mut Ledger<R>,
    ) -> Result<Self, Error> {
        let at_start = |energies| TrustRegion::at_start(active_map, iterate, energies, ledger);
        let trust = energies.map(at_start).transpose()?;
        let forcing = iterate.residuals.iter().map(|residual| ForcingTerm::new(*residual)).collect();
        Ok(Self { start: iterate.x.clone(), forcing, trust, dense: vec![elimination; iterate.active.len()] })
    }

    /// The energies at the current iterate, if the map has any.
    pub(super) fn energies(&self) -> Option<Vec<f64>> {
        Some(self.trust.as_ref()?.iter().map(TrustRegion::energy).collect())
    }

    /// The evidence of the energies at the current iterate, with these residuals and norms of the state.
    pub(super) fn evidence(
        &self,
        rules: StoppingRules,
        (residuals, sizes): (&[f64], &[f64]),
        precision: f64,
    ) -> EnergyEvidence {
        let trust = || self.trust.iter().flatten();
        let fraction = SETTLED * rules.tolerance.relative;
        let arrived = trust().zip(residuals.iter().zip(sizes));
        EnergyEvidence {
            energies: trust().map(TrustRegion::energy).collect(),
            arrived: arrived.map(|(trust, (residual, size))| trust.arrived(*residual, *size)).collect(),
            falling: trust().map(|trust| !trust.settled(fraction, precision)).collect(),
        }
    }

    /// The memory of the rows at these positions.
    pub(super) fn narrowed(self, keep: &[usize]) -> Self {
        let trust = self.trust.map(|trust| entries_at(&trust, keep));
        let (forcing, dense) = (entries_at(&self.forcing, keep), entries_at(&self.dense, keep));
        Self { start: self.start.gather(keep), forcing, trust, dense }
    }
}
