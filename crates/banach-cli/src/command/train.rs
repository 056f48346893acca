//! The command `train`: one of the experiments in the list.

use crate::error::Error;
use crate::experiments::{EXPERIMENTS, Entry};
use clap::error::ErrorKind;
use clap::{ArgMatches, Command, FromArgMatches, Subcommand};

/// An experiment with its options.
#[derive(Debug)]
pub(crate) struct Train {
    entry: Entry,
    matches: ArgMatches,
}

impl Train {
    /// Runs the experiment.
    pub(crate) fn run(&self) -> Result<(), Error> {
        self.entry.train(&self.matches)
    }
}

impl FromArgMatches for Train {
    fn from_arg_matches(matches: &ArgMatches) -> Result<Self, clap::Error> {
        let named = matches.subcommand();
        let found = named.and_then(|(name, matches)| {
            let entry = EXPERIMENTS.iter().find(|entry| entry.name == name)?;
            Some(Self { entry: *entry, matches: matches.clone() })
        });
        found.ok_or_else(|| clap::Error::new(ErrorKind::MissingSubcommand))
    }

    fn update_from_arg_matches(&mut self, matches: &ArgMatches) -> Result<(), clap::Error> {
        *self = Self::from_arg_matches(matches)?;
        Ok(())
    }
}

impl Subcommand for Train {
    fn augment_subcommands(command: Command) -> Command {
        EXPERIMENTS.iter().fold(command, |command, entry| command.subcommand(entry.command()))
    }

    fn augment_subcommands_for_update(command: Command) -> Command {
        Self::augment_subcommands(command)
    }

    fn has_subcommand(name: &str) -> bool {
        EXPERIMENTS.iter().any(|entry| entry.name == name)
    }
}
