//! Results folders: what a run may replace, and one run at a time.

use crate::stage::{Stage, text};
use std::process::Stdio;
use std::time::Duration;

const TOY: &str = "train toy --dimension 2 --epochs 1 --quiet --out run";
const BIBTEX: &str = "train bibtex --data data --layer feedforward --epochs 1 --quiet --out run";
const TRACE: &str = "show cell --trace --out run";
const TABLE: &str = "table bibtex --data data --seeds 1 --epochs 1 --quiet --out run";

/// Runs `line`, which must be refused with one line that holds each of `parts`.
fn refused(stage: &Stage, line: &str, parts: &[&str]) {
    let output = stage.run(line);
    let message = text(&output.stderr);
    assert_eq!(output.status.code(), Some(2), "{line}: {message}");
    assert_eq!(message.lines().count(), 1, "{line}: {message}");
    for part in parts.iter().chain(&["--out"]) {
        assert!(message.contains(part), "{line}: {part}: {message}");
    }
}

#[test]
fn files_that_no_run_wrote_are_left_alone_by_every_command() {
    for (line, name) in [(TOY, "report.json"), (TOY, "losses.svg"), (TRACE, "trace.csv"), (TABLE, "table.md")]
    {
        let stage = Stage::with_data();
        std::fs::create_dir(stage.path("run")).unwrap();
        std::fs::write(stage.path("run").join(name), "mine").unwrap();
        refused(&stage, line, &[name, "did not write"]);
        assert_eq!(std::fs::read_to_string(stage.path("run").join(name)).unwrap(), "mine");
        assert_eq!(std::fs::read_dir(stage.path("run")).unwrap().count(), 1, "{line}");
    }
}

#[test]
fn a_command_replaces_its_own_results_and_nobody_elses() {
    let stage = Stage::with_data();
    stage.succeed(TOY);
    stage.succeed(TOY);
    for line in [BIBTEX, TRACE, TABLE] {
        refused(&stage, line, &["results of banach train toy"]);
    }
    let stage = Stage::with_data();
    stage.succeed(BIBTEX);
    for line in [TOY, TRACE, TABLE] {
        refused(&stage, line, &["results of banach train bibtex"]);
    }
    assert_eq!(stage.json("run/report.json")["experiment"], "bibtex");
}

#[test]
fn a_folder_has_one_run_at_a_time_and_a_killed_run_frees_it() {
    let stage = Stage::with_data();
    let long = BIBTEX.replace("--epochs 1", "--epochs 100000 --patience 100000");
    let mut first = stage.command(long.split(' ')).stderr(Stdio::null()).spawn().unwrap();
    for _ in 0..600 {
        if stage.path("run/checkpoint/state.json").exists() {
            break;
        }
        std::thread::sleep(Duration::from_millis(50));
    }
    let process = format!("another run at work in run (process {})", first.id());
    refused(&stage, BIBTEX, &[&process]);
    refused(&stage, &format!("{BIBTEX} --resume"), &[&process]);
    assert!(first.try_wait().unwrap().is_none(), "the first run ended");
    first.kill().unwrap();
    first.wait().unwrap();
    stage.succeed(BIBTEX);
}
