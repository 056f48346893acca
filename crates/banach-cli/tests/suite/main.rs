//! The command as a user runs it: arguments, files, output and exit codes.
#![allow(clippy::unwrap_used, reason = "a test that cannot go on fails")]

mod benchmarks;
mod bibtex;
mod denoise;
mod flow;
mod folders;
mod interruption;
mod label_files;
mod machines;
mod mistakes;
mod multilabel;
mod pages;
mod reports;
mod stage;
mod weights;
