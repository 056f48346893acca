//! Training histories: the epochs of each network of a run.

use super::chart::{Chart, Curve};
use super::number::words;
use serde_json::{Map, Value};

/// The epochs of one network.
#[derive(Debug)]
pub(super) struct Series<'a> {
    /// The name of the network.
    pub(super) name: String,
    /// Its fields beside the epochs, such as the number of parameters.
    pub(super) facts: Vec<(&'a str, &'a Value)>,
    /// One object for each epoch.
    pub(super) epochs: Vec<&'a Map<String, Value>>,
}

impl<'a> Series<'a> {
    /// The series of a report: `epochs`, or the `epochs` of every entry of `layers`.
    pub(super) fn all(report: &'a Map<String, Value>) -> Vec<Self> {
        if let Some(epochs) = epochs(report) {
            let name = report.get("layer").or(report.get("experiment")).and_then(Value::as_str);
            return vec![Self { name: name.unwrap_or("run").to_string(), facts: vec![], epochs }];
        }
        let layers = report.get("layers").and_then(Value::as_object).into_iter().flatten();
        let series = layers.filter_map(|(name, layer)| {
            let layer = layer.as_object()?;
            let facts = layer.iter().filter(|(_, value)| !value.is_object() && !value.is_array());
            let facts = facts.map(|(field, value)| (field.as_str(), value)).collect();
            Some(Self { name: name.clone(), facts, epochs: epochs(layer)? })
        });
        series.collect()
    }

    /// The value of a field in every epoch, NaN where it has none.
    fn values(&self, field: &str) -> Vec<f64> {
        let value =
            |epoch: &&Map<String, Value>| epoch.get(field).and_then(Value::as_f64).unwrap_or(f64::NAN);
        self.epochs.iter().map(value).collect()
    }

    /// The sum over all epochs of a count that the solvers kept.
    pub(super) fn total(&self, field: &str) -> u64 {
        let count = |epoch: &&Map<String, Value>| {
            let work = epoch.get("sums").and_then(|sums| sums.get("work"));
            work.and_then(|work| work.get(field)).and_then(Value::as_u64).unwrap_or(0)
        };
        self.epochs.iter().map(count).sum()
    }
}

fn epochs(object: &Map<String, Value>) -> Option<Vec<&Map<String, Value>>> {
    let epochs: Vec<_> = object.get("epochs")?.as_array()?.iter().filter_map(Value::as_object).collect();
    (!epochs.is_empty()).then_some(epochs)
}

/// The fields with numbers that some epoch has: losses, scores, steps, rows, seconds. The number of the epoch is none of them.
pub(super) fn fields(series: &[Series<'_>]) -> Vec<String> {
    let mut fields: Vec<String> = vec![];
    for (field, value) in series.iter().flat_map(|series| &series.epochs).flat_map(|epoch| epoch.iter()) {
        if value.is_number() && field != "epoch" && !fields.contains(field) {
            fields.push(field.clone());
        }
    }
    fields.sort_by_key(|field| rank(field));
    fields
}

fn rank(field: &str) -> usize {
    match field.rsplit('_').next() {
        Some("loss") => 0,
        Some("steps") => 2,
        Some("rows") => 3,
        Some("seconds") => 4,
        Some(_) | None => 1,
    }
}

/// A chart for each field that changes, with a curve for each series.
pub(super) fn charts(series: &[Series<'_>]) -> Vec<Chart> {
    let chart = |field: &String| {
        let curve = |series: &Series<'_>| Curve { name: series.name.clone(), values: series.values(field) };
        let curves: Vec<Curve> = series.iter().map(curve).collect();
        let mut finite = curves.iter().flat_map(|curve| &curve.values).filter(|value| value.is_finite());
        let first = *finite.next()?;
        finite.any(|value| *value != first).then(|| Chart::new(words(field), "epoch", &curves))
    };
    fields(series).iter().filter_map(chart).collect()
}
