//! The splits of a data set for training, validation and test.

use super::data_set::{DataSet, validation_split};
use super::encoding::{Encoding, Places};
use super::example::{Example, Widths};
use super::table::Table;
use crate::error::Error;
use crate::random::Generator;
use crate::report::plural::counted;
use clap::ValueEnum;
use std::path::Path;

/// The share of the examples that test where no file does.
const TEST_SHARE: f64 = 0.3;
const TEST_STREAM: u64 = 4;

/// What is done with examples without labels.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum Unlabelled {
    /// Stop, and name the first one.
    Refuse,
    /// Leave them out of every split.
    Skip,
    /// Train on them, and count them: an empty prediction has F1 1.
    Keep,
}

impl Unlabelled {
    /// The name as written on the command line.
    pub(crate) fn as_str(self) -> &'static str {
        match self {
            Self::Refuse => "refuse",
            Self::Skip => "skip",
            Self::Keep => "keep",
        }
    }
}

/// How rows are split.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Splitting {
    /// Draws the splits.
    pub(crate) seed: u64,
    /// The share of a single file that tests.
    pub(crate) share: Option<f64>,
    /// What is done with rows without labels.
    pub(crate) unlabelled: Unlabelled,
}

/// The data set of a table that trains and, if there is a second one, a table that tests.
pub(crate) fn split(
    tables: &[Table],
    labels: &[usize],
    paths: &[&Path],
    how: Splitting,
) -> Result<DataSet, Error> {
    let ([first, others @ ..], [path, other_paths @ ..]) = (tables, paths) else {
        panic!("bug: a data set of {} tables and {} paths", tables.len(), paths.len());
    };
    // Labels do not depend on the scales of the features, so the rows are looked through before the splits are drawn.
    let raw = Encoding::new(first, labels, &[]);
    refuse_empty(raw.widths(), path)?;
    let mut skipped = 0;
    let mut kept = |table: &Table, path: &Path| -> Result<Vec<usize>, Error> {
        let places = raw.places(table, path, true)?;
        let mut kept = Vec::with_capacity(table.rows.len());
        for (at, row) in table.rows.iter().enumerate() {
            let fault = |reason| Error::Line { path: path.to_path_buf(), line: row.line, reason };
            let example = places.example(row).map_err(fault)?;
            match (example.labels.is_empty(), how.unlabelled) {
                (true, Unlabelled::Refuse) => {
                    return Err(fault(
                        "found an example without labels, expected at least one; give --unlabelled skip to leave such examples out, or keep to count them".into(),
                    ));
                }
                (true, Unlabelled::Skip) => skipped += 1,
                (true, Unlabelled::Keep) | (false, _) => kept.push(at),
            }
        }
        Ok(kept)
    };
    let mut rows = kept(first, path)?;
    let tested = match (others.first(), other_paths.first()) {
        (Some(table), Some(path)) => Some((table, *path, kept(table, path)?)),
        _ => None,
    };
    let (test_table, test_path, test_rows) = tested.unwrap_or_else(|| {
        let order = Generator::new(how.seed, TEST_STREAM).permutation(rows.len());
        let count = (rows.len() as f64 * how.share.unwrap_or(TEST_SHARE)).round() as usize;
        let mut test: Vec<usize> = order[..count].iter().map(|&at| rows[at]).collect();
        test.sort_unstable();
        rows.retain(|row| test.binary_search(row).is_err());
        (first, *path, test)
    });
    if rows.len() < 10 {
        let found = counted(rows.len(), "row");
        let reason = format!("found {found}, expected at least 10 to draw a validation split from");
        return Err(Error::Data { path: path.to_path_buf(), reason });
    }
    if test_rows.is_empty() {
        let reason =
            "found no example that tests, expected at least one; give more rows, or another --test-share";
        return Err(Error::Data { path: test_path.to_path_buf(), reason: reason.into() });
    }
    let [train, validation] = validation_split(rows.len(), how.seed)
        .map(|chosen| -> Vec<usize> { chosen.into_iter().map(|at| rows[at]).collect() });
    let encoding = Encoding::new(first, labels, &train);
    let places = encoding.places(first, path, true)?;
    let test_places = encoding.places(test_table, test_path, true)?;
    let splits = [
        examples(&places, first, &train, path)?,
        examples(&places, first, &validation, path)?,
        examples(&test_places, test_table, &test_rows, test_path)?,
    ];
    Ok(DataSet::new(splits, encoding.clone(), skipped))
}

/// Refuses data without features or without labels.
fn refuse_empty(Widths { features, labels }: Widths, path: &Path) -> Result<(), Error> {
    if features > 0 && labels > 0 {
        return Ok(());
    }
    let found = format!("{} and {}", counted(features, "feature"), counted(labels, "label"));
    let reason = format!("found {found}, expected at least one of each; choose the labels with --labels");
    Err(Error::Data { path: path.to_path_buf(), reason })
}

/// The examples in some rows of a table.
pub(crate) fn examples(
    places: &Places<'_>,
    table: &Table,
    rows: &[usize],
    path: &Path,
) -> Result<Vec<Example>, Error> {
    let example = |&at: &usize| {
        let row = &table.rows[at];
        let fault = |reason| Error::Line { path: path.to_path_buf(), line: row.line, reason };
        places.example(row).map_err(fault)
    };
    rows.iter().map(example).collect()
}
