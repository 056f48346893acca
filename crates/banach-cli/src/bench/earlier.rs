//! An earlier recording of benchmarks, and what has changed since by more than the noise.

use super::measurement::Measurement;
use crate::error::Error;
use serde_json::Value;
use std::path::Path;

/// The lines of an earlier recording that are ours.
#[derive(Debug, Default)]
pub(super) struct Earlier {
    lines: Vec<Measurement>,
}

/// The change of a time since an earlier recording.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Change {
    /// The earlier median in milliseconds.
    pub(super) before: f64,
    /// The time now divided by the time before.
    pub(super) ratio: f64,
    pub(super) verdict: &'static str,
}

/// The noise of a difference, in units of the spreads of both times. Medians of a few runs scatter by about one spread.
const NOISE: f64 = 2.0;

/// The least noise, as a share of the time: processes differ by this much in the placement of their memory alone.
const LEAST_NOISE: f64 = 0.03;

impl Earlier {
    /// Reads the lines that `bench --json` has written.
    pub(super) fn read(path: &Path) -> Result<Self, Error> {
        let text = std::fs::read_to_string(path).map_err(|error| Error::Read {
            path: path.into(),
            reason: error.to_string(),
            advice: "name a file of lines that `banach bench .. --json` has printed".into(),
        })?;
        let mut lines = vec![];
        for (at, line) in text.lines().enumerate().filter(|(_, line)| !line.trim().is_empty()) {
            let wrong = |reason: String| Error::Line { path: path.into(), line: at + 1, reason };
            let value: Value = serde_json::from_str(line).map_err(|error| {
                wrong(format!(
                    "found no line of `banach bench .. --json` ({error}); name a file of such lines"
                ))
            })?;
            if value.get("peer").and_then(Value::as_str) == Some("banach") {
                lines.push(serde_json::from_value(value).map_err(|error| wrong(error.to_string()))?);
            }
        }
        Ok(Self { lines })
    }

    /// The change since the earlier line of this setting; none where there is no such line.
    pub(super) fn change(&self, now: &Measurement) -> Option<Change> {
        let before = self.lines.iter().find(|line| line.measures_what(now))?;
        let spread = |line: &Measurement| line.spread_ms.unwrap_or(0.0);
        let least = LEAST_NOISE * before.ms;
        let noise = (NOISE * (spread(before) + spread(now))).max(least);
        let verdict = match now.ms - before.ms {
            difference if difference > noise => "slower",
            difference if difference < -noise => "faster",
            _ => "within noise",
        };
        Some(Change { before: before.ms, ratio: now.ms / before.ms, verdict })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::options::{BackwardName, EngineName};
    use serde_json::Map;

    fn line(setting: &str, backward: Option<BackwardName>, ms: f64, spread: f64) -> Measurement {
        Measurement {
            task: "cell".into(),
            peer: "banach".into(),
            setting: setting.into(),
            engine: EngineName::Native,
            backward,
            ms,
            spread_ms: Some(spread),
            iterations: 1.0,
            more: Map::new(),
        }
    }

    #[test]
    fn only_what_exceeds_the_noise_of_both_recordings_is_a_change() {
        let earlier = Earlier { lines: vec![line("B16", Some(BackwardName::Tape), 10.0, 0.5)] };
        let verdict = |ms| earlier.change(&line("B16", Some(BackwardName::Tape), ms, 0.5)).unwrap().verdict;
        assert_eq!([verdict(11.9), verdict(12.1), verdict(7.9)], ["within noise", "slower", "faster"]);
        let exact = Earlier { lines: vec![line("B16", None, 10.0, 0.0)] };
        assert_eq!(exact.change(&line("B16", None, 10.2, 0.0)).unwrap().verdict, "within noise");
        assert_eq!(exact.change(&line("B16", None, 10.4, 0.0)).unwrap().verdict, "slower");
    }

    #[test]
    fn a_line_is_compared_with_the_line_of_its_setting_alone() {
        let earlier = Earlier { lines: vec![line("B16", Some(BackwardName::Tape), 10.0, 0.5)] };
        assert_eq!(earlier.change(&line("B16", Some(BackwardName::Compiled), 1.0, 0.1)), None);
        assert_eq!(earlier.change(&line("B64", Some(BackwardName::Tape), 1.0, 0.1)), None);
    }
}
