//! Denoising of photographs.

mod arguments;
mod denoiser;
mod evaluation;
mod experts;
mod history;
mod network;
mod quality;
mod run;
mod schedule;
mod settings;
mod summary;
mod tiles;
mod training;

pub(crate) use run::Denoise;
