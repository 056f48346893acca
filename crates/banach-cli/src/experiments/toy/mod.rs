//! How does the toy run: learn the solution map of a box-constrained problem with fixed points, and without?

mod network;
mod problem;
mod training;

use crate::command::{EngineName, LayerName, ToyArguments};
use crate::error::Error;
use crate::random::Generator;
use crate::report::curves::{self, Axis, Curve, Panel};
use crate::report::folder::{Contents, ResultsFolder};
use crate::report::{file, table};
use crate::terminal::interruption;
use crate::terminal::output::say;
use problem::{BOUNDS, Problem, Samples};
use serde::Serialize;
use std::collections::BTreeMap;
use training::{Course, Curves};

const TRAIN_ROWS: usize = 2000;
const TEST_ROWS: usize = 500;
const PROBLEM_STREAM: u64 = 11;
const LAYERS: [LayerName; 3] = [LayerName::FpiGd, LayerName::FpiNn, LayerName::Feedforward];

const CONTENTS: Contents = Contents {
    command: "train toy",
    experiment: Some("toy"),
    files: &["report.json", "train_loss.svg", "test_loss.svg"],
    folders: &[],
};

/// The contents of `report.json`.
#[derive(Debug, Serialize)]
struct Report<'a> {
    experiment: &'static str,
    seed: u64,
    settings: Settings,
    layers: BTreeMap<&'static str, &'a Curves>,
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

/// Runs `banach train toy`.
pub(crate) fn train(arguments: &ToyArguments) -> Result<(), Error> {
    let folder = ResultsFolder::open(&arguments.out, CONTENTS)?;
    folder.clear()?;
    let mut generator = Generator::new(arguments.seed, PROBLEM_STREAM);
    let problem = Problem::random(arguments.dimension, &mut generator);
    let course = Course {
        train: Samples::draw(&problem, TRAIN_ROWS, &mut generator),
        test: Samples::draw(&problem, TEST_ROWS, &mut generator),
        dimension: arguments.dimension,
        epochs: arguments.epochs,
        engine: arguments.engine,
        seed: arguments.seed,
        quiet: arguments.quiet,
        interrupter: interruption::listen()?,
    };
    let mut trained = Vec::new();
    for layer in LAYERS {
        trained.push((layer.as_str(), course.train(layer)?));
    }
    write(arguments, &trained)?;
    say(format_args!("{}\nresults are in {}", closing_table(&trained), arguments.out.display()))
}

type Losses = fn(&Curves) -> &Vec<f64>;

fn write(arguments: &ToyArguments, trained: &[(&'static str, Curves)]) -> Result<(), Error> {
    let plots: [(&str, &str, Losses); 2] = [
        ("train_loss.svg", "mean squared error, training samples", |curves| &curves.train_loss),
        ("test_loss.svg", "mean squared error, test samples", |curves| &curves.test_loss),
    ];
    for (name, title, values) in plots {
        let curves = trained
            .iter()
            .map(|(name, curves)| Curve { name: Some(*name), values: values(curves).clone() })
            .collect();
        curves::draw(
            &arguments.out.join(name),
            &[Panel { title, logarithmic: true, axis: Axis::Epochs, curves }],
        )?;
    }
    let settings = Settings {
        engine: arguments.engine,
        dimension: arguments.dimension,
        epochs: arguments.epochs,
        train_samples: TRAIN_ROWS,
        test_samples: TEST_ROWS,
        lower_bound: BOUNDS.0,
        upper_bound: BOUNDS.1,
    };
    let layers = trained.iter().map(|(name, curves)| (*name, curves)).collect();
    let report = Report { experiment: "toy", seed: arguments.seed, settings, layers };
    file::write_json(&arguments.out.join("report.json"), &report)
}

fn closing_table(trained: &[(&'static str, Curves)]) -> String {
    let last = |losses: &[f64]| losses.last().map_or("none".into(), |loss| format!("{loss:.3e}"));
    let row = |name: &str, curves: &Curves| {
        let parameters = curves.parameters.to_string();
        let seconds = format!("{:.1}", curves.seconds);
        vec![name.to_string(), parameters, last(&curves.train_loss), last(&curves.test_loss), seconds]
    };
    let rows: Vec<Vec<String>> = trained.iter().map(|(name, curves)| row(name, curves)).collect();
    table::lined_up(&["toy", "parameters", "train loss", "test loss", "seconds"], &rows)
}
