//! Denoising of photographs.

mod arguments;
mod comparison;
mod convolution;
mod denoiser;
mod evaluation;
mod experts;
mod history;
mod model;
mod network;
mod pictures;
mod quality;
mod run;
mod settings;
mod summary;
mod table;
mod tiles;
mod training;

pub(crate) use denoiser::Denoiser;
pub(crate) use model::{decode, read};
pub(crate) use network::Shape;
pub(crate) use run::Denoise;
pub(crate) use table::{TableArguments, table};
