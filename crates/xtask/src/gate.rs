//! The checks of the gate, in their order. The cheapest first; the first failure ends the gate.

use crate::{book, checks, rooms};
use std::path::Path;
use std::process::ExitCode;
use std::time::Instant;

/// One check: what it looks at, and how.
pub(crate) struct Check {
    name: &'static str,
    about: &'static str,
    /// A few words on success, what is wrong and what to do on failure.
    run: fn(&Path) -> Result<String, String>,
}

const CHECKS: [Check; 7] = [
    Check { name: "merges", about: "no file holds the marks of an unfinished merge", run: checks::merges },
    Check { name: "fmt", about: "every file is formatted", run: checks::format },
    Check { name: "rooms", about: "the four laws, sizes and names", run: rooms::check },
    Check { name: "clippy", about: "no warning in any target", run: checks::clippy },
    Check { name: "docs", about: "the documentation builds without a warning", run: checks::docs },
    Check {
        name: "book",
        about: "the book builds where mdbook is installed, its links lead somewhere",
        run: book::check,
    },
    Check { name: "examples", about: "every example runs and holds what it asserts", run: checks::examples },
];

/// The names of all checks, in order.
pub(crate) fn names() -> Vec<&'static str> {
    CHECKS.iter().map(|check| check.name).collect()
}

/// The checks of these names, in the gate's order; all of them for no name.
pub(crate) fn chosen(names: &[String]) -> Result<Vec<&'static Check>, String> {
    let known = |name: &&String| CHECKS.iter().any(|check| check.name == **name);
    if let Some(unknown) = names.iter().find(|name| !known(name)) {
        return Err(unknown.clone());
    }
    let wanted = |check: &&Check| names.is_empty() || names.iter().any(|name| name == check.name);
    Ok(CHECKS.iter().filter(wanted).collect())
}

/// Runs checks until one fails.
pub(crate) fn run(checks: &[&Check], root: &Path) -> ExitCode {
    let started = Instant::now();
    for check in checks {
        println!("gate: {}: {}", check.name, check.about);
        let begun = Instant::now();
        let result = (check.run)(root);
        let seconds = begun.elapsed().as_secs_f64();
        match result {
            Ok(summary) => println!("gate: {}: passed in {seconds:.1} s; {summary}", check.name),
            Err(failure) => {
                println!("{failure}");
                println!("gate: {}: FAILED after {seconds:.1} s", check.name);
                println!("gate: to run this check alone: cargo gate {}", check.name);
                return ExitCode::FAILURE;
            }
        }
    }
    println!("gate: all passed in {:.1} s ({})", started.elapsed().as_secs_f64(), list(checks));
    ExitCode::SUCCESS
}

fn list(checks: &[&Check]) -> String {
    checks.iter().map(|check| check.name).collect::<Vec<_>>().join(", ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_name_means_every_check_and_names_keep_the_order_of_the_gate() {
        let list = |names: &[&str]| {
            let names: Vec<String> = names.iter().map(ToString::to_string).collect();
            chosen(&names).map(|checks| self::list(&checks))
        };
        assert_eq!(list(&[]), Ok("merges, fmt, rooms, clippy, docs, book, examples".into()));
        assert_eq!(list(&["docs", "fmt"]), Ok("fmt, docs".into()));
        assert_eq!(list(&["fmt", "speed"]), Err("speed".into()));
    }
}
