//! Mistakes of users: each ends with one line that helps, and with exit code 2.

use crate::stage::{Stage, arff, text};
use std::process::Stdio;

/// Runs `line`, and checks that it fails with one line holding each of `parts`.
/// Runs a line that must be refused in one line with these parts.
pub(crate) fn refused(stage: &Stage, line: &str, parts: &[&str]) {
    let output = stage.run(line);
    let message = text(&output.stderr);
    assert_eq!(output.status.code(), Some(2), "{line}: {message}");
    assert_eq!(message.trim_end().lines().count(), 1, "{line}: {message}");
    assert!(message.starts_with("error: ") && text(&output.stdout).is_empty(), "{line}: {message}");
    assert!(!message.contains("panicked"), "{line}: {message}");
    for part in parts {
        assert!(message.contains(part), "{line}: {message}");
    }
}

#[test]
fn wrong_arguments_are_refused() {
    let stage = Stage::new();
    refused(&stage, "sing", &["sing"]);
    refused(&stage, "train bibtex", &["--data"]);
    refused(&stage, "train bibtex --data . --colour red", &["--colour"]);
    refused(&stage, "train bibtex --data . --epoch 3", &["--epochs"]);
    refused(&stage, "train bibtex --data . --epochs 0", &["--epochs", "from 1 to 1000000"]);
    refused(&stage, "train bibtex --data . --tolerance=-1e-3", &["--tolerance", "from 6e-8"]);
    refused(&stage, "train bibtex --data . --tolerance nan", &["--tolerance"]);
    refused(&stage, "train bibtex --data . --tolerance 1e-30", &["--tolerance", "single precision"]);
    refused(&stage, "show cell --trace --tolerance 1e-30", &["--tolerance", "single precision"]);
    refused(&stage, "train bibtex --data . --f1-weight 1e300", &["--f1-weight", "1e6"]);
    refused(&stage, "train bibtex --data . --learning-rate 1e-300", &["--learning-rate", "1e-12"]);
    refused(&stage, "train bibtex --data . --max-steps 0", &["--max-steps"]);
    refused(&stage, "train bibtex --data . --layer conv", &["fpi-nn, fpi-gd, feedforward, mlp"]);
    refused(&stage, "train bibtex --data . --device abacus", &["abacus", "cpu"]);
    refused(&stage, "train bibtex --data . --device cpu:1", &["cpu:1", "cpu or cpu:0", "banach devices"]);
    refused(&stage, "table bibtex --data . --device cpu:first", &["cpu:first", "whole number"]);
    refused(&stage, "bench cell --device abacus:1", &["abacus:1", "one of: cpu"]);
    refused(&stage, "bench memory --device wgpu", &["--device wgpu", "cell, conv and rows"]);
    if !cfg!(feature = "wgpu") {
        refused(&stage, "train bibtex --data . --device wgpu:1", &["wgpu:1", "--features wgpu"]);
    }
    refused(&stage, "train toy --dimension 0", &["--dimension"]);
    refused(&stage, "train toy --seed -1", &["-1"]);
    let expected = if cfg!(feature = "dashboard") { "a terminal" } else { "the feature `dashboard`" };
    refused(&stage, "train bibtex --data . --dashboard", &["--dashboard", expected]);
    refused(&stage, "train bibtex --data . --dashboard --json", &["--dashboard", "--json"]);
    refused(&stage, "train sudoku --size 5", &["--size", "4, 6 or 9"]);
    if !cfg!(feature = "optimize") {
        refused(&stage, "bench qp", &["the feature `optimize`", "--features optimize"]);
        refused(&stage, "train sudoku", &["the feature `optimize`", "--features optimize"]);
    }
    refused(&stage, "completions csh", &["csh", "bash"]);
    refused(&stage, "manual --out /dev/null/pages", &["/dev/null/pages", "--out"]);
    refused(&stage, "train toy --engine steam", &["native, device"]);
    refused(&stage, "table bibtex --data . --engine steam", &["native, device"]);
    refused(&stage, "show denoising", &["denoising"]);
    refused(&stage, "show cell --folded", &["--folded"]);
    refused(&stage, "show cell --solver picard", &["--trace"]);
    refused(&stage, "show cell --trace --hoisted", &["--hoisted"]);
    refused(&stage, "show cell --trace --tolerance 2", &["--tolerance", "to below 1"]);
    refused(&stage, "show cell --trace --max-steps none", &["--max-steps", "from 1 to 1000000"]);
}

#[test]
fn devices_are_listed_with_what_they_compute() {
    let stage = Stage::new();
    let output = stage.run("devices");
    let listed = text(&output.stdout);
    assert!(output.status.success() && listed.contains("cpu:0") && listed.contains("works"), "{listed}");
    let output = stage.run("devices --json");
    let list: serde_json::Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!(list["devices"][0]["name"], "cpu:0");
    assert_eq!((&list["devices"][0]["works"], &list["devices"][0]["solution"]), (&true.into(), &0.0.into()));
    let missing = list["not_built_in"].as_array().unwrap();
    assert_eq!(missing.contains(&"wgpu".into()), !cfg!(feature = "wgpu"));
}

#[test]
fn solver_options_that_would_be_ignored_are_refused() {
    let stage = Stage::with_data();
    for option in
        ["--solver picard", "--adjoint gmres", "--engine device", "--tolerance 1e-3", "--max-steps 5"]
    {
        let line = format!("train bibtex --data data --layer feedforward {option}");
        refused(&stage, &line, &["feedforward", option.split(' ').next().unwrap()]);
    }
}

#[test]
fn benchmarks_that_cannot_run_are_refused() {
    let stage = Stage::new();
    refused(&stage, "bench", &["banach bench --help"]);
    refused(&stage, "bench walk", &["walk"]);
    refused(&stage, "bench cell --repeats 0", &["--repeats", "from 1 to 1000000"]);
    refused(&stage, "bench cell --engine steam", &["native, device"]);
    refused(&stage, "bench cell --vectors mmx", &["--vectors", "portable, avx2"]);
    refused(
        &stage,
        "bench cell --vectors avx2 --device wgpu",
        &["--vectors with --device wgpu", "leave out"],
    );
    let foreign = if cfg!(target_arch = "x86_64") { "neon" } else { "avx2" };
    refused(&stage, &format!("bench cell --vectors {foreign}"), &[foreign, "one of portable"]);
    refused(&stage, "bench cell --backward rail", &["--backward", "tape"]);
    refused(&stage, "bench rows --only nothing", &["--only nothing", "rows"]);
    refused(&stage, "bench solvers --only nothing", &["--only nothing", "solvers"]);
    refused(&stage, "bench solvers --backward compiled", &["--backward compiled", "leave --backward out"]);
    refused(&stage, "bench memory --steps none", &["--steps", "from 1 to 1000000"]);
    refused(&stage, "bench bibtex", &["--data"]);
    refused(&stage, "bench bibtex --data nowhere", &["nowhere", "--data"]);
}

#[test]
fn options_that_do_not_fit_the_layer_are_refused() {
    let stage = Stage::with_data();
    refused(&stage, "train bibtex --data data --layer mlp --label-units 5", &["--label-units", "mlp"]);
    refused(
        &stage,
        "train bibtex --data data --recipe published --label-units 5",
        &["--label-units", "tuned"],
    );
    refused(&stage, "train bibtex --data data --adjoint cg", &["--adjoint cg", "fpi-gd"]);
    refused(&stage, "train bibtex --data data --dropout 1", &["--dropout", "0.9999"]);
    refused(&stage, "table bibtex --data nowhere --out table", &["nowhere", "--data"]);
    assert!(!stage.path("table").exists());
}

#[test]
fn wrong_paths_are_refused() {
    let stage = Stage::with_data();
    refused(&stage, "train bibtex --data nowhere", &["nowhere", "--data"]);
    refused(&stage, "train bibtex --data .", &["bibtex-train.arff", "--data"]);
    std::fs::write(stage.path("file"), "").unwrap();
    refused(&stage, "train bibtex --data data --out file/inside", &["file/inside", "--out"]);
    refused(&stage, "train toy --out file/inside", &["file/inside", "--out"]);
    refused(&stage, "show cell --trace --out file/inside", &["file/inside", "--out"]);
}

#[test]
fn a_broken_line_is_named() {
    let stage = Stage::with_data();
    let good = arff(30);
    let broken = |from: &str, to: &str| {
        std::fs::write(stage.path("data/bibtex-test.arff"), good.replace(from, to)).unwrap()
    };
    let line = "train bibtex --data data";
    broken("{3 1,10 1,103 1", "{3 1,10 7,103 1");
    refused(&stage, line, &["bibtex-test.arff", "line 2001", "`7`"]);
    broken("{3 1,10 1,103 1", "{3 1,1995 1,103 1");
    refused(&stage, line, &["line 2001", "1995"]);
    broken("@attribute a5 {0,1}\n", "");
    refused(&stage, line, &["1994 attributes", "1995"]);
    broken("@data\n", "");
    refused(&stage, line, &["line 1997", "@data"]);
    std::fs::write(stage.path("data/bibtex-test.arff"), "@attribute a {0,1}\n@data\n{0 1}\n").unwrap();
    refused(&stage, line, &["found 1 attribute, expected 1995"]);
}

#[test]
fn files_that_no_run_wrote_are_left_alone() {
    let stage = Stage::with_data();
    let line = "train bibtex --data data --layer feedforward --epochs 1 --quiet --out run";
    for name in ["curves.svg", "checkpoint/model-1.bpk", "report.json"] {
        let file = stage.path("run").join(name);
        std::fs::create_dir_all(file.parent().unwrap()).unwrap();
        std::fs::write(&file, "{}").unwrap();
        refused(
            &stage,
            line,
            &[
                name.split('/').next().unwrap(),
                "an older run of banach train bibtex; name another folder with --out",
            ],
        );
        assert_eq!(std::fs::read_to_string(file).unwrap(), "{}");
        std::fs::remove_dir_all(stage.path("run")).unwrap();
    }
    std::fs::create_dir_all(stage.path("run/checkpoint")).unwrap();
    stage.succeed(line);
    std::fs::remove_file(stage.path("run/report.json")).unwrap();
    stage.succeed(line);
    std::fs::remove_dir_all(stage.path("run/checkpoint")).unwrap();
    stage.succeed(line);
}

#[test]
fn a_run_that_finished_no_epoch_starts_again() {
    let stage = Stage::with_data();
    let line = "train bibtex --data data --layer feedforward --epochs 1 --quiet --out run";
    stage.succeed(line);
    let mut state = stage.json("run/checkpoint/state.json");
    state["epochs"] = Vec::<u8>::new().into();
    std::fs::write(stage.path("run/checkpoint/state.json"), state.to_string()).unwrap();
    std::fs::remove_file(stage.path("run/report.json")).unwrap();
    refused(&stage, &format!("{line} --resume"), &["no checkpoint", "start without --resume"]);
    stage.succeed(line);
    assert!(stage.path("run/report.json").is_file());
}

#[test]
fn a_resume_without_a_checkpoint_or_with_other_settings_is_refused() {
    let stage = Stage::with_data();
    let line = "train bibtex --data data --layer feedforward --out run --quiet --epochs 1";
    refused(&stage, &format!("{line} --resume"), &["no checkpoint", "--resume"]);
    stage.succeed(line);
    refused(&stage, &format!("{line} --resume --seed 2"), &["found --seed 2", "made with 1"]);
    refused(&stage, &format!("{line} --resume --patience 3"), &["found --patience 3", "made with 30"]);
    let recipe =
        "found --recipe published, but the run in run was made with tuned; repeat its settings, or name";
    refused(&stage, &format!("{line} --resume --recipe published"), &[recipe]);
    refused(&stage, "train bibtex --data data --out run --resume --quiet", &["found --layer fpi-nn"]);
    std::fs::create_dir(stage.path("others")).unwrap();
    for name in ["train", "test"] {
        std::fs::write(stage.path(&format!("others/bibtex-{name}.arff")), arff(50)).unwrap();
    }
    let others = format!("{} --resume", line.replace("--data data", "--data others"));
    refused(&stage, &others, &["the examples in others are not those of the checkpoint"]);
    std::fs::write(stage.path("run/checkpoint/model-1.bpk"), "nonsense").unwrap();
    refused(&stage, &format!("{line} --resume"), &["broken checkpoint", "model-1.bpk"]);
    let line = "train bibtex --data data --layer mlp --hidden 9 --out tuned --quiet --epochs 1";
    stage.succeed(line);
    std::fs::write(stage.path("tuned/checkpoint/average-1.bpk"), "nonsense").unwrap();
    refused(&stage, &format!("{line} --resume"), &["broken checkpoint", "average-1.bpk"]);
    std::fs::remove_file(stage.path("tuned/checkpoint/average-1.bpk")).unwrap();
    refused(&stage, &format!("{line} --resume"), &["broken checkpoint", "average-1.bpk"]);
}

#[test]
fn whoever_reads_may_leave() {
    let stage = Stage::new();
    for line in ["show bibtex", "--help", "", "completions bash", "manual", "show cell --json"] {
        let mut command = stage.command(line.split_whitespace());
        let mut child = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
        drop(child.stdout.take());
        let output = child.wait_with_output().unwrap();
        assert!(output.status.success() && output.stderr.is_empty(), "{line}: {}", text(&output.stderr));
    }
}

#[cfg(target_os = "linux")]
#[test]
fn a_run_goes_on_where_nobody_reads_its_progress() {
    let stage = Stage::with_data();
    let full = || std::fs::OpenOptions::new().write(true).open("/dev/full").unwrap();
    for (line, code) in [
        ("train toy --dimension 2 --epochs 30 --out toy", 0),
        ("train bibtex --data data --layer feedforward --epochs 1 --out run", 0),
        ("train nothing", 2),
    ] {
        let status = stage.command(line.split(' ')).stderr(full()).stdout(Stdio::null()).status().unwrap();
        assert_eq!(status.code(), Some(code), "{line}");
    }
    assert!(stage.path("toy/report.json").is_file() && stage.path("run/report.json").is_file());
}

#[cfg(target_os = "linux")]
#[test]
fn a_full_device_is_said() {
    let full = std::fs::OpenOptions::new().write(true).open("/dev/full").unwrap();
    let output = Stage::new().command(["show", "bibtex"]).stdout(full).output().unwrap();
    let told = text(&output.stderr);
    assert_eq!(output.status.code(), Some(2), "{told}");
    assert!(told.starts_with("error: cannot write to the standard output: "), "{told}");
}
