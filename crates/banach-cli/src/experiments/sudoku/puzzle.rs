//! Puzzles with one solution, and their tensors.

use super::rules::{Board, Rules};
use crate::random::Generator;
use burn::tensor::{Device, Tensor, TensorData};
use std::collections::HashSet;

/// A board with empty cells and its only completion.
#[derive(Clone, Debug)]
pub(crate) struct Puzzle {
    pub(crate) given: Board,
    pub(crate) answer: Board,
}

impl Puzzle {
    /// A random puzzle. Cells are emptied in random order, those that are needed for the solution to be the only one kept,
    /// until three of eight are left.
    fn draw(rules: Rules, generator: &mut Generator) -> Self {
        let mut answer = vec![0; rules.cells()];
        rules.complete(&mut answer, generator);
        let (mut given, mut left) = (answer.clone(), rules.cells());
        for cell in generator.permutation(rules.cells()) {
            if left <= rules.cells() * 3 / 8 {
                break;
            }
            let digit = std::mem::replace(&mut given[cell], 0);
            if rules.completions(&mut given, 2) == 1 {
                left -= 1;
            } else {
                given[cell] = digit;
            }
        }
        Self { given, answer }
    }
}

/// Puzzles to test with, and puzzles to learn from.
#[derive(Debug)]
pub(crate) struct Puzzles {
    pub(crate) test: Vec<Puzzle>,
    pub(crate) train: Vec<Puzzle>,
}

impl Puzzles {
    /// Random puzzles. No solved board of a test puzzle is that of a puzzle to learn from.
    pub(crate) fn draw(rules: Rules, train: usize, test: usize, generator: &mut Generator) -> Self {
        let test: Vec<Puzzle> = (0..test).map(|_| Puzzle::draw(rules, generator)).collect();
        let held_out: HashSet<&Board> = test.iter().map(|puzzle| &puzzle.answer).collect();
        let mut learned = Vec::with_capacity(train);
        while learned.len() < train {
            let puzzle = Puzzle::draw(rules, generator);
            if !held_out.contains(&puzzle.answer) {
                learned.push(puzzle);
            }
        }
        Self { train: learned, test }
    }
}

/// Boards as rows `[boards, variables]`: 1 where a cell holds a digit, else 0.
pub(crate) fn indicators<'a>(
    rules: Rules,
    boards: impl Iterator<Item = &'a Board>,
    device: &Device,
) -> Tensor<2> {
    let digits = 1..=rules.size as u8;
    let row =
        |board: &'a Board| board.iter().flat_map(|cell| digits.clone().map(move |digit| digit == *cell));
    let numbers: Vec<f32> = boards.flat_map(row).map(|holds| f32::from(u8::from(holds))).collect();
    let rows = numbers.len() / rules.variables();
    Tensor::from_data(TensorData::new(numbers, [rows, rules.variables()]), device)
}

/// The boards that hold the digit with the largest number in each cell.
pub(crate) fn boards(rules: Rules, x: &Tensor<2>) -> Vec<Board> {
    let numbers: Vec<f32> = x.to_data().iter().collect();
    let digit = |cell: &[f32]| {
        let largest = cell.iter().enumerate().max_by(|a, b| a.1.total_cmp(b.1));
        largest.map_or(0, |(at, _)| at as u8 + 1)
    };
    numbers.chunks(rules.variables()).map(|board| board.chunks(rules.size).map(digit).collect()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn puzzles_have_one_solution_and_few_givens() {
        let rules = Rules::of(4);
        let Puzzles { test, train } = Puzzles::draw(rules, 30, 20, &mut Generator::new(1, 0));
        for puzzle in test.iter().chain(&train) {
            assert_eq!(rules.completions(&mut puzzle.given.clone(), 9), 1, "{puzzle:?}");
            assert!(
                puzzle.given.iter().zip(&puzzle.answer).all(|(given, digit)| [0, *digit].contains(given))
            );
            assert!(puzzle.given.iter().filter(|digit| **digit > 0).count() <= 8, "{puzzle:?}");
        }
        assert!(!test.iter().any(|a| train.iter().any(|b| a.answer == b.answer)));
    }

    #[test]
    fn a_board_comes_back_from_its_indicators() {
        let rules = Rules::of(4);
        let Puzzles { test, .. } = Puzzles::draw(rules, 0, 2, &mut Generator::new(2, 0));
        let x = indicators(rules, test.iter().map(|puzzle| &puzzle.answer), &Device::flex());
        assert_eq!((x.dims(), x.clone().sum().into_scalar::<f32>()), ([2, 64], 32.0));
        assert_eq!(boards(rules, &x), [test[0].answer.clone(), test[1].answer.clone()]);
        let given = indicators(rules, test.iter().map(|puzzle| &puzzle.given), &Device::flex());
        assert!(given.sum().into_scalar::<f32>() < 32.0);
    }
}
