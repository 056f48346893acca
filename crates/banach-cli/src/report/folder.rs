//! A results folder: claimed by one command, locked by one process.

use crate::error::Error;
use crate::terminal::output::tell;
use serde_json::{Value, json};
use std::fs::{File, OpenOptions, TryLockError};
use std::io::{ErrorKind, Write};
use std::path::{Path, PathBuf};

/// The file that holds the lock, and the command that writes into the folder with its arguments.
const LOCK: &str = "run.lock";

/// What a command writes into its folder.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Contents {
    /// The command, for example `train toy`; it may replace what it wrote earlier.
    pub(crate) command: &'static str,
    /// The field `experiment` of its `report.json`, if it writes one.
    pub(crate) experiment: Option<&'static str>,
    /// Files, by their paths in the folder.
    pub(crate) files: &'static [&'static str],
    /// Folders that belong to the command with everything in them.
    pub(crate) folders: &'static [&'static str],
}

/// A folder that this process alone writes into until the value is dropped or the process ends, however it ends.
#[derive(Debug)]
pub(crate) struct ResultsFolder {
    path: PathBuf,
    contents: Contents,
    /// The operating system frees the lock with its process, so that no lock outlives a killed run.
    _lock: File,
}

impl ResultsFolder {
    /// Makes the folder if there is none, and locks it.
    ///
    /// # Errors
    ///
    /// Another process holds the lock; another command, or no command of banach, wrote into the folder; no file can be
    /// written into it. Nothing in the folder has changed then.
    pub(crate) fn open(path: &Path, contents: Contents) -> Result<Self, Error> {
        std::fs::create_dir_all(path).map_err(|error| Error::write(path, error))?;
        contents.check_claim(path)?;
        let mut lock = OpenOptions::new()
            .read(true)
            .write(true)
            .create(true)
            .truncate(false)
            .open(path.join(LOCK))
            .map_err(|error| Error::write(path, error))?;
        match lock.try_lock() {
            Ok(()) => {}
            Err(TryLockError::WouldBlock) => return Err(at_work(path)),
            Err(TryLockError::Error(error)) if error.kind() == ErrorKind::Unsupported => tell(format_args!(
                "note: the file system of {} has no locks; start no other run there",
                path.display()
            )),
            Err(TryLockError::Error(error)) => return Err(Error::write(path, error)),
        }
        // Another command may have claimed the folder between the first look and the lock.
        contents.check_claim(path)?;
        let arguments: Vec<String> =
            std::env::args_os().skip(1).map(|argument| argument.to_string_lossy().into_owned()).collect();
        let process = std::process::id();
        let claim = json!({ "command": contents.command, "process": process, "arguments": arguments });
        lock.set_len(0)
            .and_then(|()| writeln!(lock, "{claim}"))
            .map_err(|error| Error::write(path, error))?;
        Ok(Self { path: path.to_path_buf(), contents, _lock: lock })
    }

    /// Where the folder is.
    pub(crate) fn path(&self) -> &Path {
        &self.path
    }

    /// Removes what an earlier run of the same command left.
    pub(crate) fn clear(&self) -> Result<(), Error> {
        for name in self.contents.folders {
            removed(&self.path.join(name), std::fs::remove_dir_all(self.path.join(name)))?;
        }
        for name in self.contents.files {
            removed(&self.path.join(name), std::fs::remove_file(self.path.join(name)))?;
        }
        Ok(())
    }
}

impl Contents {
    /// Refuses a folder with results of another command, or with files of these names that no command wrote.
    fn check_claim(&self, path: &Path) -> Result<(), Error> {
        let refused = |found: String| {
            Err(Error::Setting {
                found,
                expected: format!("an empty folder or an older run of banach {}", self.command),
                advice: "name another folder with --out".into(),
            })
        };
        if let Some(lock) = json_file(&path.join(LOCK))
            && let Some(command) = lock["command"].as_str()
        {
            if command == self.command {
                return Ok(());
            }
            return refused(format!("results of banach {command} in {}", path.display()));
        }
        let report = json_file(&path.join("report.json"));
        if report.is_some_and(|report| self.experiment.is_some_and(|name| report["experiment"] == name)) {
            return Ok(());
        }
        let names = self.files.iter().chain(self.folders).chain([&LOCK]);
        match names.map(|name| path.join(name)).find(|path| path.exists() && !is_empty(path)) {
            None => Ok(()),
            Some(path) => refused(format!("{}, which banach {} did not write", path.display(), self.command)),
        }
    }
}

fn at_work(path: &Path) -> Error {
    let process = json_file(&path.join(LOCK)).and_then(|lock| lock["process"].as_u64());
    let process = process.map_or_else(String::new, |id| format!(" (process {id})"));
    Error::Setting {
        found: format!("another run at work in {}{process}", path.display()),
        expected: "one run in a folder at a time".into(),
        advice: "wait until it ends, or name another folder with --out".into(),
    }
}

fn json_file(path: &Path) -> Option<Value> {
    serde_json::from_slice(&std::fs::read(path).ok()?).ok()
}

/// Whether a folder or a file holds nothing that could be lost.
fn is_empty(path: &Path) -> bool {
    match std::fs::read_dir(path) {
        Ok(mut inside) => inside.next().is_none(),
        Err(_) => std::fs::metadata(path).is_ok_and(|metadata| metadata.len() == 0),
    }
}

/// What was not there needs no removing.
fn removed(path: &Path, result: std::io::Result<()>) -> Result<(), Error> {
    match result {
        Err(error) if error.kind() != ErrorKind::NotFound => Err(Error::write(path, error)),
        Ok(()) | Err(_) => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::report::file;

    const TOY: Contents = Contents {
        command: "train toy",
        experiment: Some("toy"),
        files: &["report.json"],
        folders: &["sub"],
    };
    const OTHER: Contents = Contents { command: "train other", experiment: Some("other"), ..TOY };

    struct Place(PathBuf);

    impl Drop for Place {
        fn drop(&mut self) {
            let _ = std::fs::remove_dir_all(&self.0);
        }
    }

    fn place(name: &str) -> Place {
        let path = std::env::temp_dir().join(format!("banach-folder-{name}-{}", std::process::id()));
        let _ = std::fs::remove_dir_all(&path);
        Place(path)
    }

    fn refusal(path: &Path, contents: Contents) -> String {
        ResultsFolder::open(path, contents).unwrap_err().to_string()
    }

    #[test]
    fn a_folder_has_one_run_at_a_time() {
        let place = place("lock");
        let first = ResultsFolder::open(&place.0, TOY).unwrap();
        let message = refusal(&place.0, TOY);
        assert!(message.contains("another run at work") && message.contains("--out"), "{message}");
        assert!(message.contains(&format!("process {}", std::process::id())), "{message}");
        drop(first);
        ResultsFolder::open(&place.0, TOY).unwrap();
    }

    #[test]
    fn a_lock_left_by_a_dead_process_blocks_nobody() {
        let place = place("stale");
        std::fs::create_dir_all(&place.0).unwrap();
        std::fs::write(place.0.join(LOCK), r#"{"command":"train toy","process":1}"#).unwrap();
        ResultsFolder::open(&place.0, TOY).unwrap();
        std::fs::write(place.0.join(LOCK), "").unwrap();
        ResultsFolder::open(&place.0, TOY).unwrap();
    }

    #[test]
    fn results_of_others_are_left_alone() {
        let place = place("claim");
        drop(ResultsFolder::open(&place.0, TOY).unwrap());
        let message = refusal(&place.0, OTHER);
        assert!(message.contains("results of banach train toy"), "{message}");
        std::fs::remove_file(place.0.join(LOCK)).unwrap();
        let report = place.0.join("report.json");
        for (text, accepted) in
            [(r#"{"experiment":"toy"}"#, true), (r#"{"experiment":"x"}"#, false), ("{", false)]
        {
            std::fs::write(&report, text).unwrap();
            assert_eq!(ResultsFolder::open(&place.0, TOY).is_ok(), accepted, "{text}");
            assert_eq!(std::fs::read_to_string(&report).unwrap(), text);
            assert_eq!(place.0.join(LOCK).exists(), accepted, "{text}");
            let _ = std::fs::remove_file(place.0.join(LOCK));
        }
        std::fs::write(place.0.join(LOCK), "somebody's notes").unwrap();
        std::fs::remove_file(&report).unwrap();
        assert!(refusal(&place.0, TOY).contains(LOCK));
    }

    #[test]
    fn a_new_run_removes_what_an_older_run_of_its_command_left() {
        let place = place("clear");
        let folder = ResultsFolder::open(&place.0, TOY).unwrap();
        std::fs::create_dir(place.0.join("sub")).unwrap();
        for name in ["sub/file", "report.json", "mine"] {
            file::write_whole(&place.0.join(name), b"1").unwrap();
        }
        folder.clear().unwrap();
        folder.clear().unwrap();
        let left: Vec<_> =
            std::fs::read_dir(folder.path()).unwrap().map(|entry| entry.unwrap().file_name()).collect();
        assert!(left.len() == 2 && left.contains(&"mine".into()) && left.contains(&LOCK.into()), "{left:?}");
    }
}
