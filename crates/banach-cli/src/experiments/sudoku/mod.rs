//! Sudoku: the rules, learned as a quadratic program from solved puzzles. A build has it with the feature `optimize`.

#[cfg(not(feature = "optimize"))]
mod absent;
mod arguments;
#[cfg(feature = "optimize")]
mod drawing;
#[cfg(feature = "optimize")]
mod network;
#[cfg(feature = "optimize")]
mod puzzle;
#[cfg(feature = "optimize")]
mod rules;
#[cfg(feature = "optimize")]
mod run;
#[cfg(feature = "optimize")]
mod training;

#[cfg(not(feature = "optimize"))]
pub(crate) use absent::Sudoku;
#[cfg(feature = "optimize")]
pub(crate) use run::Sudoku;
