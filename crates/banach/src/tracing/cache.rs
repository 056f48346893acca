//! A cache of compiled programs, bounded by their memory; the least recently used are dropped first.

use crate::settings::lock::locked;
use banach_program::{Machine, Number, Program, Type, Value};
use burn::module::ParamId;
use burn::tensor::Device;
use std::sync::{Arc, Mutex, OnceLock};

/// Entries that are kept whatever their memory: for the batch sizes of training and validation, and their last batches.
const KEPT: usize = 4;

/// Memory of an entry.
pub(crate) trait Bytes {
    /// Estimates the memory in bytes, which may grow with use.
    fn bytes(&self) -> usize;
}

impl Bytes for Program {
    fn bytes(&self) -> usize {
        Program::bytes(self)
    }
}

impl<T: Number> Bytes for Machine<T> {
    fn bytes(&self) -> usize {
        Machine::bytes(self)
    }
}

impl<V: Bytes + ?Sized> Bytes for Box<V> {
    fn bytes(&self) -> usize {
        (**self).bytes()
    }
}

impl<V: Bytes + ?Sized> Bytes for Arc<V> {
    fn bytes(&self) -> usize {
        (**self).bytes()
    }
}

impl<V: Bytes> Bytes for Option<V> {
    fn bytes(&self) -> usize {
        self.as_ref().map_or(0, Bytes::bytes)
    }
}

impl<V: Bytes> Bytes for OnceLock<V> {
    fn bytes(&self) -> usize {
        self.get().map_or(0, Bytes::bytes)
    }
}

/// Values by key, the most recently used first.
#[derive(Debug)]
pub(crate) struct Cache<K, V> {
    entries: Mutex<Vec<(K, Arc<V>)>>,
    /// Held while an entry is computed, so that it is computed once.
    computing: Mutex<()>,
}

impl<K, V> Default for Cache<K, V> {
    fn default() -> Self {
        Cache { entries: Mutex::default(), computing: Mutex::default() }
    }
}

impl<K: PartialEq, V: Bytes> Cache<K, V> {
    /// Looks up the value of a key.
    fn find(&self, key: &K) -> Option<Arc<V>> {
        let mut entries = locked(&self.entries);
        let at = entries.iter().position(|(kept, _)| kept == key)?;
        entries[..=at].rotate_right(1);
        Some(Arc::clone(&entries[0].1))
    }

    /// Returns the value of a key, computed if it is not in the cache. Beyond a limit in bytes the least recently used
    /// entries are dropped, but for four.
    pub(crate) fn get_or_insert<E>(
        &self,
        key: K,
        limit: usize,
        compute: &mut dyn FnMut(&K) -> Result<V, E>,
    ) -> Result<Arc<V>, E> {
        if let Some(found) = self.find(&key) {
            return Ok(found);
        }
        let _computing = locked(&self.computing);
        if let Some(found) = self.find(&key) {
            return Ok(found); // Another thread computed it.
        }
        let value = Arc::new(compute(&key)?);
        let mut entries = locked(&self.entries);
        entries.insert(0, (key, Arc::clone(&value)));
        let mut bytes = 0;
        let fitting = entries.iter().take_while(|(_, value)| {
            bytes += value.bytes();
            bytes <= limit
        });
        let fitting = fitting.count().max(KEPT);
        entries.truncate(fitting);
        Ok(value)
    }

    /// Returns the number of entries.
    pub(crate) fn len(&self) -> usize {
        locked(&self.entries).len()
    }

    /// Estimates the memory of all entries in bytes.
    pub(crate) fn bytes(&self) -> usize {
        locked(&self.entries).iter().map(|(_, value)| value.bytes()).sum()
    }

    /// Removes all entries.
    pub(crate) fn clear(&self) {
        locked(&self.entries).clear();
    }
}

/// The key of a trace: calls with equal signatures share it.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Signature {
    pub(crate) device: Device,
    /// The types of the tensors of the call.
    pub(crate) types: Vec<Type>,
    /// Plain numbers among the inputs. They are constants of the trace.
    pub(crate) numbers: Vec<u64>,
    /// The position of the parameter for every place in the module that holds one.
    pub(crate) places: Vec<usize>,
    /// The flags of layers that behave differently in training.
    pub(crate) flags: Vec<bool>,
    /// Whether the call is on a training device, if the program depends on it.
    pub(crate) training: bool,
    /// The parameters whose gradients the program computes.
    pub(crate) trained: Vec<usize>,
    /// The [`fingerprint`](crate::tracing::fingerprint::fingerprint) of the module, where plain fields may change.
    pub(crate) fields: u64,
}

impl Signature {
    /// Returns the signature of a call on tensors off the tape, of a module with these places and flags.
    pub(crate) fn new(
        values: &[Value],
        numbers: Vec<u64>,
        parameters: (&[usize], &[(ParamId, bool)]),
    ) -> Self {
        let (places, flags) = parameters;
        Signature {
            device: values.first().map_or_else(Device::default, Value::device),
            types: values.iter().map(Value::ty).collect(),
            numbers,
            places: places.to_vec(),
            flags: flags.iter().map(|(_, enabled)| *enabled).collect(),
            training: false,
            trained: vec![],
            fields: 0,
        }
    }
}
