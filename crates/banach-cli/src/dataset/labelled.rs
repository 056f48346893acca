//! The examples of one file, read as a trained network reads them.

use super::encoding::Encoding;
use super::example::Example;
use super::format::Format;
use super::splitting::examples;
use super::{arff, csv, libsvm};
use crate::error::Error;
use std::path::Path;

/// The examples of one file, read by an encoding.
#[derive(Debug)]
pub(crate) struct Labelled {
    /// The examples, without labels where the file has none.
    pub(crate) examples: Vec<Example>,
    /// The line of each.
    pub(crate) lines: Vec<usize>,
    /// Whether the file holds the labels.
    pub(crate) has_labels: bool,
}

/// Reads all examples of the file at `path` by an encoding, whose labels may be missing.
pub(crate) fn labelled(path: &Path, encoding: &Encoding) -> Result<Labelled, Error> {
    let table = match Format::named(path)? {
        Format::Arff => arff::read(path)?,
        Format::Csv => csv::read(path)?,
        Format::Libsvm => {
            let label = |name: &String| name.strip_prefix(libsvm::LABEL).map(String::from);
            let features: Vec<String> = encoding.names().map(String::from).collect();
            let labels: Option<Vec<String>> = encoding.labels.iter().map(label).collect();
            let numbered = features.iter().all(|name| name.parse::<u32>().is_ok());
            let labels = labels.filter(|_| numbered).ok_or_else(|| Error::Data {
                path: path.to_path_buf(),
                reason: "found a LIBSVM file, expected attributes with the names of the training data; give ARFF or CSV".into(),
            })?;
            libsvm::read_as(path, &libsvm::Names { features, labels })?
        }
    };
    let places = encoding.places(&table, path, false)?;
    let rows: Vec<usize> = (0..table.rows.len()).collect();
    let examples = examples(&places, &table, &rows, path)?;
    let lines = table.rows.iter().map(|row| row.line).collect();
    let has_labels = places.has_labels() && examples.iter().any(|example| !example.labels.is_empty());
    Ok(Labelled { examples, lines, has_labels })
}
