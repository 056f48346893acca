//! The command `table denoise`: every method trained for several noise levels and seeds.

use super::arguments::{Changes, DenoiseArguments};
use super::comparison::{self, FinishedRun};
use super::evaluation::clipped;
use super::history::Scores;
use super::model;
use super::pictures::{self, Version};
use super::run::Denoise;
use super::settings::{self, Settings};
use crate::dataset::patches::noisy;
use crate::dataset::photographs::{self, Photographs};
use crate::error::Error;
use crate::experiments::checkpoint::Repeatable as _;
use crate::experiments::comparison_run::{self, read_back, run_quietly};
use crate::experiments::continuation;
use crate::experiments::experiment::Experiment;
use crate::options::numbers::{count, deviation};
use crate::options::{LayerName, Verbosity};
use crate::report::folder::{Contents, ResultsFolder};
use crate::report::plural::counted;
use crate::terminal::interruption::Interruption;
use crate::terminal::output::tell;
use clap::Args;
use std::path::{Path, PathBuf};

/// The arguments of `banach table denoise`.
#[derive(Args, Debug)]
pub(crate) struct TableArguments {
    /// Folder with a folder train... and a folder test... of PNG, JPEG, PGM or PPM files [default: images that are drawn].
    #[arg(long, value_name = "DIR")]
    data: Option<PathBuf>,
    /// Every method is trained with the seeds 1 to K.
    #[arg(long, value_name = "K", default_value = "1", value_parser = count, allow_negative_numbers = true)]
    seeds: usize,
    /// Standard deviations of the noise, on the scale of 0 to 255; repeat the option for several [default: 15, 20, 25].
    #[arg(long, value_name = "S", value_parser = deviation, allow_negative_numbers = true)]
    sigma: Vec<f64>,
    /// Methods; repeat the option for several [default: all].
    #[arg(long, value_name = "NAME", value_parser = super::arguments::layers())]
    layer: Vec<LayerName>,
    /// Epochs of a run [default: by layer].
    #[arg(long, value_name = "N", value_parser = count, allow_negative_numbers = true)]
    epochs: Option<usize>,
    #[command(flatten)]
    changes: Changes,
    /// Folder for the table and a folder for each run; finished runs found in it are not repeated.
    #[arg(long, value_name = "DIR", default_value = "out/denoise-table")]
    out: PathBuf,
    #[command(flatten)]
    verbosity: Verbosity,
}

const SIGMAS: [f64; 3] = [15.0, 20.0, 25.0];
const METHODS: [LayerName; 3] = [LayerName::Feedforward, LayerName::FpiNn, LayerName::FpiGd];
const PATIENCE: usize = 50;
const PICTURES: &str = "pictures";
const CONTENTS: Contents = Contents {
    command: "table denoise",
    experiment: None,
    files: &["table.md", "table.json"],
    folders: &[PICTURES],
};

/// Runs `banach table denoise`.
pub(crate) fn table(arguments: &TableArguments) -> Result<(), Error> {
    let quiet = arguments.verbosity.quiet;
    let chosen = |given: &[LayerName]| if given.is_empty() { METHODS.to_vec() } else { given.to_vec() };
    let methods = chosen(&arguments.layer);
    let sigmas = if arguments.sigma.is_empty() { SIGMAS.to_vec() } else { arguments.sigma.clone() };
    for &method in &methods {
        super::arguments::check(&options(arguments, method, sigmas[0]))?;
    }
    let patch = settings::patch_side(&options(arguments, methods[0], sigmas[0]));
    let photographs = photographs::load(arguments.data.as_deref(), 1, patch)?;
    let _locked = ResultsFolder::open(&arguments.out, CONTENTS)?;
    let interruption = Interruption::listen()?;
    if !quiet {
        tell(format_args!(
            "trains {} for {} with {}; results go to {}, where finished runs are not repeated",
            counted(methods.len(), "method"),
            counted(sigmas.len(), "noise level"),
            counted(arguments.seeds, "seed"),
            arguments.out.display()
        ));
    }
    let mut runs: Vec<FinishedRun> = Vec::new();
    for seed in (1..).take(arguments.seeds) {
        for &sigma in &sigmas {
            for &method in &methods {
                let finished = one(arguments, method, (sigma, seed), &interruption)?;
                if !quiet {
                    tell(finished.line());
                }
                runs.push(finished);
            }
        }
    }
    let folder = arguments.out.join(PICTURES);
    std::fs::create_dir_all(&folder).map_err(|error| Error::write(&folder, error))?;
    for &sigma in &sigmas {
        draw(&arguments.out, sigma, &methods, &photographs)?;
    }
    let rows = comparison::rows(&runs);
    let contents = serde_json::json!({ "rows": rows, "runs": runs });
    let files = format!("table.md, table.json and {PICTURES}/");
    comparison_run::close(&arguments.out, &contents, comparison::texts(&rows), &files, arguments.verbosity)
}

fn options(arguments: &TableArguments, layer: LayerName, sigma: f64) -> DenoiseArguments {
    let mut changes = arguments.changes;
    if !layer.solves() {
        // Options of the solvers are for the methods that have one.
        (changes.solver, changes.adjoint, changes.tolerance, changes.max_steps) = (None, None, None, None);
        (changes.jacobian_weight, changes.gain) = (None, None);
    }
    if layer == LayerName::FpiGd {
        (changes.convolutions, changes.jacobian_weight, changes.gain) = (None, None, None);
    }
    DenoiseArguments {
        data: arguments.data.clone(),
        layer,
        sigma: Some(sigma),
        blind: false,
        epochs: arguments.epochs,
        changes,
        patience: PATIENCE,
        resume: false,
    }
}

fn run_folder(out: &Path, method: LayerName, sigma: f64, seed: u64) -> PathBuf {
    out.join(format!("{}-sigma{sigma}-seed{seed}", method.as_str()))
}

/// One run, read back if it was finished before, continued if it was interrupted.
fn one(
    arguments: &TableArguments,
    method: LayerName,
    (sigma, seed): (f64, u64),
    interruption: &Interruption,
) -> Result<FinishedRun, Error> {
    let path = run_folder(&arguments.out, method, sigma, seed);
    let mut options = options(arguments, method, sigma);
    let photographs = photographs::load(options.data.as_deref(), seed, settings::patch_side(&options))?;
    let wanted = Settings::new(&options, &photographs.fingerprint);
    let report = path.join("report.json");
    if let Some(finished) = read_back::<FinishedRun>(&report)? {
        wanted.check_same(&finished.settings, &path)?;
        if finished.test.is_some() {
            return Ok(finished);
        }
    }
    options.resume = continuation::is_begun::<Settings, Scores>(&path)?;
    let resume = options.resume;
    run_quietly(&path, Denoise::CONTENTS, resume, interruption, |session| {
        Denoise::new(options, seed)?.run(session)
    })?;
    let finished = read_back(&report)?;
    finished.ok_or_else(|| Error::Training("a run ended without a report".into()))
}

/// Draws what the methods of the first seed make of the first test image.
fn draw(out: &Path, sigma: f64, methods: &[LayerName], photographs: &Photographs) -> Result<(), Error> {
    let Some(first) = photographs.test.first() else { return Ok(()) };
    let noisy = noisy(&first.plane, sigma, 0);
    let mut versions = vec![Version { name: "noisy".into(), plane: noisy.clone() }];
    for &method in methods {
        let (_, denoiser) = model::read(&run_folder(out, method, sigma, 1))?;
        let found = denoiser.denoise(&noisy, |_| true).map(|(plane, _)| clipped(plane));
        versions.extend(found.map(|plane| Version { name: method.as_str().into(), plane }));
    }
    let path = out.join(PICTURES).join(format!("sigma{sigma}.svg"));
    pictures::compare(&path, &format!("sigma {sigma}"), &versions, &first.plane)
}
