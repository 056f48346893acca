//! How fast is it, on the work that other libraries are measured on?

mod bibtex;
pub(crate) mod cell;
mod comparison;
pub(crate) mod conv;
mod matrix;
mod measurement;
mod memory;
mod networks;
mod rows;
mod solvers;
mod step;

use crate::command::Bench;
use crate::error::Error;

/// Runs `banach bench`.
pub(crate) fn bench(task: &Bench) -> Result<(), Error> {
    match task {
        Bench::Cell(measuring) => cell::bench(measuring),
        Bench::Conv { convolution, measuring } => conv::bench(*convolution, measuring),
        Bench::Bibtex { data, measuring } => bibtex::bench(data, measuring),
        Bench::Memory { steps, measuring } => memory::bench(*steps, measuring),
        Bench::Rows(measuring) => rows::bench(measuring),
        Bench::Solvers(measuring) => solvers::bench(measuring),
    }
}
