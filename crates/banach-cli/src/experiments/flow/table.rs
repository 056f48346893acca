//! The command `table flow`: every layer behind FlowNet, trained with several seeds.

use super::arguments::{self, Changes, FlowArguments};
use super::comparison::{self, FinishedRun};
use super::history::Scores;
use super::run::Flow;
use super::settings::{self, Settings};
use crate::dataset::textures;
use crate::error::Error;
use crate::experiments::checkpoint::Repeatable as _;
use crate::experiments::comparison_run::{self, read_back, run_quietly};
use crate::experiments::continuation;
use crate::experiments::experiment::Experiment;
use crate::options::numbers::{count, width};
use crate::options::{LayerName, Verbosity};
use crate::report::folder::{Contents, ResultsFolder};
use crate::report::plural::counted;
use crate::terminal::interruption::Interruption;
use crate::terminal::output::tell;
use clap::Args;
use std::path::PathBuf;

/// The arguments of `banach table flow`.
#[derive(Args, Debug)]
pub(crate) struct TableArguments {
    /// Folder with folders called flyingchairs... and middlebury... of image pairs with their .flo files to test on [default: generated pairs alone].
    #[arg(long, value_name = "DIR")]
    data: Option<PathBuf>,
    /// Folder of PNG, JPEG, PGM or PPM files that generated pairs have their textures from [default: images that are drawn].
    #[arg(long, value_name = "DIR")]
    photographs: Option<PathBuf>,
    /// Every layer is trained with the seeds 1 to K.
    #[arg(long, value_name = "K", default_value = "1", value_parser = count, allow_negative_numbers = true)]
    seeds: usize,
    /// Layers, separated by commas [default: all].
    #[arg(long, value_name = "NAMES", value_delimiter = ',', value_parser = arguments::layers())]
    layers: Vec<LayerName>,
    /// Train every layer a second time behind the network without a layer, which stays as it is.
    #[arg(long)]
    frozen: bool,
    /// Channels of FlowNet, as a part of the published ones [default: 0.125].
    #[arg(long, value_name = "W", value_parser = width, allow_negative_numbers = true)]
    width: Option<f64>,
    /// Epochs of a run [default: 30].
    #[arg(long, value_name = "N", value_parser = count, allow_negative_numbers = true)]
    epochs: Option<usize>,
    #[command(flatten)]
    changes: Changes,
    /// Folder for the table and a folder for each run; finished runs found in it are not repeated.
    #[arg(long, value_name = "DIR", default_value = "out/flow-table")]
    out: PathBuf,
    #[command(flatten)]
    verbosity: Verbosity,
}

const LAYERS: [LayerName; 4] =
    [LayerName::NoLayer, LayerName::Feedforward, LayerName::Variational, LayerName::FpiNn];
const PATIENCE: usize = 50;
const CURVES: &str = "errors.svg";
const CONTENTS: Contents = Contents {
    command: "table flow",
    experiment: None,
    files: &["table.md", "table.json", CURVES],
    folders: &[],
};

/// Runs `banach table flow`.
pub(crate) fn table(arguments: &TableArguments) -> Result<(), Error> {
    let quiet = arguments.verbosity.quiet;
    let methods = methods(arguments)?;
    for &(layer, _) in &methods {
        arguments::check(&options(arguments, (layer, false), 1))?;
    }
    let _locked = ResultsFolder::open(&arguments.out, CONTENTS)?;
    let interruption = Interruption::listen()?;
    if !quiet {
        tell(format_args!(
            "trains {} with {}; results go to {}, where finished runs are not repeated",
            counted(methods.len(), "method"),
            counted(arguments.seeds, "seed"),
            arguments.out.display()
        ));
    }
    let mut runs: Vec<FinishedRun> = Vec::new();
    for seed in (1..).take(arguments.seeds) {
        for &method in &methods {
            let finished = one(arguments, method, seed, &interruption)?;
            if !quiet {
                tell(finished.line());
            }
            runs.push(finished);
        }
    }
    comparison::draw(&arguments.out.join(CURVES), &runs)?;
    let rows = comparison::rows(&runs);
    let contents = serde_json::json!({ "rows": rows, "runs": runs });
    let files = format!("table.md, table.json and {CURVES}");
    comparison_run::close(&arguments.out, &contents, comparison::texts(&rows), &files, arguments.verbosity)
}

/// The layers, and those trained behind a network that stays as it is, which come after it.
fn methods(arguments: &TableArguments) -> Result<Vec<(LayerName, bool)>, Error> {
    let layers = if arguments.layers.is_empty() { LAYERS.to_vec() } else { arguments.layers.clone() };
    let mut methods: Vec<(LayerName, bool)> = layers.iter().map(|layer| (*layer, false)).collect();
    if arguments.frozen {
        if !layers.contains(&LayerName::NoLayer) {
            return Err(Error::Setting {
                found: "--frozen without the layer none".into(),
                expected: "the network that stays as it is".into(),
                advice: "add none to --layers".into(),
            });
        }
        methods.sort_by_key(|(layer, _)| *layer != LayerName::NoLayer);
        let behind = layers.iter().filter(|layer| **layer != LayerName::NoLayer);
        methods.extend(behind.map(|layer| (*layer, true)));
    }
    Ok(methods)
}

fn run_folder(arguments: &TableArguments, (layer, frozen): (LayerName, bool), seed: u64) -> PathBuf {
    let frozen = if frozen { "-frozen" } else { "" };
    arguments.out.join(format!("{}{frozen}-seed{seed}", layer.as_str()))
}

fn options(arguments: &TableArguments, (layer, frozen): (LayerName, bool), seed: u64) -> FlowArguments {
    FlowArguments {
        data: arguments.data.clone(),
        photographs: arguments.photographs.clone(),
        layer,
        width: arguments.width.filter(|_| !frozen),
        frozen: frozen.then(|| run_folder(arguments, (LayerName::NoLayer, false), seed)),
        epochs: arguments.epochs,
        changes: arguments.changes.for_layer(layer),
        patience: PATIENCE,
        resume: false,
    }
}

/// One run, read back if it was finished before, continued if it was interrupted.
fn one(
    arguments: &TableArguments,
    method: (LayerName, bool),
    seed: u64,
    interruption: &Interruption,
) -> Result<FinishedRun, Error> {
    let path = run_folder(arguments, method, seed);
    let mut options = options(arguments, method, seed);
    let textures = textures::load(options.photographs.as_deref(), settings::size(&options).0)?;
    let report = path.join("report.json");
    if let Some(finished) = read_back::<FinishedRun>(&report)? {
        // A network that stays as it is has the width that it was trained with.
        let kept = method.1.then(|| finished.settings.shape(method.0));
        Settings::new(&options, kept, &textures.fingerprint).check_same(&finished.settings, &path)?;
        if finished.test.is_some() {
            return Ok(finished);
        }
    }
    options.resume = continuation::is_begun::<Settings, Scores>(&path)?;
    let resume = options.resume;
    run_quietly(&path, Flow::CONTENTS, resume, interruption, |session| {
        Flow::new(options, seed)?.run(session)
    })?;
    let finished = read_back(&report)?;
    finished.ok_or_else(|| Error::Training("a run ended without a report".into()))
}
