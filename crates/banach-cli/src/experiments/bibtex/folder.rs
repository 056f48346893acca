//! Whose is what lies in a results folder, and how is the folder made ready for a run?

use super::checkpoint;
use crate::error::Error;
use crate::report::file;
use serde_json::Value;
use std::path::Path;

const FOLDERS: [&str; 2] = ["checkpoint", "metrics"];
const FILES: [&str; 4] = ["report.json", "curves.svg", "best.bpk", FINISHED];
/// What a table keeps of a finished run, so that it is not repeated.
pub(super) const FINISHED: &str = "finished.json";

/// Makes the results folder; a new run removes what an older one left in it, and nothing of anybody else.
pub(super) fn prepare(folder: &Path, resume: bool) -> Result<(), Error> {
    file::make_folder(folder)?;
    if !resume {
        if !is_ours(folder) {
            refuse_strangers(folder)?;
        }
        for old in FOLDERS {
            gone(&folder.join(old), std::fs::remove_dir_all(folder.join(old)))?;
        }
        for old in FILES {
            gone(&folder.join(old), std::fs::remove_file(folder.join(old)))?;
        }
    }
    file::make_folder(&folder.join("checkpoint"))
}

/// Whether a run of this experiment wrote into the folder: it leaves its state from its start, and a report at its end.
fn is_ours(folder: &Path) -> bool {
    let json = |name: &str| -> Option<Value> {
        serde_json::from_slice(&std::fs::read(folder.join(name)).ok()?).ok()
    };
    let state = json("checkpoint/state.json");
    state.is_some_and(|state| checkpoint::is_state(&state))
        || json("report.json").is_some_and(|report| report["experiment"] == "bibtex")
}

fn refuse_strangers(folder: &Path) -> Result<(), Error> {
    let empty = |path: &Path| std::fs::read_dir(path).is_ok_and(|mut inside| inside.next().is_none());
    match FOLDERS
        .iter()
        .chain(&FILES)
        .map(|name| folder.join(name))
        .find(|path| path.exists() && !empty(path))
    {
        None => Ok(()),
        Some(path) => Err(Error::Setting {
            found: format!("{}, which no run of banach on Bibtex wrote", path.display()),
            expected: "an empty folder or an older run".into(),
            advice: "name another folder with --out".into(),
        }),
    }
}

/// What was not there needs no removing.
fn gone(path: &Path, removed: std::io::Result<()>) -> Result<(), Error> {
    match removed {
        Err(error) if error.kind() != std::io::ErrorKind::NotFound => Err(Error::write(path, error)),
        _ => Ok(()),
    }
}
