//! The experiments, and what they share.

pub(crate) mod bibtex;
mod checkpoint;
pub(crate) mod denoise;
mod epoch;
mod experiment;
mod perceptron;
mod session;
mod toy;

pub(crate) use epoch::Work;
pub(crate) use experiment::Entry;

/// Every experiment of `banach train`, in the order of its help.
pub(crate) const EXPERIMENTS: [Entry; 3] =
    [Entry::of::<toy::Toy>(), Entry::of::<bibtex::Bibtex>(), Entry::of::<denoise::Denoise>()];
