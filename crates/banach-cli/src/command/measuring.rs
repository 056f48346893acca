//! Which options do the benchmarks take?

use super::names::{ConvolutionName, EngineName, RoadName};
use super::numbers::count;
use clap::{Args, Subcommand};
use std::path::PathBuf;

/// The benchmarks.
#[derive(Debug, Subcommand)]
pub(crate) enum Bench {
    /// A training step of a dense tanh cell in three sizes.
    Cell(Measuring),
    /// A training step of a convolutional cell with a fixed number of iterations, and its forward solve, in three sizes.
    Conv {
        /// How the convolutions are computed by the native engine.
        #[arg(long, value_enum, value_name = "NAME", default_value = "direct")]
        convolution: ConvolutionName,
        #[command(flatten)]
        measuring: Measuring,
    },
    /// Epochs of the published Bibtex map.
    Bibtex {
        /// Folder with bibtex-train.arff and bibtex-test.arff.
        #[arg(long, value_name = "DIR")]
        data: PathBuf,
        #[command(flatten)]
        measuring: Measuring,
    },
    /// The peak of memory of a training step with 10 and with 200 iterations, each in a process of its own.
    Memory {
        /// Only so many iterations, measured in this very process.
        #[arg(long, value_name = "N", value_parser = count, allow_negative_numbers = true)]
        steps: Option<usize>,
        #[command(flatten)]
        measuring: Measuring,
    },
    /// A batch in which one row needs 20 times the steps of the others, against its parts alone.
    Rows(Measuring),
    /// Every forward solver and every adjoint solver on several networks; prints Markdown. Takes no --road.
    Solvers(Measuring),
}

/// What is measured, and how it is written.
#[derive(Args, Clone, Debug)]
pub(crate) struct Measuring {
    /// One line of JSON for each measurement, as soon as it is there, instead of a table at the end.
    #[arg(long)]
    pub(crate) json: bool,
    /// Where the loops of the fixed points run.
    #[arg(long, value_enum, value_name = "NAME", default_value = "native")]
    pub(crate) engine: EngineName,
    /// How training steps get their gradient [default: by each road in turn].
    #[arg(long, value_enum, value_name = "NAME")]
    pub(crate) road: Option<RoadName>,
    /// Timed runs of each setting, of which the median counts; the number of epochs for bibtex [default: by task].
    #[arg(long, value_name = "N", value_parser = count, allow_negative_numbers = true)]
    pub(crate) repeats: Option<usize>,
    /// Only the settings whose name holds this text.
    #[arg(long, value_name = "TEXT")]
    pub(crate) only: Option<String>,
}
