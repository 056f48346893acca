//! Interrupted runs: they continue to the very numbers of a run that was left alone.
#![cfg(unix)]

use crate::stage::{Stage, text};
use serde_json::Value;
use std::io::{BufRead, BufReader, Read};
use std::process::{Command, Stdio};

const LINE: &str = "train bibtex --data data --seed 3";
const FEEDFORWARD: &str = "--layer feedforward";
const FIXED_POINT: &str = "--layer fpi-nn --recipe published --tolerance 1e-3";
const TUNED: &str = "--layer fpi-nn --hidden 50";

/// Starts a run that would last, waits for `lines` finished epochs, sends a signal; gives the exit code and the rest
/// of the standard error.
fn stopped_after(stage: &Stage, lines: usize, signal: &str, layer: &str) -> (Option<i32>, String) {
    let arguments = format!("{LINE} --epochs 500 --patience 500 --out stopped {layer}");
    let mut child = stage.command(arguments.split_whitespace()).stderr(Stdio::piped()).spawn().unwrap();
    let mut messages = BufReader::new(child.stderr.take().unwrap());
    let mut line = String::new();
    messages.read_line(&mut line).unwrap();
    assert!(line.contains("results go to stopped"), "{line}");
    for _ in 0..lines {
        line.clear();
        messages.read_line(&mut line).unwrap();
        assert!(line.starts_with("epoch"), "{line}");
    }
    // An epoch is announced before its checkpoint is on disk.
    for _ in 0..200 {
        if !stage.json("stopped/checkpoint/state.json")["epochs"].as_array().unwrap().is_empty() {
            break;
        }
        std::thread::sleep(std::time::Duration::from_millis(50));
    }
    let sent = Command::new("kill").args([signal, &child.id().to_string()]).status().unwrap();
    assert!(sent.success());
    let mut rest = Vec::new();
    messages.read_to_end(&mut rest).unwrap();
    (child.wait().unwrap().code(), text(&rest))
}

/// The report without what differs between any two runs.
fn numbers(mut report: Value) -> Value {
    let fields = report.as_object_mut().unwrap();
    fields.remove("peak_memory_bytes");
    fields.remove("seconds_per_epoch");
    for epoch in fields["epochs"].as_array_mut().unwrap() {
        epoch.as_object_mut().unwrap().remove("seconds");
    }
    report
}

/// Stops a run, resumes it for `more` epochs, and compares it with one that was left alone.
fn resumed_equals_alone(signal: &str, layer: &str, more: usize) {
    let stage = Stage::with_data();
    let (code, message) = stopped_after(&stage, 2, signal, layer);
    assert_eq!(code, (signal == "-INT").then_some(130), "{message}");
    assert!(code.is_none() || message.trim_end().lines().last().unwrap().contains("--resume"), "{message}");
    let finished = stage.json("stopped/checkpoint/state.json")["epochs"].as_array().unwrap().len();
    let epochs = finished + more;
    let line = format!("{LINE} {layer} --epochs {epochs} --patience 500");
    let (_, progress) = stage.succeed(&format!("{line} --out stopped --resume"));
    assert_eq!(progress.lines().filter(|line| line.starts_with("epoch")).count(), more, "{progress}");
    stage.succeed(&format!("{line} --out alone --quiet"));
    assert_eq!(numbers(stage.json("stopped/report.json")), numbers(stage.json("alone/report.json")));
}

#[test]
fn a_run_stopped_by_control_c_and_resumed_equals_one_left_alone() {
    resumed_equals_alone("-INT", FEEDFORWARD, 2);
}

#[test]
fn a_run_with_fixed_points_stopped_and_resumed_equals_one_left_alone() {
    resumed_equals_alone("-INT", FIXED_POINT, 1);
}

#[test]
fn dropout_and_a_falling_step_size_continue_where_they_stopped() {
    resumed_equals_alone("-INT", TUNED, 2);
}

#[test]
fn a_request_of_the_system_ends_a_run_as_control_c_does() {
    let (code, message) = stopped_after(&Stage::with_data(), 1, "-TERM", FEEDFORWARD);
    assert_eq!(code, Some(130), "{message}");
    assert!(message.contains("--resume"), "{message}");
}

#[test]
fn a_run_under_nohup_outlives_its_terminal() {
    let stage = Stage::with_data();
    let run = stage.command(format!("{LINE} --epochs 2 --out run {FEEDFORWARD}").split_whitespace());
    let arguments: Vec<_> = run.get_args().map(std::ffi::OsStr::to_os_string).collect();
    let mut shell = Command::new("sh");
    shell.args(["-c", "trap '' HUP; exec \"$0\" \"$@\""]).arg(run.get_program()).args(arguments);
    let mut child = shell.current_dir(stage.path("")).stderr(Stdio::piped()).spawn().unwrap();
    let mut messages = BufReader::new(child.stderr.take().unwrap());
    let mut line = String::new();
    messages.read_line(&mut line).unwrap();
    assert!(line.contains("results go to run"), "{line}");
    assert!(Command::new("kill").args(["-HUP", &child.id().to_string()]).status().unwrap().success());
    let mut rest = String::new();
    messages.read_to_string(&mut rest).unwrap();
    assert!(child.wait().unwrap().success(), "{rest}");
    assert_eq!(stage.json("run/report.json")["epochs"].as_array().unwrap().len(), 2);
}

#[test]
fn a_killed_run_resumes_from_its_last_complete_checkpoint() {
    resumed_equals_alone("-KILL", FEEDFORWARD, 1);
}

#[test]
fn resuming_a_finished_run_leaves_its_report_alone() {
    let stage = Stage::with_data();
    let line = format!("{LINE} {FEEDFORWARD} --epochs 2 --out run");
    stage.succeed(&line);
    let whole = std::fs::read(stage.path("run/report.json")).unwrap();
    let report = numbers(stage.json("run/report.json"));
    let (table, progress) = stage.succeed(&format!("{line} --resume"));
    assert!(!progress.contains("epoch ") && table.contains("test F1"), "{progress}{table}");
    assert_eq!(report, numbers(stage.json("run/report.json")));
    let output = stage.run(&format!("{line} --resume").replace("--epochs 2", "--epochs 1"));
    let message = text(&output.stderr);
    assert_eq!(output.status.code(), Some(2), "{message}");
    assert!(
        message.contains("found --epochs 1 where 2 are trained already, expected at least 2"),
        "{message}"
    );
    assert_eq!(whole, std::fs::read(stage.path("run/report.json")).unwrap());
    std::fs::remove_file(stage.path("run/report.json")).unwrap();
    stage.succeed(&format!("{line} --resume"));
    assert_eq!(report, numbers(stage.json("run/report.json")));
}
