//! Multi-label classification: Bibtex, and data sets of users.

mod any_data;
mod arguments;
mod bibtex;
mod comparison;
mod convex;
mod display;
mod evaluation;
mod history;
mod inference;
mod loss;
mod measures;
mod model;
mod network;
mod predict;
mod prediction;
mod published;
mod recipe;
mod run;
mod settings;
mod step;
mod structured;
mod summary;
mod table;
mod training;
mod tuned;
mod value;
mod weight_average;

pub(crate) use any_data::MultiLabel;
pub(crate) use bibtex::Bibtex;
pub(crate) use evaluation::F1Scores;
pub(crate) use loss::clip;
pub(crate) use network::Sample;
pub(crate) use predict::{PredictArguments, predict};
pub(crate) use published::Cell;
pub(crate) use recipe::PUBLISHED_HIDDEN;
pub(crate) use table::{AnyTableArguments, TableArguments, any_table, table};
