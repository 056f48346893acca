//! The experiment in a build without quadratic programs: a type without values.

use super::arguments::{ABOUT, CONTENTS, NAME, SudokuArguments};
use crate::error::Error;
use crate::experiments::experiment::{Experiment, Finished, Plan};
use crate::experiments::session::Session;
use crate::report::folder::Contents;

/// An experiment that is never made.
#[derive(Debug)]
pub(crate) enum Sudoku {}

impl Experiment for Sudoku {
    const NAME: &'static str = NAME;
    const ABOUT: &'static str = ABOUT;
    const CONTENTS: Contents = CONTENTS;
    type Arguments = SudokuArguments;
    type Report = ();

    fn new(arguments: SudokuArguments, _: u64) -> Result<Self, Error> {
        let SudokuArguments { size, epochs, puzzles } = arguments;
        Err(Error::Setting {
            found: format!("train sudoku for boards of {size} digits, {puzzles} puzzles, {epochs} epochs"),
            expected: "a build with the feature `optimize`, which solves quadratic programs".into(),
            advice: "build with `cargo run --release --features optimize -- train sudoku`".into(),
        })
    }

    fn plan(&self) -> Plan {
        match *self {}
    }

    fn run(&self, _: &Session) -> Result<Finished<()>, Error> {
        match *self {}
    }
}
