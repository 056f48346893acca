//! How do results reach the standard output, whose reader may leave at any time?

use crate::error::Error;
use std::fmt::Display;
use std::io::{ErrorKind, Write};

/// Writes `text` and the end of a line.
pub(crate) fn say(text: impl Display) -> Result<(), Error> {
    let mut out = std::io::stdout().lock();
    writeln!(out, "{text}").and_then(|()| out.flush()).map_err(|error| {
        let left = error.kind() == ErrorKind::BrokenPipe;
        if left { Error::Unread } else { Error::Output { reason: error.to_string() } }
    })
}
