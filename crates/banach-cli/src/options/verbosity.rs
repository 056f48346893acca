//! How much a command writes, and in which form.

use clap::Args;

/// Results go to the standard output; progress and notes go to the standard error.
#[derive(Args, Clone, Copy, Debug, Default)]
pub(crate) struct Verbosity {
    /// Write no progress and no notes, only the result.
    #[arg(long)]
    pub(crate) quiet: bool,
    /// Write the result as JSON.
    #[arg(long)]
    pub(crate) json: bool,
}
