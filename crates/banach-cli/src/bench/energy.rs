//! The time in which a trained energy is minimised for all test examples, and how low each solver gets.

use super::journal::Journal;
use crate::error::Error;
use crate::experiments::multilabel::Minimisation;
use crate::options::{Measuring, SolverName};
use crate::report::file;
use burn::module::{Module, ModuleVisitor, Param};
use burn::tensor::Tensor;
use clap::Args;
use serde_json::{Map, Value, json};
use std::path::{Path, PathBuf};

const SOLVERS: [SolverName; 3] = [SolverName::Anderson, SolverName::Newton, SolverName::Auto];
const MAX_STEPS: usize = 500;
const REPEATS: usize = 5;

/// What is minimised.
#[derive(Args, Debug)]
pub(crate) struct EnergyArguments {
    /// The results folder of a `banach train bibtex --layer fpi-gd`.
    #[arg(long, value_name = "DIR")]
    checkpoint: PathBuf,
    /// The examples whose features are given, as bibtex-test.arff.
    #[arg(long, value_name = "FILE")]
    data: PathBuf,
    /// Write the weights and the features into a new file in the format safetensors, for other programs; measure nothing.
    #[arg(long, value_name = "FILE")]
    export: Option<PathBuf>,
    #[command(flatten)]
    measuring: Measuring,
}

/// Runs `banach bench energy`.
pub(crate) fn bench(arguments: &EnergyArguments) -> Result<(), Error> {
    let EnergyArguments { checkpoint, data, export, measuring } = arguments;
    measuring.on_the_cpu()?;
    if let Some(backward) = measuring.backward {
        return Err(Error::Setting {
            found: format!("--backward {}", backward.as_str()),
            expected: "no --backward".into(),
            advice: "only solves are measured; leave --backward out".into(),
        });
    }
    let minimisation = Minimisation::read(checkpoint, data)?;
    if let Some(path) = export {
        return write(path, &minimisation);
    }
    let mut journal = Journal::new("energy", measuring)?;
    for name in SOLVERS {
        if !journal.wants(name.as_str()) {
            continue;
        }
        let engine = measuring.engine.engine();
        let config =
            minimisation.config().with_solver(name.solver()).with_max_steps(MAX_STEPS).with_engine(engine);
        let network = minimisation.with_config(&config)?;
        let mut last = None;
        let timing = journal.median_ms(REPEATS, 1, || {
            last = network.minimised(minimisation.z.clone()).transpose()?;
            Ok(())
        })?;
        let Some((report, energies)) = last else { panic!("bug: a network of FPI_GD without an energy") };
        let steps = report.steps.iter().sum::<usize>() as f64 / report.steps.len() as f64;
        let failed = report.outcomes.iter().filter(|outcome| outcome.is_failure()).count();
        let setting = format!("{} B{} f32", name.as_str(), energies.len());
        let measurement = journal.measurement(&setting, None, timing, steps);
        let energy: f64 = energies.iter().sum();
        journal.write(
            measurement
                .with("solver", name.as_str())
                .with("energy", energy)
                .with("unconverged_rows", failed)
                .with("evaluations", report.evaluations),
        )?;
    }
    journal.close()
}

/// The parameters of a module, by the path of their fields, as their shapes and numbers.
#[derive(Default)]
struct Parameters {
    path: Vec<String>,
    found: Vec<(String, Vec<usize>, Vec<f32>)>,
}

impl ModuleVisitor for Parameters {
    fn enter_module(&mut self, name: &str, _container: &str) {
        self.path.push(name.into());
    }

    fn exit_module(&mut self, _name: &str, _container: &str) {
        self.path.pop();
    }

    fn visit_float<const D: usize>(&mut self, param: &Param<Tensor<D>>) {
        let value = param.val();
        self.found.push((self.path.join("."), value.dims().to_vec(), value.into_data().iter().collect()));
    }
}

/// Writes the parameters, and the features under the name `z`: a length, a header in JSON, and little-endian numbers.
fn write(path: &Path, minimisation: &Minimisation) -> Result<(), Error> {
    if path.exists() {
        return Err(Error::Setting {
            found: format!("a file at {}", path.display()),
            expected: "a new file".into(),
            advice: "name another one with --export".into(),
        });
    }
    let mut parameters = Parameters::default();
    minimisation.network().visit(&mut parameters);
    let z = &minimisation.z;
    parameters.found.push(("z".into(), z.dims().to_vec(), z.clone().into_data().iter().collect()));
    let (mut header, mut numbers) = (Map::new(), Vec::new());
    for (name, shape, values) in parameters.found {
        let begin = numbers.len();
        numbers.extend(values.into_iter().flat_map(f32::to_le_bytes));
        let entry = json!({ "dtype": "F32", "shape": shape, "data_offsets": [begin, numbers.len()] });
        header.insert(name, entry);
    }
    let header = Value::Object(header).to_string().into_bytes();
    let bytes = [&(header.len() as u64).to_le_bytes()[..], &header, &numbers].concat();
    file::write_whole(path, &bytes).map_err(|error| Error::write(path, error))
}
