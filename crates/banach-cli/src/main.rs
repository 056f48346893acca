//! The command `banach`.

mod bench;
mod command;
mod dataset;
mod denoise;
mod device;
mod device_list;
mod error;
mod experiments;
mod flow;
mod options;
mod page;
mod random;
mod report;
mod run_devices;
mod serve;
mod show;
mod terminal;
mod trace;

use command::{Action, Table};
use error::Error;
use std::process::ExitCode;
use terminal::output;

fn main() -> ExitCode {
    let action = match command::parse(std::env::args_os()) {
        Ok(action) => action,
        Err(command::Stop::Answer(text)) => return ended(output::say(text.trim_end())),
        Err(command::Stop::Mistake(error)) => return ended(Err(error)),
    };
    ended(match action {
        Action::Train { experiment } => experiment.run(),
        Action::Table { experiment: Table::Bibtex(arguments) } => experiments::multilabel::table(&arguments),
        Action::Table { experiment: Table::Multilabel(arguments) } => {
            experiments::multilabel::any_table(&arguments)
        }
        Action::Table { experiment: Table::Denoise(arguments) } => experiments::denoise::table(&arguments),
        Action::Table { experiment: Table::Flow(arguments) } => experiments::flow::table(&arguments),
        Action::Predict(arguments) => experiments::multilabel::predict(&arguments),
        Action::Denoise(arguments) => denoise::denoise(&arguments),
        Action::Flow(arguments) => flow::flow(&arguments),
        Action::Show { update } => show::show(&update),
        Action::Report { arguments } => page::report(&arguments),
        Action::Serve(arguments) => serve::serve(&arguments),
        Action::Bench { task } => bench::bench(&task),
        Action::Devices(arguments) => device_list::devices(&arguments),
        Action::Completions { shell } => output::say(command::completions(shell).trim_end()),
        Action::Manual { out } => {
            command::manual(out.as_deref()).and_then(|text| output::say(text.trim_end()))
        }
    })
}

fn ended(result: Result<(), Error>) -> ExitCode {
    let Err(error) = result else { return ExitCode::SUCCESS };
    if !matches!(error, Error::Unread) {
        output::tell_error(&error);
    }
    ExitCode::from(error.exit_code())
}
