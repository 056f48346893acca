//! How is the program of an update printed, as it is or split for its loop?

use crate::bench::{cell, conv};
use crate::command::{Show, ShowArguments};
use crate::error::Error;
use crate::experiments::bibtex;
use banach::program::{Program, hoist, operations, operations_of};
use burn::tensor::Device;

/// Runs `banach show`.
pub(crate) fn show(update: &Show) -> Result<(), Error> {
    let device = Device::flex();
    let (program, ShowArguments { hoisted }) = match update {
        Show::Bibtex(arguments) => (bibtex::program(&device)?, arguments),
        Show::Cell(arguments) => (cell::program(&device)?, arguments),
        Show::Conv(arguments) => (conv::program(&device)?, arguments),
    };
    if *hoisted {
        println!("{}", split(&program))
    } else {
        println!("{program}")
    }
    Ok(())
}

/// The two parts of the program, with the floating-point operations of each line.
fn split(program: &Program) -> String {
    let parts = hoist(program, &[0]);
    let part = |name: &str, program: &Program, when: &str| {
        format!("{name}: {} operations{when}\n{}", operations(program), counted(program))
    };
    let prologue = part("prologue", &parts.prologue, ", once a solve");
    format!("{prologue}\n\n{}", part("loop", &parts.body, " a step"))
}

/// A program as it prints itself: a head, a line for every equation, the outputs. Counts go before the equations.
fn counted(program: &Program) -> String {
    let counts = program.equations().iter().map(|equation| operations_of(program, equation).to_string());
    let counts: Vec<String> = std::iter::once(String::new()).chain(counts).collect();
    let width = counts.iter().map(String::len).max().unwrap_or(0);
    let text = program.to_string();
    let lines = text.lines().enumerate().map(|(at, line)| {
        let count = counts.get(at).map_or("", String::as_str);
        format!("{count:>width$}  {line}")
    });
    lines.collect::<Vec<_>>().join("\n")
}
