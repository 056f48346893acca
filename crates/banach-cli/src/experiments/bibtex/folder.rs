//! The results folder of a run on Bibtex.

use crate::error::Error;
use crate::report::folder::{Contents, ResultsFolder};
use std::path::Path;

/// What a table keeps of a finished run, so that the run is not repeated.
pub(super) const FINISHED: &str = "finished.json";

const CONTENTS: Contents = Contents {
    command: "train bibtex",
    experiment: Some("bibtex"),
    files: &["report.json", "curves.svg", "best.bpk", FINISHED],
    folders: &["checkpoint", "metrics"],
};

/// Locks the results folder; a new run removes what an older run left in it.
pub(super) fn open(path: &Path, resume: bool) -> Result<ResultsFolder, Error> {
    let folder = ResultsFolder::open(path, CONTENTS)?;
    if !resume {
        folder.clear()?;
    }
    let checkpoints = path.join("checkpoint");
    std::fs::create_dir_all(&checkpoints).map_err(|error| Error::write(&checkpoints, error))?;
    Ok(folder)
}
