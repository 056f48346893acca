//! Samples remembered for warm starts: states and adjoints as bytes, under the samples' ids.

use banach_program::Type;
use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;

/// How often something was remembered that a solve began with, and how often not.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct WarmStatistics {
    /// Samples whose forward solve began at a state that was remembered.
    pub hits: usize,
    /// Samples whose forward solve began at [`Update::start`](crate::Update::start).
    pub misses: usize,
    /// Samples whose adjoint solve began at an adjoint that was remembered.
    pub adjoint_hits: usize,
    /// Samples whose adjoint solve began as without.
    pub adjoint_misses: usize,
    /// Samples that were forgotten because there was no room.
    pub evictions: usize,
}

/// What is known of so many samples at most; the one that was not used for the longest time is forgotten first.
#[derive(Debug)]
pub(crate) struct SampleCache {
    capacity: usize,
    samples: HashMap<u64, Sample>,
    /// The samples by when they were last used.
    order: BTreeMap<u64, u64>,
    /// Counts uses.
    clock: u64,
    pub(crate) statistics: WarmStatistics,
}

/// What is known of a sample.
#[derive(Debug)]
struct Sample {
    used: u64,
    /// The types of its part of every state tensor.
    form: Arc<[Type]>,
    state: Box<[u8]>,
    adjoint: Option<Box<[u8]>>,
}

impl SampleCache {
    pub(crate) fn new(capacity: usize) -> Self {
        let (samples, order, statistics) = (HashMap::new(), BTreeMap::new(), WarmStatistics::default());
        SampleCache { capacity, samples, order, clock: 0, statistics }
    }

    pub(crate) fn len(&self) -> usize {
        self.samples.len()
    }

    pub(crate) fn bytes(&self) -> usize {
        let adjoint = |sample: &Sample| sample.adjoint.as_ref().map_or(0, |adjoint| adjoint.len());
        self.samples.values().map(|sample| sample.state.len() + adjoint(sample)).sum()
    }

    pub(crate) fn clear(&mut self) {
        self.samples.clear();
        self.order.clear();
    }

    /// The types of what is remembered of a sample.
    pub(crate) fn form(&self, id: u64) -> Option<&[Type]> {
        self.samples.get(&id).map(|sample| &*sample.form)
    }

    /// The state of a sample, which is used by that.
    pub(crate) fn state(&mut self, id: u64) -> Option<&[u8]> {
        let now = self.tick();
        let sample = self.samples.get_mut(&id)?;
        self.order.remove(&sample.used);
        self.order.insert(now, id);
        sample.used = now;
        Some(&sample.state)
    }

    /// The adjoint of a sample whose state has these types.
    pub(crate) fn adjoint(&self, id: u64, form: &[Type]) -> Option<&[u8]> {
        self.samples.get(&id).filter(|sample| *sample.form == *form)?.adjoint.as_deref()
    }

    /// Remembers a state; an adjoint of the same types stays.
    pub(crate) fn store(&mut self, id: u64, form: &Arc<[Type]>, state: Box<[u8]>) {
        let known = self.taken(id).filter(|sample| sample.form == *form);
        if self.samples.len() >= self.capacity
            && let Some((_, oldest)) = self.order.pop_first()
        {
            self.samples.remove(&oldest);
            self.statistics.evictions += 1;
        }
        let used = self.tick();
        let adjoint = known.and_then(|sample| sample.adjoint);
        self.order.insert(used, id);
        self.samples.insert(id, Sample { used, form: Arc::clone(form), state, adjoint });
    }

    /// Remembers the adjoint, or none, of a sample whose state of these types is remembered.
    pub(crate) fn store_adjoint(&mut self, id: u64, form: &[Type], adjoint: Option<Box<[u8]>>) {
        if let Some(sample) = self.samples.get_mut(&id).filter(|sample| *sample.form == *form) {
            sample.adjoint = adjoint;
        }
    }

    /// Forgets a sample.
    pub(crate) fn forget(&mut self, id: u64) {
        self.taken(id);
    }

    fn taken(&mut self, id: u64) -> Option<Sample> {
        let sample = self.samples.remove(&id)?;
        self.order.remove(&sample.used);
        Some(sample)
    }

    fn tick(&mut self) -> u64 {
        self.clock += 1;
        self.clock
    }
}
