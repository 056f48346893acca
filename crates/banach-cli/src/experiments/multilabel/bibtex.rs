//! The experiment `bibtex`: the named case of multi-label classification.

use super::arguments::BibtexArguments;
use super::run::{FINISHED, Run};
use super::summary::{self, MultiLabelReport};
use crate::dataset::bibtex;
use crate::error::Error;
use crate::experiments::checkpoint;
use crate::experiments::experiment::{Experiment, Finished, Plan};
use crate::experiments::session::Session;
use crate::experiments::trained;
use crate::report::folder::Contents;

/// A run on Bibtex.
#[derive(Debug)]
pub(crate) struct Bibtex(Run);

impl Experiment for Bibtex {
    const NAME: &'static str = "bibtex";
    const ABOUT: &'static str = "Multi-label classification of Bibtex (1836 features, 159 labels)";
    const CONTENTS: Contents = Contents {
        command: "train bibtex",
        experiment: Some("bibtex"),
        files: &["report.json", summary::CURVES, trained::BEST, trained::MODEL, FINISHED],
        folders: &[checkpoint::FOLDER],
    };
    type Arguments = BibtexArguments;
    type Report = MultiLabelReport;

    fn new(arguments: BibtexArguments, seed: u64) -> Result<Self, Error> {
        let BibtexArguments { data, training } = arguments;
        let options = format!("--data {}", data.display());
        Run::new(Self::NAME, &training, seed, (&data, options), |seed| bibtex::load(&data, seed)).map(Self)
    }

    fn plan(&self) -> Plan {
        self.0.plan()
    }

    fn run(&self, session: &Session) -> Result<Finished<MultiLabelReport>, Error> {
        self.0.run(session)
    }
}
