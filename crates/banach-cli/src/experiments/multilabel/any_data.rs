//! The experiment `multilabel`: multi-label classification of any data set.

use super::arguments::MultiLabelArguments;
use super::run::{FINISHED, Run};
use super::summary::{self, MultiLabelReport};
use crate::error::Error;
use crate::experiments::checkpoint;
use crate::experiments::experiment::{Experiment, Finished, Plan};
use crate::experiments::session::Session;
use crate::experiments::trained;
use crate::report::folder::Contents;

/// A run on a data set of the user.
#[derive(Debug)]
pub(crate) struct MultiLabel(Run);

impl Experiment for MultiLabel {
    const NAME: &'static str = "multilabel";
    const ABOUT: &'static str = "Multi-label classification of your own data set (ARFF, CSV or LIBSVM)";
    const CONTENTS: Contents = Contents {
        command: "train multilabel",
        experiment: Some("multilabel"),
        files: &["report.json", summary::CURVES, trained::BEST, trained::MODEL, FINISHED],
        folders: &[checkpoint::FOLDER],
    };
    type Arguments = MultiLabelArguments;
    type Report = MultiLabelReport;

    fn new(arguments: MultiLabelArguments, seed: u64) -> Result<Self, Error> {
        let MultiLabelArguments { source, training } = arguments;
        let named = (source.data.as_path(), source.options());
        Run::new(Self::NAME, &training, seed, named, |seed| source.load(seed)).map(Self)
    }

    fn plan(&self) -> Plan {
        self.0.plan()
    }

    fn run(&self, session: &Session) -> Result<Finished<MultiLabelReport>, Error> {
        session.note(self.0.counts());
        self.0.run(session)
    }
}
