//! The Bibtex data set and its splits for training, validation and test.

use super::arff::{self, SparseTable};
use crate::error::Error;
use crate::random::Generator;
use crate::report::plural::counted;
use std::path::Path;
use std::sync::Arc;

/// Number of features: words that an entry contains.
pub(crate) const FEATURES: usize = 1836;
/// Number of labels: tags that an entry was given.
pub(crate) const LABELS: usize = 159;
/// The share of the training file that validates.
pub(crate) const VALIDATION_SHARE: f64 = 0.1;

const SPLIT_STREAM: u64 = 1;

/// One entry, by the indices of its ones.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Example {
    /// Features that are one, each below [`FEATURES`].
    pub(crate) features: Vec<u32>,
    /// Labels that are one, each below [`LABELS`].
    pub(crate) labels: Vec<u32>,
}

/// The three splits, and a number that tells one set of data from another.
#[derive(Clone, Debug)]
pub(crate) struct Bibtex {
    /// What the network learns from.
    pub(crate) train: Arc<[Example]>,
    /// What chooses the epoch and the threshold.
    pub(crate) validation: Arc<[Example]>,
    /// What is only reported.
    pub(crate) test: Arc<[Example]>,
    /// Changes with any example and with the seed of the split.
    pub(crate) fingerprint: String,
}

/// Reads `bibtex-train.arff` and `bibtex-test.arff`; `seed` draws the validation split from the former.
pub(crate) fn load(directory: &Path, seed: u64) -> Result<Bibtex, Error> {
    if !directory.is_dir() {
        return Err(Error::Read {
            path: directory.to_path_buf(),
            reason: "not a folder".into(),
            advice: "name the folder that holds bibtex-train.arff and bibtex-test.arff with --data".into(),
        });
    }
    let all = examples(&directory.join("bibtex-train.arff"))?;
    let test = examples(&directory.join("bibtex-test.arff"))?;
    if all.len() < 10 {
        let found = counted(all.len(), "row");
        let reason = format!("found {found}, expected at least 10 to draw a validation split from");
        return Err(Error::Data { path: directory.join("bibtex-train.arff"), reason });
    }
    let order = Generator::new(seed, SPLIT_STREAM).permutation(all.len());
    let (validation, train) = order.split_at((all.len() as f64 * VALIDATION_SHARE).round() as usize);
    let pick = |rows: &[usize]| -> Arc<[Example]> {
        let mut rows = rows.to_vec();
        rows.sort_unstable();
        rows.iter().map(|&row| all[row].clone()).collect()
    };
    let (train, validation) = (pick(train), pick(validation));
    let fingerprint = fingerprint([&train, &validation, &test]);
    Ok(Bibtex { train, validation, test: test.into(), fingerprint })
}

fn examples(path: &Path) -> Result<Vec<Example>, Error> {
    let SparseTable { attributes, rows } = arff::read(path)?;
    if attributes.len() != FEATURES + LABELS {
        let expected = FEATURES + LABELS;
        let found = counted(attributes.len(), "attribute");
        let reason = format!(
            "found {found}, expected {expected}: {FEATURES} features and then {LABELS} labels; get the Mulan split of Bibtex"
        );
        return Err(Error::Data { path: path.to_path_buf(), reason });
    }
    Ok(rows.into_iter().map(split_columns).collect())
}

fn split_columns(row: Vec<u32>) -> Example {
    let (features, labels): (Vec<u32>, Vec<u32>) =
        row.into_iter().partition(|&index| (index as usize) < FEATURES);
    Example { features, labels: labels.into_iter().map(|index| index - FEATURES as u32).collect() }
}

/// FNV-1a over all indices.
fn fingerprint(splits: [&[Example]; 3]) -> String {
    let mut hash = 0xcbf2_9ce4_8422_2325_u64;
    let mut add = |number: u32| {
        for byte in number.to_le_bytes() {
            hash = (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3);
        }
    };
    for examples in splits {
        for example in examples {
            example.features.iter().for_each(|&index| add(index));
            add(u32::MAX);
            example.labels.iter().for_each(|&index| add(index));
            add(u32::MAX);
        }
        add(u32::MAX - 1);
    }
    format!("{hash:016x}")
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
        let folder = folder("splits", FEATURES + LABELS, 40);
        let (one, again, other) =
            (load(&folder.0, 1).unwrap(), load(&folder.0, 1).unwrap(), load(&folder.0, 2).unwrap());
        assert_eq!((one.train.len(), one.validation.len(), one.test.len()), (36, 4, 40));
        assert_eq!(one.train[0].labels, [1900 - FEATURES as u32]);
        assert!(one.validation.iter().all(|example| !one.train.contains(example)));
        assert_eq!((&one.validation, &one.fingerprint), (&again.validation, &again.fingerprint));
        assert_ne!(one.fingerprint, other.fingerprint);
    }

    #[test]
    fn another_number_of_columns_or_too_few_rows_is_refused() {
        let narrow = folder("narrow", 1990, 40);
        let error = load(&narrow.0, 1).unwrap_err().to_string();
        assert!(error.contains("found 1990 attributes, expected 1995"), "{error}");
        let short = folder("short", FEATURES + LABELS, 3);
        assert!(load(&short.0, 1).unwrap_err().to_string().contains("found 3 rows, "));
        let single = folder("single", FEATURES + LABELS, 1);
        assert!(load(&single.0, 1).unwrap_err().to_string().contains("found 1 row, "));
        assert!(load(Path::new("no/such/folder"), 1).unwrap_err().to_string().contains("--data"));
    }
}
