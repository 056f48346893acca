//! Benchmarks: the work that other libraries are measured on.

mod bibtex;
pub(crate) mod cell;
mod comparison;
pub(crate) mod conv;
mod earlier;
mod energy;
mod flow;
mod journal;
mod matrix;
mod measurement;
mod memory;
mod networks;
#[cfg(feature = "optimize")]
mod qp;
mod rows;
mod scale;
mod solvers;
mod step;

use crate::error::Error;
use crate::options::numbers::count;
use crate::options::{ConvolutionName, Measuring};
use clap::Subcommand;
use std::path::PathBuf;

/// The benchmarks.
#[derive(Debug, Subcommand)]
pub(crate) enum Bench {
    /// A training step of a dense tanh cell in three sizes.
    Cell(Measuring),
    /// A training step of a convolutional cell with a fixed number of iterations, and its forward solve, in three sizes.
    Conv {
        /// How the convolutions are computed by the native engine.
        #[arg(long, value_enum, value_name = "NAME", default_value = "auto")]
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
    /// The minimisation of a trained energy of FPI_GD for all test examples. Takes no --backward.
    Energy(energy::EnergyArguments),
    /// A training step of FlowNet, with a fixed point behind it and without, in two sizes. Takes no --backward and no --engine.
    Flow(Measuring),
    /// The peak of memory of a training step with 10 and with 200 iterations, each in a process of its own.
    Memory {
        /// Only so many iterations, measured in this very process.
        #[arg(long, value_name = "N", value_parser = count, allow_negative_numbers = true)]
        steps: Option<usize>,
        #[command(flatten)]
        measuring: Measuring,
    },
    /// A batch of quadratic programs and the gradient of all their data, in three sizes. Takes no --backward and no --engine;
    /// needs a build with the feature `optimize`.
    Qp(Measuring),
    /// A batch in which one row needs 20 times the steps of the others, against its parts alone.
    Rows(Measuring),
    /// Forward solves while batch, width, channels, image size, steps and threads grow, beside the roofs of this machine,
    /// with a picture. Takes no --backward.
    Scale(scale::ScaleArguments),
    /// Every forward solver and every adjoint solver on several networks; prints Markdown. Takes no --backward.
    Solvers(Measuring),
}

/// Runs `banach bench`.
pub(crate) fn bench(task: &Bench) -> Result<(), Error> {
    match task {
        Bench::Cell(measuring) => cell::bench(measuring),
        Bench::Conv { convolution, measuring } => conv::bench(*convolution, measuring),
        Bench::Bibtex { data, measuring } => bibtex::bench(data, measuring),
        Bench::Energy(arguments) => energy::bench(arguments),
        Bench::Flow(measuring) => flow::bench(measuring.on_the_cpu()?),
        Bench::Memory { steps, measuring } => memory::bench(*steps, measuring.on_the_cpu()?),
        #[cfg(feature = "optimize")]
        Bench::Qp(measuring) => qp::bench(measuring.on_the_cpu()?),
        #[cfg(not(feature = "optimize"))]
        Bench::Qp(_) => Err(Error::Setting {
            found: "bench qp".into(),
            expected: "a build with the feature `optimize`, which solves quadratic programs".into(),
            advice: "build with `cargo run --release --features optimize -- bench qp`".into(),
        }),
        Bench::Rows(measuring) => rows::bench(measuring),
        Bench::Scale(arguments) => scale::bench(arguments),
        Bench::Solvers(measuring) => solvers::bench(measuring.on_the_cpu()?),
    }
}
