//! Reading of multi-label files in the format of LIBSVM: `label,label index:value index:value …`.

use super::lines::{self, Fault, shortened};
use super::table::{Attribute, Row, Table};
use crate::error::Error;
use std::collections::BTreeSet;
use std::io::BufRead;
use std::path::Path;

/// What stands before the number of a label in the name of its column.
pub(crate) const LABEL: &str = "label ";

/// A line: its labels, and its features by their indices.
#[derive(Clone, Debug, PartialEq)]
struct Line {
    line: usize,
    labels: Vec<u32>,
    features: Vec<(u32, f32)>,
}

/// The names of the columns of a file: indices of features, then numbers of labels.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Names {
    /// The index of every feature.
    pub(crate) features: Vec<String>,
    /// The number of every label.
    pub(crate) labels: Vec<String>,
}

/// Reads files of one data set: tables with equal attributes, the features first, and the number of labels.
///
/// Features are numbered from 1, or from 0 where a file has the index 0; labels are all numbers that occur.
pub(crate) fn read(paths: &[&Path]) -> Result<(Vec<Table>, usize), Error> {
    let files: Vec<Vec<Line>> = paths.iter().map(|path| lines_of(path)).collect::<Result<_, _>>()?;
    let all = || files.iter().flatten();
    let indices = || all().flat_map(|line| &line.features).map(|&(index, _)| index);
    let first = u32::from(!indices().any(|index| index == 0));
    let last = indices().max().unwrap_or(first);
    let labels: BTreeSet<u32> = all().flat_map(|line| line.labels.iter().copied()).collect();
    let names = Names {
        features: (first..=last).map(|index| index.to_string()).collect(),
        labels: labels.iter().map(u32::to_string).collect(),
    };
    let tables = files.into_iter().zip(paths).map(|(lines, path)| table(lines, &names, path));
    Ok((tables.collect::<Result<_, _>>()?, names.labels.len()))
}

/// Reads a file whose columns are known; other features and labels are refused.
pub(crate) fn read_as(path: &Path, names: &Names) -> Result<Table, Error> {
    table(lines_of(path)?, names, path)
}

fn table(lines: Vec<Line>, names: &Names, path: &Path) -> Result<Table, Error> {
    let labels = names.labels.iter().map(|label| Attribute::binary(format!("{LABEL}{label}")));
    let attributes = names.features.iter().map(Attribute::numeric).chain(labels).collect();
    let number = |name: Option<&String>| name.and_then(|name| name.parse::<u32>().ok());
    let first = number(names.features.first()).unwrap_or(0);
    let sorted: Vec<u32> = names.labels.iter().filter_map(|name| number(Some(name))).collect();
    let count = names.features.len();
    let row = |Line { line, labels, features }| {
        let unknown = |what: &str, found: u32, expected: String| {
            let reason =
                format!("found the {what} {found}, expected {expected}; leave it out, or train with it");
            Error::Line { path: path.to_path_buf(), line, reason }
        };
        let mut values = Vec::with_capacity(features.len() + labels.len());
        for (index, value) in features {
            match index.checked_sub(first).filter(|&column| (column as usize) < count) {
                Some(column) if value != 0.0 => values.push((column, value)),
                Some(_) => {}
                None => {
                    let last = first as usize + count.saturating_sub(1);
                    return Err(unknown("feature", index, format!("one from {first} to {last}")));
                }
            }
        }
        for label in labels {
            let position = sorted.binary_search(&label);
            let position =
                position.map_err(|_| unknown("label", label, "one of the training data".into()))?;
            values.push(((count + position) as u32, 1.0));
        }
        Ok(Row { line, values })
    };
    Ok(Table { attributes, rows: lines.into_iter().map(row).collect::<Result<_, _>>()? })
}

fn lines_of(path: &Path) -> Result<Vec<Line>, Error> {
    parse(lines::open(path)?).map_err(|fault| fault.of(path))
}

fn parse(reader: impl BufRead) -> Result<Vec<Line>, Fault> {
    let mut all = Vec::new();
    let last = lines::each(reader, |line, text| {
        let text = text.split('#').next().unwrap_or_default().trim();
        let count = line == 1 && is_count(text);
        if !(text.is_empty() || count) {
            all.push(parse_line(line, text)?);
        }
        Ok(())
    })?;
    if all.is_empty() {
        let reason =
            "found the end of the file, expected lines `label,label index:value …`; get the whole file";
        return Err(Fault::Line { line: last, reason: reason.into() });
    }
    Ok(all)
}

/// Whether a first line states the numbers of rows, features and labels, as some collections have it.
fn is_count(text: &str) -> bool {
    let words: Vec<&str> = text.split_whitespace().collect();
    words.len() == 3 && words.iter().all(|word| word.parse::<u64>().is_ok())
}

fn parse_line(line: usize, text: &str) -> Result<Line, String> {
    let (head, rest) = text.split_once(char::is_whitespace).unwrap_or((text, ""));
    let (labels, features) = if head.contains(':') { ("", text) } else { (head, rest) };
    let label = |word: &str| {
        let number = word.parse::<u32>().ok().or_else(|| word.strip_suffix(".0")?.parse().ok());
        number.ok_or_else(|| format!("found the label `{}`, expected a whole number", shortened(word)))
    };
    let mut labels: Vec<u32> = match labels {
        "" => Vec::new(),
        words => words.split(',').map(label).collect::<Result<_, _>>()?,
    };
    labels.sort_unstable();
    if let Some(twice) = labels.windows(2).find(|pair| pair[0] == pair[1]) {
        return Err(format!("found the label {} twice, expected each label once", twice[0]));
    }
    let mut features: Vec<(u32, f32)> = features.split_whitespace().map(pair).collect::<Result<_, _>>()?;
    features.sort_unstable_by_key(|&(index, _)| index);
    if let Some(twice) = features.windows(2).find(|pair| pair[0].0 == pair[1].0) {
        return Err(format!("found the index {} twice, expected each index once", twice[0].0));
    }
    Ok(Line { line, labels, features })
}

fn pair(word: &str) -> Result<(u32, f32), String> {
    let (index, value) =
        word.split_once(':').ok_or_else(|| format!("found `{}`, expected `index:value`", shortened(word)))?;
    let index = index
        .parse()
        .map_err(|_| format!("found the index `{}`, expected a whole number", shortened(index)))?;
    match value.parse::<f32>() {
        Ok(value) if value.is_finite() => Ok((index, value)),
        Ok(_) | Err(_) => Err(format!(
            "found the value `{}` at index {index}, expected a finite number; get the whole file",
            shortened(value)
        )),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_hold_labels_and_features_in_any_order() {
        let lines = parse("2 3 9\n7,2 3:0.5 1:-1\r\n4:1 # none\n\n1\n".as_bytes()).unwrap();
        assert_eq!(lines[0], Line { line: 2, labels: vec![2, 7], features: vec![(1, -1.0), (3, 0.5)] });
        assert_eq!(lines[1], Line { line: 3, labels: vec![], features: vec![(4, 1.0)] });
        assert_eq!(lines[2], Line { line: 5, labels: vec![1], features: vec![] });
        let names = Names {
            features: vec!["1".into(), "2".into(), "3".into(), "4".into()],
            labels: vec!["1".into(), "2".into(), "7".into()],
        };
        let table = table(lines, &names, Path::new("f")).unwrap();
        assert_eq!(table.rows[0].values, [(0, -1.0), (2, 0.5), (5, 1.0), (6, 1.0)]);
        assert_eq!((table.attributes[3].name.as_str(), table.attributes[4].name.as_str()), ("4", "label 1"));
    }

    #[test]
    fn a_broken_line_is_named_by_its_number_and_its_fault() {
        for (line, part) in [
            ("a 1:2", "the label `a`"),
            ("1,1 1:2", "the label 1 twice"),
            ("1 1:2 1:3", "the index 1 twice"),
            ("1 2", "expected `index:value`"),
            ("1 x:2", "the index `x`"),
            ("1 2:", "the value `` at index 2"),
            ("1 2:?", "the value `?` at index 2"),
            ("1 2:nan", "expected a finite number"),
        ] {
            match parse(format!("1 1:1\n{line}\n").as_bytes()) {
                Err(Fault::Line { line: 2, reason }) => assert!(reason.contains(part), "{line}: {reason}"),
                other => panic!("{line}: expected a fault, found {other:?}"),
            }
        }
        assert!(matches!(parse("\n".as_bytes()), Err(Fault::Line { line: 1, .. })));
    }
}
