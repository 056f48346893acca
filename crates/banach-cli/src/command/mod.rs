//! Which arguments does the command take, and how is a mistake in them put into one line?

mod arguments;
mod measuring;
mod names;
mod numbers;
mod solvers;

pub(crate) use arguments::{BibtexArguments, Changes, ShowArguments, Solving, TableArguments, ToyArguments};
pub(crate) use measuring::{Bench, Measuring};
pub(crate) use names::{ConvolutionName, EngineName, LayerName, RecipeName, RoadName};
pub(crate) use solvers::{AdjointName, SolverName};

use crate::error::Error;
use clap::error::{ContextKind, ErrorKind};
use clap::{Parser, Subcommand};
use std::ffi::OsString;

/// Differentiable fixed-point layers: experiments that train, programs to look at, and times to compare.
#[derive(Debug, Parser)]
#[command(name = "banach", version)]
struct CommandLine {
    #[command(subcommand)]
    action: Action,
}

/// What to do.
#[derive(Debug, Subcommand)]
pub(crate) enum Action {
    /// Train an experiment, print its result and write a report.
    Train {
        #[command(subcommand)]
        experiment: Train,
    },
    /// Train every method with several seeds, print the table of their results and write it.
    Table {
        #[command(subcommand)]
        experiment: Table,
    },
    /// Print the program traced from an update, or trace how it is solved.
    Show {
        #[command(subcommand)]
        update: Show,
    },
    /// Measure the work that other libraries are measured on.
    Bench {
        #[command(subcommand)]
        task: Bench,
    },
}

/// The experiments that train.
#[derive(Debug, Subcommand)]
pub(crate) enum Train {
    /// Multi-label classification of Bibtex (1836 features, 159 labels).
    Bibtex(Box<BibtexArguments>),
    /// The solution map of a random box-constrained quadratic problem; needs no files.
    Toy(ToyArguments),
}

/// The experiments with several methods to compare.
#[derive(Debug, Subcommand)]
pub(crate) enum Table {
    /// Multi-label classification of Bibtex: mlp, feedforward, fpi-nn and fpi-gd.
    Bibtex(TableArguments),
}

/// The updates that can be shown.
#[derive(Debug, Subcommand)]
pub(crate) enum Show {
    /// The update g(x, z) of the Bibtex network.
    Bibtex(ShowArguments),
    /// The dense cell of the benchmarks.
    Cell(ShowArguments),
    /// The convolutional cell of the benchmarks.
    Conv(ShowArguments),
}

/// Why there is nothing to run.
#[derive(Debug)]
pub(crate) enum Stop {
    /// The user asked for help or the version.
    Answer(String),
    /// The arguments are wrong.
    Mistake(Error),
}

/// Reads the arguments.
pub(crate) fn parse(arguments: impl IntoIterator<Item = OsString>) -> Result<Action, Stop> {
    let parsed = CommandLine::try_parse_from(arguments);
    parsed.map(|line| line.action).map_err(|error| {
        if matches!(error.kind(), ErrorKind::DisplayHelp | ErrorKind::DisplayVersion) {
            Stop::Answer(error.to_string())
        } else {
            Stop::Mistake(Error::Usage(one_line(&error)))
        }
    })
}

/// The first paragraph of clap's message and its tip, on one line.
fn one_line(error: &clap::Error) -> String {
    if error.kind() == ErrorKind::DisplayHelpOnMissingArgumentOrSubcommand {
        return "found no command, expected for example `banach train toy`; run `banach --help`".into();
    }
    let text = error.to_string();
    let words = |part: &str| part.split_whitespace().collect::<Vec<_>>().join(" ");
    let mut line = words(text.split("\n\n").next().unwrap_or_default());
    line = line.trim_start_matches("error: ").to_string();
    let valid = error.get(ContextKind::ValidSubcommand).or(error.get(ContextKind::SuggestedSubcommand));
    if let Some(expected) = valid {
        line.push_str(&format!(", expected {expected}"));
    }
    if let Some(suggestion) = error.get(ContextKind::SuggestedArg) {
        line.push_str(&format!("; did you mean '{suggestion}'?"));
    }
    line.push_str("; run `banach --help`, or the same command with --help");
    line
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse_words(line: &str) -> Result<Action, Stop> {
        parse(line.split(' ').map(OsString::from))
    }

    fn mistake(line: &str) -> String {
        match parse_words(line) {
            Err(Stop::Mistake(error)) => error.to_string(),
            other => panic!("expected a mistake, found {other:?}"),
        }
    }

    #[test]
    fn every_mistake_is_one_line_that_names_the_option() {
        for (line, part) in [
            ("banach train bibtex", "--data"),
            ("banach train bibtex --data d --epochs 0", "at least 1"),
            ("banach train bibtex --data d --tolerance -1", "--tolerance"),
            ("banach train bibtex --data d --tolerance NaN", "expected a number above 0"),
            ("banach train bibtex --data d --max-steps 0", "at least 1"),
            ("banach train bibtex --data d --epoch 3", "did you mean '--epochs'"),
            ("banach train bibtex --data d --solver simplex", "picard, anderson, broyden"),
            ("banach train bibtex --data d --dropout 1", "from 0 to below 1"),
            ("banach train bibtex --data d --weight-decay -1", "at least 0"),
            ("banach train bibtex --data d --learning-rate 0", "above 0"),
            ("banach train bibtex --data d --recipe secret", "published, tuned"),
            ("banach table bibtex", "--data"),
            ("banach table bibtex --data d --seeds 0", "at least 1"),
            ("banach train bibtex --data d --engine steam", "native, device"),
            ("banach show cell --hoist", "did you mean '--hoisted'"),
            ("banach show cell --solver picard", "--trace"),
            ("banach show cell --out there", "--trace"),
            ("banach show cell --trace --hoisted", "--hoisted"),
            ("banach show cell --trace --solver simplex", "picard, anderson, broyden"),
            ("banach show cell --trace --tolerance 0", "above 0"),
            ("banach bench", "--help"),
            ("banach bench walk", "walk"),
            ("banach bench bibtex", "--data"),
            ("banach bench cell --repeats 0", "at least 1"),
            ("banach bench cell --engine steam", "native, device"),
            ("banach bench memory --steps -3", "at least 1"),
            ("banach train", "--help"),
            ("banach", "--help"),
        ] {
            let text = mistake(line);
            assert!(text.contains(part) && !text.contains('\n'), "{line}: {text}");
        }
    }

    #[test]
    fn help_and_version_are_answers() {
        for line in ["banach --help", "banach --version", "banach train bibtex --help"] {
            assert!(matches!(parse_words(line), Err(Stop::Answer(_))), "{line}");
        }
    }
}
