//! The commands `table bibtex` and `table multilabel`: every method trained with several seeds.

use super::any_data::MultiLabel;
use super::arguments::{Changes, TrainingArguments};
use super::bibtex::Bibtex;
use super::comparison::{self, FinishedRun, Method, Row};
use super::history::Scores;
use super::run::{FINISHED, Run};
use super::settings::Settings;
use crate::dataset::bibtex;
use crate::dataset::data_set::DataSet;
use crate::dataset::source::Source;
use crate::error::Error;
use crate::experiments::checkpoint::{self, Repeatable as _};
use crate::experiments::comparison_run::{self, read_back, run_quietly};
use crate::experiments::continuation;
use crate::experiments::experiment::Experiment;
use crate::options::numbers::count;
use crate::options::{EngineName, LayerName, RecipeName, Verbosity};
use crate::report::file;
use crate::report::folder::{Contents, ResultsFolder};
use crate::report::plural::counted;
use crate::run_devices;
use crate::terminal::interruption::Interruption;
use crate::terminal::output::tell;
use clap::Args;
use serde::Serialize;
use std::path::{Path, PathBuf};

/// The arguments of `banach table bibtex`.
#[derive(Args, Debug)]
pub(crate) struct TableArguments {
    /// Folder with bibtex-train.arff and bibtex-test.arff.
    #[arg(long, value_name = "DIR")]
    data: PathBuf,
    /// The network and its settings [default: tuned].
    #[arg(long, value_enum, default_value = "tuned", hide_default_value = true)]
    recipe: RecipeName,
    /// Folder for the table and a folder for each run; finished runs found in it are not repeated.
    #[arg(long, value_name = "DIR", default_value = "out/bibtex-table")]
    out: PathBuf,
    #[command(flatten)]
    comparing: Comparing,
}

/// The arguments of `banach table multilabel`.
#[derive(Args, Debug)]
pub(crate) struct AnyTableArguments {
    #[command(flatten)]
    source: Source,
    /// The layers to compare, with commas between them [default: all].
    #[arg(long, value_enum, value_delimiter = ',', value_name = "NAMES")]
    layers: Vec<LayerName>,
    /// The recipes to compare, with commas between them [default: all].
    #[arg(long, value_enum, value_delimiter = ',', value_name = "NAMES")]
    recipes: Vec<RecipeName>,
    /// Folder for the table and a folder for each run; finished runs found in it are not repeated.
    #[arg(long, value_name = "DIR", default_value = "out/multilabel-table")]
    out: PathBuf,
    #[command(flatten)]
    comparing: Comparing,
}

/// The arguments of every table.
#[derive(Args, Debug)]
pub(crate) struct Comparing {
    /// Every method is trained with the seeds 1 to K.
    #[arg(long, value_name = "K", default_value = "5", value_parser = count, allow_negative_numbers = true)]
    seeds: usize,
    /// Most epochs of a run [default: by recipe and layer].
    #[arg(long, value_name = "N", value_parser = count, allow_negative_numbers = true)]
    epochs: Option<usize>,
    /// Where to compute: a name that `banach devices` lists, or remote:HOST:PORT for a `banach serve`. Several, with commas
    /// between them, share every mini-batch.
    #[arg(long, visible_alias = "devices", value_name = "NAMES", default_value = "cpu")]
    device: String,
    /// Where the loops of the fixed points run.
    #[arg(long, value_enum, value_name = "NAME", default_value = "native")]
    engine: EngineName,
    #[command(flatten)]
    verbosity: Verbosity,
}

/// The methods of Bibtex, in the order in which they are trained for each seed.
const LAYERS: [LayerName; 4] = [LayerName::Mlp, LayerName::Feedforward, LayerName::FpiNn, LayerName::FpiGd];

/// The methods of a data set of the user, in the order of the paper's table.
const ALL: [LayerName; 11] = [
    LayerName::Mlp,
    LayerName::Feedforward,
    LayerName::Spen,
    LayerName::SpenE2e,
    LayerName::SpenImplicit,
    LayerName::Icnn,
    LayerName::IcnnImplicit,
    LayerName::DvnGt,
    LayerName::DvnAdversarial,
    LayerName::FpiGd,
    LayerName::FpiNn,
];

const CONTENTS: Contents =
    Contents { command: "table bibtex", experiment: None, files: &["table.md", "table.json"], folders: &[] };

const PATIENCE: usize = 30;

/// The contents of `table.json`.
#[derive(Debug, Serialize)]
struct TableFile {
    rows: Vec<Row>,
}

/// What is compared: an experiment, its data, and the methods.
struct Comparison<'a> {
    name: &'static str,
    /// The results of the table, and those of a run.
    contents: [Contents; 2],
    data: &'a Path,
    options: String,
    load: &'a dyn Fn(u64) -> Result<DataSet, Error>,
    methods: Vec<Method>,
    out: &'a Path,
    arguments: &'a Comparing,
}

/// Runs `banach table bibtex`.
pub(crate) fn table(arguments: &TableArguments) -> Result<(), Error> {
    let TableArguments { data, recipe, out, comparing } = arguments;
    let comparison = Comparison {
        name: Bibtex::NAME,
        contents: [CONTENTS, Bibtex::CONTENTS],
        data,
        options: format!("--data {}", data.display()),
        load: &|seed| bibtex::load(data, seed),
        methods: LAYERS.map(|layer| (layer, *recipe)).to_vec(),
        out,
        arguments: comparing,
    };
    comparison.run()
}

/// Runs `banach table multilabel`.
pub(crate) fn any_table(arguments: &AnyTableArguments) -> Result<(), Error> {
    let AnyTableArguments { source, layers, recipes, out, comparing } = arguments;
    let layers = if layers.is_empty() { &ALL[..] } else { layers };
    let recipes = if recipes.is_empty() { &[RecipeName::Published, RecipeName::Tuned][..] } else { recipes };
    let of_layer = |&layer: &LayerName| recipes.iter().map(move |&recipe| (layer, recipe));
    let comparison = Comparison {
        name: MultiLabel::NAME,
        contents: [Contents { command: "table multilabel", ..CONTENTS }, MultiLabel::CONTENTS],
        data: &source.data,
        options: source.options(),
        load: &|seed| source.load(seed),
        methods: layers.iter().flat_map(of_layer).collect(),
        out,
        arguments: comparing,
    };
    comparison.run()
}

impl Comparison<'_> {
    fn run(&self) -> Result<(), Error> {
        let Comparing { seeds, device, verbosity, .. } = self.arguments;
        let quiet = verbosity.quiet;
        run_devices::named(device)?;
        let data = (self.load)(1)?;
        let is_bibtex = data.widths() == bibtex::WIDTHS;
        let _locked = ResultsFolder::open(self.out, self.contents[0])?;
        let interruption = Interruption::listen()?;
        if !quiet {
            tell(format_args!(
                "trains {} methods with {}; results go to {}, where finished runs are not repeated",
                self.methods.len(),
                counted(*seeds, "seed"),
                self.out.display()
            ));
            if self.name == MultiLabel::NAME {
                tell(data.summary.line());
            }
        }
        let mut runs: Vec<(Method, FinishedRun)> = Vec::new();
        for seed in (1..).take(*seeds) {
            for &method in &self.methods {
                let finished = self.one(method, seed, &interruption)?;
                if !quiet {
                    let (name, scores) = (self.run_name(method), finished.scores);
                    tell(format_args!(
                        "{name:<11}  seed {seed}/{seeds}  validation F1 {:5.2}  test F1 {:5.2}  at one half {:5.2}",
                        scores.validation_f1, scores.test_f1, scores.test_f1_at_half
                    ));
                }
                runs.push((method, finished));
            }
        }
        let row = |&method: &Method| comparison::row(method, &runs, is_bibtex);
        let rows: Vec<Row> = self.methods.iter().filter_map(row).collect();
        let texts = comparison::texts(&rows, is_bibtex);
        comparison_run::close(self.out, &TableFile { rows }, texts, "table.md and table.json", *verbosity)
    }

    /// The layer, with its recipe where the table has several.
    fn run_name(&self, (layer, recipe): Method) -> String {
        if self.methods.iter().all(|(_, other)| *other == recipe) {
            return layer.as_str().into();
        }
        format!("{}-{}", layer.as_str(), recipe.as_str())
    }

    /// One run, read back if it was finished before, continued if it was interrupted.
    fn one(&self, method: Method, seed: u64, interruption: &Interruption) -> Result<FinishedRun, Error> {
        let ((layer, recipe), arguments) = (method, self.arguments);
        let path = self.out.join(format!("{}-seed{seed}", self.run_name(method)));
        let resume = continuation::is_begun::<Settings, Scores>(&path)?;
        let training = TrainingArguments {
            layer,
            recipe,
            epochs: arguments.epochs,
            device: arguments.device.clone(),
            changes: Changes::default(),
            solver: None,
            adjoint: None,
            engine: layer.solves().then_some(arguments.engine),
            tolerance: None,
            max_steps: None,
            patience: PATIENCE,
            resume,
            dashboard: false,
        };
        let run = Run::new(self.name, &training, seed, (self.data, self.options.clone()), self.load)?;
        if let Some(finished) = read_back::<FinishedRun>(&path.join(FINISHED))? {
            run.settings().check_same(&finished.settings, &path)?;
            if finished.settings.epochs == run.settings().epochs {
                return Ok(finished);
            }
        }
        let report = run_quietly(&path, self.contents[1], resume, interruption, |session| run.run(session))?;
        let finished = FinishedRun::of(&report)?;
        file::write_json(&path.join(FINISHED), &finished)?;
        // The checkpoints of many runs together are large, and best.bpk holds the weights.
        let _ = std::fs::remove_dir_all(path.join(checkpoint::FOLDER));
        Ok(finished)
    }
}
