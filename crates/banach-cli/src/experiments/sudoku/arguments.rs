//! The name, the options and the files of the experiment.

use crate::options::numbers::{board, count};
use crate::report::folder::Contents;
use clap::Args;

pub(crate) const NAME: &str = "sudoku";
pub(crate) const ABOUT: &str = "The rules of Sudoku, learned as a quadratic program from solved puzzles; needs no files, and a build with the feature `optimize`";
pub(crate) const ERRORS: &str = "error.svg";
pub(crate) const BOARDS: &str = "board.svg";
pub(crate) const CONTENTS: Contents = Contents {
    command: "train sudoku",
    experiment: Some(NAME),
    files: &["report.json", ERRORS, BOARDS],
    folders: &[],
};

/// The options of `banach train sudoku`.
#[derive(Args, Debug)]
pub(crate) struct SudokuArguments {
    /// Digits of a board: 4, 6 or 9. Each has as many rows, columns and boxes.
    #[arg(long, value_name = "N", default_value = "4", value_parser = board, allow_negative_numbers = true)]
    pub(crate) size: usize,
    /// Epochs of training.
    #[arg(long, value_name = "N", default_value = "30", value_parser = count, allow_negative_numbers = true)]
    pub(crate) epochs: usize,
    /// Puzzles to learn from.
    #[arg(long, value_name = "N", default_value = "1000", value_parser = count, allow_negative_numbers = true)]
    pub(crate) puzzles: usize,
}
