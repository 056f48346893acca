//! The encoding of attributes as features and labels, fixed by the training examples.

use super::example::{Example, Widths};
use super::table::{Attribute, Kind, Row, Table};
use crate::error::Error;
use serde::{Deserialize, Serialize};
use std::collections::HashMap;
use std::path::Path;

/// A column of numbers with a larger share of zeros is scaled and not centred, so that it stays sparse.
const SPARSE: f64 = 0.75;

/// How rows of a table become examples. Written beside a network, which reads other files by it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(crate) struct Encoding {
    columns: Vec<Column>,
    /// The names of the labels.
    pub(crate) labels: Vec<String>,
}

/// An attribute that gives features.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
struct Column {
    name: String,
    /// The nominal values; none for numbers.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    values: Vec<String>,
    /// `(v - mean) / deviation` is the feature of a number v; none leaves numbers as they are.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    scale: Option<Scale>,
}

/// The scale of a column of numbers.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
struct Scale {
    mean: f32,
    /// 0 for a constant column, whose feature is 0.
    deviation: f32,
}

impl Column {
    /// A nominal attribute of more than two values has a feature for each, every other attribute one.
    fn width(&self) -> usize {
        if self.values.len() > 2 { self.values.len() } else { 1 }
    }

    /// Adds the features of a value, the first of which has the number `first`.
    fn encode(&self, value: f32, first: u32, features: &mut Vec<(u32, f32)>) {
        let (feature, value) = match self.scale {
            _ if self.values.len() > 2 => (first + value as u32, 1.0),
            None => (first, value),
            Some(Scale { deviation: 0.0, .. }) => (first, 0.0),
            Some(Scale { mean, deviation }) => (first, (value - mean) / deviation),
        };
        if value != 0.0 {
            features.push((feature, value));
        }
    }
}

/// Where an encoding finds its attributes in a table.
#[derive(Clone, Debug)]
pub(crate) struct Places<'a> {
    encoding: &'a Encoding,
    /// The feature columns in the table, with the number of their first feature.
    columns: Vec<(usize, u32)>,
    /// The labels in the table, and whether a label is set by the position 1 of its values.
    labels: Vec<(usize, bool)>,
}

impl Encoding {
    /// The encoding of a table whose attributes at `labels` are labels; `rows` train.
    pub(crate) fn new(table: &Table, labels: &[usize], rows: &[usize]) -> Self {
        let mut is_label = vec![false; table.attributes.len()];
        labels.iter().for_each(|&label| is_label[label] = true);
        let scales = scales(table, rows);
        let features = table.attributes.iter().zip(scales).zip(&is_label).filter(|(_, label)| !**label);
        let columns = features.map(|((attribute, scale), _)| match &attribute.kind {
            Kind::Numeric => Column { name: attribute.name.clone(), values: vec![], scale },
            Kind::Nominal(values) => {
                Column { name: attribute.name.clone(), values: values.clone(), scale: None }
            }
        });
        let names = labels.iter().map(|&label| table.attributes[label].name.clone());
        Self { columns: columns.collect(), labels: names.collect() }
    }

    /// The numbers of features and labels.
    pub(crate) fn widths(&self) -> Widths {
        Widths { features: self.columns.iter().map(Column::width).sum(), labels: self.labels.len() }
    }

    /// The number of standardised features.
    pub(crate) fn standardised(&self) -> usize {
        self.columns.iter().filter(|column| column.scale.is_some_and(|scale| scale.deviation > 0.0)).count()
    }

    /// The number of constant features.
    pub(crate) fn constants(&self) -> usize {
        self.columns.iter().filter(|column| column.scale.is_some_and(|scale| scale.deviation == 0.0)).count()
    }

    /// The names of the attributes that give features.
    pub(crate) fn names(&self) -> impl Iterator<Item = &str> {
        self.columns.iter().map(|column| column.name.as_str())
    }

    /// Finds the attributes of this encoding in a table of the file at `path`, by their names.
    ///
    /// Labels may be missing together where `labelled` is false.
    pub(crate) fn places(&self, table: &Table, path: &Path, labelled: bool) -> Result<Places<'_>, Error> {
        let refused = |reason: String| Error::Data { path: path.to_path_buf(), reason };
        let known: HashMap<&str, usize> = table
            .attributes
            .iter()
            .enumerate()
            .map(|(at, attribute)| (attribute.name.as_str(), at))
            .collect();
        let find = |name: &str| {
            known.get(name).copied().ok_or_else(|| {
                refused(format!(
                    "found no attribute `{name}`, expected all that the training data have; add it"
                ))
            })
        };
        let mut first = 0;
        let mut columns = Vec::with_capacity(self.columns.len());
        for column in &self.columns {
            let at = find(&column.name)?;
            let values: &[String] = match &table.attributes[at].kind {
                Kind::Numeric => &[],
                Kind::Nominal(values) => values,
            };
            if values != column.values.as_slice() {
                let expected =
                    if column.values.is_empty() { "numbers".into() } else { column.values.join(",") };
                return Err(refused(format!(
                    "found other values of the attribute `{}`, expected {expected} as in the training data; correct its type",
                    column.name
                )));
            }
            columns.push((at, first));
            first += column.width() as u32;
        }
        let absent = !labelled && self.labels.iter().all(|label| !known.contains_key(label.as_str()));
        let names: &[String] = if absent { &[] } else { &self.labels };
        let labels = names.iter().map(|name| {
            let at = find(name)?;
            let by_one = set_by_one(&table.attributes[at]).map_err(refused)?;
            Ok((at, by_one))
        });
        Ok(Places { encoding: self, columns, labels: labels.collect::<Result<_, Error>>()? })
    }
}

impl Places<'_> {
    /// Whether the table holds the labels.
    pub(crate) fn has_labels(&self) -> bool {
        !self.labels.is_empty()
    }

    /// The example in a row; the error says what is wrong with the row.
    pub(crate) fn example(&self, row: &Row) -> Result<Example, String> {
        let mut values = vec![0.0_f32; row.values.last().map_or(0, |&(column, _)| column as usize + 1)];
        row.values.iter().for_each(|&(column, value)| values[column as usize] = value);
        let value = |column: usize| values.get(column).copied().unwrap_or(0.0);
        let mut features = Vec::with_capacity(row.values.len());
        for (&(at, first), column) in self.columns.iter().zip(&self.encoding.columns) {
            column.encode(value(at), first, &mut features);
        }
        let mut labels = Vec::new();
        for ((number, &(at, by_one)), name) in (0..).zip(&self.labels).zip(&self.encoding.labels) {
            match value(at) {
                0.0 if by_one => {}
                1.0 if !by_one => {}
                0.0 | 1.0 => labels.push(number),
                found => {
                    return Err(format!("found the value {found} of the label `{name}`, expected 0 or 1"));
                }
            }
        }
        Ok(Example { features, labels })
    }
}

/// Whether a label is set where its value, or the position of its value, is 1.
fn set_by_one(attribute: &Attribute) -> Result<bool, String> {
    let Kind::Nominal(values) = &attribute.kind else { return Ok(true) };
    let words: Vec<String> = values.iter().map(|value| value.to_ascii_lowercase()).collect();
    match words.iter().map(String::as_str).collect::<Vec<_>>()[..] {
        ["0", "1"] | ["false", "true"] | ["no", "yes"] => Ok(true),
        ["1", "0"] | ["true", "false"] | ["yes", "no"] => Ok(false),
        _ => Err(format!(
            "found the label `{}` with the values {{{}}}, expected {{0,1}}; choose the labels with --labels",
            attribute.name,
            values.join(",")
        )),
    }
}

/// The scales of all columns by the rows that train; none for columns of zeros and ones alone.
fn scales(table: &Table, rows: &[usize]) -> Vec<Option<Scale>> {
    let columns = table.attributes.len();
    let (mut sums, mut squares) = (vec![0.0_f64; columns], vec![0.0_f64; columns]);
    let (mut counts, mut others) = (vec![0_usize; columns], vec![0_usize; columns]);
    for &row in rows {
        for &(column, value) in &table.rows[row].values {
            let column = column as usize;
            sums[column] += f64::from(value);
            counts[column] += 1;
            others[column] += usize::from(value != 1.0);
        }
    }
    let all = rows.len().max(1) as f64;
    let means: Vec<f64> = sums.iter().map(|sum| sum / all).collect();
    // About the mean, in a second pass: the mean of squares less the square of the mean loses all digits.
    for &row in rows {
        for &(column, value) in &table.rows[row].values {
            squares[column as usize] += (f64::from(value) - means[column as usize]).powi(2);
        }
    }
    (0..columns)
        .map(|column| {
            let zeros = all - counts[column] as f64;
            let constant = counts[column] == 0;
            if others[column] == 0 && !constant {
                return None;
            }
            let variance = (squares[column] + zeros * means[column].powi(2)) / all;
            let deviation =
                if constant || variance.sqrt() <= 1e-7 * means[column].abs() { 0.0 } else { variance.sqrt() };
            let mean = if zeros > SPARSE * all { 0.0 } else { means[column] };
            Some(Scale { mean: mean as f32, deviation: deviation as f32 })
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn table(rows: &[&[(u32, f32)]]) -> Table {
        let colours = ["red", "green", "blue"].map(String::from).to_vec();
        let attributes = vec![
            Attribute::numeric("size"),
            Attribute { name: "colour".into(), kind: Kind::Nominal(colours) },
            Attribute::binary("flag"),
            Attribute { name: "label".into(), kind: Kind::Nominal(vec!["true".into(), "false".into()]) },
            Attribute::numeric("rare"),
            Attribute::numeric("fixed"),
        ];
        let row = |values: &&[(u32, f32)]| Row { line: 1, values: values.to_vec() };
        Table { attributes, rows: rows.iter().map(row).collect() }
    }

    #[test]
    fn numbers_are_standardised_and_nominal_values_have_a_feature_each() {
        let rows: Vec<&[(u32, f32)]> = vec![
            &[(0, 1.0), (2, 1.0), (5, 4.0)],
            &[(0, 3.0), (1, 2.0), (3, 1.0), (5, 4.0)],
            &[(0, 5.0), (5, 4.0)],
            &[(0, 7.0), (4, 6.0), (5, 4.0)],
            &[(0, 9.0), (5, 4.0)],
        ];
        let table = table(&rows);
        let encoding = Encoding::new(&table, &[3], &[0, 1, 2, 3, 4]);
        assert_eq!(encoding.widths(), Widths { features: 7, labels: 1 });
        assert_eq!((encoding.standardised(), encoding.constants()), (2, 1));
        let places = encoding.places(&table, Path::new("f"), true).unwrap();
        let first = places.example(&table.rows[0]).unwrap();
        let deviation = 8.0_f32.sqrt();
        assert_eq!(first.features, [(0, -4.0 / deviation), (1, 1.0), (4, 1.0)]);
        assert_eq!(first.labels, [0], "the first of true and false is position 0");
        let second = places.example(&table.rows[1]).unwrap();
        assert_eq!((&second.features[1], second.labels.len()), (&(3, 1.0), 0));
        let fourth = places.example(&table.rows[3]).unwrap();
        let rare = 6.0 / (36.0_f32 / 5.0 - (6.0_f32 / 5.0).powi(2)).sqrt();
        assert!(fourth.features.iter().any(|&(at, value)| at == 5 && (value - rare).abs() < 1e-6));
    }

    #[test]
    fn another_file_is_read_by_names_and_may_lack_labels() {
        let rows: Vec<&[(u32, f32)]> = vec![&[(0, 1.0)], &[(0, 3.0)]];
        let table = table(&rows);
        let encoding = Encoding::new(&table, &[3], &[0, 1]);
        let mut other = table.clone();
        other.attributes.remove(3);
        let places = encoding.places(&other, Path::new("f"), false).unwrap();
        assert!(places.example(&Row { line: 1, values: vec![] }).unwrap().labels.is_empty());
        assert!(encoding.places(&other, Path::new("f"), true).unwrap_err().to_string().contains("`label`"));
        other.attributes.remove(0);
        assert!(encoding.places(&other, Path::new("f"), false).unwrap_err().to_string().contains("`size`"));
        let mut odd = table.clone();
        odd.attributes[1].kind = Kind::Numeric;
        assert!(encoding.places(&odd, Path::new("f"), true).unwrap_err().to_string().contains("`colour`"));
    }
}
