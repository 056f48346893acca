//! Multi-label classification of Bibtex.

mod arguments;
mod comparison;
mod display;
mod evaluation;
mod history;
mod loss;
mod network;
mod published;
mod recipe;
mod run;
mod settings;
mod step;
mod summary;
mod table;
mod training;
mod tuned;
mod weight_average;

pub(crate) use evaluation::F1Scores;
pub(crate) use loss::clip;
pub(crate) use network::Sample;
pub(crate) use published::Cell;
pub(crate) use recipe::PUBLISHED_HIDDEN;
pub(crate) use run::Bibtex;
pub(crate) use table::{TableArguments, table};
