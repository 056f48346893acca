//! Options of every benchmark.

use super::names::{BackwardName, EngineName, VectorsName};
use super::numbers::count;
use super::verbosity::Verbosity;
use crate::error::Error;
use banach::program::Level;
use clap::Args;
use std::path::PathBuf;

const CPU: &str = "cpu";

/// What is measured, and how it is written.
#[derive(Args, Clone, Debug)]
pub(crate) struct Measuring {
    /// With --json a line for each measurement as soon as it is there, instead of a table at the end.
    #[command(flatten)]
    pub(crate) verbosity: Verbosity,
    /// Where the loops of the fixed points run.
    #[arg(long, value_enum, value_name = "NAME", default_value = "native")]
    pub(crate) engine: EngineName,
    /// Where to compute, for bibtex, cell, conv and rows: a name that `banach devices` lists.
    #[arg(long, value_name = "NAME", default_value = CPU)]
    pub(crate) device: String,
    /// Widest vectors that Banach's kernels use, as on a machine without wider ones [default: the widest of this machine].
    #[arg(long, value_enum, value_name = "NAME")]
    pub(crate) vectors: Option<VectorsName>,
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

impl Measuring {
    /// Makes the widest vectors those that the arguments name.
    pub(crate) fn limit_vectors(&self) -> Result<(), Error> {
        let Some(vectors) = self.vectors else { return Ok(()) };
        if self.device != CPU {
            return Err(Error::Setting {
                found: format!("--vectors with --device {}", self.device),
                expected: "the CPU, whose vectors they are".into(),
                advice: "leave out --vectors, or --device".into(),
            });
        }
        if vectors.level().limit() {
            return Ok(());
        }
        let names: Vec<String> = Level::all().iter().map(Level::to_string).collect();
        Err(Error::Setting {
            found: format!("--vectors {}", vectors.level()),
            expected: format!("one of {}", names.join(", ")),
            advice: "this processor has no others".into(),
        })
    }

    /// Refuses a device other than the processor, for tasks that are measured there alone.
    pub(crate) fn on_the_cpu(&self) -> Result<&Self, Error> {
        if self.device == CPU {
            return Ok(self);
        }
        Err(Error::Setting {
            found: format!("--device {}", self.device),
            expected: "no device".into(),
            advice:
                "this task is measured on the CPU; of the others, bibtex, cell, conv and rows take a device"
                    .into(),
        })
    }
}
