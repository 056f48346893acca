//! How a run with checkpoints begins, continues and ends.

use super::checkpoint::{self, Parts, Recorded, Repeatable, State};
use super::epoch::{self, Scored};
use crate::error::Error;
use crate::report::plural::counted;
use std::path::Path;

/// How training ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum End {
    /// All epochs are trained, or nothing better was found for a while.
    Finished,
    /// The user stopped it in the middle of an epoch.
    Interrupted,
}

/// The state with which a run begins in its results folder, and the parts of the checkpoint that it continues.
pub(crate) fn begin<S: Repeatable, E: Recorded>(
    results: &Path,
    state: &State<S, E>,
    resumes: bool,
) -> Result<(State<S, E>, Option<Parts>), Error> {
    let folder = results.join(checkpoint::FOLDER);
    if !resumes {
        std::fs::create_dir_all(&folder).map_err(|error| Error::write(&folder, error))?;
        checkpoint::begin(&folder, state)?;
        return Ok((state.clone(), None));
    }
    let earlier: State<S, E> = checkpoint::load(&folder)?;
    earlier.check_same(state, results)?;
    enough(state.settings.epochs(), earlier.epochs.len())?;
    let parts = checkpoint::load_parts(&folder, &earlier)?;
    Ok((State { epochs: earlier.epochs, ..state.clone() }, Some(parts)))
}

/// Refuses fewer epochs than are trained: they cannot be taken back.
fn enough(wanted: usize, trained: usize) -> Result<(), Error> {
    if wanted >= trained {
        return Ok(());
    }
    let are = if trained == 1 { "is" } else { "are" };
    Err(Error::Setting {
        found: format!("--epochs {wanted} where {trained} {are} trained already"),
        expected: format!("at least {trained}"),
        advice: format!("give --epochs {trained} or more, or name another folder with --out"),
    })
}

/// Whether the results folder holds the checkpoint of a run that was interrupted.
pub(crate) fn is_begun<S: Repeatable, E: Recorded>(results: &Path) -> Result<bool, Error> {
    match checkpoint::load::<S, E>(&results.join(checkpoint::FOLDER)) {
        Err(Error::NoCheckpoint { .. }) => Ok(false),
        loaded => loaded.map(|_| true),
    }
}

/// What a run returns that was interrupted after so many `finished` epochs.
pub(crate) fn interrupted(finished: usize, results: &Path) -> Error {
    Error::Interrupted(kept(finished, results))
}

/// What a run returns that lost a server after so many `finished` epochs.
pub(crate) fn broken_off(reason: &str, finished: usize, results: &Path) -> Error {
    Error::Lost(format!("{reason}; {}, on these devices or others", kept(finished, results)))
}

/// What is left of a run after so many `finished` epochs, and how to go on.
fn kept(finished: usize, results: &Path) -> String {
    if finished == 0 {
        return "no epoch was finished, so start again without --resume".into();
    }
    let kept = if finished == 1 { "is" } else { "are" };
    format!(
        "{} {kept} kept in {}; repeat the command with --resume to continue",
        counted(finished, "finished epoch"),
        results.display()
    )
}

impl<S: Repeatable, E: Recorded + Scored> State<S, E> {
    /// Whether no epoch is left to train.
    pub(crate) fn is_over(&self) -> bool {
        let (settings, epochs) = (&self.settings, &self.epochs);
        epochs.len() >= settings.epochs() || epoch::is_exhausted(epochs, settings.patience())
    }

    /// Whether the last epoch is the best one.
    pub(crate) fn has_improved(&self) -> bool {
        epoch::best(&self.epochs).is_some_and(|best| best.epoch == self.epochs.len())
    }
}
