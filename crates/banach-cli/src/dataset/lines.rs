//! Text files, read line by line with the number of each line.

use crate::error::Error;
use std::fs::File;
use std::io::{BufRead, BufReader};
use std::path::Path;

/// The byte-order mark that some editors put before a text.
const MARK: char = '\u{feff}';

/// A fault of a file of lines.
#[derive(Debug)]
pub(crate) enum Fault {
    /// The file cannot be read.
    Input(std::io::Error),
    /// A line, counted from 1, does not mean what it should.
    Line {
        /// Its number.
        line: usize,
        /// What was found, what was expected, and what to do.
        reason: String,
    },
}

impl Fault {
    /// The error of this fault in the file at `path`.
    pub(crate) fn of(self, path: &Path) -> Error {
        match self {
            Self::Input(error) => Error::Read {
                path: path.to_path_buf(),
                reason: error.to_string(),
                advice: "name the folder that holds it with --data".into(),
            },
            Self::Line { line, reason } => Error::Line { path: path.to_path_buf(), line, reason },
        }
    }
}

/// Opens a file for [`each`].
pub(crate) fn open(path: &Path) -> Result<BufReader<File>, Error> {
    File::open(path).map(BufReader::new).map_err(|error| Fault::Input(error).of(path))
}

/// Calls `read` with the number and the text of every line that is not blank, without the spaces around it, and returns
/// the number of the last line, at least 1.
pub(crate) fn each(
    mut reader: impl BufRead,
    mut read: impl FnMut(usize, &str) -> Result<(), String>,
) -> Result<usize, Fault> {
    let (mut line, mut bytes) = (0, Vec::new());
    loop {
        bytes.clear();
        if reader.read_until(b'\n', &mut bytes).map_err(Fault::Input)? == 0 {
            return Ok(line.max(1));
        }
        line += 1;
        let at_line = |reason| Fault::Line { line, reason };
        let text = std::str::from_utf8(&bytes).map_err(|_| {
            at_line("found bytes that are not UTF-8 text, expected the unpacked file; unpack it, or convert it with iconv".into())
        })?;
        let text = if line == 1 { text.trim_start_matches(MARK) } else { text }.trim();
        if !text.is_empty() {
            read(line, text).map_err(at_line)?;
        }
    }
}

/// At most 40 characters of a text, for messages.
pub(crate) fn shortened(text: &str) -> String {
    if text.chars().count() <= 40 {
        text.into()
    } else {
        text.chars().take(40).chain("...".chars()).collect()
    }
}
