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

/// A cache of the last states and adjoints of samples, by ids that do not change from epoch to epoch or from frame to frame.
///
/// While a network trains, or a sequence advances, the solution for a sample changes little between solves.
/// [`FixedPoint::solve_warm`](crate::FixedPoint::solve_warm) begins forward at the last x̂ of the sample, and backward at its
/// last adjoint c. The solution and its gradient do not depend on it beyond the tolerance, since the equations x̂ = g(x̂, z)
/// and c = Jᵀ c + v do not contain the start. A cached state that still meets the tolerance is accepted after one evaluation
/// of g.
///
/// **When** samples recur: training over epochs, video, control, simulation in time steps. An update with several fixed
/// points tends to stay at the one it found. **Cost**: [`bytes`](Self::bytes) in host memory, one state and one adjoint for
/// each sample; states on another device are copied to the host and back. **Needs** an id for each row of a batch that is
/// unique to the sample.
///
/// The cache holds states of rows that did not fail, and adjoints of such rows that converged. A row that fails is removed,
/// and begins at [`Update::start`](crate::Update::start) the next time, so every cached value is finite. Adjoints that are
/// approximate by choice ([`LinearSolver::Identity`](banach_solve::LinearSolver::Identity),
/// [`Truncated`](banach_solve::Truncated)) are not cached. If an id occurs in several rows of a batch, these rows begin at
/// the same state, and the result of the last one is stored. If the update mixes rows, a batch is stored as a whole or not
/// at all, and each row can be found by its own id.
///
/// | setting | default | range | effect |
/// | :-- | :-- | :-- | :-- |
/// | `capacity` | none | `>= 1` | cached samples; the least recently used is dropped first |
///
/// With a capacity below the number of samples, most samples are dropped before they recur.
///
/// Clones share the cache, also between threads. It is not saved with the network.
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
    /// Prints the number of samples.
    fn fmt(&self, f: &mut Formatter<'_>) -> std::fmt::Result {
        write!(f, "WarmStarts of {} samples", self.len())
    }
}

impl WarmStarts {
    /// Creates an empty cache for at most `capacity` samples.
    ///
    /// # Errors
    /// [`Error::Setting`] for a capacity of 0.
    pub fn new(capacity: usize) -> Result<Self, Error> {
        if capacity == 0 {
            return Err(Error::setting("capacity", capacity, "at least one sample"));
        }
        Ok(WarmStarts { cache: Arc::new(Mutex::new(SampleCache::new(capacity))) })
    }

    /// Returns the number of cached samples.
    pub fn len(&self) -> usize {
        locked(&self.cache).len()
    }

    /// Returns whether the cache is empty.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Returns the bytes of the cached states and adjoints, without the index.
    pub fn bytes(&self) -> usize {
        locked(&self.cache).bytes()
    }

    /// Returns the hits and misses since the cache was created.
    pub fn statistics(&self) -> WarmStatistics {
        locked(&self.cache).statistics
    }

    /// Removes all samples, and keeps the statistics.
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

    /// Returns the error of a warm solve inside a trace.
    pub(crate) fn in_a_trace() -> Error {
        let expected = "a call outside: a traced program runs again with other samples; `solve_from` takes a start as a \
                        tensor there";
        Error::setting("ids", "given inside a trace", expected)
    }
}

/// One solve of cached samples, forward and backward.
#[derive(Debug)]
pub(crate) struct WarmSolve {
    cache: Arc<Mutex<SampleCache>>,
    ids: Arc<[u64]>,
    packing: Arc<Packing>,
    /// The types of the row of one sample in every state tensor.
    form: Arc<[Type]>,
    /// Which samples did not fail in the forward solve.
    sound: Vec<bool>,
}

impl WarmSolve {
    /// Writes the cached states into the flat start, and returns how many of its rows are cached completely.
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

    /// Stores the states of rows that did not fail, and removes the samples of rows that failed.
    pub(crate) fn store_states(&mut self, x: &Tensor<2>, report: &Report) -> Result<(), Error> {
        let rows = report.outcomes.iter().zip(&report.residuals);
        self.sound = self.by_sample(rows.map(|(row, residual)| !row.is_failure() && residual.is_finite()));
        let states = self.read(x)?;
        let mut cache = locked(&self.cache);
        for ((&id, sound), state) in self.ids.iter().zip(&self.sound).zip(states) {
            if *sound { cache.store(id, &self.form, state) } else { cache.forget(id) }
        }
        Ok(())
    }

    /// Returns the cached adjoints in the shape of the cotangent v, with NaN for samples without one.
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

    /// Stores the adjoints that converged, of rows that did not fail in the forward solve.
    pub(crate) fn store_adjoints(&self, c: &Tensor<2>, report: &AdjointReport) -> Result<(), Error> {
        let rows = report.outcomes.iter().zip(&report.residuals);
        let sound = self.by_sample(rows.map(|(row, residual)| row.is_converged() && residual.is_finite()));
        // If no adjoint converged, nothing is copied to the host.
        let mut adjoints = if sound.contains(&true) { self.read(c)? } else { vec![] }.into_iter();
        let mut cache = locked(&self.cache);
        for (sample, &id) in self.ids.iter().enumerate() {
            let kept = adjoints.next().filter(|_| self.sound[sample] && sound[sample]);
            cache.store_adjoint(id, &self.form, kept);
        }
        Ok(())
    }

    /// Returns a property of every sample from that of every solved row: one row for each sample, or one row for all.
    fn by_sample(&self, rows: impl Iterator<Item = bool>) -> Vec<bool> {
        let rows: Vec<bool> = rows.collect();
        if rows.len() == self.ids.len() { rows } else { vec![rows.iter().all(|row| *row); self.ids.len()] }
    }

    /// Returns the bytes of every sample in a flat `[rows, n]`, one state tensor after the other.
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

    /// Returns the bytes of every state tensor from those found for the samples, and the number of samples found. Missing
    /// samples are filled with ones, which is NaN in every precision.
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

    /// Packs state tensors, given as bytes, into one flat `[rows, n]` on the device of another tensor.
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

/// Returns the precision of a state.
fn precision(state: &Type) -> DType {
    match state.kind {
        Kind::Float(dtype) => dtype.into(),
        Kind::Int(_) | Kind::Bool => panic!("found a state of {state}, expected a float tensor"),
    }
}
