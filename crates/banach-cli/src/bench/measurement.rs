//! One measurement of a benchmark, as a line of JSON and as a line of progress.

use crate::options::{BackwardName, EngineName};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

/// One measurement; as JSON it has the fields that the scripts of the peers write.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct Measurement {
    pub(crate) task: String,
    pub(crate) peer: String,
    pub(crate) setting: String,
    pub(crate) engine: EngineName,
    /// None where no gradient is asked for.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) backward: Option<BackwardName>,
    /// The median of the repeats.
    pub(crate) ms: f64,
    /// Half the distance between the quartiles of the repeats.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) spread_ms: Option<f64>,
    /// Forward steps of a row on average.
    pub(crate) iterations: f64,
    /// What only this task measures.
    #[serde(flatten)]
    pub(crate) more: Map<String, Value>,
}

impl Measurement {
    /// The measurement in one line, as progress.
    pub(super) fn line(&self) -> String {
        let path = self.backward.map_or("", BackwardName::as_str);
        format!("{} {}  {} ms  {path}", self.task, self.setting, short(self.ms)).trim_end().into()
    }

    /// Whether another line measures the task and setting of this one, with its engine, backward pass, solver and device.
    pub(super) fn measures_what(&self, other: &Self) -> bool {
        let of = |line: &Self| {
            let extra = ["solver", "epoch", "device"].map(|name| line.more.get(name).cloned());
            (line.task.clone(), line.setting.clone(), line.engine, line.backward, extra)
        };
        of(self) == of(other)
    }

    /// The line with one more number or word.
    pub(crate) fn with(mut self, name: &str, value: impl Into<Value>) -> Self {
        self.more.insert(name.into(), value.into());
        self
    }
}

/// The time of repeated runs.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Timing {
    /// The median in milliseconds.
    pub(crate) ms: f64,
    /// Half the distance between the quartiles; none for a single run.
    pub(crate) spread: Option<f64>,
}

impl Timing {
    /// The time of one run.
    pub(crate) fn once(ms: f64) -> Self {
        Self { ms, spread: None }
    }
}

/// Four digits that say something.
pub(super) fn short(number: f64) -> String {
    if number == number.trunc() && number.abs() < 1e9 {
        return format!("{number}");
    }
    let digits = (3 - number.abs().log10().floor() as i32).clamp(0, 6) as usize;
    format!("{number:.digits$}")
}
