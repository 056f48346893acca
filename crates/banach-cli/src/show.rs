//! The command `show`: an update as a program, split for its loop, or traced while it is solved.

use crate::bench::{cell, conv};
use crate::error::Error;
use crate::experiments::multilabel::Sample;
use crate::options::{LayerName, RecipeName, Verbosity};
use crate::report::json;
use crate::report::plural::counted;
use crate::terminal::output::say;
use crate::trace::{self, Solving};
use banach::program::{ConvolutionMethod, Program, convolution_method, hoist, operations, operations_of};
use banach::{FixedPointConfig, Report};
use burn::tensor::Device;
use clap::{Args, Subcommand};
use serde_json::{Value, json};
use std::collections::BTreeMap;

/// The updates that can be shown.
#[derive(Debug, Subcommand)]
pub(crate) enum Show {
    /// The update of the layer that `banach train bibtex` trains, by the same recipe and layer.
    Bibtex {
        /// The network, as for training [default: tuned].
        #[arg(long, value_enum, default_value = "tuned", hide_default_value = true)]
        recipe: RecipeName,
        /// A layer with a fixed point: fpi-nn or fpi-gd [default: fpi-nn].
        #[arg(long, value_enum, default_value = "fpi-nn", hide_default_value = true)]
        layer: LayerName,
        #[command(flatten)]
        arguments: ShowArguments,
    },
    /// The dense cell of the benchmarks.
    Cell(ShowArguments),
    /// The convolutional cell of the benchmarks.
    Conv(ShowArguments),
}

/// The arguments of `banach show`.
#[derive(Args, Debug)]
pub(crate) struct ShowArguments {
    /// Split into what runs once a solve and what runs in every step, with the floating-point operations of each line.
    #[arg(long, conflicts_with = "trace")]
    pub(crate) hoisted: bool,
    /// Solve for the fixed point instead, with untrained weights and inputs that look random, and write how the residual of
    /// every row falls: trace.csv and trace.svg.
    #[arg(long)]
    pub(crate) trace: bool,
    #[command(flatten)]
    pub(crate) solving: Solving,
    #[command(flatten)]
    pub(crate) verbosity: Verbosity,
}

impl ShowArguments {
    /// An option that only a trace reads, where there is none.
    fn without_trace(&self) -> Option<&'static str> {
        let Solving { out, solver, tolerance, max_steps } = &self.solving;
        let given = [
            ("--out", out.is_some()),
            ("--solver", solver.is_some()),
            ("--tolerance", tolerance.is_some()),
            ("--max-steps", max_steps.is_some()),
        ];
        given.iter().find(|(_, given)| *given && !self.trace).map(|(option, _)| *option)
    }
}

impl Show {
    /// An option that only a trace reads, where there is none.
    pub(crate) fn without_trace(&self) -> Option<&'static str> {
        let (Self::Bibtex { arguments, .. } | Self::Cell(arguments) | Self::Conv(arguments)) = self;
        arguments.without_trace()
    }
}

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
            return trace::trace(self.name, &arguments.solving, arguments.verbosity, self.solved);
        }
        let program = (self.program)()?;
        match (arguments.verbosity.json, arguments.hoisted) {
            (true, hoisted) => json::say(&self.as_json(&program, hoisted)),
            (false, true) => say(split(&program)),
            (false, false) => say(with_methods(program.to_string(), &program)),
        }
    }

    fn as_json(&self, program: &Program, hoisted: bool) -> Value {
        let part = |program: &Program| {
            json!({
                "operations": operations(program),
                "text": program.to_string(),
                "methods": methods(program).collect::<BTreeMap<_, _>>(),
            })
        };
        if !hoisted {
            return json!({ "name": self.name, "program": part(program) });
        }
        let parts = hoist(program, &[0]);
        json!({ "name": self.name, "prologue": part(&parts.prologue), "loop": part(&parts.body) })
    }
}

/// The two parts of the program, with the floating-point operations of each line.
fn split(program: &Program) -> String {
    let parts = hoist(program, &[0]);
    let part = |name: &str, program: &Program, when: &str| {
        let head = format!("{name}: {}{when}", counted(operations(program), "operation"));
        format!("{head}\n{}", with_methods(with_counts(program), program))
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

/// A program's text, and below it the methods of its convolutions.
fn with_methods(text: String, program: &Program) -> String {
    let methods: Vec<String> = methods(program).map(|(name, method)| format!("{name} {method}")).collect();
    if methods.is_empty() { text } else { format!("{text}\nmethods: {}", methods.join(", ")) }
}

/// The method by which the native engine computes each convolution.
fn methods(program: &Program) -> impl Iterator<Item = (String, String)> {
    program.equations().iter().filter_map(|equation| {
        let method = convolution_method(program, equation, ConvolutionMethod::Auto)?;
        Some((equation.result.to_string(), method.to_string()))
    })
}
