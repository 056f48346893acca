//! Which arguments does the command take, and how is a mistake in them put into one line?

use crate::error::Error;
use clap::error::{ContextKind, ErrorKind};
use clap::{Args, Parser, Subcommand, ValueEnum};
use std::ffi::OsString;
use std::path::PathBuf;

/// Differentiable fixed-point layers: experiments that train, and programs to look at.
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
    /// Print the program traced from an experiment's update.
    Show {
        #[command(subcommand)]
        experiment: Show,
    },
}

/// The experiments that train.
#[derive(Debug, Subcommand)]
pub(crate) enum Train {
    /// Multi-label classification of Bibtex (1836 features, 159 labels).
    Bibtex(BibtexArguments),
    /// The solution map of a random box-constrained quadratic problem; needs no files.
    Toy(ToyArguments),
}

/// The experiments that can be printed.
#[derive(Debug, Subcommand)]
pub(crate) enum Show {
    /// The update g(x, z) of the Bibtex network.
    Bibtex,
}

/// What the network does with its map g.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum LayerName {
    /// The fixed point of g.
    FpiNn,
    /// g applied once.
    Feedforward,
}

impl LayerName {
    /// The name as written on the command line.
    pub(crate) fn as_str(self) -> &'static str {
        match self {
            Self::FpiNn => "fpi-nn",
            Self::Feedforward => "feedforward",
        }
    }
}

/// How the fixed point is found.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum SolverName {
    /// x <- g(x, z).
    Picard,
    /// Anderson acceleration.
    Anderson,
}

/// How the adjoint c = Jᵀ c + v is solved.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum AdjointName {
    /// c <- Jᵀ c + v.
    Neumann,
    /// GMRES on (I - Jᵀ) c = v.
    Gmres,
}

/// The arguments of `banach train bibtex`.
#[derive(Args, Debug)]
pub(crate) struct BibtexArguments {
    /// Folder with bibtex-train.arff and bibtex-test.arff.
    #[arg(long, value_name = "DIR")]
    pub(crate) data: PathBuf,
    /// The layer to train [default: fpi-nn].
    #[arg(long, value_enum, default_value = "fpi-nn", hide_default_value = true)]
    pub(crate) layer: LayerName,
    /// Most epochs to train, counted from the start of the run.
    #[arg(long, value_name = "N", default_value = "30", value_parser = positive, allow_negative_numbers = true)]
    pub(crate) epochs: usize,
    /// Fixes the split, the starting weights and the order of the examples.
    #[arg(long, value_name = "S", default_value_t = 1, allow_negative_numbers = true)]
    pub(crate) seed: u64,
    /// Folder for the results [default: out/bibtex-LAYER-seedS]. Without --resume an older run in it is replaced.
    #[arg(long, value_name = "DIR")]
    pub(crate) out: Option<PathBuf>,
    /// Where to compute: cpu (also called flex), or cuda where it is built in.
    #[arg(long, value_name = "NAME", default_value = "cpu")]
    pub(crate) device: String,
    /// How the fixed point is found [default: anderson].
    #[arg(long, value_enum, value_name = "NAME")]
    pub(crate) solver: Option<SolverName>,
    /// How the adjoint of the fixed point is found [default: gmres].
    #[arg(long, value_enum, value_name = "NAME")]
    pub(crate) adjoint: Option<AdjointName>,
    /// Relative residual at which a fixed point counts as found.
    #[arg(long, value_name = "T", value_parser = tolerance, allow_negative_numbers = true)]
    pub(crate) tolerance: Option<f64>,
    /// Most steps of the solver, forward and adjoint.
    #[arg(long, value_name = "N", value_parser = positive, allow_negative_numbers = true)]
    pub(crate) max_steps: Option<usize>,
    /// Stop after this many epochs without a better F1 on the validation split.
    #[arg(long, value_name = "N", default_value = "30", value_parser = positive, allow_negative_numbers = true)]
    pub(crate) patience: usize,
    /// Continue the run in the results folder from its last checkpoint.
    #[arg(long)]
    pub(crate) resume: bool,
    /// No dashboard and no progress lines.
    #[arg(long)]
    pub(crate) quiet: bool,
}

/// The arguments of `banach train toy`.
#[derive(Args, Debug)]
pub(crate) struct ToyArguments {
    /// Number of unknowns of the problem.
    #[arg(long, value_name = "N", default_value = "20", value_parser = positive, allow_negative_numbers = true)]
    pub(crate) dimension: usize,
    /// Epochs to train each network.
    #[arg(long, value_name = "N", default_value = "200", value_parser = positive, allow_negative_numbers = true)]
    pub(crate) epochs: usize,
    /// Fixes the problem, the samples and the starting weights.
    #[arg(long, value_name = "S", default_value_t = 1, allow_negative_numbers = true)]
    pub(crate) seed: u64,
    /// Folder for the results.
    #[arg(long, value_name = "DIR", default_value = "out/toy")]
    pub(crate) out: PathBuf,
    /// No progress lines.
    #[arg(long)]
    pub(crate) quiet: bool,
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

fn positive(text: &str) -> Result<usize, String> {
    match text.parse() {
        Ok(number) if number > 0 => Ok(number),
        _ => Err(format!("found {text}, expected a whole number of at least 1")),
    }
}

fn tolerance(text: &str) -> Result<f64, String> {
    match text.parse::<f64>() {
        Ok(number) if number > 0.0 && number < 1.0 => Ok(number),
        _ => Err(format!("found {text}, expected a number above 0 and below 1, for example 1e-4")),
    }
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
            ("banach train bibtex --data d --solver newton", "picard, anderson"),
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
