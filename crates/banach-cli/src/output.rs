//! How do results and progress reach their readers, who may leave at any time?

use crate::error::Error;
use std::fmt::Display;
use std::io::{ErrorKind, Write};

/// Writes `text` and the end of a line to the standard output.
pub(crate) fn say(text: impl Display) -> Result<(), Error> {
    let mut out = std::io::stdout().lock();
    writeln!(out, "{text}").and_then(|()| out.flush()).map_err(|error| {
        let left = error.kind() == ErrorKind::BrokenPipe;
        if left { Error::Unread } else { Error::Output { reason: error.to_string() } }
    })
}

/// Writes `text` and the end of a line to the standard error. Where nobody reads it, work goes on without.
pub(crate) fn tell(text: impl Display) {
    let _ = writeln!(std::io::stderr().lock(), "{text}");
}
