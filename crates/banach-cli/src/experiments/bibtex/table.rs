//! The methods on Bibtex compared over several seeds, and with what was published.

use super::arguments::{BibtexArguments, Changes};
use super::checkpoint;
use super::run::{Bibtex, FINISHED};
use super::settings::{self, Settings};
use super::summary::Report;
use crate::dataset::bibtex;
use crate::device;
use crate::error::Error;
use crate::experiments::experiment::Experiment;
use crate::experiments::session::Session;
use crate::options::numbers::count;
use crate::options::{EngineName, LayerName, RecipeName, Verbosity};
use crate::report::folder::{Contents, ResultsFolder};
use crate::report::plural::counted;
use crate::report::{file, json, table};
use crate::terminal::interruption::Interruption;
use crate::terminal::output::{say, tell};
use clap::Args;
use serde::{Deserialize, Serialize};
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

/// F1 in percent as published: Jeon, Lee and Choi.
const PUBLISHED: [(&str, f64); 8] = [
    ("mlp", 38.9),
    ("feedforward", 39.6),
    ("SPEN", 42.2),
    ("ICNN", 41.5),
    ("DVN (GT)", 42.9),
    ("DVN (adversarial)", 44.7),
    ("fpi-gd", 43.2),
    ("fpi-nn", 43.4),
];

const CONTENTS: Contents =
    Contents { command: "table bibtex", experiment: None, files: &["table.md", "table.json"], folders: &[] };

const PATIENCE: usize = 30;

/// What is kept of a finished run, so that it is not repeated.
#[derive(Debug, Serialize, Deserialize)]
struct Finished {
    settings: Settings,
    parameters: usize,
    validation_f1: f64,
    test_f1: f64,
    test_f1_at_half: f64,
}

/// One line of `table.json`; all F1 in percent.
#[derive(Debug, Serialize)]
struct Row {
    method: &'static str,
    test_f1_mean: f64,
    test_f1_std: f64,
    test_f1_at_half_mean: f64,
    test_f1_at_half_std: f64,
    validation_f1_mean: f64,
    published: Option<f64>,
    seeds: usize,
    parameters: usize,
}

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
    let mut runs: Vec<(LayerName, Finished)> = Vec::new();
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
    let rows: Vec<Row> = METHODS.iter().filter_map(|&method| row(method, &runs)).collect();
    let markdown = markdown(&rows);
    let path = arguments.out.join("table.md");
    file::write_whole(&path, markdown.as_bytes()).map_err(|error| Error::write(&path, error))?;
    let plain = plain(&rows);
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
) -> Result<Finished, Error> {
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
    run_arguments.resume = match checkpoint::load(&path.join(checkpoint::FOLDER)) {
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
    let finished = Finished::of(&report)?;
    file::write_json(&session.path(FINISHED), &finished)?;
    // The checkpoints of many runs together are large, and best.bpk holds the weights.
    let _ = std::fs::remove_dir_all(session.path(checkpoint::FOLDER));
    Ok(finished)
}

impl Finished {
    fn of(report: &Report) -> Result<Self, Error> {
        let best = report.best.as_ref().ok_or_else(|| Error::Training("no epoch was trained".into()))?;
        Ok(Self {
            settings: report.settings.clone(),
            parameters: report.parameters,
            validation_f1: best.scores.validation_f1,
            test_f1: best.scores.test_f1,
            test_f1_at_half: best.scores.test_f1_at_half,
        })
    }
}

/// The finished run in a folder, if there is one.
fn earlier(folder: &Path) -> Result<Option<Finished>, Error> {
    let path = folder.join(FINISHED);
    if !path.is_file() {
        return Ok(None);
    }
    let broken = |reason: String| Error::BrokenCheckpoint { path: path.clone(), reason };
    let bytes = std::fs::read(&path).map_err(|error| broken(error.to_string()))?;
    serde_json::from_slice(&bytes).map(Some).map_err(|error| broken(error.to_string()))
}

fn row(method: LayerName, runs: &[(LayerName, Finished)]) -> Option<Row> {
    let mine: Vec<&Finished> = runs.iter().filter(|(name, _)| *name == method).map(|(_, run)| run).collect();
    let numbers = |value: fn(&Finished) -> f64| -> Vec<f64> { mine.iter().map(|&run| value(run)).collect() };
    let (test, half) = (numbers(|run| run.test_f1), numbers(|run| run.test_f1_at_half));
    Some(Row {
        method: method.as_str(),
        test_f1_mean: mean(&test),
        test_f1_std: deviation(&test),
        test_f1_at_half_mean: mean(&half),
        test_f1_at_half_std: deviation(&half),
        validation_f1_mean: mean(&numbers(|run| run.validation_f1)),
        published: PUBLISHED.iter().find(|(name, _)| *name == method.as_str()).map(|&(_, f1)| f1),
        seeds: mine.len(),
        parameters: mine.first()?.parameters,
    })
}

fn mean(values: &[f64]) -> f64 {
    values.iter().sum::<f64>() / values.len().max(1) as f64
}

/// The standard deviation of a sample; 0 for a single value.
fn deviation(values: &[f64]) -> f64 {
    let squares: f64 = values.iter().map(|value| (value - mean(values)).powi(2)).sum();
    if values.len() < 2 { 0.0 } else { (squares / (values.len() - 1) as f64).sqrt() }
}

const HEADER: [&str; 6] = ["method", "test F1", "test F1 at one half", "published", "seeds", "parameters"];

/// The trained methods, then those that are only known from print.
fn cells(rows: &[Row]) -> Vec<Vec<String>> {
    let spread = |row: &Row, mean: f64, deviation: f64| {
        if row.seeds < 2 { format!("{mean:.2}") } else { format!("{mean:.2} ± {deviation:.2}") }
    };
    let known = |f1: Option<f64>| f1.map_or_else(String::new, |f1| format!("{f1:.1}"));
    let trained = rows.iter().map(|row| {
        vec![
            row.method.to_string(),
            spread(row, row.test_f1_mean, row.test_f1_std),
            spread(row, row.test_f1_at_half_mean, row.test_f1_at_half_std),
            known(row.published),
            row.seeds.to_string(),
            row.parameters.to_string(),
        ]
    });
    let others = PUBLISHED.iter().filter(|(name, _)| rows.iter().all(|row| row.method != *name));
    let printed = others.map(|&(name, f1)| {
        let mut cells = vec![String::new(); HEADER.len()];
        (cells[0], cells[3]) = (name.to_string(), known(Some(f1)));
        cells
    });
    trained.chain(printed).collect()
}

fn plain(rows: &[Row]) -> String {
    table::lined_up(&HEADER, &cells(rows))
}

fn markdown(rows: &[Row]) -> String {
    let line = |cells: &[String]| format!("| {} |\n", cells.join(" | "));
    let rule = format!("| :-- |{}\n", " --: |".repeat(HEADER.len() - 1));
    let body: String = cells(rows).iter().map(|cells| line(cells)).collect();
    line(&HEADER.map(String::from)) + &rule + &body
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_seed_has_no_spread() {
        let mut row = Row {
            method: "mlp",
            test_f1_mean: 40.0,
            test_f1_std: 0.0,
            test_f1_at_half_mean: 30.0,
            test_f1_at_half_std: 0.0,
            validation_f1_mean: 41.0,
            published: None,
            seeds: 1,
            parameters: 7,
        };
        assert_eq!(cells(std::slice::from_ref(&row))[0][1..3], ["40.00", "30.00"]);
        row.seeds = 2;
        assert_eq!(cells(&[row])[0][1..3], ["40.00 ± 0.00", "30.00 ± 0.00"]);
    }

    #[test]
    fn the_spread_is_that_of_a_sample() {
        assert_eq!((mean(&[1.0, 3.0]), deviation(&[7.0])), (2.0, 0.0));
        assert!((deviation(&[1.0, 3.0]) - 2.0_f64.sqrt()).abs() < 1e-12);
    }
}
