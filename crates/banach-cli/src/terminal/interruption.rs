//! Interruption of a run by Ctrl-C: the first ends it at the next mini-batch, the second at once.

use crate::error::{Error, INTERRUPTED};
use signal_hook::consts::{SIGINT, SIGTERM};
use signal_hook::flag;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

/// Whether the user has asked the run to end; clones share the answer.
#[derive(Clone, Debug, Default)]
pub(crate) struct Interruption {
    requested: Arc<AtomicBool>,
}

impl Interruption {
    /// Listens to Ctrl-C and to a polite request of the system to end.
    ///
    /// A terminal that is closed kills a run, except under `nohup`; what it loses is the epoch in which it was.
    pub(crate) fn listen() -> Result<Self, Error> {
        let interruption = Self::default();
        let flag = || Arc::clone(&interruption.requested);
        for signal in [SIGINT, SIGTERM] {
            // In this order: the first signal finds the flag down, and the second finds it up.
            flag::register_conditional_shutdown(signal, i32::from(INTERRUPTED), flag())
                .and_then(|_| flag::register(signal, flag()))
                .map_err(|error| Error::Training(format!("cannot listen to Ctrl-C: {error}")))?;
        }
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
