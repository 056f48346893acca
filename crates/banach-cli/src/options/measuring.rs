//! Options of every benchmark.

use super::names::{BackwardName, EngineName};
use super::numbers::count;
use super::verbosity::Verbosity;
use clap::Args;
use std::path::PathBuf;

/// What is measured, and how it is written.
#[derive(Args, Clone, Debug)]
pub(crate) struct Measuring {
    /// With --json a line for each measurement as soon as it is there, instead of a table at the end.
    #[command(flatten)]
    pub(crate) verbosity: Verbosity,
    /// Where the loops of the fixed points run.
    #[arg(long, value_enum, value_name = "NAME", default_value = "native")]
    pub(crate) engine: EngineName,
    /// How training steps get their gradient [default: by each in turn].
    #[arg(long, value_enum, value_name = "NAME")]
    pub(crate) backward: Option<BackwardName>,
    /// Timed runs of each setting, of which the median counts; the number of epochs for bibtex [default: by task].
    #[arg(long, value_name = "N", value_parser = count, allow_negative_numbers = true)]
    pub(crate) repeats: Option<usize>,
    /// Only the settings whose name holds this text.
    #[arg(long, value_name = "TEXT")]
    pub(crate) only: Option<String>,
    /// An earlier recording, of lines that --json has printed: every time is compared with the one there, and called
    /// slower or faster where the difference exceeds the noise of the repeats.
    #[arg(long, value_name = "FILE")]
    pub(crate) against: Option<PathBuf>,
}
