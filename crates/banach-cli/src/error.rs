//! Failures of the command: one line for the user, and an exit code.

use std::path::{Path, PathBuf};

/// The exit code of a command that Ctrl-C ended.
pub(crate) const INTERRUPTED: u8 = 130;

/// A failure of the command: one line for the user, and an exit code.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub(crate) enum Error {
    /// The command line does not parse.
    #[error("{0}")]
    Usage(String),
    /// Options that contradict each other, or a value that means nothing.
    #[error("found {found}, expected {expected}; {advice}")]
    Setting { found: String, expected: String, advice: String },
    /// A file that cannot be read.
    #[error("found no readable file at {}: {reason}; {advice}", path.display())]
    Read { path: PathBuf, reason: String, advice: String },
    /// A line of a data file that does not mean what it should.
    #[error("{}, line {line}: {reason}", path.display())]
    Line { path: PathBuf, line: usize, reason: String },
    /// A data file that is well-formed, but not the one expected.
    #[error("{}: {reason}", path.display())]
    Data { path: PathBuf, reason: String },
    /// A file or folder that cannot be written.
    #[error("cannot write {}: {reason}; choose a folder you may write to with --out", path.display())]
    Write { path: PathBuf, reason: String },
    /// `--resume` where there is nothing to continue from.
    #[error("found no checkpoint in {}; start without --resume, or name the run's folder with --out", path.display())]
    NoCheckpoint { path: PathBuf },
    /// A checkpoint that cannot be read back.
    #[error("found a broken checkpoint at {}: {reason}; start again without --resume, or name another folder with --out", path.display())]
    BrokenCheckpoint { path: PathBuf, reason: String },
    /// A trained network that cannot be used.
    #[error("found no usable network at {}: {reason}; {advice}", path.display())]
    Model { path: PathBuf, reason: String, advice: &'static str },
    /// To be continued with other settings than those of the run.
    #[error(
        "found {name} {found}, but the run in {} was made with {expected}; repeat its settings, or name another folder with --out", path.display()
    )]
    OtherSettings { path: PathBuf, name: String, found: String, expected: String },
    /// To be continued with other examples than those of the run.
    #[error(
        "the examples in {} are not those of the checkpoint; name their folder with --data, or another folder with --out", data.display()
    )]
    OtherExamples { data: PathBuf },
    /// Training itself broke off.
    #[error("training stopped: {0}")]
    Training(String),
    /// A server of the run does not answer any more.
    #[error("{0}")]
    Lost(String),
    /// The standard output takes nothing more.
    #[error("cannot write to the standard output: {reason}")]
    Output { reason: String },
    /// The reader closed the standard output, as `head` does; the command exits without a message.
    #[error("the standard output is closed")]
    Unread,
    /// The user interrupted the run.
    #[error("interrupted; {0}")]
    Interrupted(String),
}

impl Error {
    /// 2 for what the user can put right, 130 for an interruption, 0 where the reader needs no more, 1 for the rest.
    pub(crate) fn exit_code(&self) -> u8 {
        match self {
            Self::Training(_) | Self::Lost(_) => 1,
            Self::Interrupted(_) => INTERRUPTED,
            Self::Unread => 0,
            Self::Usage(_)
            | Self::Setting { .. }
            | Self::Read { .. }
            | Self::Line { .. }
            | Self::Data { .. }
            | Self::Write { .. }
            | Self::Output { .. }
            | Self::NoCheckpoint { .. }
            | Self::BrokenCheckpoint { .. }
            | Self::Model { .. }
            | Self::OtherSettings { .. }
            | Self::OtherExamples { .. } => 2,
        }
    }

    /// Refuses a layer without a fixed point where one is needed.
    pub(crate) fn without_fixed_point(layer: &str) -> Self {
        Self::Setting {
            found: format!("--layer {layer}, which solves nothing"),
            expected: "fpi-nn or fpi-gd".into(),
            advice: "choose one of these with --layer".into(),
        }
    }

    /// Wraps what a fixed-point layer refuses.
    pub(crate) fn layer(error: banach::Error) -> Self {
        Self::Training(error.to_string().replace('\n', " "))
    }

    /// Wraps an input/output failure met while writing `path`.
    pub(crate) fn write(path: &Path, reason: impl ToString) -> Self {
        Self::Write { path: path.to_path_buf(), reason: reason.to_string() }
    }
}
