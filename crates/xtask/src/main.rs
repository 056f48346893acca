//! The gate of the project. `cargo gate` runs every check, cheapest first; `cargo gate NAME ..` runs those named.
#![allow(clippy::print_stdout, reason = "a command writes its results on the standard output")]

mod book;
mod checks;
mod gate;
mod rooms;

use std::path::Path;
use std::process::ExitCode;

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let names = match arguments.split_first() {
        Some((command, names)) if command == "gate" => names,
        _ => {
            eprintln!("usage: cargo gate [{}]", gate::names().join("|"));
            return ExitCode::from(2);
        }
    };
    match gate::chosen(names) {
        Ok(checks) => gate::run(&checks, root()),
        Err(unknown) => {
            eprintln!("error: no check is called {unknown}; there are {}", gate::names().join(", "));
            ExitCode::from(2)
        }
    }
}

/// The root of the workspace.
fn root() -> &'static Path {
    let own = Path::new(env!("CARGO_MANIFEST_DIR"));
    own.ancestors().nth(2).unwrap_or(own)
}
