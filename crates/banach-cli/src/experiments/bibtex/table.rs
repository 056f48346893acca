//! The command `table bibtex`: every method trained with several seeds.

use super::arguments::{BibtexArguments, Changes};
use super::comparison::{self, FinishedRun, Row};
use super::history::Scores;
use super::run::{Bibtex, FINISHED};
use super::settings::{self, Settings};
use crate::dataset::bibtex;
use crate::device;
use crate::error::Error;
use crate::experiments::checkpoint::{self, Repeatable as _};
use crate::experiments::experiment::Experiment;
use crate::experiments::session::Session;
use crate::options::numbers::count;
use crate::options::{EngineName, LayerName, RecipeName, Verbosity};
use crate::report::folder::{Contents, ResultsFolder};
use crate::report::plural::counted;
use crate::report::{file, json};
use crate::terminal::interruption::Interruption;
use crate::terminal::output::{say, tell};
use clap::Args;
use serde::Serialize;
use std::path::{Path, PathBuf};

/// The arguments of `banach table bibtex`.
#[derive(Args, Debug)]
pub(crate) struct TableArguments {
    /// Folder with bibtex-train.arff and bibtex-test.arff.
    #[arg(long, value_name = "DIR")]
    pub(crate) data: PathBuf,
    /// Every method is trained with the seeds 1 to K.
    #[arg(long, value_name = "K", default_value = "5", value_parser = count, allow_negative_numbers = true)]
    pub(crate) seeds: usize,
    /// The network and its settings [default: tuned].
    #[arg(long, value_enum, default_value = "tuned", hide_default_value = true)]
    pub(crate) recipe: RecipeName,
    /// Most epochs of a run [default: by recipe and layer].
    #[arg(long, value_name = "N", value_parser = count, allow_negative_numbers = true)]
    pub(crate) epochs: Option<usize>,
    /// Folder for the table and a folder for each run; finished runs found in it are not repeated.
    #[arg(long, value_name = "DIR", default_value = "out/bibtex-table")]
    pub(crate) out: PathBuf,
    /// Where to compute: cpu (also called flex), or cuda where it is built in.
    #[arg(long, value_name = "NAME", default_value = "cpu")]
    pub(crate) device: String,
    /// Where the loops of the fixed points run.
    #[arg(long, value_enum, value_name = "NAME", default_value = "native")]
    pub(crate) engine: EngineName,
    #[command(flatten)]
    pub(crate) verbosity: Verbosity,
}

/// The methods in the order in which they are trained for each seed.
const METHODS: [LayerName; 4] = [LayerName::Mlp, LayerName::Feedforward, LayerName::FpiNn, LayerName::FpiGd];

const CONTENTS: Contents =
    Contents { command: "table bibtex", experiment: None, files: &["table.md", "table.json"], folders: &[] };

const PATIENCE: usize = 30;

/// The contents of `table.json`.
#[derive(Debug, Serialize)]
struct TableFile {
    rows: Vec<Row>,
}

/// Runs `banach table bibtex`.
pub(crate) fn table(arguments: &TableArguments) -> Result<(), Error> {
    let Verbosity { quiet, json } = arguments.verbosity;
    device::named(&arguments.device)?;
    bibtex::load(&arguments.data, 1)?;
    let _locked = ResultsFolder::open(&arguments.out, CONTENTS)?;
    let interruption = Interruption::listen()?;
    if !quiet {
        tell(format_args!(
            "trains {} methods with {}; results go to {}, where finished runs are not repeated",
            METHODS.len(),
            counted(arguments.seeds, "seed"),
            arguments.out.display()
        ));
    }
    let mut runs: Vec<(LayerName, FinishedRun)> = Vec::new();
    for seed in (1..).take(arguments.seeds) {
        for method in METHODS {
            let finished = one(arguments, method, seed, &interruption)?;
            if !quiet {
                let name = method.as_str();
                tell(format_args!(
                    "{name:<11}  seed {seed}/{}  validation F1 {:5.2}  test F1 {:5.2}  at one half {:5.2}",
                    arguments.seeds, finished.validation_f1, finished.test_f1, finished.test_f1_at_half
                ));
            }
            runs.push((method, finished));
        }
    }
    let rows: Vec<Row> = METHODS.iter().filter_map(|&method| comparison::row(method, &runs)).collect();
    let markdown = comparison::markdown(&rows);
    let path = arguments.out.join("table.md");
    file::write_whole(&path, markdown.as_bytes()).map_err(|error| Error::write(&path, error))?;
    let plain = comparison::plain(&rows);
    let contents = TableFile { rows };
    file::write_json(&arguments.out.join("table.json"), &contents)?;
    if json {
        json::say(&contents)?;
    } else {
        say(plain)?;
    }
    if !quiet {
        tell(format_args!("table.md and table.json are in {}", arguments.out.display()));
    }
    Ok(())
}

/// One run, read back if it was finished before, continued if it was interrupted.
fn one(
    arguments: &TableArguments,
    method: LayerName,
    seed: u64,
    interruption: &Interruption,
) -> Result<FinishedRun, Error> {
    let path = arguments.out.join(format!("{}-seed{seed}", method.as_str()));
    let mut run_arguments = BibtexArguments {
        data: arguments.data.clone(),
        layer: method,
        recipe: arguments.recipe,
        epochs: arguments.epochs,
        device: arguments.device.clone(),
        changes: Changes::default(),
        solver: None,
        adjoint: None,
        engine: method.solves().then_some(arguments.engine),
        tolerance: None,
        max_steps: None,
        patience: PATIENCE,
        resume: false,
        dashboard: false,
    };
    settings::check(&run_arguments)?;
    let data = bibtex::load(&arguments.data, seed)?;
    let wanted = Settings::new(&run_arguments, &data.fingerprint);
    if let Some(finished) = earlier(&path)? {
        wanted.check_same(&finished.settings, &path)?;
        if finished.settings.epochs == wanted.epochs {
            return Ok(finished);
        }
    }
    run_arguments.resume = match checkpoint::load::<Settings, Scores>(&path.join(checkpoint::FOLDER)) {
        Err(Error::NoCheckpoint { .. }) => false,
        loaded => loaded.map(|_| true)?,
    };
    let folder = ResultsFolder::open(&path, Bibtex::CONTENTS)?;
    if !run_arguments.resume {
        folder.clear()?;
    }
    let verbosity = Verbosity { quiet: true, json: false };
    let session = Session { folder, verbosity, interruption: interruption.clone() };
    let ended = Bibtex::new(run_arguments, seed)?.run(&session);
    if matches!(ended, Err(Error::Interrupted(_))) {
        let advice = "repeat the command to go on where it stopped; finished epochs are kept";
        return Err(Error::Interrupted(advice.into()));
    }
    let report = ended?.report;
    session.write_report(&report)?;
    let finished = FinishedRun::of(&report)?;
    file::write_json(&session.path(FINISHED), &finished)?;
    // The checkpoints of many runs together are large, and best.bpk holds the weights.
    let _ = std::fs::remove_dir_all(session.path(checkpoint::FOLDER));
    Ok(finished)
}

/// The finished run in a folder, if there is one.
fn earlier(folder: &Path) -> Result<Option<FinishedRun>, Error> {
    let path = folder.join(FINISHED);
    if !path.is_file() {
        return Ok(None);
    }
    let broken = |reason: String| Error::BrokenCheckpoint { path: path.clone(), reason };
    let bytes = std::fs::read(&path).map_err(|error| broken(error.to_string()))?;
    serde_json::from_slice(&bytes).map(Some).map_err(|error| broken(error.to_string()))
}
