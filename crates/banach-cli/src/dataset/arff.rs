//! Reading of sparse ARFF files of zeros and ones, line by line.

use crate::error::Error;
use std::fs::File;
use std::io::{BufRead, BufReader};
use std::path::Path;

/// A table of zeros and ones: the columns' names, and for each row the columns that hold a one.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct SparseTable {
    /// Names of the attributes, in the order of the header.
    pub(crate) attributes: Vec<String>,
    /// Ascending 0-based indices of the ones of each row.
    pub(crate) rows: Vec<Vec<u32>>,
}

/// Reads the sparse ARFF file at `path`.
pub(crate) fn read(path: &Path) -> Result<SparseTable, Error> {
    let unreadable = |error: std::io::Error| Error::Read {
        path: path.to_path_buf(),
        reason: error.to_string(),
        advice: "name the folder that holds it with --data".into(),
    };
    let file = File::open(path).map_err(unreadable)?;
    parse(BufReader::new(file)).map_err(|fault| match fault {
        Fault::Input(error) => unreadable(error),
        Fault::Line { line, reason } => Error::Line { path: path.to_path_buf(), line, reason },
    })
}

/// The byte-order mark that some editors put before a text.
const MARK: char = '\u{feff}';
const NOT_TEXT: &str = "found bytes that are not UTF-8 text, expected the unpacked .arff file";

#[derive(Debug)]
enum Fault {
    Input(std::io::Error),
    Line { line: usize, reason: String },
}

fn parse(mut reader: impl BufRead) -> Result<SparseTable, Fault> {
    let mut table = SparseTable { attributes: Vec::new(), rows: Vec::new() };
    let (mut in_data, mut line, mut bytes) = (false, 0, Vec::new());
    loop {
        bytes.clear();
        if reader.read_until(b'\n', &mut bytes).map_err(Fault::Input)? == 0 {
            break;
        }
        line += 1;
        let at_line = |reason| Fault::Line { line, reason };
        let text = std::str::from_utf8(&bytes).map_err(|_| at_line(NOT_TEXT.into()))?;
        let text = if line == 1 { text.trim_start_matches(MARK) } else { text }.trim();
        if text.is_empty() || text.starts_with('%') {
            continue;
        }
        if in_data {
            table.rows.push(parse_row(text, table.attributes.len()).map_err(at_line)?);
        } else {
            in_data = parse_header(text, &mut table.attributes).map_err(at_line)?;
        }
    }
    let missing = match (in_data, table.rows.is_empty()) {
        (false, _) => "found the end of the file, expected a line `@data`",
        (true, true) => "found the end of the file, expected at least one row after `@data`",
        (true, false) => return Ok(table),
    };
    Err(Fault::Line { line: line.max(1), reason: missing.into() })
}

/// Reads one header line; true once it is `@data`.
fn parse_header(text: &str, attributes: &mut Vec<String>) -> Result<bool, String> {
    let (keyword, rest) = text.split_once(char::is_whitespace).unwrap_or((text, ""));
    match keyword.to_ascii_lowercase().as_str() {
        "@relation" => Ok(false),
        "@attribute" => {
            attributes.push(parse_attribute(rest.trim())?);
            Ok(false)
        }
        "@data" if attributes.is_empty() => Err("found `@data`, expected an `@attribute` before it".into()),
        "@data" => Ok(true),
        _ => Err(format!("found `{}`, expected `@relation`, `@attribute` or `@data`", shortened(text))),
    }
}

/// The name in `name {0,1}`, where the name may stand in quotes.
fn parse_attribute(text: &str) -> Result<String, String> {
    let (name, kind) = match text.chars().next() {
        Some(quote @ ('\'' | '"')) => text[1..].split_once(quote),
        _ => text.split_once(char::is_whitespace),
    }
    .ok_or_else(|| format!("found `{}`, expected an attribute's name and its type", shortened(text)))?;
    let kind: String = kind.split_whitespace().collect();
    if kind == "{0,1}" {
        Ok(name.to_string())
    } else {
        Err(format!("found the type `{}`, expected {{0,1}}", shortened(&kind)))
    }
}

/// The ascending indices of the ones in `{index value,index value,...}`.
fn parse_row(text: &str, columns: usize) -> Result<Vec<u32>, String> {
    let inside = text
        .strip_prefix('{')
        .ok_or_else(|| {
            format!("found `{}`, expected a sparse row `{{index 1,index 1,...}}`", shortened(text))
        })?
        .strip_suffix('}')
        .ok_or_else(|| "found a row without its closing `}`".to_string())?;
    let mut seen = Vec::new();
    if inside.trim().is_empty() {
        return Ok(seen);
    }
    let mut ones = Vec::new();
    for pair in inside.split(',') {
        let (index, value) = parse_pair(pair, columns)?;
        seen.push(index);
        if value {
            ones.push(index);
        }
    }
    seen.sort_unstable();
    if let Some(twice) = seen.windows(2).find(|pair| pair[0] == pair[1]) {
        return Err(format!("found the index {} twice, expected each index once", twice[0]));
    }
    ones.sort_unstable();
    Ok(ones)
}

fn parse_pair(pair: &str, columns: usize) -> Result<(u32, bool), String> {
    let words: Vec<&str> = pair.split_whitespace().collect();
    let [index, value] = words[..] else {
        return Err(format!("found `{}`, expected `index value`", shortened(pair.trim())));
    };
    let number: u32 = index
        .parse()
        .map_err(|_| format!("found the index `{}`, expected a whole number", shortened(index)))?;
    if number as usize >= columns {
        return Err(format!(
            "found the index {number}, expected one from 0 to {}",
            columns.saturating_sub(1)
        ));
    }
    match value {
        "0" => Ok((number, false)),
        "1" => Ok((number, true)),
        _ => Err(format!("found the value `{}` at index {number}, expected 0 or 1", shortened(value))),
    }
}

/// At most 40 characters of a text, for messages.
fn shortened(text: &str) -> String {
    if text.chars().count() <= 40 {
        text.into()
    } else {
        text.chars().take(40).chain("...".chars()).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const HEADER: &str = "% a comment\n@RELATION r\n\n@attribute a {0,1}\n@attribute 'b c' { 0, 1 }\n@attribute d {0,1}\n@data\n";

    fn fault(text: &str) -> (usize, String) {
        match parse(text.as_bytes()) {
            Err(Fault::Line { line, reason }) => (line, reason),
            other => panic!("expected a fault, found {other:?}"),
        }
    }

    #[test]
    fn rows_hold_the_indices_of_their_ones() {
        let table = parse(format!("{HEADER}{{2 1,0 1}}\n{{}}\r\n% between\n{{1 0}}\n").as_bytes()).unwrap();
        assert_eq!(table.attributes, ["a", "b c", "d"]);
        assert_eq!(table.rows, [vec![0, 2], vec![], vec![]]);
    }

    #[test]
    fn a_broken_row_is_named_by_its_line_and_its_fault() {
        for (row, part) in [
            ("{3 1}", "the index 3, expected one from 0 to 2"),
            ("{0 1,0 1}", "the index 0 twice"),
            ("{0 1,0 0}", "the index 0 twice"),
            ("0,1,0", "expected a sparse row"),
            ("{0 2}", "the value `2` at index 0"),
            ("{x 1}", "the index `x`"),
            ("{-1 1}", "the index `-1`"),
            ("{0 1", "closing"),
            ("{0}", "expected `index value`"),
            ("{0 1,}", "expected `index value`"),
        ] {
            let (line, reason) = fault(&format!("{HEADER}{{0 1}}\n{row}\n"));
            assert_eq!(line, 9, "{row}");
            assert!(reason.contains(part), "{row}: {reason}");
        }
    }

    #[test]
    fn a_broken_header_is_named_too() {
        assert!(fault("@attribute a {0,1}\n").1.contains("@data"));
        assert!(fault("@data\n").1.contains("@attribute"));
        assert!(fault(HEADER).1.contains("at least one row"));
        assert!(fault("@attribute a numeric\n").1.contains("the type `numeric`"));
        assert!(fault("@attribute a\n").1.contains("its type"));
        assert_eq!(fault("@relation r\nnonsense\n").0, 2);
        assert_eq!(fault("").0, 1);
    }

    #[test]
    fn a_byte_order_mark_is_skipped() {
        let text = format!("{HEADER}{{2 1}}\n");
        assert_eq!(parse(format!("\u{feff}{text}").as_bytes()).unwrap(), parse(text.as_bytes()).unwrap());
        assert_eq!(fault(&format!("{HEADER}\u{feff}{{2 1}}\n")).0, 8);
    }

    #[test]
    fn bytes_that_are_not_text_are_an_error() {
        let mut bytes = HEADER.as_bytes().to_vec();
        bytes.extend([b'{', 0xff, b'}', b'\n']);
        assert!(matches!(parse(&bytes[..]), Err(Fault::Line { line: 8, .. })));
        match parse(&[0x1f, 0x8b, 8, 0, b'\n'][..]) {
            Err(Fault::Line { line: 1, reason }) => assert!(reason.contains("unpacked .arff"), "{reason}"),
            other => panic!("expected a fault, found {other:?}"),
        }
    }
}
