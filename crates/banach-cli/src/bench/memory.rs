//! The peak of memory of a training step, with few iterations and with many.
//!
//! The peak of a process never falls, so every number is measured in a process of its own.

use super::conv::{Network, Size};
use super::journal::Journal;
use super::measurement::Measurement;
use super::step::Step;
use crate::error::Error;
use crate::options::{BackwardName, ConvolutionName, Measuring};
use crate::report::memory;
use burn::tensor::Device;
use std::process::Command;

const COUNTS: [usize; 2] = [10, 200];
const REPEATS: usize = 2;
const MEGABYTE: f64 = 1e6;

/// Runs `banach bench memory`.
pub(crate) fn bench(steps: Option<usize>, measuring: &Measuring) -> Result<(), Error> {
    let mut journal = Journal::new("memory", measuring)?;
    let counts = steps.map_or(COUNTS.to_vec(), |steps| vec![steps]);
    for backward in journal.backwards() {
        let mut fewest = None;
        for &count in &counts {
            let setting = Size::smallest(count).setting("train");
            if !journal.wants(&setting) {
                continue;
            }
            if steps.is_some() {
                let measurement = here(&journal, &setting, count, backward)?;
                journal.write(measurement)?;
                continue;
            }
            let measurement = elsewhere(measuring, count, backward)?;
            let peak = measurement.more.get(PEAK).and_then(serde_json::Value::as_f64).unwrap_or(f64::NAN);
            let ratio = peak / *fewest.get_or_insert(peak);
            journal.write(measurement.with("peak_of_fewest_iterations", ratio))?;
        }
    }
    journal.close()
}

const PEAK: &str = "peak_mb";

/// The measurement in this process.
fn here(
    journal: &Journal<'_>,
    setting: &str,
    count: usize,
    backward: BackwardName,
) -> Result<Measurement, Error> {
    let unknown = || Error::Training("this system does not tell how much memory a process holds".into());
    let (size, device) = (Size::smallest(count), Device::flex().autodiff());
    let network = Network::new(size, journal.measuring.engine, ConvolutionName::Auto, &device)?;
    let image = size.image(&device);
    let step = Step::new(backward, journal.measuring.engine, Network::loss);
    let before = memory::held_bytes().ok_or_else(unknown)? as f64;
    let timing = journal.median_ms(REPEATS, 1, || step.take(&network, image.clone()).map(|_| ()))?;
    let peak = memory::peak_bytes().ok_or_else(unknown)? as f64;
    let measurement = journal.measurement(setting, Some(backward), timing, count as f64);
    Ok(measurement
        .with(PEAK, (peak / MEGABYTE).round())
        .with("above_the_start_mb", ((peak - before) / MEGABYTE).round()))
}

/// The measurement in a process that is started for it.
fn elsewhere(measuring: &Measuring, count: usize, backward: BackwardName) -> Result<Measurement, Error> {
    let failed = |reason: String| Error::Training(format!("measuring in another process: {reason}"));
    let program = std::env::current_exe().map_err(|error| failed(error.to_string()))?;
    let mut command = Command::new(program);
    command.args(["bench", "memory", "--json", "--steps", &count.to_string()]);
    command.args(["--backward", backward.as_str(), "--engine", measuring.engine.as_str()]);
    command
        .args(measuring.vectors.iter().flat_map(|vectors| ["--vectors".into(), vectors.level().to_string()]));
    command.args(measuring.repeats.iter().flat_map(|repeats| ["--repeats".into(), repeats.to_string()]));
    let output = command.output().map_err(|error| failed(error.to_string()))?;
    if !output.status.success() {
        return Err(failed(String::from_utf8_lossy(&output.stderr).trim().replace('\n', " ")));
    }
    serde_json::from_slice(&output.stdout).map_err(|error| failed(error.to_string()))
}
