//! Timing of benchmarks, and the journal of their measurements.

use super::earlier::Earlier;
use super::measurement::{Measurement, Timing, short};
use crate::device;
use crate::error::Error;
use crate::options::{BackwardName, Measuring};
use crate::report::{json, table};
use crate::terminal::output::{say, tell};
use banach::Statistics;
use burn::tensor::Device;
use clap::ValueEnum;
use serde_json::Value;
use std::time::Instant;

/// Runs of a device that do not count, at least.
const FIRST_RUNS: usize = 4;

/// The measurements of a task, as the arguments want them.
#[derive(Debug)]
pub(crate) struct Journal<'a> {
    task: &'static str,
    pub(crate) measuring: &'a Measuring,
    /// Where to compute.
    pub(crate) device: Device,
    earlier: Option<Earlier>,
    written: Vec<Measurement>,
}

impl<'a> Journal<'a> {
    /// A journal without measurements; reads the recording to compare with, if one is named.
    pub(crate) fn new(task: &'static str, measuring: &'a Measuring) -> Result<Self, Error> {
        measuring.limit_vectors()?;
        let earlier = measuring.against.as_deref().map(Earlier::read).transpose()?;
        let device = device::named(&measuring.device)?;
        Ok(Self { task, measuring, device, earlier, written: Vec::new() })
    }

    /// Whether the setting is asked for.
    pub(crate) fn wants(&self, setting: &str) -> bool {
        self.measuring.only.as_ref().is_none_or(|text| setting.contains(text.as_str()))
    }

    /// The backward passes that are asked for.
    pub(crate) fn backwards(&self) -> Vec<BackwardName> {
        let all = BackwardName::value_variants().iter().copied();
        all.filter(|&backward| self.measuring.backward.is_none_or(|only| only == backward)).collect()
    }

    /// The median time of `step` in milliseconds, after `warm_up` runs that do not count. A device has then done all of it.
    pub(crate) fn median_ms(
        &self,
        repeats: usize,
        warm_up: usize,
        mut step: impl FnMut() -> Result<(), Error>,
    ) -> Result<Timing, Error> {
        self.median(repeats, warm_up, || {
            let start = Instant::now();
            step()?;
            device::wait(&self.device)?;
            Ok(start.elapsed().as_secs_f64() * 1e3)
        })
    }

    /// The median of what `step` says, after `warm_up` runs that do not count.
    pub(crate) fn median(
        &self,
        repeats: usize,
        warm_up: usize,
        mut step: impl FnMut() -> Result<f64, Error>,
    ) -> Result<Timing, Error> {
        // Burn compiles and tries its kernels in the first runs on a device.
        let warm_up = if self.is_elsewhere() { warm_up.max(FIRST_RUNS) } else { warm_up };
        for _ in 0..warm_up {
            step()?;
        }
        let repeats = self.measuring.repeats.unwrap_or(repeats);
        let mut found = (0..repeats).map(|_| step()).collect::<Result<Vec<f64>, Error>>()?;
        found.sort_by(f64::total_cmp);
        let at = |share: usize| found[found.len() * share / 4];
        let spread = (found.len() > 2).then(|| 0.5 * (at(3) - at(1)));
        Ok(Timing { ms: at(2), spread })
    }

    /// A measurement of this task.
    pub(crate) fn measurement(
        &self,
        setting: &str,
        backward: Option<BackwardName>,
        timing: Timing,
        iterations: f64,
    ) -> Measurement {
        // The CPU is not named, as in recordings that are older than devices, and neither are its widest vectors.
        let device = self.is_elsewhere().then(|| ("device".into(), self.measuring.device.clone().into()));
        let vectors =
            self.measuring.vectors.map(|vectors| ("vectors".into(), vectors.level().to_string().into()));
        Measurement {
            task: self.task.into(),
            peer: "banach".into(),
            setting: setting.into(),
            engine: self.measuring.engine,
            backward,
            ms: timing.ms,
            spread_ms: timing.spread,
            iterations,
            more: device.into_iter().chain(vectors).collect(),
        }
    }

    /// Whether the device is not the CPU.
    pub(crate) fn is_elsewhere(&self) -> bool {
        self.device != Device::flex()
    }

    /// The measurement with the reads and writes of a solve and its adjoint on average, where a device was not the CPU.
    pub(crate) fn with_transfers(&self, measurement: Measurement, counts: &Statistics) -> Measurement {
        if !self.is_elsewhere() {
            return measurement;
        }
        let mean = |count: usize| count as f64 / counts.solves.max(1) as f64;
        measurement.with("reads", mean(counts.transfers.reads)).with("writes", mean(counts.transfers.writes))
    }

    /// Writes a measurement down.
    pub(crate) fn write(&mut self, mut measurement: Measurement) -> Result<(), Error> {
        if let Some(change) = self.earlier.as_ref().and_then(|earlier| earlier.change(&measurement)) {
            measurement = measurement
                .with("before_ms", change.before)
                .with("ratio", change.ratio)
                .with("change", change.verdict);
        } else if self.earlier.is_some() {
            measurement = measurement.with("change", "not in the recording");
        }
        if self.measuring.verbosity.json {
            json::say(&measurement)?;
        } else if !self.measuring.verbosity.quiet {
            tell(measurement.line());
        }
        self.written.push(measurement);
        Ok(())
    }

    /// Prints the table, if the lines are not there already.
    pub(crate) fn close(self) -> Result<(), Error> {
        let table = self.lined_up();
        self.close_with(&table)
    }

    /// The line with another table.
    pub(crate) fn close_with(self, table: &str) -> Result<(), Error> {
        if self.written.is_empty() {
            return Err(Error::Setting {
                found: format!("--only {}", self.measuring.only.as_deref().unwrap_or_default()),
                expected: format!("a part of the name of a setting of {}", self.task),
                advice: "run the benchmark without --only to see the names".into(),
            });
        }
        if !self.measuring.verbosity.json {
            say(table)?;
        }
        Ok(())
    }

    /// The measurements as a table.
    pub(crate) fn lined_up(&self) -> String {
        let mut names: Vec<&str> = Vec::new();
        for name in self.written.iter().flat_map(|measurement| measurement.more.keys()) {
            if !names.contains(&name.as_str()) {
                names.push(name);
            }
        }
        let header = [&[self.task, "backward", "ms", "iterations"], names.as_slice()].concat();
        let row = |measurement: &Measurement| {
            let backward = measurement.backward.map_or("", BackwardName::as_str);
            let [ms, iterations] = [measurement.ms, measurement.iterations].map(short);
            let mut cells = vec![measurement.setting.clone(), backward.into(), ms, iterations];
            cells.extend(names.iter().map(|name| measurement.more.get(*name).map_or_else(String::new, cell)));
            cells
        };
        table::lined_up(&header, &self.written.iter().map(row).collect::<Vec<_>>())
    }
}

/// A number or a word as a cell of the table.
fn cell(value: &Value) -> String {
    match value {
        Value::String(word) => word.clone(),
        Value::Number(number) => number.as_f64().map_or_else(String::new, short),
        Value::Null | Value::Bool(_) | Value::Array(_) | Value::Object(_) => String::new(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::options::{EngineName, Verbosity};

    fn measuring(only: Option<&str>) -> Measuring {
        let (engine, only) = (EngineName::Native, only.map(String::from));
        Measuring {
            verbosity: Verbosity::default(),
            engine,
            device: "cpu".into(),
            vectors: None,
            backward: None,
            repeats: Some(3),
            only,
            against: None,
        }
    }

    #[test]
    fn the_median_leaves_out_the_warm_up_and_errors_come_through() {
        let measuring = measuring(None);
        let (journal, mut runs) = (Journal::new("cell", &measuring).unwrap(), 0);
        let run = || {
            runs += 1;
            Ok(())
        };
        let timing = journal.median_ms(9, 2, run).unwrap();
        assert!(timing.ms >= 0.0 && timing.spread.unwrap() >= 0.0);
        assert_eq!(runs, 5);
        assert!(journal.median_ms(1, 0, || Err(Error::Training("no".into()))).is_err());
    }

    #[test]
    fn a_table_has_a_column_for_every_number() {
        let measuring = measuring(None);
        let mut journal = Journal::new("cell", &measuring).unwrap();
        let first = journal.measurement("B1 picard", Some(BackwardName::Tape), Timing::once(1.23456), 17.0);
        journal.write(first.with("loss", 0.5)).unwrap();
        journal.write(journal.measurement("B2", None, Timing::once(1234.5), 2.25).with("rate", 7)).unwrap();
        let expected = "cell       backward     ms  iterations    loss  rate\n----------------------------------------------------\nB1 picard      tape  1.235          17  0.5000\nB2                    1234       2.250             7";
        assert_eq!(journal.lined_up(), expected);
    }

    #[test]
    fn a_setting_that_nobody_has_is_refused() {
        let measuring = measuring(Some("B3"));
        let journal = Journal::new("cell", &measuring).unwrap();
        assert!(journal.wants("B3 n4") && !journal.wants("B4 n4"));
        assert_eq!(journal.close().unwrap_err().exit_code(), 2);
    }
}
