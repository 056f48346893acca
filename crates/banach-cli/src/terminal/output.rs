//! The standard output for results, and the standard error for progress and notes.

use super::capability;
use crate::error::Error;
use std::fmt::Display;
use std::io::{ErrorKind, Write};

/// Writes `text` and a newline to the standard output.
pub(crate) fn say(text: impl Display) -> Result<(), Error> {
    let mut out = std::io::stdout().lock();
    writeln!(out, "{text}").and_then(|()| out.flush()).map_err(|error| {
        let closed = error.kind() == ErrorKind::BrokenPipe;
        if closed { Error::Unread } else { Error::Output { reason: error.to_string() } }
    })
}

/// Writes `text` and a newline to the standard error. Work continues where the standard error is closed or full.
pub(crate) fn tell(text: impl Display) {
    let _ = writeln!(std::io::stderr().lock(), "{text}");
}

/// Writes the one line of an error to the standard error.
pub(crate) fn tell_error(error: &Error) {
    let red = capability::shows_colours(&std::io::stderr());
    let head = if red { "\u{1b}[1;31merror:\u{1b}[0m" } else { "error:" };
    tell(format_args!("{head} {error}"));
}
