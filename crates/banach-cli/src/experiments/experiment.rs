//! The trait of an experiment, and the course of `banach train` for any of them.

use super::session::Session;
use crate::error::Error;
use crate::options::Verbosity;
use crate::options::numbers::seed;
use crate::report::folder::{Contents, ResultsFolder};
use crate::report::json;
use crate::terminal::interruption::Interruption;
use crate::terminal::output::say;
use crate::terminal::progress::in_words;
use clap::{ArgMatches, Args, Command, FromArgMatches};
use serde::Serialize;
use std::path::PathBuf;

/// An experiment of `banach train`: options, a plan, a run, a report.
pub(crate) trait Experiment: Sized {
    /// The name on the command line, and in the field `experiment` of the report.
    const NAME: &'static str;
    /// One sentence for the help.
    const ABOUT: &'static str;
    /// What a run writes into its folder.
    const CONTENTS: Contents;
    /// The options of this experiment, beside those of every run ([`RunArguments`]).
    type Arguments: Args;
    /// The contents of `report.json`.
    type Report: Serialize;

    /// Refuses impossible options, and reads the data.
    fn new(arguments: Self::Arguments, seed: u64) -> Result<Self, Error>;

    /// What a run will do.
    fn plan(&self) -> Plan;

    /// Trains and evaluates.
    ///
    /// A run that is interrupted returns [`Error::Interrupted`]; what it has finished until then, it writes itself.
    fn run(&self, session: &Session) -> Result<Finished<Self::Report>, Error>;
}

/// What a run will do, said before it begins.
#[derive(Clone, Debug)]
pub(crate) struct Plan {
    /// What is trained, on which data, for how many epochs.
    pub(crate) what: String,
    /// About how long that takes on two cores, in seconds; none where nothing is known.
    pub(crate) seconds: Option<f64>,
    /// Where results go if `--out` does not say.
    pub(crate) folder: PathBuf,
    /// Whether results of an earlier run in the folder stay, because this run continues it.
    pub(crate) resumes: bool,
}

/// What a run has found.
#[derive(Debug)]
pub(crate) struct Finished<R> {
    /// The contents of `report.json`.
    pub(crate) report: R,
    /// Whether the report has to be written; a run that only looked at an earlier one leaves its report alone.
    pub(crate) is_new: bool,
    /// The closing table.
    pub(crate) table: String,
    /// The pictures in the folder.
    pub(crate) pictures: &'static [&'static str],
    /// Commands to try next, each with a reason.
    pub(crate) next: Vec<(String, &'static str)>,
}

/// The options of every run.
#[derive(Args, Debug)]
pub(crate) struct RunArguments {
    /// Fixes all random numbers: data that are drawn, splits, starting weights, the order of the examples.
    #[arg(long, value_name = "S", default_value = "1", value_parser = seed, allow_negative_numbers = true)]
    seed: u64,
    /// Folder for the results [default: by experiment]. An older run of the experiment in it is replaced.
    #[arg(long, value_name = "DIR")]
    out: Option<PathBuf>,
    #[command(flatten)]
    verbosity: Verbosity,
}

/// An experiment in a list: its name, its options, and its run.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Entry {
    /// The name on the command line.
    pub(crate) name: &'static str,
    about: &'static str,
    augment: fn(Command) -> Command,
    train: fn(&ArgMatches) -> Result<(), Error>,
}

impl Entry {
    /// The entry of an experiment.
    pub(crate) const fn of<E: Experiment>() -> Self {
        Self { name: E::NAME, about: E::ABOUT, augment: augment::<E>, train: train::<E> }
    }

    /// The command after `banach train`.
    pub(crate) fn command(&self) -> Command {
        // Options bring the first line of their own documentation along.
        (self.augment)(Command::new(self.name)).about(self.about)
    }

    /// Runs the experiment.
    pub(crate) fn train(&self, matches: &ArgMatches) -> Result<(), Error> {
        (self.train)(matches)
    }
}

fn augment<E: Experiment>(command: Command) -> Command {
    RunArguments::augment_args(E::Arguments::augment_args(command))
}

fn train<E: Experiment>(matches: &ArgMatches) -> Result<(), Error> {
    let usage = |error: clap::Error| Error::Usage(error.to_string());
    let RunArguments { seed, out, verbosity } = RunArguments::from_arg_matches(matches).map_err(usage)?;
    let arguments = E::Arguments::from_arg_matches(matches).map_err(usage)?;
    let experiment = E::new(arguments, seed)?;
    let plan = experiment.plan();
    let path = out.unwrap_or(plan.folder);
    if plan.resumes && !path.is_dir() {
        return Err(Error::NoCheckpoint { path });
    }
    let folder = ResultsFolder::open(&path, E::CONTENTS)?;
    if !plan.resumes {
        folder.clear()?;
    }
    let session = Session { folder, verbosity, interruption: Interruption::listen()? };
    let time = plan
        .seconds
        .map_or_else(String::new, |seconds| format!("; about {} on two cores", in_words(seconds)));
    session.note(format_args!("{}{time}; results go to {}", plan.what, path.display()));
    close(&session, &experiment.run(&session)?)
}

/// Writes the report, and says what there is to see and to do.
fn close<R: Serialize>(session: &Session, finished: &Finished<R>) -> Result<(), Error> {
    if finished.is_new {
        session.write_report(&finished.report)?;
    }
    if session.verbosity.json {
        json::say(&finished.report)?;
    } else {
        say(&finished.table)?;
    }
    for picture in finished.pictures {
        session.note(format_args!("picture: {}", session.path(picture).display()));
    }
    session.note(format_args!("report:  {}", session.path("report.json").display()));
    let page =
        (format!("banach report {}", session.folder.path().display()), "the run as a page for a browser");
    for (index, (command, reason)) in std::iter::once(&page).chain(&finished.next).enumerate() {
        let head = if index == 0 { "next:   " } else { "        " };
        session.note(format_args!("{head} {command}  ({reason})"));
    }
    Ok(())
}
