//! Reading of ARFF files, sparse and dense, line by line.

use super::fields::{Quoting, first_word, split, unquoted};
use super::lines::{self, Fault, shortened};
use super::table::{Attribute, Kind, Row, Table};
use crate::error::Error;
use std::collections::HashSet;
use std::io::BufRead;
use std::path::Path;

/// Reads the ARFF file at `path`.
pub(crate) fn read(path: &Path) -> Result<Table, Error> {
    parse(lines::open(path)?).map_err(|fault| fault.of(path))
}

fn parse(reader: impl BufRead) -> Result<Table, Fault> {
    let mut table = Table { attributes: Vec::new(), rows: Vec::new() };
    let (mut names, mut in_data) = (HashSet::new(), false);
    let line = lines::each(reader, |line, text| {
        if text.starts_with('%') {
            return Ok(());
        }
        if in_data {
            table.rows.push(Row { line, values: parse_row(text, &table.attributes)? });
            return Ok(());
        }
        match parse_header(text)? {
            Header::Relation => {}
            Header::Attribute(attribute) => {
                if !names.insert(attribute.name.clone()) {
                    return Err(format!(
                        "found the attribute `{}` twice, expected each name once; rename one",
                        shortened(&attribute.name)
                    ));
                }
                table.attributes.push(attribute);
            }
            Header::Data if table.attributes.is_empty() => {
                return Err("found `@data`, expected an `@attribute` before it".into());
            }
            Header::Data => in_data = true,
        }
        Ok(())
    })?;
    let missing = match (in_data, table.rows.is_empty()) {
        (false, _) => "found the end of the file, expected a line `@data`; get the whole file",
        (true, true) => {
            "found the end of the file, expected at least one row after `@data`; get the whole file"
        }
        (true, false) => return Ok(table),
    };
    Err(Fault::Line { line, reason: missing.into() })
}

enum Header {
    Relation,
    Attribute(Attribute),
    Data,
}

/// Reads one header line.
fn parse_header(text: &str) -> Result<Header, String> {
    let (keyword, rest) = text.split_once(char::is_whitespace).unwrap_or((text, ""));
    match keyword.to_ascii_lowercase().as_str() {
        "@relation" => Ok(Header::Relation),
        "@attribute" => Ok(Header::Attribute(parse_attribute(rest.trim())?)),
        "@data" => Ok(Header::Data),
        _ => Err(format!("found `{}`, expected `@relation`, `@attribute` or `@data`", shortened(text))),
    }
}

/// The attribute in `name {0,1}` or `name numeric`, where the name may stand in quotes.
fn parse_attribute(text: &str) -> Result<Attribute, String> {
    let (name, kind) = first_word(text)
        .filter(|(_, kind)| !kind.is_empty())
        .ok_or_else(|| format!("found `{}`, expected an attribute's name and its type", shortened(text)))?;
    let kind = match kind.strip_prefix('{') {
        Some(rest) => {
            let inside = rest.strip_suffix('}').ok_or_else(|| {
                format!("found the nominal values of `{name}` without their closing `}}`; get the whole file")
            })?;
            let values = split(inside, ',', Quoting::Backslash)?;
            Kind::Nominal(values.into_iter().map(|value| unquoted(value, Quoting::Backslash)).collect())
        }
        None => match kind.to_ascii_lowercase().as_str() {
            "numeric" | "real" | "integer" => Kind::Numeric,
            _ => {
                return Err(format!(
                    "found the type `{}` of `{name}`, expected numeric or a list such as {{0,1}}; leave the attribute out",
                    shortened(kind)
                ));
            }
        },
    };
    Ok(Attribute { name, kind })
}

/// The values of a row, `{index value,...}` or one value for every attribute.
fn parse_row(text: &str, attributes: &[Attribute]) -> Result<Vec<(u32, f32)>, String> {
    let Some(rest) = text.strip_prefix('{') else { return parse_dense(text, attributes) };
    let inside = rest.strip_suffix('}').ok_or_else(|| {
        "found a row without its closing `}`, expected `{index value,...}`; get the whole file".to_string()
    })?;
    if inside.trim().is_empty() {
        return Ok(Vec::new());
    }
    let mut values = Vec::new();
    for pair in split(inside, ',', Quoting::Backslash)? {
        values.push(parse_pair(pair, attributes)?);
    }
    values.sort_unstable_by_key(|&(index, _)| index);
    if let Some(twice) = values.windows(2).find(|pair| pair[0].0 == pair[1].0) {
        return Err(format!("found the index {} twice, expected each index once", twice[0].0));
    }
    values.retain(|&(_, value)| value != 0.0);
    Ok(values)
}

fn parse_dense(text: &str, attributes: &[Attribute]) -> Result<Vec<(u32, f32)>, String> {
    let fields = split(text, ',', Quoting::Backslash)?;
    if fields.len() != attributes.len() {
        return Err(format!(
            "found a row of {} values, expected {} for the attributes, or a sparse row `{{index value,...}}`; get the whole file",
            fields.len(),
            attributes.len()
        ));
    }
    let mut values = Vec::new();
    for ((index, attribute), field) in (0..).zip(attributes).zip(fields) {
        let value = attribute.kind.value(&unquoted(field, Quoting::Backslash), &attribute.name)?;
        if value != 0.0 {
            values.push((index, value));
        }
    }
    Ok(values)
}

fn parse_pair(pair: &str, attributes: &[Attribute]) -> Result<(u32, f32), String> {
    let (index, value) = pair
        .split_once(char::is_whitespace)
        .ok_or_else(|| format!("found `{}`, expected `index value`", shortened(pair)))?;
    let number: u32 = index
        .parse()
        .map_err(|_| format!("found the index `{}`, expected a whole number", shortened(index)))?;
    let Some(attribute) = attributes.get(number as usize) else {
        let last = attributes.len().saturating_sub(1);
        return Err(format!("found the index {number}, expected one from 0 to {last}"));
    };
    let value = attribute.kind.value(&unquoted(value.trim(), Quoting::Backslash), &attribute.name)?;
    Ok((number, value))
}

#[cfg(test)]
mod tests {
    use super::*;

    const HEADER: &str = "% a comment\n@RELATION r\n\n@attribute a {0,1}\n@attribute 'b c' { 0, 1 }\n@attribute d {0,1}\n@data\n";
    const MIXED: &str = "@relation r\n@attribute size numeric\n@attribute colour {red,'dark, green',blue}\n@attribute 'it\\'s' {0,1}\n@data\n";

    fn fault(text: &str) -> (usize, String) {
        match parse(text.as_bytes()) {
            Err(Fault::Line { line, reason }) => (line, reason),
            other => panic!("expected a fault, found {other:?}"),
        }
    }

    fn values(table: &Table) -> Vec<Vec<(u32, f32)>> {
        table.rows.iter().map(|row| row.values.clone()).collect()
    }

    #[test]
    fn sparse_rows_hold_what_is_not_zero() {
        let table = parse(format!("{HEADER}{{2 1,0 1}}\n{{}}\r\n% between\n{{1 0}}\n").as_bytes()).unwrap();
        let names: Vec<&str> = table.attributes.iter().map(|attribute| attribute.name.as_str()).collect();
        assert_eq!(names, ["a", "b c", "d"]);
        assert_eq!(values(&table), [vec![(0, 1.0), (2, 1.0)], vec![], vec![]]);
        assert_eq!(table.rows[2].line, 11);
    }

    #[test]
    fn dense_and_sparse_rows_of_mixed_attributes_agree() {
        let text = format!("{MIXED}-1.5e1,'dark, green',1\r\n{{0 -15,1 'dark, green',2 1}}\n0, blue ,0\n");
        let table = parse(text.as_bytes()).unwrap();
        assert_eq!(table.attributes[2].name, "it's");
        assert_eq!(
            values(&table),
            [vec![(0, -15.0), (1, 1.0), (2, 1.0)], vec![(0, -15.0), (1, 1.0), (2, 1.0)], vec![(1, 2.0)],]
        );
    }

    #[test]
    fn a_broken_row_is_named_by_its_line_and_its_fault() {
        for (row, part) in [
            ("{3 1}", "the index 3, expected one from 0 to 2"),
            ("{0 1,0 1}", "the index 0 twice"),
            ("{0 1,0 0}", "the index 0 twice"),
            ("0,1", "a row of 2 values, expected 3"),
            ("{0 2}", "the value `2` of `a`, expected one of {0,1}"),
            ("{0 ?}", "a missing value of `a`"),
            ("0,?,1", "a missing value of `b c`"),
            ("{x 1}", "the index `x`"),
            ("{-1 1}", "the index `-1`"),
            ("{0 1", "closing"),
            ("{0}", "expected `index value`"),
            ("{0 1,}", "expected `index value`"),
            ("{0 '1}", "a quote without its end"),
        ] {
            let (line, reason) = fault(&format!("{HEADER}{{0 1}}\n{row}\n"));
            assert_eq!(line, 9, "{row}");
            assert!(reason.contains(part), "{row}: {reason}");
        }
        assert!(fault(&format!("{MIXED}1,pink,0\n")).1.contains("the value `pink` of `colour`"));
        assert!(fault(&format!("{MIXED}inf,red,0\n")).1.contains("expected a finite number"));
        assert!(fault(&format!("{MIXED}1,red\n")).1.contains("get the whole file"));
    }

    #[test]
    fn a_broken_header_is_named_too() {
        assert!(fault("@attribute a {0,1}\n").1.contains("@data"));
        assert!(fault("@data\n").1.contains("@attribute"));
        assert!(fault(HEADER).1.contains("at least one row"));
        assert!(fault("@attribute a string\n").1.contains("the type `string` of `a`"));
        assert!(fault("@attribute a\n").1.contains("its type"));
        assert!(fault("@attribute a {0,1\n").1.contains("closing"));
        assert_eq!(fault("@relation r\nnonsense\n").0, 2);
        assert_eq!(fault("").0, 1);
        let twice = fault("@attribute a {0,1}\n@attribute 'a' numeric\n@data\n0,1\n");
        assert_eq!(twice.0, 2);
        assert!(twice.1.contains("the attribute `a` twice"), "{}", twice.1);
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
            Err(Fault::Line { line: 1, reason }) => assert!(reason.contains("the unpacked file"), "{reason}"),
            other => panic!("expected a fault, found {other:?}"),
        }
    }
}
