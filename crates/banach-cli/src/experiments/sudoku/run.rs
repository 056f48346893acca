//! A run of the experiment: its plan, its report, its pictures and its table.

use super::arguments::{ABOUT, BOARDS, CONTENTS, ERRORS, NAME, SudokuArguments};
use super::drawing;
use super::puzzle::Puzzles;
use super::rules::Rules;
use super::training::{SudokuScores, SudokuTraining, Trained};
use crate::error::Error;
use crate::experiments::epoch::Epoch;
use crate::experiments::experiment::{Experiment, Finished, Plan};
use crate::experiments::session::Session;
use crate::random::Generator;
use crate::report::curves::{self, Axis, Curve, Panel};
use crate::report::folder::Contents;
use crate::report::table;
use serde::Serialize;

const TEST_PUZZLES: usize = 200;
const PUZZLE_STREAM: u64 = 41;
/// The size for which the time of a run is known, and milliseconds of an epoch for each puzzle on two cores.
const TIMED: (usize, f64) = (4, 4.0);

/// The puzzles and the options.
pub(crate) struct Sudoku {
    arguments: SudokuArguments,
    seed: u64,
    rules: Rules,
    puzzles: Puzzles,
}

/// The contents of `report.json`.
#[derive(Debug, Serialize)]
pub(crate) struct SudokuReport {
    experiment: &'static str,
    seed: u64,
    parameters: usize,
    settings: Settings,
    epochs: Vec<Epoch<SudokuScores>>,
}

#[derive(Debug, Serialize)]
struct Settings {
    size: usize,
    epochs: usize,
    train_puzzles: usize,
    test_puzzles: usize,
    variables: usize,
    equations: usize,
}

impl Experiment for Sudoku {
    const NAME: &'static str = NAME;
    const ABOUT: &'static str = ABOUT;
    const CONTENTS: Contents = CONTENTS;
    type Arguments = SudokuArguments;
    type Report = SudokuReport;

    fn new(arguments: SudokuArguments, seed: u64) -> Result<Self, Error> {
        let rules = Rules::of(arguments.size);
        let mut generator = Generator::new(seed, PUZZLE_STREAM);
        let puzzles = Puzzles::draw(rules, arguments.puzzles, TEST_PUZZLES, &mut generator);
        Ok(Self { arguments, seed, rules, puzzles })
    }

    fn plan(&self) -> Plan {
        let SudokuArguments { size, epochs, puzzles } = self.arguments;
        let (n, p) = (self.rules.variables(), self.rules.equations());
        let what = format!(
            "learns the rules of Sudoku with {size} digits from {puzzles} solved puzzles, as {p} equations of a quadratic program with {n} variables, in {epochs} epochs"
        );
        let seconds = (size == TIMED.0).then_some(1e-3 * TIMED.1 * (epochs * puzzles) as f64);
        Plan { what, seconds, folder: "out/sudoku".into(), resumes: false }
    }

    fn run(&self, session: &Session) -> Result<Finished<SudokuReport>, Error> {
        let SudokuArguments { size, epochs, puzzles } = self.arguments;
        let progress = session.progress(0, epochs, "epochs");
        let training = SudokuTraining {
            rules: self.rules,
            puzzles: &self.puzzles,
            epochs,
            seed: self.seed,
            interruption: &session.interruption,
            progress: &progress,
        };
        let trained = training.train()?;
        drop(progress);
        // The first board with a wrong digit, if there is one.
        let answered = || self.puzzles.test.iter().zip(&trained.boards);
        let shown = answered().find(|(puzzle, board)| puzzle.answer != **board).or_else(|| answered().next());
        let board = match shown {
            Some((puzzle, board)) => {
                drawing::draw(&session.path(BOARDS), self.rules, puzzle, board)?;
                drawing::text(self.rules, puzzle, board)
            }
            None => String::new(),
        };
        curves::draw(&session.path(ERRORS), &panels(&trained.epochs))?;
        let settings = Settings {
            size,
            epochs,
            train_puzzles: puzzles,
            test_puzzles: self.puzzles.test.len(),
            variables: self.rules.variables(),
            equations: self.rules.equations(),
        };
        let table = format!("{board}\n\n{}", closing_table(&trained));
        let Trained { parameters, epochs, .. } = trained;
        let report = SudokuReport { experiment: NAME, seed: self.seed, parameters, settings, epochs };
        Ok(Finished { report, is_new: true, table, pictures: &[ERRORS, BOARDS], next: next() })
    }
}

fn next() -> Vec<(String, &'static str)> {
    vec![
        ("banach train sudoku --puzzles 200 --out out/sudoku-200".into(), "fewer puzzles to learn from"),
        ("banach bench qp".into(), "the time of quadratic programs as a layer"),
    ]
}

fn panels(epochs: &[Epoch<SudokuScores>]) -> [Panel; 2] {
    let panel = |title, logarithmic, curves| Panel { title, logarithmic, axis: Axis::Epochs, curves };
    let error = Curve::of("test", epochs, |epoch| Some(epoch.scores.test_error));
    let test = Curve::of("test", epochs, |epoch| epoch.scores.test_loss);
    let train = Curve::of("training", epochs, |epoch| epoch.sums.mean_loss());
    [
        panel("share of boards with a wrong digit", false, vec![error]),
        panel("mean squared error", true, vec![test, train]),
    ]
}

fn closing_table(trained: &Trained) -> String {
    let loss = |loss: Option<f64>| loss.map_or("none".into(), |loss| format!("{loss:.3e}"));
    let last = trained.epochs.last();
    let wrong = last.map_or(f64::NAN, |epoch| epoch.scores.test_error * trained.boards.len() as f64);
    let failed: usize = trained.epochs.iter().map(|epoch| epoch.sums.work.unconverged_rows).sum();
    let row = vec![
        format!("after {} epochs", trained.epochs.len()),
        trained.parameters.to_string(),
        loss(last.and_then(|epoch| epoch.sums.mean_loss())),
        loss(last.and_then(|epoch| epoch.scores.test_loss)),
        format!("{wrong:.0} of {}", trained.boards.len()),
        failed.to_string(),
        format!("{:.1}", trained.seconds),
    ];
    let head =
        ["sudoku", "parameters", "train loss", "test loss", "wrong boards", "unsolved rows", "seconds"];
    table::lined_up(&head, &[row])
}
