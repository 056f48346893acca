//! The Bibtex data set: the Mulan files, and their numbers of features and labels.

use super::arff;
use super::data_set::DataSet;
use super::example::Widths;
use super::splitting::{Splitting, Unlabelled, split};
use super::table::Table;
use crate::error::Error;
use crate::report::plural::counted;
use std::path::Path;

/// 1836 features, words that an entry contains, and 159 labels, tags that an entry was given.
pub(crate) const WIDTHS: Widths = Widths { features: 1836, labels: 159 };

/// Reads `bibtex-train.arff` and `bibtex-test.arff`; `seed` draws the validation split from the former.
pub(crate) fn load(directory: &Path, seed: u64) -> Result<DataSet, Error> {
    if !directory.is_dir() {
        return Err(Error::Read {
            path: directory.to_path_buf(),
            reason: "not a folder".into(),
            advice: "name the folder that holds bibtex-train.arff and bibtex-test.arff with --data".into(),
        });
    }
    let paths = ["bibtex-train.arff", "bibtex-test.arff"].map(|name| directory.join(name));
    let tables = [table(&paths[0])?, table(&paths[1])?];
    let labels: Vec<usize> = (WIDTHS.features..WIDTHS.features + WIDTHS.labels).collect();
    let how = Splitting { seed, share: None, unlabelled: Unlabelled::Keep };
    split(&tables, &labels, &[&paths[0], &paths[1]], how)
}

fn table(path: &Path) -> Result<Table, Error> {
    let table = arff::read(path)?;
    let Widths { features, labels } = WIDTHS;
    if table.attributes.len() != features + labels {
        let found = counted(table.attributes.len(), "attribute");
        let expected = features + labels;
        let reason = format!(
            "found {found}, expected {expected}: {features} features and then {labels} labels; get the Mulan split of Bibtex"
        );
        return Err(Error::Data { path: path.to_path_buf(), reason });
    }
    Ok(table)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::fmt::Write as _;
    use std::path::PathBuf;

    struct Folder(PathBuf);

    impl Drop for Folder {
        fn drop(&mut self) {
            let _ = std::fs::remove_dir_all(&self.0);
        }
    }

    fn folder(name: &str, attributes: usize, rows: usize) -> Folder {
        let path = std::env::temp_dir().join(format!("banach-{name}-{}", std::process::id()));
        std::fs::create_dir_all(&path).unwrap();
        let mut text = String::from("@relation r\n");
        (0..attributes).for_each(|index| writeln!(text, "@attribute a{index} {{0,1}}").unwrap());
        text.push_str("@data\n");
        (0..rows).for_each(|row| writeln!(text, "{{{row} 1,1900 1}}").unwrap());
        for file in ["bibtex-train.arff", "bibtex-test.arff"] {
            std::fs::write(path.join(file), &text).unwrap();
        }
        Folder(path)
    }

    #[test]
    fn the_splits_are_disjoint_and_fixed_by_the_seed() {
        let folder = folder("splits", 1836 + 159, 40);
        let (one, again, other) =
            (load(&folder.0, 1).unwrap(), load(&folder.0, 1).unwrap(), load(&folder.0, 2).unwrap());
        assert_eq!((one.train.len(), one.validation.len(), one.test.len()), (36, 4, 40));
        assert_eq!((&one.train[0].labels[..], one.widths()), (&[1900 - 1836][..], WIDTHS));
        assert!(one.validation.iter().all(|example| !one.train.contains(example)));
        assert_eq!((&one.validation, &one.fingerprint), (&again.validation, &again.fingerprint));
        assert_ne!(one.fingerprint, other.fingerprint);
    }

    #[test]
    fn another_number_of_columns_or_too_few_rows_is_refused() {
        let narrow = folder("narrow", 1990, 40);
        let error = load(&narrow.0, 1).unwrap_err().to_string();
        assert!(error.contains("found 1990 attributes, expected 1995"), "{error}");
        let short = folder("short", 1836 + 159, 3);
        assert!(load(&short.0, 1).unwrap_err().to_string().contains("found 3 rows, "));
        let single = folder("single", 1836 + 159, 1);
        assert!(load(&single.0, 1).unwrap_err().to_string().contains("found 1 row, "));
        assert!(load(Path::new("no/such/folder"), 1).unwrap_err().to_string().contains("--data"));
    }
}
