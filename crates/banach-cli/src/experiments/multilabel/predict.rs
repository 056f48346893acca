//! The command `predict`: labels of examples by a trained network.

use super::evaluation::F1Scores;
use super::model::{self, Description};
use super::network::Network;
use crate::dataset::batches::Batches;
use crate::dataset::encoding::Encoding;
use crate::dataset::example::Example;
use crate::dataset::labelled::{Labelled, labelled};
use crate::error::Error;
use crate::options::Verbosity;
use crate::report::plural::counted;
use crate::report::{file, json, table};
use crate::terminal::interruption::Interruption;
use crate::terminal::output::{say, tell};
use banach::solve::Outcome;
use burn::tensor::{Device, activation};
use clap::Args;
use serde::Serialize;
use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::Arc;

/// The outcome of a row whose network solves nothing.
const COMPUTED: &str = "computed";

/// The arguments of `banach predict`.
#[derive(Args, Debug)]
pub(crate) struct PredictArguments {
    /// The results folder of a `banach train multilabel` or `banach train bibtex`.
    #[arg(long, value_name = "DIR")]
    checkpoint: PathBuf,
    /// The examples: a file with the attributes of the training data; labels may be missing.
    #[arg(long, value_name = "FILE")]
    data: PathBuf,
    /// The CSV file to write: for every example its labels, the threshold, the outcome of its solve and all scores.
    #[arg(long, value_name = "FILE")]
    out: PathBuf,
    /// Replace a file that exists.
    #[arg(long)]
    overwrite: bool,
    #[command(flatten)]
    verbosity: Verbosity,
}

/// What was predicted.
#[derive(Debug, Serialize)]
struct Prediction {
    output: PathBuf,
    layer: &'static str,
    rows: usize,
    threshold: f64,
    /// Mean number of labels predicted for a row.
    mean_labels: f64,
    /// Rows by the outcome of their solve.
    outcomes: BTreeMap<String, usize>,
    /// Mean F1 in percent, where the file holds the labels.
    f1: Option<f64>,
}

/// Scores of all rows, and how each was solved.
struct Scored {
    scores: Vec<f32>,
    outcomes: Vec<String>,
}

/// Runs `banach predict`.
pub(crate) fn predict(arguments: &PredictArguments) -> Result<(), Error> {
    let PredictArguments { checkpoint, data, out, overwrite, verbosity } = arguments;
    if out.exists() && !overwrite {
        return Err(Error::Setting {
            found: format!("a file at {}", out.display()),
            expected: "a new file".into(),
            advice: "name another one with --out, or give --overwrite".into(),
        });
    }
    let device = Device::flex();
    let (description, network) = model::read(checkpoint, &device)?;
    let Description { layer, threshold, encoding, settings, .. } = &description;
    let Labelled { examples, lines, has_labels } = labelled(data, encoding)?;
    let interruption = Interruption::listen()?;
    if !verbosity.quiet {
        let rows = counted(examples.len(), "example");
        let layer = layer.as_str();
        tell(format_args!("predicts {} of {rows} with {layer}", counted(encoding.labels.len(), "label")));
    }
    let examples: Arc<[Example]> = examples.into();
    let batches = Batches::in_order(Arc::clone(&examples), encoding.widths(), settings.batch, &device);
    let scored = scored(&network, &batches, &interruption)?;
    let text = written(encoding, &lines, &scored, *threshold);
    file::write_whole(out, text.as_bytes()).map_err(|error| Error::write(out, error))?;
    let mut scores = F1Scores::new(encoding.labels.len());
    scores.extend(&scored.scores);
    let mut outcomes = BTreeMap::new();
    scored.outcomes.iter().for_each(|outcome| *outcomes.entry(outcome.clone()).or_insert(0) += 1);
    let above = scored.scores.iter().filter(|&&score| f64::from(score) > *threshold).count();
    let prediction = Prediction {
        output: out.clone(),
        layer: layer.as_str(),
        rows: examples.len(),
        threshold: *threshold,
        mean_labels: above as f64 / examples.len().max(1) as f64,
        outcomes,
        f1: has_labels.then(|| scores.f1(&examples, *threshold)),
    };
    if verbosity.json {
        return json::say(&prediction);
    }
    say(prediction.table())
}

fn scored(network: &Network, batches: &Batches, interruption: &Interruption) -> Result<Scored, Error> {
    let mut all = Scored { scores: Vec::new(), outcomes: Vec::new() };
    for batch in batches.pass(1) {
        let [rows, labels] = batch.y.dims();
        let (logits, outcomes) = network.predicted(batch.z)?;
        let scores: Vec<f32> = activation::sigmoid(logits).into_data().iter().collect();
        for (row, scores) in scores.chunks_exact(labels).enumerate().take(rows) {
            let finite = scores.iter().all(|score| score.is_finite());
            let outcome = outcomes.as_ref().and_then(|outcomes| outcomes.get(row));
            all.outcomes.push(match outcome {
                Some(outcome) if finite || outcome.is_failure() => outcome.to_string(),
                None if finite => COMPUTED.into(),
                Some(_) | None => Outcome::NonFinite.to_string(),
            });
        }
        all.scores.extend(scores);
        if interruption.is_requested() {
            return Err(Error::Interrupted("nothing was written".into()));
        }
    }
    Ok(all)
}

/// The CSV file: a line of names, and a line for each row.
fn written(encoding: &Encoding, lines: &[usize], scored: &Scored, threshold: f64) -> String {
    let names = ["line", "labels", "threshold", "outcome"].into_iter().map(String::from);
    let scores = encoding.labels.iter().map(|label| format!("score of {label}"));
    let mut text = joined(names.chain(scores));
    let rows = scored.scores.chunks_exact(encoding.labels.len()).zip(&scored.outcomes).zip(lines);
    for ((scores, outcome), line) in rows {
        let chosen = encoding.labels.iter().zip(scores).filter(|(_, score)| f64::from(**score) > threshold);
        let labels: Vec<&str> = chosen.map(|(label, _)| label.as_str()).collect();
        let first = [line.to_string(), labels.join(";"), threshold.to_string(), outcome.clone()];
        text.push_str(&joined(first.into_iter().chain(scores.iter().map(f32::to_string))));
    }
    text
}

/// A line of CSV.
fn joined(fields: impl Iterator<Item = String>) -> String {
    let quoted = |field: String| {
        if field.contains([',', '"', '\n', '\r']) {
            format!("\"{}\"", field.replace('"', "\"\""))
        } else {
            field
        }
    };
    fields.map(quoted).collect::<Vec<_>>().join(",") + "\n"
}

impl Prediction {
    fn table(&self) -> String {
        let row = |name: &str, value: String| vec![name.to_string(), value];
        let mut rows = vec![
            row("rows", self.rows.to_string()),
            row("threshold, chosen on validation", format!("{:.2}", self.threshold)),
            row("labels of a row, mean", format!("{:.2}", self.mean_labels)),
        ];
        rows.extend(
            self.outcomes.iter().map(|(outcome, count)| row(&format!("rows: {outcome}"), count.to_string())),
        );
        rows.extend(self.f1.map(|f1| row("F1 at this threshold", format!("{f1:.2} %"))));
        table::lined_up(&[&format!("{}, {}", self.output.display(), self.layer), ""], &rows)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn fields_with_commas_and_quotes_are_quoted() {
        let fields = ["a,b", "c", "d\"e"].map(String::from);
        assert_eq!(joined(fields.into_iter()), "\"a,b\",c,\"d\"\"e\"\n");
    }
}
