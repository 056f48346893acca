//! The rules of Sudoku: which digits fit into a cell, and the completions of a board.

use crate::random::Generator;

/// A board, row by row; 0 is an empty cell.
pub(crate) type Board = Vec<u8>;

/// The rules for boards of one size: every digit once in each row, column and box.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Rules {
    /// The number of digits, and of cells in a row, a column or a box.
    pub(crate) size: usize,
    /// Rows of a box.
    height: usize,
    /// Columns of a box.
    width: usize,
}

impl Rules {
    /// The rules with boxes as near to squares as the size allows, wider than high.
    pub(crate) fn of(size: usize) -> Self {
        let height =
            (1..=size).filter(|height| size.is_multiple_of(*height) && height * height <= size).max();
        let height = height.unwrap_or(1);
        Self { size, height, width: size / height }
    }

    /// The number of cells.
    pub(crate) fn cells(&self) -> usize {
        self.size * self.size
    }

    /// The number of pairs of a cell and a digit, which is 1 where the cell holds the digit, else 0.
    pub(crate) fn variables(&self) -> usize {
        self.cells() * self.size
    }

    /// The number of independent equations that hold for these variables on all solved boards.
    ///
    /// Sums over the rows, columns and boxes of one digit are r independent equations: 3 size, less one for each band and
    /// for each stack of boxes, whose rows or columns have the sum of its boxes. They stand beside an equation for each
    /// cell, and of the digits the last follows from the others.
    pub(crate) fn equations(&self) -> usize {
        let sums = 3 * self.size - self.size / self.height - self.size / self.width;
        self.cells() + sums * (self.size - 1)
    }

    /// The number of the box of a cell.
    pub(super) fn block(&self, cell: usize) -> usize {
        let (row, column) = (cell / self.size, cell % self.size);
        row / self.height * (self.size / self.width) + column / self.width
    }

    /// Whether two cells stand in one row, column or box.
    fn meet(&self, a: usize, b: usize) -> bool {
        a / self.size == b / self.size || a % self.size == b % self.size || self.block(a) == self.block(b)
    }

    /// Whether a row, or a column, is the last of its boxes.
    pub(crate) fn ends_box(&self, row_or_column: usize, is_row: bool) -> bool {
        (row_or_column + 1).is_multiple_of(if is_row { self.height } else { self.width })
    }

    /// The empty cell into which the fewest digits fit, with these digits.
    fn narrowest(&self, board: &[u8]) -> Option<(usize, Vec<u8>)> {
        let fits = |cell: usize, digit: u8| {
            (0..board.len()).all(|other| board[other] != digit || !self.meet(cell, other))
        };
        let digits = |cell: usize| (1..=self.size as u8).filter(|&digit| fits(cell, digit)).collect();
        let empty = (0..board.len()).filter(|&cell| board[cell] == 0);
        empty.map(|cell| (cell, digits(cell))).min_by_key(|(_, digits): &(usize, Vec<u8>)| digits.len())
    }

    /// Fills the empty cells at random; false if there is no completion.
    pub(crate) fn complete(&self, board: &mut [u8], generator: &mut Generator) -> bool {
        let Some((cell, digits)) = self.narrowest(board) else { return true };
        for at in generator.permutation(digits.len()) {
            board[cell] = digits[at];
            if self.complete(board, generator) {
                return true;
            }
        }
        board[cell] = 0;
        false
    }

    /// The number of completions of a board, counted up to `most`.
    pub(crate) fn completions(&self, board: &mut [u8], most: usize) -> usize {
        let Some((cell, digits)) = self.narrowest(board) else { return 1 };
        let mut found = 0;
        for digit in digits {
            board[cell] = digit;
            found += self.completions(board, most - found);
            if found >= most {
                break;
            }
        }
        board[cell] = 0;
        found
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn boards_of_four_digits_have_288_completions_and_40_equations() {
        let rules = Rules::of(4);
        assert_eq!(rules.completions(&mut [0; 16], 1000), 288);
        assert_eq!((rules.variables(), rules.equations()), (64, 40));
        assert_eq!(Rules::of(9).equations(), 249);
    }

    #[test]
    fn boxes_of_six_digits_have_two_rows_and_three_columns() {
        let rules = Rules::of(6);
        assert_eq!([0, 2, 3, 6, 9, 12, 35].map(|cell| rules.block(cell)), [0, 0, 1, 0, 1, 2, 5]);
        let mut board = vec![0; 36];
        assert!(rules.complete(&mut board, &mut Generator::new(1, 0)));
        let alike = |a: usize, b: usize| a != b && board[a] == board[b] && rules.meet(a, b);
        assert!(!(0..36).any(|a| (0..36).any(|b| alike(a, b))), "{board:?}");
    }

    #[test]
    fn a_board_with_a_cell_that_takes_no_digit_has_no_completion() {
        let board = [1, 2, 3, 0, 0, 0, 0, 4, 0, 0, 0, 0, 0, 0, 0, 0];
        assert_eq!(Rules::of(4).completions(&mut board.to_vec(), 2), 0);
    }
}
