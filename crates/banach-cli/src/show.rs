//! How is an update shown: its program as it is, split for its loop, or how it is solved?

use crate::bench::{cell, conv};
use crate::command::Show;
use crate::error::Error;
use crate::experiments::bibtex;
use crate::output::say;
use crate::trace;
use banach::program::{Program, hoist, operations, operations_of};
use banach::{FixedPointConfig, Report};
use burn::tensor::Device;

/// Runs `banach show`.
pub(crate) fn show(update: &Show) -> Result<(), Error> {
    let (update, arguments) = match update {
        Show::Bibtex(arguments) => (BIBTEX, arguments),
        Show::Cell(arguments) => (CELL, arguments),
        Show::Conv(arguments) => (CONV, arguments),
    };
    let device = Device::flex();
    if arguments.trace {
        return trace::trace(update.name, &arguments.solving, |config| (update.solved)(config, &device));
    }
    let program = (update.program)(&device)?;
    if arguments.hoisted { say(split(&program)) } else { say(program) }
}

/// What can be shown of an update.
struct Shown {
    name: &'static str,
    program: fn(&Device) -> Result<Program, Error>,
    solved: fn(&FixedPointConfig, &Device) -> Result<Report, Error>,
}

const BIBTEX: Shown = Shown { name: "bibtex", program: bibtex::program, solved: bibtex::solved };
const CELL: Shown = Shown { name: "cell", program: cell::program, solved: cell::solved };
const CONV: Shown = Shown { name: "conv", program: conv::program, solved: conv::solved };

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
