//! The experiments, and what they share.

pub(crate) mod bibtex;
mod checkpoint;
pub(crate) mod denoise;
mod epoch;
mod experiment;
mod perceptron;
mod session;
mod sudoku;
mod toy;

pub(crate) use epoch::Work;
pub(crate) use experiment::Entry;

/// Every experiment of `banach train`, in the order of its help.
pub(crate) const EXPERIMENTS: [Entry; 4] = [
    Entry::of::<toy::Toy>(),
    Entry::of::<sudoku::Sudoku>(),
    Entry::of::<bibtex::Bibtex>(),
    Entry::of::<denoise::Denoise>(),
];
