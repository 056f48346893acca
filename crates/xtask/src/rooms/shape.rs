//! Rules of a file: one noun of readable size, a first line, and nothing forbidden.

use super::files::Folder;
use super::source::Source;
use super::violation::Violation;

/// Code lines a file should have at most.
const AIM: usize = 250;
/// Code lines a file may have at most.
const LIMIT: usize = 300;

/// Names that say nothing.
const NAMELESS: [&str; 10] =
    ["utils", "util", "common", "misc", "base", "core", "helpers", "helper", "types", "manager"];

/// Macros that stand for code not written.
const UNWRITTEN: [&str; 2] = ["todo", "unimplemented"];

/// The one place of unsafe code.
const KERNELS: &str = "crates/banach-kernels/";

/// Where absolute paths of somebody's machine begin.
const MACHINES: [&str; 5] = ["home", "root", "tmp", "work", "Users"];

pub(crate) fn check(folder: &Folder) -> Vec<Violation> {
    folder.sources.iter().flat_map(of_source).collect()
}

/// Files that are longer than they should be, though not longer than they may be.
pub(crate) fn notes(folder: &Folder) -> Vec<String> {
    let long = folder.sources.iter().filter(|source| is_measured(source) && source.code_lines > AIM);
    let long = long.filter(|source| source.code_lines <= LIMIT);
    long.map(|source| format!("{}: {} code lines, the aim is {AIM}", source.path, source.code_lines))
        .collect()
}

fn is_measured(source: &Source) -> bool {
    source.inside().starts_with("src/")
}

fn of_source(source: &Source) -> Vec<Violation> {
    let mut found = vec![];
    let mut say = |text: String| found.push(Violation::new(&source.path, text));
    if !source.text.starts_with("//!") {
        say("the first line must be `//!` and a noun phrase that names what the file holds".into());
    }
    if is_measured(source) && source.text.lines().next().is_some_and(|line| line.contains('?')) {
        say("the first line asks a question, expected a noun phrase that names what the file holds".into());
    }
    if is_measured(source) && source.code_lines > LIMIT {
        say(format!("{} code lines, at most {LIMIT}: find the second noun in it", source.code_lines));
    }
    for part in source.inside().split('/') {
        let stem = part.trim_end_matches(".rs");
        if NAMELESS.contains(&stem) {
            say(format!("`{stem}` says nothing: name the noun, or put the lines where they belong"));
        }
    }
    found.extend(forbidden(source));
    found
}

fn forbidden(source: &Source) -> Vec<Violation> {
    let mut found = vec![];
    let mut say =
        |line: usize, text: String| found.push(Violation::new(format!("{}:{line}", source.path), text));
    let tokens = source.tokens();
    for (at, (line, token)) in tokens.iter().enumerate() {
        if *token == "unsafe" && !source.path.starts_with(KERNELS) {
            say(*line, format!("`unsafe` has its place in {KERNELS}"));
        }
        let called = tokens.get(at + 1).is_some_and(|(_, next)| *next == "!");
        if UNWRITTEN.contains(token) && called {
            say(*line, format!("`{token}!`: write it, or return an error"));
        }
    }
    for (number, line) in source.text.lines().enumerate() {
        if let Some(path) = machine_path(line) {
            say(number + 1, format!("`{path}` is a path of one machine"));
        }
    }
    found
}

/// The absolute path of somebody's machine in a line.
fn machine_path(line: &str) -> Option<String> {
    let opens = |before: Option<char>| {
        before.is_none_or(|letter| !letter.is_alphanumeric() && !"._-/*".contains(letter))
    };
    MACHINES.iter().find_map(|machine| {
        let path = format!("/{machine}/");
        let at = line.find(&path)?;
        opens(line[..at].chars().last()).then_some(path)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn texts(path: &str, text: &str) -> Vec<String> {
        of_source(&Source::new(path.into(), text.into())).into_iter().map(|found| found.text).collect()
    }

    #[test]
    fn a_file_says_first_what_it_holds() {
        assert_eq!(texts("crates/a/src/b.rs", "//! A noun.\n"), Vec::<String>::new());
        assert_eq!(texts("crates/a/src/b.rs", "use c::d;\n").len(), 1);
        assert_eq!(texts("crates/a/src/b.rs", "//! What is a noun?\n").len(), 1);
    }

    #[test]
    fn sizes_and_names_are_limited() {
        let long = |lines: usize| format!("//! A noun.\n{}", "f();\n".repeat(lines));
        assert!(texts("crates/a/src/b.rs", &long(LIMIT)).is_empty());
        assert_eq!(texts("crates/a/src/b.rs", &long(LIMIT + 1)).len(), 1);
        assert!(texts("crates/a/tests/suite/b.rs", &long(LIMIT + 1)).is_empty());
        assert_eq!(texts("crates/a/src/utils.rs", "//! A noun.\n").len(), 1);
        assert_eq!(texts("crates/a/src/common/b.rs", "//! A noun.\n").len(), 1);
        assert!(texts("crates/a/src/basement.rs", "//! A noun.\n").is_empty());
    }

    #[test]
    fn forbidden_words_are_found_in_code_only() {
        let found = |line: &str| texts("crates/a/src/b.rs", &format!("//! A noun.\n{line}\n")).len();
        let unwritten = UNWRITTEN.map(|name| found(&format!("{name}!()")));
        assert_eq!(unwritten, [1, 1]);
        assert_eq!(found("unsafe { f() }"), 1);
        assert!(texts("crates/banach-kernels/src/b.rs", "//! A noun.\nunsafe { f() }\n").is_empty());
        assert_eq!(found("// unsafe, todo!()"), 0);
        assert_eq!(found("#![forbid(unsafe_code)]"), 0);
        assert_eq!(found("let todo = 1;"), 0);
    }

    #[test]
    fn paths_of_one_machine_are_told_from_relative_ones() {
        let path = |prefix: &str| format!("{prefix}/{}/data", MACHINES[0]);
        assert!(machine_path(&path("\"")).is_some());
        assert!(machine_path(&path("https://example.org")).is_none());
        assert!(machine_path(&path("..")).is_none());
    }
}
