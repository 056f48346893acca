//! The experiments, and what they share.

mod checkpoint;
mod comparison_run;
mod continuation;
pub(crate) mod denoise;
mod epoch;
mod experiment;
pub(crate) mod flow;
pub(crate) mod multilabel;
mod perceptron;
mod schedule;
mod session;
mod solves;
mod sudoku;
mod toy;
mod trained;

pub(crate) use epoch::Work;
pub(crate) use experiment::Entry;

/// Every experiment of `banach train`, in the order of its help.
pub(crate) const EXPERIMENTS: [Entry; 6] = [
    Entry::of::<toy::Toy>(),
    Entry::of::<multilabel::Bibtex>(),
    Entry::of::<multilabel::MultiLabel>(),
    Entry::of::<denoise::Denoise>(),
    Entry::of::<flow::Flow>(),
    Entry::of::<sudoku::Sudoku>(),
];
