//! A cache of states and adjoints as bytes, by sample id, for warm starts.

use banach_program::Type;
use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;

/// The hits and misses of warm starts.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct WarmStatistics {
    /// Samples whose forward solve began at a cached state.
    pub hits: usize,
    /// Samples whose forward solve began at [`Update::start`](crate::Update::start).
    pub misses: usize,
    /// Samples whose adjoint solve began at a cached adjoint.
    pub adjoint_hits: usize,
    /// Samples whose adjoint solve began without a guess.
    pub adjoint_misses: usize,
    /// Samples that were dropped because the capacity was reached.
    pub evictions: usize,
}

/// The states and adjoints of at most `capacity` samples; the least recently used sample is dropped first.
#[derive(Debug)]
pub(crate) struct SampleCache {
    capacity: usize,
    samples: HashMap<u64, Sample>,
    /// The samples by the time of their last use.
    order: BTreeMap<u64, u64>,
    /// The number of uses, which is the time.
    clock: u64,
    pub(crate) statistics: WarmStatistics,
}

/// The cached state and adjoint of a sample.
#[derive(Debug)]
struct Sample {
    used: u64,
    /// The types of the row of the sample in every state tensor.
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

    /// Returns the types of the cached state of a sample.
    pub(crate) fn form(&self, id: u64) -> Option<&[Type]> {
        self.samples.get(&id).map(|sample| &*sample.form)
    }

    /// Returns the state of a sample, which counts as a use.
    pub(crate) fn state(&mut self, id: u64) -> Option<&[u8]> {
        let now = self.tick();
        let sample = self.samples.get_mut(&id)?;
        self.order.remove(&sample.used);
        self.order.insert(now, id);
        sample.used = now;
        Some(&sample.state)
    }

    /// Returns the adjoint of a sample whose state has these types.
    pub(crate) fn adjoint(&self, id: u64, form: &[Type]) -> Option<&[u8]> {
        self.samples.get(&id).filter(|sample| *sample.form == *form)?.adjoint.as_deref()
    }

    /// Stores a state, and keeps an adjoint of equal types.
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

    /// Stores an adjoint, or removes it, for a sample with a cached state of these types.
    pub(crate) fn store_adjoint(&mut self, id: u64, form: &[Type], adjoint: Option<Box<[u8]>>) {
        if let Some(sample) = self.samples.get_mut(&id).filter(|sample| *sample.form == *form) {
            sample.adjoint = adjoint;
        }
    }

    /// Removes a sample.
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
