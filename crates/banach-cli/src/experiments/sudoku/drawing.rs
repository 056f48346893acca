//! Drawings of boards: as text, and as SVG files.

use super::puzzle::Puzzle;
use super::rules::Rules;
use crate::error::Error;
use crate::report::file;
use std::fmt::Write as _;
use std::path::Path;

/// The side of a cell in units of the picture.
const CELL: usize = 36;
const GAP: usize = 16;
const GIVEN: &str = "#222";
const FOUND: &str = "#1f77b4";
const WRONG: &str = "#d62728";

/// A puzzle and the board that was found for it, side by side, `.` for an empty cell.
pub(crate) fn text(rules: Rules, puzzle: &Puzzle, found: &[u8]) -> String {
    let row = |board: &[u8], row: usize| {
        let mut line = String::new();
        for column in 0..rules.size {
            let digit = board[row * rules.size + column];
            let bar = if column + 1 < rules.size && rules.ends_box(column, false) { " | " } else { " " };
            line += &if digit == 0 { ".".into() } else { digit.to_string() };
            line += bar;
        }
        line.trim_end().to_string()
    };
    let mut lines: Vec<String> = vec![];
    for at in 0..rules.size {
        let line = format!("{}     {}", row(&puzzle.given, at), row(found, at));
        let width = row(found, at).len();
        lines.push(line);
        if at + 1 < rules.size && rules.ends_box(at, true) {
            lines.push(format!("{0}     {0}", "-".repeat(width)));
        }
    }
    lines.join("\n")
}

/// Draws a puzzle and the board that was found for it.
pub(crate) fn draw(path: &Path, rules: Rules, puzzle: &Puzzle, found: &[u8]) -> Result<(), Error> {
    file::write_whole(path, svg(rules, puzzle, found).as_bytes()).map_err(|error| Error::write(path, error))
}

fn svg(rules: Rules, puzzle: &Puzzle, found: &[u8]) -> String {
    let side = rules.size * CELL;
    let (width, height) = (2 * side + 3 * GAP, side + 2 * GAP);
    let mut body = String::new();
    for (left, board) in [(GAP, &puzzle.given[..]), (2 * GAP + side, found)] {
        // A String takes everything that is written into it.
        for (cell, &digit) in board.iter().enumerate().filter(|(_, digit)| **digit > 0) {
            let (x, y) = (left + cell % rules.size * CELL + CELL / 2, GAP + cell / rules.size * CELL);
            let (given, right) = (puzzle.given[cell] == digit, puzzle.answer[cell] == digit);
            let colour = if given {
                GIVEN
            } else if right {
                FOUND
            } else {
                WRONG
            };
            let y = y + CELL * 2 / 3;
            let font = "font-family=\"sans-serif\" font-size=\"20\" text-anchor=\"middle\"";
            let _ = writeln!(body, "<text x=\"{x}\" y=\"{y}\" {font} fill=\"{colour}\">{digit}</text>");
        }
        for line in 0..=rules.size {
            for (is_row, at) in [(true, GAP + line * CELL), (false, left + line * CELL)] {
                let thick = line == 0 || rules.ends_box(line - 1, is_row);
                let [x1, y1, x2, y2] =
                    if is_row { [left, at, left + side, at] } else { [at, GAP, at, GAP + side] };
                let width = if thick { 2.0 } else { 0.5 };
                let _ = writeln!(
                    body,
                    "<line x1=\"{x1}\" y1=\"{y1}\" x2=\"{x2}\" y2=\"{y2}\" stroke=\"{GIVEN}\" stroke-width=\"{width}\"/>"
                );
            }
        }
    }
    let head = format!("width=\"{width}\" height=\"{height}\" viewBox=\"0 0 {width} {height}\"");
    format!(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" {head}>\n<rect width=\"100%\" height=\"100%\" fill=\"white\"/>\n{body}</svg>\n"
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    fn example() -> (Puzzle, Vec<u8>) {
        let answer = vec![1, 2, 3, 4, 3, 4, 1, 2, 2, 1, 4, 3, 4, 3, 2, 1];
        let mut given = answer.clone();
        (1..9).for_each(|cell| given[cell] = 0);
        let mut found = answer.clone();
        found[1] = 3;
        (Puzzle { given, answer }, found)
    }

    #[test]
    fn boards_stand_side_by_side_with_lines_between_boxes() {
        let (puzzle, found) = example();
        let text = text(Rules::of(4), &puzzle, &found);
        let expected = "1 . | . .     1 3 | 3 4\n. . | . .     3 4 | 1 2\n---------     ---------\n. 1 | 4 3     2 1 | 4 3\n4 3 | 2 1     4 3 | 2 1";
        assert_eq!(text, expected);
    }

    #[test]
    fn the_picture_tells_given_found_and_wrong_digits_apart() {
        let (puzzle, found) = example();
        let picture = svg(Rules::of(4), &puzzle, &found);
        let texts = |colour: &str| picture.matches(&format!("fill=\"{colour}\">")).count();
        assert_eq!((texts(GIVEN), texts(FOUND), texts(WRONG)), (16, 7, 1));
        assert_eq!(picture.matches("stroke-width=\"2\"").count(), 2 * 2 * 3);
    }
}
