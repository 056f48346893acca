//! Optical flow.

mod arguments;
mod comparison;
mod convolutions;
mod data_term;
mod estimator;
mod evaluation;
mod flow_colours;
mod flownet;
mod history;
mod horn_schunck;
mod learner;
mod loss;
mod model;
mod network;
mod pictures;
mod pytorch;
mod real_pairs;
mod refiner;
mod run;
mod settings;
mod summary;
mod table;
mod training;

pub(crate) use estimator::Estimator;
#[cfg(test)]
pub(crate) use evaluation::Errors;
pub(crate) use flow_colours::draw;
pub(crate) use learner::Learner;
pub(crate) use model::{decode, read};
pub(crate) use network::Shape;
pub(crate) use run::Flow;
pub(crate) use table::{TableArguments, table};
