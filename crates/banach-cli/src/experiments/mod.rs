//! Which experiments are there, and what do they share?

pub(crate) mod bibtex;
mod perceptron;
pub(crate) mod toy;
