//! Checks by Git and Cargo: unfinished merges, format, clippy, documentation, and running every example.

use std::path::Path;
use std::process::{Command, Output};
use std::time::Instant;

/// Refuses files that hold the marks of an unfinished merge.
pub(crate) fn merges(root: &Path) -> Result<String, String> {
    let mut command = Command::new("git");
    command.current_dir(root).args(["ls-files", "-z"]);
    let listed = match command.output() {
        Ok(output) if output.status.success() => output.stdout,
        _ => return Ok("not looked at: not a clone with Git".into()),
    };
    let names = String::from_utf8_lossy(&listed).into_owned();
    let names: Vec<&str> = names.split_terminator('\0').collect();
    for name in &names {
        // A file that was taken away, or is no text, holds no mark.
        let text = std::fs::read_to_string(root.join(name)).unwrap_or_default();
        if let Some(line) = text.lines().position(is_mark) {
            return Err(format!("{name}:{}: found the mark of a merge: finish the merge", line + 1));
        }
    }
    Ok(format!("{} files", names.len()))
}

/// Whether a line is one that Git writes around both sides of a conflict.
fn is_mark(line: &str) -> bool {
    ['<', '>']
        .iter()
        .any(|mark| line.strip_prefix(&mark.to_string().repeat(7)).is_some_and(|rest| rest.starts_with(' ')))
}

pub(crate) fn format(root: &Path) -> Result<String, String> {
    succeed(cargo(root, &["fmt", "--all", "--check"]), "run `cargo fmt --all`")?;
    Ok("formatted".into())
}

pub(crate) fn clippy(root: &Path) -> Result<String, String> {
    let features = "banach-cli/dashboard,banach-cli/optimize";
    let targets = ["clippy", "--workspace", "--all-targets", "--features", features, "--quiet"];
    let command = cargo(root, &[&targets[..], &["--", "-D", "warnings"]].concat());
    succeed(command, "change what clippy names above")?;
    Ok("no warnings".into())
}

pub(crate) fn docs(root: &Path) -> Result<String, String> {
    let mut command = cargo(root, &["doc", "--workspace", "--no-deps", "--quiet"]);
    command.env("RUSTDOCFLAGS", "-D warnings");
    succeed(command, "change what rustdoc names above")?;
    Ok("no warnings".into())
}

/// The folders of examples.
const EXAMPLES: [&str; 2] = ["crates/banach/examples", "crates/banach-optimize/examples"];

/// Builds all examples together, then runs one after the other.
pub(crate) fn examples(root: &Path) -> Result<String, String> {
    let mut names = vec![];
    for folder in EXAMPLES {
        names.extend(example_names(&root.join(folder))?);
    }
    // Of the whole workspace, so that dependencies have the features the tests were built with.
    succeed(cargo(root, &["build", "--quiet", "--workspace", "--examples"]), "make the examples compile")?;
    let here = std::env::current_exe().map_err(|error| format!("where this program lies: {error}"))?;
    let built = here.with_file_name("examples");
    for name in &names {
        let begun = Instant::now();
        let mut command = Command::new(built.join(name).with_extension(std::env::consts::EXE_EXTENSION));
        command.current_dir(root);
        let output = command.output().map_err(|error| unstarted(&command, &error))?;
        if !output.status.success() {
            let told = told(&output);
            return Err(format!("{told}\nthe example {name} ended with {}, expected success", output.status));
        }
        println!("gate: examples: {name} in {:.1} s", begun.elapsed().as_secs_f64());
    }
    Ok(format!("{} examples", names.len()))
}

/// The examples in a folder: its `.rs` files, in order.
fn example_names(folder: &Path) -> Result<Vec<String>, String> {
    let entries = std::fs::read_dir(folder).map_err(|error| format!("{}: {error}", folder.display()))?;
    let paths = entries.filter_map(|entry| Some(entry.ok()?.path()));
    let rust = paths.filter(|path| path.extension().is_some_and(|extension| extension == "rs"));
    let mut names: Vec<String> =
        rust.filter_map(|path| Some(path.file_stem()?.to_str()?.to_owned())).collect();
    names.sort();
    if names.is_empty() { Err(format!("{}: found no example", folder.display())) } else { Ok(names) }
}

/// The Cargo that runs this program, on the workspace.
fn cargo(root: &Path, arguments: &[&str]) -> Command {
    let mut command = Command::new(std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into()));
    command.current_dir(root).args(arguments);
    command
}

/// Runs a command whose output goes to the terminal.
fn succeed(mut command: Command, remedy: &str) -> Result<(), String> {
    let status = command.status().map_err(|error| unstarted(&command, &error))?;
    if status.success() {
        Ok(())
    } else {
        Err(format!("{} ended with {status}: {remedy}", written(&command)))
    }
}

fn unstarted(command: &Command, error: &std::io::Error) -> String {
    format!("{} could not be started: {error}", written(command))
}

fn written(command: &Command) -> String {
    let words = command.get_args().map(|word| word.to_string_lossy().into_owned());
    format!("`cargo {}`", words.collect::<Vec<_>>().join(" "))
}

fn told(output: &Output) -> String {
    let text = [&output.stdout, &output.stderr].map(|bytes| String::from_utf8_lossy(bytes).into_owned());
    text.concat().trim_end().to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn marks_of_merges_are_told_from_other_lines() {
        for side in ["<".repeat(7) + " HEAD", ">".repeat(7) + " branch"] {
            assert!(is_mark(&side), "{side}");
        }
        for other in
            ["", "<<", "=======", "a < b", &("<".repeat(8) + " x"), &(" ".to_owned() + &"<".repeat(7) + " x")]
        {
            assert!(!is_mark(other), "{other}");
        }
    }

    #[test]
    fn this_clone_is_merged() {
        let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..");
        assert!(merges(&root).is_ok(), "{:?}", merges(&root));
    }
}
