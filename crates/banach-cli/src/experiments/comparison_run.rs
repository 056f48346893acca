//! A run of a table of methods: started, continued or read back, and the files of the finished table.

use super::experiment::Finished;
use super::session::Session;
use crate::error::Error;
use crate::options::Verbosity;
use crate::report::folder::{Contents, ResultsFolder};
use crate::report::{file, json};
use crate::terminal::interruption::Interruption;
use crate::terminal::output::{say, tell};
use serde::Serialize;
use serde::de::DeserializeOwned;
use std::path::Path;

/// Runs one method in its folder without a word, and writes its report.
pub(crate) fn run_quietly<R: Serialize>(
    path: &Path,
    contents: Contents,
    resumes: bool,
    interruption: &Interruption,
    run: impl FnOnce(&Session) -> Result<Finished<R>, Error>,
) -> Result<R, Error> {
    let folder = ResultsFolder::open(path, contents)?;
    if !resumes {
        folder.clear()?;
    }
    let verbosity = Verbosity { quiet: true, json: false };
    let session = Session { folder, verbosity, interruption: interruption.clone() };
    let ended = run(&session);
    if matches!(ended, Err(Error::Interrupted(_))) {
        let advice = "repeat the command to go on where it stopped; finished epochs are kept";
        return Err(Error::Interrupted(advice.into()));
    }
    let report = ended?.report;
    session.write_report(&report)?;
    Ok(report)
}

/// What a finished run has left in a file of JSON, if there is one.
pub(crate) fn read_back<T: DeserializeOwned>(path: &Path) -> Result<Option<T>, Error> {
    if !path.is_file() {
        return Ok(None);
    }
    let broken = |reason: String| Error::BrokenCheckpoint { path: path.to_path_buf(), reason };
    let bytes = std::fs::read(path).map_err(|error| broken(error.to_string()))?;
    serde_json::from_slice(&bytes).map(Some).map_err(|error| broken(error.to_string()))
}

/// Writes `table.md` and `table.json` into a folder, and says the table; `files` names what is there.
pub(crate) fn close(
    out: &Path,
    contents: &impl Serialize,
    [plain, markdown]: [String; 2],
    files: &str,
    Verbosity { quiet, json }: Verbosity,
) -> Result<(), Error> {
    let path = out.join("table.md");
    file::write_whole(&path, markdown.as_bytes()).map_err(|error| Error::write(&path, error))?;
    file::write_json(&out.join("table.json"), contents)?;
    if json {
        json::say(contents)?;
    } else {
        say(plain)?;
    }
    if !quiet {
        tell(format_args!("{files} are in {}", out.display()));
    }
    Ok(())
}
