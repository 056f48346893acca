//! The command line: its commands, and one line for every mistake in them.

mod shell;
mod train;

use crate::bench::Bench;
use crate::denoise::DenoiseArguments;
use crate::device_list::DevicesArguments;
use crate::error::Error;
use crate::experiments::multilabel::PredictArguments;
use crate::experiments::{denoise, flow, multilabel};
use crate::flow::FlowArguments;
use crate::page::ReportArguments;
use crate::serve::ServeArguments;
use crate::show::Show;
use clap::error::{ContextKind, ErrorKind};
use clap::{CommandFactory, Parser, Subcommand};
use clap_complete::Shell;
use std::ffi::OsString;
use std::path::{Path, PathBuf};
use train::Train;

/// What `banach` alone says: the commands that people want first.
const WELCOME: &str = "\
Banach: differentiable fixed-point layers for Burn.

  banach train toy                  learn an optimisation problem three ways; needs no files, under a minute
  banach show cell --trace          solve a fixed point, and see the residual of every row fall
  banach denoise IN.png -o OUT.png  remove the noise from a photograph
  banach train bibtex --data DIR    label documents with a fixed-point network

`banach --help` lists all commands; every command has --help, --quiet and --json.";

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
    /// Predict the labels of examples with a trained network.
    Predict(PredictArguments),
    /// Remove the noise from images.
    Denoise(DenoiseArguments),
    /// Find the optical flow between two images.
    Flow(FlowArguments),
    /// Write a run's results as one page that opens in any browser.
    Report {
        #[command(flatten)]
        arguments: ReportArguments,
    },
    /// Print the program traced from an update, or trace how it is solved.
    Show {
        #[command(subcommand)]
        update: Show,
    },
    /// Lend a device of this machine to other processes.
    Serve(ServeArguments),
    /// Measure the work that other libraries are measured on.
    Bench {
        #[command(subcommand)]
        task: Bench,
    },
    /// List the devices for --device, each with the result of a small solve on it.
    Devices(DevicesArguments),
    /// Print a script that completes the arguments in a shell.
    Completions {
        /// The shell that reads the script.
        #[arg(value_enum)]
        shell: Shell,
    },
    /// Print the manual page, as man reads it.
    Manual {
        /// Write a page for every command into this folder instead.
        #[arg(long, value_name = "DIR")]
        out: Option<PathBuf>,
    },
}

/// The experiments with several methods to compare.
#[derive(Debug, Subcommand)]
pub(crate) enum Table {
    /// Multi-label classification of Bibtex: mlp, feedforward, fpi-nn and fpi-gd.
    Bibtex(multilabel::TableArguments),
    /// Multi-label classification of your own data set, every layer by every recipe.
    Multilabel(multilabel::AnyTableArguments),
    /// Denoising of photographs: feedforward, fpi-nn and fpi-gd.
    Denoise(denoise::TableArguments),
    /// Optical flow by FlowNet: none, feedforward, variational and fpi-nn behind it.
    Flow(flow::TableArguments),
}

impl Action {
    /// An option that only a trace reads, where there is none.
    fn without_trace(&self) -> Option<&'static str> {
        match self {
            Self::Show { update } => update.without_trace(),
            Self::Train { .. }
            | Self::Table { .. }
            | Self::Predict(_)
            | Self::Denoise(_)
            | Self::Flow(_)
            | Self::Report { .. }
            | Self::Serve(_)
            | Self::Bench { .. }
            | Self::Devices(_)
            | Self::Completions { .. }
            | Self::Manual { .. } => None,
        }
    }
}

/// The script that completes the arguments in `shell`.
pub(crate) fn completions(shell: Shell) -> String {
    shell::completions(shell, CommandLine::command())
}

/// The manual page, or every page into the folder `out`.
pub(crate) fn manual(out: Option<&Path>) -> Result<String, Error> {
    shell::manual(CommandLine::command(), out)
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
    let words: Vec<OsString> = arguments.into_iter().collect();
    let mistake = |text| Err(Stop::Mistake(Error::Usage(text)));
    if words.len() <= 1 {
        return Err(Stop::Answer(WELCOME.into()));
    }
    match CommandLine::try_parse_from(&words) {
        Ok(CommandLine { action }) => match action.without_trace() {
            Some(option) => mistake(format!("found {option} without --trace; add --trace")),
            None => Ok(action),
        },
        Err(error) if matches!(error.kind(), ErrorKind::DisplayHelp | ErrorKind::DisplayVersion) => {
            Err(Stop::Answer(error.to_string()))
        }
        Err(error) if lacks_a_name(error.kind()) => mistake(choices(&words)),
        Err(error) => mistake(one_line(&error)),
    }
}

fn lacks_a_name(kind: ErrorKind) -> bool {
    matches!(
        kind,
        ErrorKind::DisplayHelpOnMissingArgumentOrSubcommand
            | ErrorKind::MissingSubcommand
            | ErrorKind::InvalidSubcommand
    )
}

/// What stands where one of several names is expected, and which.
fn choices(words: &[OsString]) -> String {
    let (mut command, mut path) = (&CommandLine::command(), String::from("banach"));
    let mut rest = words.iter().skip(1).map(|word| word.to_string_lossy()).filter(|word| word != "help");
    let found = loop {
        let Some(word) = rest.next() else { break None };
        let Some(next) = command.find_subcommand(word.as_ref()) else { break Some(word) };
        command = next;
        path = format!("{path} {word}");
    };
    let kind = match command.get_name() {
        "train" | "table" => "experiment",
        "show" => "update",
        "bench" => "benchmark",
        _ => "command",
    };
    let found = found.map_or_else(|| format!("no {kind}"), |word| format!("'{word}'"));
    let names: Vec<&str> = command.get_subcommands().map(clap::Command::get_name).collect();
    format!("found {found}, expected one of {}; run `{path} --help`", names.join(", "))
}

/// The first paragraph of clap's message and its tip, on one line.
fn one_line(error: &clap::Error) -> String {
    let text = error.to_string();
    let words = |part: &str| part.split_whitespace().collect::<Vec<_>>().join(" ");
    let mut line = words(text.split("\n\n").next().unwrap_or_default());
    line = line.trim_start_matches("error: ").to_string();
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

    /// Command lines that do not parse, each with a part of its message.
    const MISTAKES: &[(&str, &str)] = &[
        ("banach table bibtex", "--data"),
        ("banach table bibtex --data d --seeds 0", "whole number from 1 to 1000000"),
        ("banach train bibtex", "--data"),
        ("banach train bibtex --data d --epochs 0", "whole number from 1 to 1000000"),
        ("banach train bibtex --data d --tolerance -1", "--tolerance"),
        ("banach train bibtex --data d --tolerance NaN", "expected a number from 6e-8"),
        ("banach train bibtex --data d --max-steps 0", "whole number from 1 to 1000000"),
        ("banach train bibtex --data d --epoch 3", "did you mean '--epochs'"),
        ("banach train bibtex --data d --solver simplex", "picard, anderson, broyden"),
        ("banach train bibtex --data d --dropout 1", "from 0 to 0.9999"),
        ("banach train bibtex --data d --weight-decay -1", "from 0 to 1e6"),
        ("banach train bibtex --data d --learning-rate 0", "from 1e-12"),
        ("banach train bibtex --data d --recipe secret", "published, tuned"),
        ("banach train bibtex --data d --engine steam", "native, device"),
        ("banach show cell --hoist", "did you mean '--hoisted'"),
        ("banach show cell --solver picard", "--trace"),
        ("banach show cell --out there", "--trace"),
        ("banach show cell --trace --hoisted", "--hoisted"),
        ("banach show cell --trace --solver simplex", "picard, anderson, broyden"),
        ("banach show cell --trace --tolerance 0", "from 6e-8"),
        ("banach bench", "--help"),
        ("banach bench walk", "walk"),
        ("banach bench bibtex", "--data"),
        ("banach bench cell --repeats 0", "whole number from 1 to 1000000"),
        ("banach bench cell --engine steam", "native, device"),
        ("banach bench memory --steps -3", "whole number from 1 to 1000000"),
        ("banach train bibtex --data d --seed -1", "found -1, expected a whole number from 0 to 184467"),
        ("banach train toy --seed 18446744073709551616", "found 18446744073709551616, expected a whole"),
        ("banach train toy --dimension 18446744073709551615", "expected a whole number from 1 to 2000"),
        ("banach train toy --dimension 2001", "found 2001, expected a whole number from 1 to 2000"),
        ("banach train bibtex --data d --hidden 100001", "expected a whole number from 1 to 100000"),
        ("banach train bibtex --data d --label-units 100001", "expected a whole number from 1 to 100000"),
        ("banach train toy --epochs 18446744073709551615", "expected a whole number from 1 to 1000000"),
        ("banach show cell --max-steps 3", "found --max-steps without --trace; add --trace"),
        (
            "banach train",
            "found no experiment, expected one of toy, bibtex, multilabel, denoise, flow, sudoku; run `banach train --help`",
        ),
        (
            "banach train nothing",
            "found 'nothing', expected one of toy, bibtex, multilabel, denoise, flow, sudoku",
        ),
        ("banach table", "found no experiment, expected one of bibtex, multilabel, denoise, flow"),
        ("banach show", "found no update, expected one of bibtex, cell, conv"),
        (
            "banach bench",
            "found no benchmark, expected one of cell, conv, bibtex, energy, flow, memory, qp, rows, scale, solvers",
        ),
        ("banach help nothing", "found 'nothing', expected one of train"),
        (
            "banach foo",
            "found 'foo', expected one of train, table, predict, denoise, flow, report, show, serve, bench, devices, completions, manual; run `banach --help`",
        ),
        ("banach train toy --data d", "--data"),
        ("banach train bibtex --data d --dashboard --quiet", "--quiet"),
        ("banach completions", "SHELL"),
        ("banach completions csh", "bash, elvish, fish, powershell, zsh"),
    ];

    #[test]
    fn every_mistake_is_one_line_that_names_the_option() {
        for (line, part) in MISTAKES {
            let text = mistake(line);
            assert!(text.contains(part) && !text.contains('\n'), "{line}: {text}");
        }
    }

    #[test]
    fn mistakes_in_the_options_of_data_are_one_line_too() {
        for (line, part) in [
            ("banach train multilabel", "--data"),
            ("banach train multilabel --data d --labels first:x", "first:N"),
            ("banach train multilabel --data d --unlabelled drop", "refuse, skip, keep"),
            ("banach predict --data d --out o", "--checkpoint"),
        ] {
            let text = mistake(line);
            assert!(text.contains(part) && !text.contains('\n'), "{line}: {text}");
        }
    }

    #[test]
    fn help_and_version_are_answers() {
        for line in ["banach", "banach --help", "banach --version", "banach train bibtex --help"] {
            assert!(matches!(parse_words(line), Err(Stop::Answer(_))), "{line}");
        }
    }

    #[test]
    fn the_welcome_names_four_commands_that_parse() {
        let lines = WELCOME.lines().filter_map(|line| line.strip_prefix("  "));
        let commands: Vec<&str> = lines.filter_map(|line| line.split("  ").next()).collect();
        assert_eq!(commands.len(), 4);
        for command in commands {
            assert!(parse_words(command).is_ok(), "{command}");
        }
    }

    #[test]
    fn the_definition_of_the_command_line_is_consistent() {
        CommandLine::command().debug_assert();
    }
}
