//! A run of an experiment: its locked folder, its verbosity and its interruption.

use crate::error::Error;
use crate::options::Verbosity;
use crate::report::file;
use crate::report::folder::ResultsFolder;
use crate::terminal::interruption::Interruption;
use crate::terminal::output::tell;
use crate::terminal::progress::Progress;
use serde::Serialize;
use std::fmt::Display;
use std::path::{Path, PathBuf};

/// What a run works with beside its experiment.
#[derive(Debug)]
pub(crate) struct Session {
    /// Where results go; no other process writes there.
    pub(crate) folder: ResultsFolder,
    /// What the user wants to read.
    pub(crate) verbosity: Verbosity,
    /// Whether the user has asked the run to end.
    pub(crate) interruption: Interruption,
}

impl Session {
    /// The path of a file in the folder.
    pub(crate) fn path(&self, name: impl AsRef<Path>) -> PathBuf {
        self.folder.path().join(name)
    }

    /// Progress over `total` steps, of which an earlier run did `done`.
    pub(crate) fn progress(&self, done: usize, total: usize, unit: &'static str) -> Progress {
        Progress::new(done, total, unit, self.verbosity.quiet)
    }

    /// Writes a note to the standard error, unless the user wants none.
    pub(crate) fn note(&self, text: impl Display) {
        if !self.verbosity.quiet {
            tell(text);
        }
    }

    /// Writes `report.json`.
    pub(crate) fn write_report(&self, report: &impl Serialize) -> Result<(), Error> {
        file::write_json(&self.path("report.json"), report)
    }
}
