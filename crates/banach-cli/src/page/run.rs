//! What a page says of a run, read from its results folder.

use super::chart::Chart;
use super::number::{shown, words, written};
use super::series::{self, Series};
use crate::error::Error;
use serde::Serialize;
use serde_json::{Map, Value};
use std::path::Path;

/// A run as its page shows it.
#[derive(Debug, Serialize)]
pub(super) struct Run {
    title: String,
    /// The command that made the run, where its folder tells.
    command: Option<String>,
    facts: Vec<Fact>,
    settings: Vec<Fact>,
    tables: Vec<Table>,
    charts: Vec<Chart>,
}

/// A named value.
#[derive(Debug, Serialize)]
struct Fact {
    name: String,
    value: String,
}

/// A table with a title.
#[derive(Debug, Serialize)]
struct Table {
    title: String,
    header: Vec<String>,
    rows: Vec<Vec<String>>,
}

/// Reads `report.json`, or `table.json`, of a results folder.
pub(super) fn read(folder: &Path) -> Result<Run, Error> {
    let path = ["report.json", "table.json"].map(|name| folder.join(name));
    let Some(path) = path.iter().find(|path| path.is_file()) else {
        return Err(Error::Setting {
            found: format!("no report.json in {}", folder.display()),
            expected: "the results folder of banach train or banach table".into(),
            advice: "name the folder that a run wrote, for example out/toy".into(),
        });
    };
    let unreadable = |reason: String| Error::Read {
        path: path.clone(),
        reason,
        advice: "run the experiment again, or name another results folder".into(),
    };
    let bytes = std::fs::read(path).map_err(|error| unreadable(error.to_string()))?;
    let report: Value = serde_json::from_slice(&bytes).map_err(|error| unreadable(error.to_string()))?;
    let report = report.as_object().filter(|report| {
        report.get("experiment").is_some_and(Value::is_string)
            || report.get("rows").is_some_and(Value::is_array)
    });
    let report = report.ok_or_else(|| unreadable("it is not the report of an experiment".into()))?;
    Ok(Run::new(report, command(folder)))
}

/// The command in the lock of a results folder.
fn command(folder: &Path) -> Option<String> {
    let lock: Value = serde_json::from_slice(&std::fs::read(folder.join("run.lock")).ok()?).ok()?;
    let arguments = lock.get("arguments")?.as_array()?.iter().filter_map(Value::as_str);
    Some(std::iter::once("banach".into()).chain(arguments.map(quoted)).collect::<Vec<_>>().join(" "))
}

/// An argument as a shell reads it.
fn quoted(argument: &str) -> String {
    let plain = |character: char| character.is_alphanumeric() || "-_./=,:+@".contains(character);
    if !argument.is_empty() && argument.chars().all(plain) {
        argument.into()
    } else {
        format!("'{}'", argument.replace('\'', r"'\''"))
    }
}

impl Run {
    fn new(report: &Map<String, Value>, command: Option<String>) -> Self {
        let series = Series::all(report);
        let (mut facts, mut tables) = (vec![], vec![]);
        for (field, value) in report {
            match value {
                Value::Object(object) if field != "settings" && field != "layers" => {
                    tables.extend(facts_tables(words(field), object));
                }
                Value::Array(items) if field != "epochs" => tables.extend(list(words(field), items)),
                Value::Object(_) | Value::Array(_) => {}
                Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => {
                    facts.push(fact(field, value));
                }
            }
        }
        tables.extend(networks(&series));
        tables.extend(solves(&series));
        let experiment = report.get("experiment").and_then(Value::as_str);
        let layer = report.get("layer").and_then(Value::as_str);
        let title: Vec<&str> = [experiment, layer].into_iter().flatten().collect();
        let settings = report.get("settings").and_then(Value::as_object).into_iter().flatten();
        Self {
            title: if title.is_empty() { "table".into() } else { title.join(", ") },
            command,
            facts,
            settings: settings.map(|(field, value)| fact(field, value)).collect(),
            tables,
            charts: series::charts(&series),
        }
    }
}

/// A field with its value; a number of bytes in megabytes.
fn fact(field: &str, value: &Value) -> Fact {
    match (field.strip_suffix("_bytes"), value.as_f64()) {
        (Some(name), Some(bytes)) => {
            Fact { name: words(name), value: format!("{} MB", written(bytes / 1e6)) }
        }
        (Some(_) | None, Some(_) | None) => Fact { name: words(field), value: shown(value) },
    }
}

/// An object as a table of one column; an object in it is a table of one row, since its text would be wider than the page.
fn facts_tables(title: String, object: &Map<String, Value>) -> Vec<Table> {
    let row = |(field, value): (&String, &Value)| match value {
        Value::Object(_) => None,
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) | Value::Array(_) => {
            let Fact { name, value } = fact(field, value);
            Some(vec![name, value])
        }
    };
    let inner = object
        .iter()
        .filter(|(_, value)| value.is_object())
        .filter_map(|(field, value)| list(format!("{title}: {}", words(field)), std::slice::from_ref(value)));
    let rows = object.iter().filter_map(row).collect();
    let outer = Table { title: title.clone(), header: vec![], rows };
    std::iter::once(outer).filter(|table| !table.rows.is_empty()).chain(inner).collect()
}

/// A list of objects as a table with a column for each field.
fn list(title: String, items: &[Value]) -> Option<Table> {
    let rows: Vec<&Map<String, Value>> = items.iter().filter_map(Value::as_object).collect();
    let mut header: Vec<&String> = vec![];
    for field in rows.iter().flat_map(|row| row.keys()) {
        if !header.contains(&field) {
            header.push(field);
        }
    }
    let cells = |row: &&Map<String, Value>| {
        header.iter().map(|field| row.get(*field).map_or_else(|| "–".into(), shown)).collect()
    };
    let rows: Vec<Vec<String>> = rows.iter().map(cells).collect();
    let header = header.iter().map(|field| words(field)).collect();
    (!rows.is_empty()).then_some(Table { title, header, rows })
}

/// The networks of a run beside one another, as they are after the last epoch.
fn networks(series: &[Series<'_>]) -> Option<Table> {
    let first = series.first().filter(|_| series.len() > 1)?;
    let known: Vec<&str> = first.facts.iter().map(|(field, _)| *field).collect();
    let fields = series::fields(series);
    let names = known.iter().copied().chain(fields.iter().map(String::as_str));
    let header = std::iter::once("network".into()).chain(names.map(words)).collect();
    let row = |series: &Series<'_>| {
        let fact =
            |field: &&str| series.facts.iter().find(|(name, _)| name == field).map(|(_, value)| *value);
        let last = |field: &String| series.epochs.last().and_then(|epoch| epoch.get(field));
        let values = known.iter().map(fact).chain(fields.iter().map(last));
        let cells = values.map(|value| value.map_or_else(|| "–".into(), shown));
        std::iter::once(series.name.clone()).chain(cells).collect()
    };
    Some(Table {
        title: "networks after the last epoch".into(),
        header,
        rows: series.iter().map(row).collect(),
    })
}

/// What the solvers did over all epochs, and which rows failed.
fn solves(series: &[Series<'_>]) -> Option<Table> {
    let counts = [
        "forward_rows",
        "forward_steps",
        "adjoint_rows",
        "adjoint_steps",
        "unconverged_rows",
        "non_finite_rows",
    ];
    let row = |series: &Series<'_>| {
        let totals: Vec<u64> = counts.iter().map(|count| series.total(count)).collect();
        let cells = totals.iter().map(ToString::to_string);
        let row: Vec<String> = std::iter::once(series.name.clone()).chain(cells).collect();
        totals.iter().any(|total| *total > 0).then_some(row)
    };
    let rows: Vec<Vec<String>> = series.iter().filter_map(row).collect();
    let header = std::iter::once("network".into()).chain(counts.into_iter().map(words)).collect();
    (!rows.is_empty()).then_some(Table { title: "solves in all epochs".into(), header, rows })
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn a_report_becomes_facts_tables_and_charts() {
        let work = json!({ "forward_rows": 4, "forward_steps": 9, "unconverged_rows": 1 });
        let epoch = |number: u64, loss: f64| json!({ "epoch": number, "train_loss": loss, "sums": { "work": work }, "adjoint_steps": null });
        let report = json!({
            "experiment": "toy", "layer": "fpi-nn", "seed": 3, "settings": { "epochs": 2 },
            "epochs": [epoch(1, 0.5), epoch(2, 0.25)], "test": { "f1": 47.85, "work": { "forward_rows": 3, "forward_steps": 15 } },
            "peak_memory_bytes": 149_819_392, "rows": [{ "a": 1 }, { "b": 2.5 }],
        });
        let run = Run::new(report.as_object().unwrap(), None);
        assert_eq!(run.title, "toy, fpi-nn");
        assert_eq!(run.settings[0].value, "2");
        assert_eq!(run.charts.len(), 1);
        let table = |title: &str| run.tables.iter().find(|table| table.title == title).unwrap();
        assert_eq!(table("test").rows, [["F1", "47.85"]]);
        assert_eq!(table("test: work").header, ["forward rows", "forward steps"]);
        assert_eq!(table("test: work").rows, [["3", "15"]]);
        let memory = run.facts.iter().find(|fact| fact.name == "peak memory").unwrap();
        assert_eq!(memory.value, "149.8 MB");
        assert_eq!(table("rows").rows, [["1", "–"], ["–", "2.500"]]);
        assert_eq!(table("solves in all epochs").rows[0], ["fpi-nn", "8", "18", "0", "0", "2", "0"]);
    }

    #[test]
    fn arguments_are_quoted_where_a_shell_needs_it() {
        assert_eq!(quoted("--data=a/b"), "--data=a/b");
        assert_eq!(quoted("it's here"), r"'it'\''s here'");
        assert_eq!(quoted(""), "''");
    }
}
