//! Formats of data files, told by the endings of their names.

use crate::error::Error;
use std::path::Path;

/// The format of a file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Format {
    /// Attributes with types, dense or sparse.
    Arff,
    /// Numbers below a line of names.
    Csv,
    /// Labels, and pairs of index and value.
    Libsvm,
}

impl Format {
    /// The format that the ending of a name tells.
    pub(crate) fn of(path: &Path) -> Option<Self> {
        let ending = path.extension()?.to_str()?.to_ascii_lowercase();
        match ending.as_str() {
            "arff" => Some(Self::Arff),
            "csv" => Some(Self::Csv),
            "svm" | "libsvm" | "txt" => Some(Self::Libsvm),
            _ => None,
        }
    }

    /// The format, or an error that names those that are read.
    pub(crate) fn named(path: &Path) -> Result<Self, Error> {
        Self::of(path).ok_or_else(|| Error::Setting {
            found: format!("the file {}", path.display()),
            expected: "a name that ends with .arff, .csv, .svm, .libsvm or .txt".into(),
            advice: "rename it by its format".into(),
        })
    }
}
