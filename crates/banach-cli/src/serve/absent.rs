//! The command `serve` of a build without it.

use super::arguments::ServeArguments;
use crate::error::Error;

/// Refuses to serve.
pub(crate) fn serve(_: &ServeArguments) -> Result<(), Error> {
    Err(Error::Setting {
        found: "serve".into(),
        expected: "a build with the feature `remote`".into(),
        advice: "build with `cargo run --release --features remote`".into(),
    })
}
