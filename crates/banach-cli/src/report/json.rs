//! Results as JSON on the standard output.

use crate::error::Error;
use crate::terminal::output;
use serde::Serialize;

/// Writes a value as one line.
pub(crate) fn say(value: &impl Serialize) -> Result<(), Error> {
    let line = serde_json::to_string(value).map_err(|error| Error::Output { reason: error.to_string() })?;
    output::say(line)
}
