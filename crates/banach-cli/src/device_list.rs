//! The command `devices`: the devices of this build and this machine, and whether each computes what the CPU does.

use crate::bench::cell;
use crate::device::{self, Runtime};
use crate::error::Error;
use crate::options::Verbosity;
use crate::report::{json, table};
use crate::terminal::output::say;
use banach::{Engine, FixedPointConfig};
use burn::tensor::Device;
use clap::Args;
use serde::{Deserialize, Serialize};
use std::process::Command;

/// The largest difference to the CPU that rounding in single precision explains, in numbers of size one and below.
const ROUNDING: f64 = 1e-5;

/// The options of `banach devices`.
#[derive(Args, Clone, Debug)]
pub(crate) struct DevicesArguments {
    /// Checks this device in this very process.
    #[arg(long, value_name = "NAME", hide = true)]
    check: Option<String>,
    #[command(flatten)]
    verbosity: Verbosity,
}

/// A device, and what a small solve on it has shown.
#[derive(Clone, Debug, Serialize, Deserialize)]
struct Checked {
    /// The name for `--device`.
    name: String,
    /// What the device calls itself.
    hardware: String,
    /// Whether solution and gradient are those of the CPU up to rounding.
    works: bool,
    /// The largest difference between solutions, where there is one.
    solution: Option<f64>,
    /// The largest difference between gradients, where there is one.
    gradient: Option<f64>,
    /// The reason where the device does not work.
    reason: Option<String>,
}

/// The contents of `banach devices --json`.
#[derive(Debug, Serialize)]
struct List {
    devices: Vec<Checked>,
    /// Runtimes of this build without a device on this machine, each with what it needs.
    without_device: Vec<[&'static str; 2]>,
    /// Runtimes that this build lacks, each the name of its feature.
    not_built_in: Vec<&'static str>,
}

/// Runs `banach devices`.
pub(crate) fn devices(arguments: &DevicesArguments) -> Result<(), Error> {
    if let Some(name) = &arguments.check {
        return json::say(&check(name)?);
    }
    let (built_in, missing): (Vec<_>, Vec<_>) =
        Runtime::ALL.into_iter().partition(|runtime| runtime.is_built_in());
    let mut list = List {
        devices: Vec::new(),
        without_device: Vec::new(),
        not_built_in: missing.iter().map(|runtime| runtime.name()).collect(),
    };
    for runtime in built_in {
        let count = runtime.devices().len();
        if count == 0 {
            list.without_device.push([runtime.name(), runtime.needs()]);
        }
        list.devices.extend((0..count).map(|index| elsewhere(format!("{}:{index}", runtime.name()))));
    }
    if arguments.verbosity.json { json::say(&list) } else { say(list.text()) }
}

/// Compares the small solve on a device with the CPU.
fn check(name: &str) -> Result<Checked, Error> {
    let device = device::named(name)?;
    let config = FixedPointConfig::new().with_engine(Engine::Device);
    let found = cell::differentiated(&config, &device)?;
    let expected = cell::differentiated(&config, &Device::flex())?;
    let [solution, gradient] = [0, 1].map(|of| largest_difference(&found[of], &expected[of]));
    let works = solution <= ROUNDING && gradient <= ROUNDING;
    let reason = (!works).then(|| "its results are not those of the CPU".into());
    let (solution, gradient) = (Some(solution), Some(gradient));
    Ok(Checked { name: name.into(), hardware: device::hardware(&device), works, solution, gradient, reason })
}

/// The largest difference of two vectors; infinite where one of them is not finite.
fn largest_difference(found: &[f32], expected: &[f32]) -> f64 {
    let apart = |(a, b): (&f32, &f32)| f64::from((a - b).abs());
    let finite = |number: f64| if number.is_nan() { f64::INFINITY } else { number };
    found.iter().zip(expected).map(apart).map(finite).fold(0.0, f64::max)
}

/// Checks a device in a process of its own, because a driver may crash.
fn elsewhere(name: String) -> Checked {
    let outcome = std::env::current_exe()
        .and_then(|program| Command::new(program).args(["devices", "--check", &name]).output());
    let reason = match outcome {
        Err(error) => error.to_string(),
        Ok(output) if output.status.success() => match serde_json::from_slice(&output.stdout) {
            Ok(checked) => return checked,
            Err(error) => error.to_string(),
        },
        Ok(output) => {
            let text = String::from_utf8_lossy(&output.stderr);
            match text.lines().find_map(|line| line.strip_prefix("error: ")) {
                Some(line) => line.to_owned(),
                None => format!("the check ended with {}", output.status),
            }
        }
    };
    Checked {
        name,
        hardware: "unknown".into(),
        works: false,
        solution: None,
        gradient: None,
        reason: Some(reason),
    }
}

impl List {
    /// The list as a table, and what there is no device of.
    fn text(&self) -> String {
        let number =
            |difference: Option<f64>| difference.map_or("-".into(), |number| format!("{number:.1e}"));
        let row = |device: &Checked| {
            let works = device.reason.clone().unwrap_or_else(|| "works".into());
            let [name, hardware] = [&device.name, &device.hardware].map(String::clone);
            vec![name, hardware, number(device.solution), number(device.gradient), works]
        };
        let rows: Vec<Vec<String>> = self.devices.iter().map(row).collect();
        let header = ["device", "hardware", "solution off by", "gradient off by", "result"];
        let mut lines = vec![table::lined_up(&header, &rows)];
        for [name, needs] in &self.without_device {
            lines.push(format!("{name}: no device found; it needs {needs}"));
        }
        if !self.not_built_in.is_empty() {
            let names = self.not_built_in.join(", ");
            lines.push(format!(
                "not in this build: {names}; each is the feature of its name, as `--features wgpu`"
            ));
        }
        lines.join("\n")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_cpu_is_compared_with_itself() {
        let checked = check("cpu:0").unwrap();
        assert!(
            checked.works && checked.solution == Some(0.0) && checked.gradient == Some(0.0),
            "{checked:?}"
        );
    }

    #[test]
    fn numbers_that_are_not_finite_are_a_difference() {
        assert_eq!(largest_difference(&[1.0, 2.0], &[1.0, 2.5]), 0.5);
        assert_eq!(largest_difference(&[f32::NAN], &[1.0]), f64::INFINITY);
        assert!(largest_difference(&[f32::INFINITY], &[1.0]) == f64::INFINITY);
    }

    #[test]
    fn a_device_that_fails_stands_in_the_list_with_the_reason() {
        let checked = elsewhere("abacus:0".into());
        assert!(!checked.works && checked.reason.is_some());
        let list = List {
            devices: vec![checked],
            without_device: vec![["wgpu", "a driver"]],
            not_built_in: vec!["cuda"],
        };
        let text = list.text();
        assert!(
            text.contains("abacus:0") && text.contains("wgpu: no device found; it needs a driver"),
            "{text}"
        );
        assert!(text.contains("not in this build: cuda"), "{text}");
    }
}
