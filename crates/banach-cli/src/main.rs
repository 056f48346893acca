//! What does the command `banach` do? It parses its arguments and starts what they name.
#![allow(clippy::print_stdout, reason = "a command writes its results on the standard output")]

mod bench;
mod command;
mod dataset;
mod device;
mod error;
mod experiments;
mod interruption;
mod random;
mod report;
mod show;
mod trace;

use command::{Action, Table, Train};
use std::process::ExitCode;

fn main() -> ExitCode {
    let action = match command::parse(std::env::args_os()) {
        Ok(action) => action,
        Err(command::Stop::Answer(text)) => {
            print!("{text}");
            return ExitCode::SUCCESS;
        }
        Err(command::Stop::Mistake(error)) => return fail(&error),
    };
    let result = match action {
        Action::Train { experiment: Train::Bibtex(arguments) } => experiments::bibtex::train(&arguments),
        Action::Train { experiment: Train::Toy(arguments) } => experiments::toy::train(&arguments),
        Action::Table { experiment: Table::Bibtex(arguments) } => experiments::bibtex::table(&arguments),
        Action::Show { update } => show::show(&update),
        Action::Bench { task } => bench::bench(&task),
    };
    match result {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => fail(&error),
    }
}

fn fail(error: &error::Error) -> ExitCode {
    eprintln!("error: {error}");
    ExitCode::from(error.exit_code())
}
