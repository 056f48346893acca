//! Interruption of a run by Ctrl-C: the first ends it at the next mini-batch, the second at once.

use crate::error::{Error, INTERRUPTED};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

/// Whether the user has asked the run to end; clones share the answer.
#[derive(Clone, Debug, Default)]
pub(crate) struct Interruption {
    requested: Arc<AtomicBool>,
}

impl Interruption {
    /// Listens to Ctrl-C and to a polite request of the system to end.
    pub(crate) fn listen() -> Result<Self, Error> {
        let interruption = Self::default();
        let handle = interruption.clone();
        ctrlc::set_handler(move || {
            if handle.requested.swap(true, Ordering::Relaxed) {
                std::process::exit(i32::from(INTERRUPTED));
            }
        })
        .map_err(|error| Error::Training(format!("cannot listen to Ctrl-C: {error}")))?;
        Ok(interruption)
    }

    /// Asks the run to end.
    #[cfg(feature = "dashboard")]
    pub(crate) fn request(&self) {
        self.requested.store(true, Ordering::Relaxed);
    }

    /// Whether the run is to end.
    pub(crate) fn is_requested(&self) -> bool {
        self.requested.load(Ordering::Relaxed)
    }
}
