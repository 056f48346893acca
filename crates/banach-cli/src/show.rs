//! The command `show`: an update as a program, split for its loop, or traced while it is solved.

use crate::bench::{cell, conv};
use crate::command::{Show, ShowArguments};
use crate::error::Error;
use crate::experiments::bibtex::Sample;
use crate::report::plural::counted;
use crate::terminal::output::say;
use crate::trace;
use banach::program::{Program, hoist, operations, operations_of};
use banach::{FixedPointConfig, Report};
use burn::tensor::Device;

/// Runs `banach show`.
pub(crate) fn show(update: &Show) -> Result<(), Error> {
    let device = Device::flex();
    match update {
        Show::Bibtex { recipe, layer, arguments } => {
            let sample = |config: &FixedPointConfig| Sample::new(*recipe, *layer, config, &device);
            let shown = Shown {
                name: "bibtex",
                program: &|| sample(&FixedPointConfig::new())?.program(),
                solved: &|config| sample(config)?.solved(),
            };
            shown.show(arguments)
        }
        Show::Cell(arguments) => {
            let (program, solved) = (&|| cell::program(&device), &|config: &_| cell::solved(config, &device));
            Shown { name: "cell", program, solved }.show(arguments)
        }
        Show::Conv(arguments) => {
            let (program, solved) = (&|| conv::program(&device), &|config: &_| conv::solved(config, &device));
            Shown { name: "conv", program, solved }.show(arguments)
        }
    }
}

/// What can be shown of an update.
struct Shown<'a> {
    name: &'static str,
    program: &'a dyn Fn() -> Result<Program, Error>,
    solved: &'a dyn Fn(&FixedPointConfig) -> Result<Report, Error>,
}

impl Shown<'_> {
    fn show(&self, arguments: &ShowArguments) -> Result<(), Error> {
        if arguments.trace {
            return trace::trace(self.name, &arguments.solving, self.solved);
        }
        let program = (self.program)()?;
        if arguments.hoisted { say(split(&program)) } else { say(program) }
    }
}

/// The two parts of the program, with the floating-point operations of each line.
fn split(program: &Program) -> String {
    let parts = hoist(program, &[0]);
    let part = |name: &str, program: &Program, when: &str| {
        format!("{name}: {}{when}\n{}", counted(operations(program), "operation"), with_counts(program))
    };
    let prologue = part("prologue", &parts.prologue, ", once a solve");
    format!("{prologue}\n\n{}", part("loop", &parts.body, " a step"))
}

/// A program as it prints itself: a head, a line for every equation, the outputs. Counts go before the equations.
fn with_counts(program: &Program) -> String {
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
