//! How does Ctrl-C end a run? At the next mini-batch, with the last checkpoint kept.

use crate::error::Error;
use burn::train::Interrupter;

/// Turns Ctrl-C (and a polite request of the system to end) into a stop of the returned handle.
pub(crate) fn listen() -> Result<Interrupter, Error> {
    let interrupter = Interrupter::new();
    let handle = interrupter.clone();
    ctrlc::set_handler(move || handle.stop(Some("interrupted")))
        .map_err(|error| Error::Training(format!("cannot listen to Ctrl-C: {error}")))?;
    Ok(interrupter)
}

/// Lets Ctrl-C through while the dashboard holds the terminal in raw mode, where it would be swallowed.
///
/// The dashboard restores the terminal's own settings when it closes.
pub(crate) fn keep_control_c() {
    #[cfg(unix)]
    {
        use rustix::termios::{LocalModes, OptionalActions, tcgetattr, tcsetattr};
        let terminal = rustix::stdio::stdin();
        if let Ok(mut settings) = tcgetattr(terminal) {
            settings.local_modes |= LocalModes::ISIG;
            let _ = tcsetattr(terminal, OptionalActions::Now, &settings);
        }
    }
}
