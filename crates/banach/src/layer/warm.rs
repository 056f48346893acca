//! Warm starts: states and adjoints cached by sample id.

use crate::error::Error;
use crate::layer::sample_cache::{SampleCache, WarmStatistics};
use crate::settings::lock::locked;
use crate::settings::report::{AdjointReport, Report};
use crate::tracing::layout::{Packing, type_list};
use banach_program::{Kind, Type, Value};
use burn::tensor::{DType, Tensor, TensorData};
use std::fmt::{Debug, Formatter};
use std::sync::{Arc, Mutex};

/// The states and adjoints at which solves of the same samples ended last, under ids that do not change from epoch to
/// epoch, or from frame to frame.
///
/// While a network trains, or a sequence runs, a sample's solution moves little from one visit to the next:
/// [`FixedPoint::solve_warm`](crate::FixedPoint::solve_warm) begins forward at the sample's last x̂, and backward at its last adjoint c. What it gives is
/// the same, within the tolerance: x̂ = g(x̂, z) and c = Jᵀ c + v say nothing of where a solve begins, so neither does the
/// gradient. A state that still suffices is taken as it is, for one look at g.
///
/// **When** samples return: training over epochs, video, control, simulation in steps. An update with several fixed
/// points tends to stay at the one it found. **Cost**: [`bytes`](Self::bytes) in the memory of the host, one state and one
/// adjoint for each sample; states on another device are copied there and back. **Needs** an id for each row of a
/// batch that is never another sample's.
///
/// Remembered are states of rows that did not fail, and adjoints of such rows that converged; a row that fails is
/// forgotten, and begins at [`Update::start`](crate::Update::start) the next time. So nothing that is not finite is ever remembered. Adjoints
/// that are approximate by choice ([`LinearSolver::Identity`](banach_solve::LinearSolver::Identity),
/// [`Truncated`](banach_solve::Truncated)) begin where they always do. Where one id stands at several rows of a batch, all of
/// them begin at the same state, and what the last of them gives is remembered. Where the update mixes rows, they are
/// remembered together or not at all, and each is found by its own id again.
///
/// | setting | default | range | effect |
/// | :-- | :-- | :-- | :-- |
/// | `capacity` | none | `>= 1` | samples that are remembered; the one not used for the longest time goes first |
///
/// A capacity below the number of samples finds little: by the time a sample returns, it is gone.
///
/// Clones share what is remembered, among threads too. It is not saved with the network: after loading, the first
/// visit fills it again.
///
/// ```
/// # use banach::{FixedPointConfig, Update};
/// # use burn::{module::Module, nn::{Linear, LinearConfig}, tensor::{Device, Tensor}};
/// use banach::WarmStarts;
///
/// # #[derive(Module, Debug)]
/// # struct Cell { state: Linear }
/// # impl Update for Cell {
/// #     type State = Tensor<2>;
/// #     type Input = Tensor<2>;
/// #     fn start(&self, z: &Tensor<2>) -> Tensor<2> { z.zeros_like() }
/// #     fn update(&self, x: Tensor<2>, z: Tensor<2>) -> Tensor<2> { (self.state.forward(x) * 0.5 + z).tanh() }
/// # }
/// # let device = Device::flex();
/// # let layer = FixedPointConfig::new().init(Cell { state: LinearConfig::new(8, 8).init(&device) })?;
/// let warm = WarmStarts::new(50_000)?;
/// let (z, ids) = (Tensor::<2>::ones([2, 8], &device), [17, 4]); // Two samples of the data, by their numbers.
/// let first = layer.solve_warm(z.clone(), &ids, &warm)?;
/// let again = layer.solve_warm(z, &ids, &warm)?;
/// assert!(first.report().steps[0] > 0);
/// assert_eq!(again.report().steps, [0, 0]);
/// # Ok::<(), banach::Error>(())
/// ```
#[derive(Clone)]
pub struct WarmStarts {
    cache: Arc<Mutex<SampleCache>>,
}

impl Debug for WarmStarts {
    /// The count alone, not the states.
    fn fmt(&self, f: &mut Formatter<'_>) -> std::fmt::Result {
        write!(f, "WarmStarts of {} samples", self.len())
    }
}

impl WarmStarts {
    /// Nothing is remembered yet, and so many samples at most will be.
    ///
    /// # Errors
    /// [`Error::Setting`] for a capacity of 0.
    pub fn new(capacity: usize) -> Result<Self, Error> {
        if capacity == 0 {
            return Err(Error::setting("capacity", capacity, "at least one sample"));
        }
        Ok(WarmStarts { cache: Arc::new(Mutex::new(SampleCache::new(capacity))) })
    }

    /// Samples that are remembered.
    pub fn len(&self) -> usize {
        locked(&self.cache).len()
    }

    /// Whether none is.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Bytes of their numbers; what it takes to find them comes on top.
    pub fn bytes(&self) -> usize {
        locked(&self.cache).bytes()
    }

    /// How often something was remembered that a solve began with, since this was made.
    pub fn statistics(&self) -> WarmStatistics {
        locked(&self.cache).statistics
    }

    /// Forgets all samples; the statistics stay.
    pub fn clear(&self) {
        locked(&self.cache).clear();
    }

    /// Begins a solve of samples with these ids.
    pub(crate) fn solve(&self, ids: &[u64], packing: &Arc<Packing>) -> Result<WarmSolve, Error> {
        let states = packing.states();
        if states.iter().any(|state| state.shape.first() != Some(&ids.len())) {
            return Err(Error::Ids { found: ids.len(), state: type_list(states) });
        }
        let row = |state: &&Type| Type::new(state.shape[1..].to_vec(), state.kind);
        let form: Arc<[Type]> = states.iter().map(row).collect();
        let cache = locked(&self.cache);
        for &id in ids {
            if let Some(found) = cache.form(id).filter(|found| **found != *form) {
                let (found, expected) = (type_list(found), type_list(&*form));
                return Err(Error::Remembered { id, found, expected });
            }
        }
        let (cache, packing) = (Arc::clone(&self.cache), Arc::clone(packing));
        Ok(WarmSolve { cache, ids: ids.into(), packing, form, sound: vec![] })
    }

    /// Why nothing can be remembered of a solve that is only written down.
    pub(crate) fn in_a_trace() -> Error {
        let expected = "a call outside: a traced program runs again with other samples; `solve_from` takes a start as a \
                        tensor there";
        Error::setting("ids", "given inside a trace", expected)
    }
}

/// One solve, forward and backward, of samples that have ids.
#[derive(Debug)]
pub(crate) struct WarmSolve {
    cache: Arc<Mutex<SampleCache>>,
    ids: Arc<[u64]>,
    packing: Arc<Packing>,
    /// The types of one sample's part of every state tensor.
    form: Arc<[Type]>,
    /// Which samples did not fail forward.
    sound: Vec<bool>,
}

impl WarmSolve {
    /// Puts the states that are remembered into the flat start; how many of its rows are remembered as a whole.
    pub(crate) fn begin(&self, x0: &mut Tensor<2>) -> Result<usize, Error> {
        let mut cache = locked(&self.cache);
        let (bytes, hits) = self.written(&mut cache, |cache, sample| cache.state(self.ids[sample]));
        let count = self.ids.len();
        cache.statistics.hits += hits;
        cache.statistics.misses += count - hits;
        drop(cache);
        if hits == 0 {
            return Ok(0);
        }
        let known = self.packed(bytes, x0)?;
        *x0 = known.clone().mask_where(known.is_nan(), x0.clone());
        let rows = x0.dims()[0];
        Ok(if rows == count { hits } else { rows * usize::from(hits == count) })
    }

    /// Remembers the states of rows that did not fail, and forgets those that did.
    pub(crate) fn store_states(&mut self, x: &Tensor<2>, report: &Report) -> Result<(), Error> {
        let rows = report.outcomes.iter().zip(&report.residuals);
        self.sound = self.of_samples(rows.map(|(row, residual)| !row.is_failure() && residual.is_finite()));
        let states = self.read(x)?;
        let mut cache = locked(&self.cache);
        for ((&id, sound), state) in self.ids.iter().zip(&self.sound).zip(states) {
            if *sound { cache.store(id, &self.form, state) } else { cache.forget(id) }
        }
        Ok(())
    }

    /// The adjoints that are remembered, flat as the cotangent v; not a number where none is.
    pub(crate) fn guess(&self, v: &Tensor<2>) -> Result<Option<Tensor<2>>, Error> {
        let mut cache = locked(&self.cache);
        let (bytes, hits) = self.written(&mut cache, |cache, sample| {
            cache.adjoint(self.ids[sample], &self.form).filter(|_| self.sound[sample])
        });
        cache.statistics.adjoint_hits += hits;
        cache.statistics.adjoint_misses += self.ids.len() - hits;
        drop(cache);
        if hits == 0 { Ok(None) } else { self.packed(bytes, v).map(Some) }
    }

    /// Remembers the adjoints that converged, of rows that did not fail forward.
    pub(crate) fn store_adjoints(&self, c: &Tensor<2>, report: &AdjointReport) -> Result<(), Error> {
        let rows = report.outcomes.iter().zip(&report.residuals);
        let sound = self.of_samples(rows.map(|(row, residual)| row.is_converged() && residual.is_finite()));
        // Approximations by choice are not even copied to the host.
        let mut adjoints = if sound.contains(&true) { self.read(c)? } else { vec![] }.into_iter();
        let mut cache = locked(&self.cache);
        for (sample, &id) in self.ids.iter().enumerate() {
            let kept = adjoints.next().filter(|_| self.sound[sample] && sound[sample]);
            cache.store_adjoint(id, &self.form, kept);
        }
        Ok(())
    }

    /// What holds of every sample, from what holds of the rows that are solved: one for each sample, or one for all.
    fn of_samples(&self, rows: impl Iterator<Item = bool>) -> Vec<bool> {
        let rows: Vec<bool> = rows.collect();
        if rows.len() == self.ids.len() { rows } else { vec![rows.iter().all(|row| *row); self.ids.len()] }
    }

    /// Every sample's bytes in a flat `[rows, n]`, one state tensor after the other.
    fn read(&self, flat: &Tensor<2>) -> Result<Vec<Box<[u8]>>, Error> {
        let count = self.ids.len();
        let mut samples: Vec<Vec<u8>> = vec![vec![]; count];
        for state in self.packing.unpack(flat.clone())? {
            let data = state.into_data();
            let size = data.as_bytes().len().checked_div(count).unwrap_or(0);
            for (at, sample) in samples.iter_mut().enumerate() {
                sample.extend_from_slice(&data.as_bytes()[at * size..][..size]);
            }
        }
        Ok(samples.into_iter().map(Vec::into_boxed_slice).collect())
    }

    /// The bytes of every state tensor, from those found for the samples, and how many were found; all ones, which are not
    /// a number in any precision, where none are.
    fn written(
        &self,
        cache: &mut SampleCache,
        find: impl for<'a> Fn(&'a mut SampleCache, usize) -> Option<&'a [u8]>,
    ) -> (Vec<Vec<u8>>, usize) {
        let sizes: Vec<usize> = self.form.iter().map(|row| row.len() * precision(row).size()).collect();
        let mut states: Vec<Vec<u8>> = sizes.iter().map(|size| vec![0xff; size * self.ids.len()]).collect();
        let mut found = 0;
        for at in 0..self.ids.len() {
            let Some(mut rest) = find(cache, at) else { continue };
            found += 1;
            for (state, &size) in states.iter_mut().zip(&sizes) {
                let (row, left) = rest.split_at(size);
                state[at * size..][..size].copy_from_slice(row);
                rest = left;
            }
        }
        (states, found)
    }

    /// State tensors, given as bytes, as one flat `[rows, n]` on the device of another.
    fn packed(&self, bytes: Vec<Vec<u8>>, like: &Tensor<2>) -> Result<Tensor<2>, Error> {
        let states = bytes.into_iter().zip(&*self.form).map(|(bytes, row)| {
            let (count, dtype) = (self.ids.len() * row.len(), precision(row));
            let data = TensorData::from_bytes_vec(bytes, [count], dtype);
            let shape: Vec<usize> =
                std::iter::once(self.ids.len()).chain(row.shape.iter().copied()).collect();
            Value::from(Tensor::<1>::from_data(data, (&like.device(), dtype))).reshaped(&shape)
        });
        self.packing.pack(states.collect())
    }
}

/// The precision of a state.
fn precision(state: &Type) -> DType {
    match state.kind {
        Kind::Float(dtype) => dtype.into(),
        Kind::Int(_) | Kind::Bool => panic!("found a state of {state}, expected a float tensor"),
    }
}
