//! Reading of CSV files of numbers with a line of column names.

use super::fields::{Quoting, split, unquoted};
use super::lines::{self, Fault, shortened};
use super::table::{Attribute, Row, Table, repeated};
use crate::error::Error;
use std::io::BufRead;
use std::path::Path;

/// Reads the CSV file at `path`.
pub(crate) fn read(path: &Path) -> Result<Table, Error> {
    parse(lines::open(path)?).map_err(|fault| fault.of(path))
}

fn parse(reader: impl BufRead) -> Result<Table, Fault> {
    let mut table = Table { attributes: Vec::new(), rows: Vec::new() };
    let last = lines::each(reader, |line, text| {
        let fields = split(text, ',', Quoting::Doubled)?;
        let mut fields = fields.into_iter().map(|field| unquoted(field, Quoting::Doubled));
        if table.attributes.is_empty() {
            table.attributes = header(fields.collect())?;
            return Ok(());
        }
        let (found, expected) = (fields.len(), table.attributes.len());
        if found != expected {
            return Err(format!(
                "found {found} fields, expected {expected} as in the line of names; get the whole file"
            ));
        }
        let mut values = Vec::new();
        for (index, attribute) in (0..).zip(&table.attributes) {
            let value = attribute.kind.value(fields.next().unwrap_or_default().trim(), &attribute.name)?;
            if value != 0.0 {
                values.push((index, value));
            }
        }
        table.rows.push(Row { line, values });
        Ok(())
    })?;
    if table.rows.is_empty() {
        let reason =
            "found the end of the file, expected a line of names and rows below it; get the whole file";
        return Err(Fault::Line { line: last, reason: reason.into() });
    }
    Ok(table)
}

fn header(names: Vec<String>) -> Result<Vec<Attribute>, String> {
    if names.len() < 2 {
        let found = shortened(&names.concat());
        return Err(format!("found one column `{found}`, expected names separated by commas"));
    }
    if names.iter().all(|name| name.parse::<f64>().is_ok()) {
        return Err(
            "found only numbers, expected the names of the columns; add a first line with them".into()
        );
    }
    if let Some(twice) = repeated(names.iter().map(String::as_str)) {
        let twice = shortened(twice);
        return Err(format!("found the column `{twice}` twice, expected each name once; rename one"));
    }
    Ok(names.into_iter().map(Attribute::numeric).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn fault(text: &str) -> (usize, String) {
        match parse(text.as_bytes()) {
            Err(Fault::Line { line, reason }) => (line, reason),
            other => panic!("expected a fault, found {other:?}"),
        }
    }

    #[test]
    fn columns_have_names_and_rows_hold_what_is_not_zero() {
        let table = parse("\u{feff}a,\"b, c\",d\r\n1.5,0,\"2\"\r\n\r\n0,0,0\n".as_bytes()).unwrap();
        let names: Vec<&str> = table.attributes.iter().map(|attribute| attribute.name.as_str()).collect();
        assert_eq!(names, ["a", "b, c", "d"]);
        assert_eq!(table.rows[0], Row { line: 2, values: vec![(0, 1.5), (2, 2.0)] });
        assert_eq!(table.rows[1], Row { line: 4, values: vec![] });
    }

    #[test]
    fn a_broken_line_is_named_by_its_number_and_its_fault() {
        for (text, line, part) in [
            ("a,b\n1\n", 2, "found 1 field"),
            ("a,b\n1,red\n", 2, "the value `red` of `b`"),
            ("a,b\n1,\n", 2, "a missing value of `b`"),
            ("a,b\n1,?\n", 2, "a missing value of `b`"),
            ("a,a\n1,2\n", 1, "the column `a` twice"),
            ("1,2\n1,2\n", 1, "found only numbers"),
            ("a;b\n1;2\n", 1, "separated by commas"),
            ("a,b\n", 1, "the end of the file"),
            ("a,\"b\n1,2\n", 1, "a quote without its end"),
        ] {
            let (found, reason) = fault(text);
            assert!(found == line && reason.contains(part), "{text}: line {found}: {reason}");
        }
    }
}
