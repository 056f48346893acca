//! Multi-label data sets in files of any supported format: where they are, and what their columns mean.

use super::data_set::DataSet;
use super::format::Format;
use super::label_choice::LabelChoice;
use super::splitting::{Splitting, Unlabelled, split};
use super::table::Table;
use super::{arff, csv, libsvm};
use crate::error::Error;
use crate::options::numbers::share;
use crate::report::plural::counted;
use clap::Args;
use std::path::{Path, PathBuf};

/// Where a data set is, and what its columns mean.
#[derive(Args, Clone, Debug)]
pub(crate) struct Source {
    /// A folder with one file *train.EXT and one *test.EXT, or one file; EXT is arff, csv, svm, libsvm or txt (LIBSVM).
    #[arg(long, value_name = "DIR|FILE")]
    pub(crate) data: PathBuf,
    /// The examples that test, where --data is a file [default: a share of --data, drawn by the seed].
    #[arg(long, value_name = "FILE")]
    pub(crate) test: Option<PathBuf>,
    /// The share of the examples that test where no file does [default: 0.3].
    #[arg(long, value_name = "S", value_parser = share, allow_negative_numbers = true)]
    pub(crate) test_share: Option<f64>,
    /// The columns that are labels: FILE.xml of Mulan, N or last:N, first:N, or names with commas between them [default: the
    /// only .xml file beside the data; LIBSVM files name their labels].
    #[arg(long, value_name = "XML|N|NAMES", value_parser = LabelChoice::parse, allow_hyphen_values = true)]
    pub(crate) labels: Option<LabelChoice>,
    /// What is done with examples without labels.
    #[arg(long, value_enum, value_name = "WHAT", default_value = "refuse")]
    pub(crate) unlabelled: Unlabelled,
}

/// The files of a data set.
struct Files {
    train: PathBuf,
    test: Option<PathBuf>,
    format: Format,
}

impl Source {
    /// The data as options of a command.
    pub(crate) fn options(&self) -> String {
        let Self { data, test, test_share, labels, unlabelled } = self;
        let mut line = format!("--data {}", data.display());
        if let Some(test) = test {
            line.push_str(&format!(" --test {}", test.display()));
        }
        if let Some(share) = test_share {
            line.push_str(&format!(" --test-share {share}"));
        }
        if let Some(labels) = labels {
            line.push_str(&format!(" --labels {}", labels.option()));
        }
        if *unlabelled != Unlabelled::Refuse {
            line.push_str(&format!(" --unlabelled {}", unlabelled.as_str()));
        }
        line
    }

    /// Reads the files; `seed` draws the validation split, and the test split where there is no file.
    pub(crate) fn load(&self, seed: u64) -> Result<DataSet, Error> {
        let files = self.files()?;
        let paths: Vec<&Path> =
            std::iter::once(&files.train).chain(&files.test).map(PathBuf::as_path).collect();
        let (tables, labels) = match files.format {
            Format::Libsvm => {
                if self.labels.is_some() {
                    return Err(Error::Setting {
                        found: format!("--labels for {}", files.train.display()),
                        expected: "no option, since every line of a LIBSVM file names its labels".into(),
                        advice: "leave out --labels".into(),
                    });
                }
                let (tables, count) = libsvm::read(&paths)?;
                let all = tables.first().map_or(0, |table| table.attributes.len());
                (tables, (all - count..all).collect::<Vec<_>>())
            }
            Format::Arff | Format::Csv => {
                let read = if files.format == Format::Arff { arff::read } else { csv::read };
                let choice = self.choice(&files.train)?;
                let tables: Vec<Table> = paths.iter().map(|path| read(path)).collect::<Result<_, _>>()?;
                let train = tables.first().map_or(&[][..], |table| &table.attributes);
                let labels = choice.columns(train, &files.train)?;
                (tables, labels)
            }
        };
        split(
            &tables,
            &labels,
            &paths,
            Splitting { seed, share: self.test_share, unlabelled: self.unlabelled },
        )
    }

    fn files(&self) -> Result<Files, Error> {
        let Self { data, test, test_share, .. } = self;
        let given = test.is_some() || test_share.is_some();
        if data.is_dir() {
            if given {
                let option = if test.is_some() { "--test" } else { "--test-share" };
                return Err(Error::Setting {
                    found: format!("{option} with the folder {}", data.display()),
                    expected: "a file after --data, or no option: a folder holds both splits".into(),
                    advice: format!("leave out {option}, or name the file that trains with --data"),
                });
            }
            let train = only(data, "train")?;
            return Ok(Files { format: Format::named(&train)?, test: Some(only(data, "test")?), train });
        }
        if !data.is_file() {
            return Err(Error::Read {
                path: data.clone(),
                reason: "no such file or folder".into(),
                advice: "name the data file, or the folder that holds it, with --data".into(),
            });
        }
        if test.is_some() && test_share.is_some() {
            return Err(Error::Setting {
                found: "--test-share with --test".into(),
                expected: "one of them".into(),
                advice: "leave out --test-share".into(),
            });
        }
        let format = Format::named(data)?;
        if let Some(test) = test
            && Format::named(test)? != format
        {
            return Err(Error::Setting {
                found: format!("--test {}", test.display()),
                expected: format!("a file of the format of {}", data.display()),
                advice: "convert one of them".into(),
            });
        }
        Ok(Files { train: data.clone(), test: test.clone(), format })
    }

    /// The labels that were named, or those of the only XML file beside the data.
    fn choice(&self, train: &Path) -> Result<LabelChoice, Error> {
        if let Some(labels) = &self.labels {
            return Ok(labels.clone());
        }
        let folder = train.parent().unwrap_or(Path::new("."));
        let is_xml =
            |path: &PathBuf| path.extension().is_some_and(|ending| ending.eq_ignore_ascii_case("xml"));
        let files: Vec<PathBuf> = entries(folder).into_iter().filter(is_xml).collect();
        match &files[..] {
            [xml] if Format::of(train) == Some(Format::Arff) => Ok(LabelChoice::Xml(xml.clone())),
            _ => Err(Error::Setting {
                found: format!("no --labels for {}", train.display()),
                expected: "FILE.xml of Mulan, N or last:N, first:N, or the names of the label columns".into(),
                advice: "say with --labels which columns are labels".into(),
            }),
        }
    }
}

fn entries(folder: &Path) -> Vec<PathBuf> {
    let folder = if folder.as_os_str().is_empty() { Path::new(".") } else { folder };
    let entries = std::fs::read_dir(folder).into_iter().flatten().flatten();
    let mut paths: Vec<PathBuf> = entries.map(|entry| entry.path()).collect();
    paths.sort();
    paths
}

/// The only data file of a folder whose name ends with `ending` before the dot.
fn only(folder: &Path, ending: &str) -> Result<PathBuf, Error> {
    let fits = |path: &PathBuf| {
        let stem = path.file_stem().and_then(|stem| stem.to_str()).map(str::to_ascii_lowercase);
        let ends = |stem: String| {
            stem.strip_suffix(ending).is_some_and(|rest| rest.is_empty() || rest.ends_with(['-', '_', '.']))
        };
        path.is_file() && Format::of(path).is_some() && stem.is_some_and(ends)
    };
    let mut files: Vec<PathBuf> = entries(folder).into_iter().filter(fits).collect();
    match (files.len(), files.pop()) {
        (1, Some(file)) => Ok(file),
        (found, _) => Err(Error::Setting {
            found: format!("{} named *-{ending} in {}", counted(found, "data file"), folder.display()),
            expected: "one, as in bibtex-train.arff and bibtex-test.arff".into(),
            advice: "name a file with --data, and the one that tests with --test".into(),
        }),
    }
}
