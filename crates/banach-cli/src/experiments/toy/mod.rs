//! The toy: the solution map of a box-constrained problem, learnt with fixed points and without.

mod network;
mod problem;
mod training;

use super::epoch::Epoch;
use super::experiment::{Experiment, Finished, Plan};
use super::session::Session;
use crate::error::Error;
use crate::options::numbers::{count, dimension};
use crate::options::{EngineName, LayerName};
use crate::random::Generator;
use crate::report::curves::{self, Axis, Curve, Panel};
use crate::report::folder::Contents;
use crate::report::table;
use clap::Args;
use problem::{BOUNDS, Problem, Samples};
use serde::Serialize;
use std::collections::BTreeMap;
use training::{ToyScores, ToyTraining, Trained};

const TRAIN_ROWS: usize = 2000;
const TEST_ROWS: usize = 500;
const PROBLEM_STREAM: u64 = 11;
const LAYERS: [LayerName; 3] = [LayerName::FpiGd, LayerName::FpiNn, LayerName::Feedforward];
const LOSSES: &str = "losses.svg";

/// The size for which the time of a run is known: unknowns, and seconds of an epoch of all networks on two cores.
const TIMED: (usize, f64) = (20, 0.09);

/// The options of `banach train toy`.
#[derive(Args, Debug)]
pub(crate) struct ToyArguments {
    /// Number of unknowns of the problem.
    #[arg(long, value_name = "N", default_value = "20", value_parser = dimension, allow_negative_numbers = true)]
    dimension: usize,
    /// Epochs to train each network.
    #[arg(long, value_name = "N", default_value = "200", value_parser = count, allow_negative_numbers = true)]
    epochs: usize,
    /// Where the loops of the fixed points run.
    #[arg(long, value_enum, value_name = "NAME", default_value = "native")]
    engine: EngineName,
}

/// A random problem, its samples and the options.
pub(crate) struct Toy {
    arguments: ToyArguments,
    seed: u64,
    train: Samples,
    test: Samples,
}

/// The contents of `report.json`.
#[derive(Debug, Serialize)]
pub(crate) struct ToyReport {
    experiment: &'static str,
    seed: u64,
    settings: Settings,
    layers: BTreeMap<&'static str, Layer>,
}

#[derive(Debug, Serialize)]
struct Settings {
    engine: EngineName,
    dimension: usize,
    epochs: usize,
    train_samples: usize,
    test_samples: usize,
    lower_bound: f64,
    upper_bound: f64,
}

/// The training of one network.
#[derive(Debug, Serialize)]
struct Layer {
    parameters: usize,
    epochs: Vec<Epoch<ToyScores>>,
}

impl Experiment for Toy {
    const NAME: &'static str = "toy";
    const ABOUT: &'static str =
        "The solution map of a random box-constrained quadratic problem; needs no files";
    const CONTENTS: Contents = Contents {
        command: "train toy",
        experiment: Some("toy"),
        files: &["report.json", LOSSES],
        folders: &[],
    };
    type Arguments = ToyArguments;
    type Report = ToyReport;

    fn new(arguments: ToyArguments, seed: u64) -> Result<Self, Error> {
        let mut generator = Generator::new(seed, PROBLEM_STREAM);
        let problem = Problem::random(arguments.dimension, &mut generator);
        let train = Samples::draw(&problem, TRAIN_ROWS, &mut generator);
        let test = Samples::draw(&problem, TEST_ROWS, &mut generator);
        Ok(Self { arguments, seed, train, test })
    }

    fn plan(&self) -> Plan {
        let ToyArguments { dimension, epochs, .. } = self.arguments;
        let what = format!(
            "learns x(a) = argmin ½ xᵀQx + aᵀx within a box, {dimension} unknowns, by {} networks of {epochs} epochs side by side",
            LAYERS.len()
        );
        let seconds = (dimension == TIMED.0).then_some(TIMED.1 * epochs as f64);
        Plan { what, seconds, folder: "out/toy".into(), resumes: false }
    }

    fn run(&self, session: &Session) -> Result<Finished<ToyReport>, Error> {
        let ToyArguments { dimension, epochs, engine } = self.arguments;
        let progress = session.progress(0, epochs * LAYERS.len(), "epochs");
        let training = ToyTraining {
            train: &self.train,
            test: &self.test,
            dimension,
            epochs,
            engine,
            seed: self.seed,
            interruption: &session.interruption,
            progress: &progress,
            latest: LAYERS.map(|layer| (layer, None)).into(),
        };
        let trained = training.side_by_side(&LAYERS)?;
        drop(progress);
        curves::draw(&session.path(LOSSES), &panels(&trained))?;
        let settings = Settings {
            engine,
            dimension,
            epochs,
            train_samples: TRAIN_ROWS,
            test_samples: TEST_ROWS,
            lower_bound: BOUNDS.0,
            upper_bound: BOUNDS.1,
        };
        let table = closing_table(&trained);
        let layers = trained.into_iter().map(|trained| {
            let Trained { layer, parameters, epochs, .. } = trained;
            (layer.as_str(), Layer { parameters, epochs })
        });
        let report =
            ToyReport { experiment: Self::NAME, seed: self.seed, settings, layers: layers.collect() };
        Ok(Finished { report, is_new: true, table, pictures: &[LOSSES], next: next() })
    }
}

fn next() -> Vec<(String, &'static str)> {
    vec![
        ("banach train toy --dimension 40 --seed 2 --out out/toy-40".into(), "a larger problem"),
        ("banach show cell --trace".into(), "one solve, step by step"),
        ("banach train bibtex --data DIR".into(), "a data set of documents and their tags"),
    ]
}

fn panels(trained: &[Trained]) -> [Panel; 2] {
    let panel = |title, value: fn(&Epoch<ToyScores>) -> Option<f64>| Panel {
        title,
        logarithmic: true,
        axis: Axis::Epochs,
        curves: trained
            .iter()
            .map(|trained| Curve::of(trained.layer.as_str(), &trained.epochs, value))
            .collect(),
    };
    [
        panel("mean squared error, test samples", |epoch| epoch.scores.test_loss),
        panel("mean squared error, training samples", |epoch| epoch.sums.mean_loss()),
    ]
}

fn closing_table(trained: &[Trained]) -> String {
    let loss = |loss: Option<f64>| loss.map_or("none".into(), |loss| format!("{loss:.3e}"));
    let row = |trained: &Trained| {
        let last = trained.epochs.last();
        let failed: usize = trained.epochs.iter().map(|epoch| epoch.sums.work.unconverged_rows).sum();
        vec![
            trained.layer.as_str().to_string(),
            trained.parameters.to_string(),
            loss(last.and_then(|epoch| epoch.sums.mean_loss())),
            loss(last.and_then(|epoch| epoch.scores.test_loss)),
            failed.to_string(),
            format!("{:.1}", trained.seconds),
        ]
    };
    let rows: Vec<Vec<String>> = trained.iter().map(row).collect();
    table::lined_up(&["toy", "parameters", "train loss", "test loss", "unconverged rows", "seconds"], &rows)
}
