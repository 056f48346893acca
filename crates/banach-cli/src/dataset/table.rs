//! Tables of attributes: what the readers of all formats return.

use std::collections::HashSet;

/// A table of attributes, read from one file.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Table {
    /// The columns, in the order of the file.
    pub(crate) attributes: Vec<Attribute>,
    /// The rows.
    pub(crate) rows: Vec<Row>,
}

/// A column.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Attribute {
    /// Its name.
    pub(crate) name: String,
    /// What stands in it.
    pub(crate) kind: Kind,
}

/// What stands in a column.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    /// Numbers.
    Numeric,
    /// One of these values; a row holds its position.
    Nominal(Vec<String>),
}

/// A row: the columns that hold anything but zero, ascending, with their values.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Row {
    /// Its line in the file.
    pub(crate) line: usize,
    /// Columns and values: numbers, or positions of nominal values.
    pub(crate) values: Vec<(u32, f32)>,
}

impl Attribute {
    /// An attribute that is 0 or 1.
    pub(crate) fn binary(name: impl Into<String>) -> Self {
        Self { name: name.into(), kind: Kind::Nominal(vec!["0".into(), "1".into()]) }
    }

    /// An attribute of numbers.
    pub(crate) fn numeric(name: impl Into<String>) -> Self {
        Self { name: name.into(), kind: Kind::Numeric }
    }
}

impl Kind {
    /// The value of a field: a number, or the position of a nominal value.
    pub(crate) fn value(&self, field: &str, attribute: &str) -> Result<f32, String> {
        if field == "?" || field.is_empty() {
            return Err(format!(
                "found a missing value of `{attribute}`, expected {}; fill it in, or leave the row out",
                self.expected()
            ));
        }
        match self {
            Self::Numeric => match field.parse::<f32>() {
                Ok(number) if number.is_finite() => Ok(number),
                Ok(_) | Err(_) => Err(self.refused(field, attribute)),
            },
            Self::Nominal(values) => match values.iter().position(|value| value == field) {
                Some(position) => Ok(position as f32),
                // Numbers of one value may be written in several ways, as 1 and 1.0.
                None => {
                    let number = |text: &str| text.parse::<f64>().ok();
                    let same =
                        |value: &String| number(field).is_some_and(|found| number(value) == Some(found));
                    values
                        .iter()
                        .position(same)
                        .map(|at| at as f32)
                        .ok_or_else(|| self.refused(field, attribute))
                }
            },
        }
    }

    fn refused(&self, field: &str, attribute: &str) -> String {
        let field = super::lines::shortened(field);
        format!("found the value `{field}` of `{attribute}`, expected {}; correct it", self.expected())
    }

    fn expected(&self) -> String {
        match self {
            Self::Numeric => "a finite number".into(),
            Self::Nominal(values) if values.len() <= 6 => format!("one of {{{}}}", values.join(",")),
            Self::Nominal(values) => format!("one of its {} nominal values", values.len()),
        }
    }
}

/// The first name that stands twice.
pub(crate) fn repeated<'a>(names: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    let mut seen = HashSet::new();
    names.into_iter().find(|name| !seen.insert(*name))
}
