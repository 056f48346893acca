//! Optical flow: training, its report and its pictures, the table, and the flow between images of a user.

use crate::mistakes::refused;
use crate::stage::{Stage, text};
use image::{Rgb, RgbImage};
use serde_json::Value;
use std::path::Path;

const SMALL: &str = "--width 0.03 --size 64x64 --pairs 8 --batch 4";

/// A pattern that moves to the right.
pub(crate) fn pattern(width: u32, height: u32, right: f64) -> RgbImage {
    RgbImage::from_fn(width, height, |x, y| {
        let level =
            |step: f64| (127.0 + 100.0 * (step * (f64::from(x) - right) + 0.3 * f64::from(y)).sin()) as u8;
        Rgb([level(0.3), level(0.5), level(0.2)])
    })
}

/// A .flo file of one displacement.
fn flo(width: i32, height: i32, vector: [f32; 2]) -> Vec<u8> {
    let mut bytes = [b"PIEH".to_vec(), width.to_le_bytes().to_vec(), height.to_le_bytes().to_vec()].concat();
    (0..width * height).for_each(|_| vector.iter().for_each(|part| bytes.extend(part.to_le_bytes())));
    bytes
}

fn write_pair(folder: &Path, [flow, first, second]: [&str; 3], unknown: bool) {
    std::fs::create_dir_all(folder).unwrap();
    pattern(50, 40, 0.0).save(folder.join(first)).unwrap();
    pattern(50, 40, 2.0).save(folder.join(second)).unwrap();
    let mut bytes = flo(50, 40, [2.0, 0.0]);
    if unknown {
        bytes[12..16].copy_from_slice(&1e10_f32.to_le_bytes());
    }
    std::fs::write(folder.join(flow), bytes).unwrap();
}

/// A folder with real pairs in `data`.
fn with_pairs() -> Stage {
    let stage = Stage::new();
    write_pair(&stage.path("data/flyingchairs/small"), ["1_flow.flo", "1_img1.ppm", "1_img2.ppm"], false);
    write_pair(&stage.path("data/middlebury/Whale"), ["flow10.flo", "frame10.png", "frame11.png"], true);
    stage
}

#[test]
fn every_layer_writes_the_report_and_the_pictures_of_the_contract() {
    let stage = with_pairs();
    let mut counts = Vec::new();
    for layer in ["none", "feedforward", "fpi-nn", "variational"] {
        let line =
            format!("train flow --data data --layer {layer} {SMALL} --epochs 2 --seed 2 --out {layer}");
        let (table, notes) = stage.succeed(&line);
        assert!(
            table.contains("Middlebury, 1 pairs") && notes.contains("on 8 pairs of 64x64"),
            "{table}{notes}"
        );
        let report = stage.json(&format!("{layer}/report.json"));
        assert_eq!((&report["experiment"], &report["layer"]), (&"flow".into(), &layer.into()));
        counts.push(["parameters", "layer_parameters"].map(|name| report[name].as_u64().unwrap()));
        let epochs = report["epochs"].as_array().unwrap();
        assert_eq!(epochs.len(), 2);
        for epoch in epochs {
            for name in ["epoch", "seconds", "train_loss", "test_aepe", "validation_aepe", "non_finite_rows"]
            {
                assert!(epoch[name].is_number(), "{layer}: {name}: {epoch}");
            }
            let solves = layer == "fpi-nn" || layer == "variational";
            assert!(epoch["adjoint_steps"].is_number() == solves && epoch["non_finite_rows"] == 0, "{epoch}");
            assert_eq!(epoch["test_aepe"] == epoch["test_aepe_before"], layer == "none", "{epoch}");
        }
        for (set, pairs) in [("generated", 48), ("chairs", 1), ("middlebury", 1)] {
            let scores = &report["test"][set];
            assert!(scores["aepe"].is_number() && scores["pairs"] == pairs, "{layer}: {scores}");
        }
        assert!(report["test"]["chairs"]["aepe_10_to_40"].is_null());
        let drawn =
            |name: &str| std::fs::read_to_string(stage.path(&format!("{layer}/{name}"))).unwrap_or_default();
        let pictures = if layer == "none" { 7 } else { 9 };
        for name in ["generated.svg", "chairs.svg", "middlebury.svg"] {
            assert_eq!(drawn(name).matches("data:image/png").count(), pictures, "{layer}: {name}");
        }
        assert!(drawn("curves.svg").contains("end point error"));
        let solves = layer == "fpi-nn" || layer == "variational";
        assert_eq!(drawn("iterates.svg").contains("x0: "), solves, "{layer}");
        assert_eq!(drawn("residuals.svg").contains("residual"), solves, "{layer}");
    }
    let [[none, no_layer], [_, once], [with, fixed_point], [_, variational]] = counts[..] else {
        panic!("{counts:?}")
    };
    assert_eq!((no_layer, once, variational, with), (0, fixed_point, 11, none + fixed_point));
    let (page, _) = stage.succeed("report fpi-nn");
    assert!(page.contains("fpi-nn") || stage.path("fpi-nn/report.html").is_file(), "{page}");
}

/// The report without what differs between any two runs.
fn numbers(mut report: Value) -> Value {
    let fields = report.as_object_mut().unwrap();
    fields.remove("peak_memory_bytes");
    for epoch in fields["epochs"].as_array_mut().unwrap() {
        epoch.as_object_mut().unwrap().remove("seconds");
    }
    report
}

#[cfg(unix)]
#[test]
fn a_run_that_was_killed_and_resumed_equals_one_left_alone() {
    use std::io::{BufRead, BufReader};
    use std::process::{Command, Stdio};
    let stage = Stage::new();
    let line = format!("train flow {SMALL} --epochs 4");
    let arguments = format!("{line} --out stopped");
    let mut child = stage.command(arguments.split_whitespace()).stderr(Stdio::piped()).spawn().unwrap();
    let mut messages = BufReader::new(child.stderr.take().unwrap()).lines();
    let seen = messages.by_ref().map(Result::unwrap).filter(|line| line.starts_with("epoch")).take(2).count();
    assert_eq!(seen, 2);
    assert!(Command::new("kill").args(["-KILL", &child.id().to_string()]).status().unwrap().success());
    child.wait().unwrap();
    let finished = stage.json("stopped/checkpoint/state.json")["epochs"].as_array().unwrap().len();
    assert!((1..4).contains(&finished), "{finished}");
    stage.succeed(&format!("{line} --out stopped --resume --quiet"));
    stage.succeed(&format!("{line} --out alone --quiet"));
    assert_eq!(numbers(stage.json("stopped/report.json")), numbers(stage.json("alone/report.json")));
    let refused = |line: &str, part: &str| {
        let output = stage.run(line);
        let message = text(&output.stderr);
        assert!(output.status.code() == Some(2) && message.contains(part), "{line}: {message}");
    };
    refused(&format!("{line} --out stopped --resume --gain 0.5"), "found --gain 0.5");
    refused(
        format!("{line} --out stopped --resume").replace("64x64", "128x64").as_str(),
        "found --size 128x64",
    );
}

#[test]
fn a_layer_is_trained_behind_a_network_that_stays_as_it_is() {
    let stage = Stage::new();
    stage.succeed(&format!("train flow --layer none {SMALL} --epochs 1 --out kept --quiet"));
    let line = format!(
        "train flow --frozen kept {} --epochs 2 --out layer --quiet",
        SMALL.replace("--width 0.03", "")
    );
    stage.succeed(&line);
    let (kept, layer) = (stage.json("kept/report.json"), stage.json("layer/report.json"));
    assert_eq!(layer["settings"]["width"], 0.03);
    let before = kept["test"]["generated"]["aepe"].as_f64().unwrap();
    for epoch in layer["epochs"].as_array().unwrap() {
        assert!((epoch["test_aepe_before"].as_f64().unwrap() - before).abs() < 1e-4, "{epoch} {before}");
        assert_ne!(epoch["test_aepe"], epoch["test_aepe_before"]);
    }
    refused(&stage, &format!("{line} --layer none"), &["--frozen with --layer none"]);
    refused(&stage, &format!("{line} --width 1"), &["--width with --frozen"]);
    refused(&stage, "train flow --frozen nowhere", &["nowhere", "banach train flow"]);
}

#[test]
fn a_table_compares_layers_and_repeats_no_finished_run() {
    let stage = Stage::new();
    let line = format!("table flow --layers none,fpi-nn --frozen {SMALL} --epochs 1 --out table");
    let (table, _) = stage.succeed(&line);
    for part in ["none", "fpi-nn, frozen", "Middlebury", "%)"] {
        assert!(table.contains(part), "{part}: {table}");
    }
    assert_eq!(stage.json("table/table.json")["rows"].as_array().unwrap().len(), 3);
    assert!(std::fs::read_to_string(stage.path("table/errors.svg")).unwrap().contains("fpi-nn"));
    let report = || {
        std::fs::metadata(stage.path("table/fpi-nn-frozen-seed1/report.json")).unwrap().modified().unwrap()
    };
    let before = report();
    assert_eq!(stage.succeed(&line).0, table);
    assert_eq!(report(), before);
    refused(&stage, &format!("{} --quiet", line.replace("none,fpi-nn", "fpi-nn")), &["add none to --layers"]);
    refused(&stage, "table flow --layers none,mlp", &["mlp", "none, fpi-nn, feedforward, variational"]);
}

#[test]
fn the_flow_between_two_images_becomes_a_file_and_a_picture() {
    let stage = Stage::new();
    stage.succeed(&format!("train flow --layer fpi-nn {SMALL} --epochs 1 --out run --quiet"));
    pattern(70, 45, 0.0).save(stage.path("a.png")).unwrap();
    pattern(70, 45, 2.0).save(stage.path("b.ppm")).unwrap();
    pattern(64, 45, 2.0).save(stage.path("c.png")).unwrap();
    let line = "flow a.png b.ppm -o flow.flo --picture flow.png --checkpoint run";
    let (table, notes) = stage.succeed(line);
    assert!(table.contains("steps of the solver") && notes.contains("70 by 45"), "{table}{notes}");
    let bytes = std::fs::read(stage.path("flow.flo")).unwrap();
    assert_eq!((&bytes[..4], bytes.len()), (&b"PIEH"[..], 12 + 8 * 70 * 45));
    assert_eq!((bytes[4], bytes[8]), (70, 45));
    let picture = image::open(stage.path("flow.png")).unwrap();
    assert_eq!((picture.width(), picture.height()), (70, 45));
    let (json, _) = stage.succeed(&format!("{line} --overwrite --json --quiet"));
    let told: Value = serde_json::from_str(&json).unwrap();
    assert!(
        told["converged"] == true && told["width"] == 70 && told["steps"].as_f64().unwrap() >= 1.0,
        "{told}"
    );
    refused(&stage, line, &["flow.flo, which exists", "--overwrite"]);
    let other = "-o other.flo --checkpoint run";
    refused(
        &stage,
        &format!("flow a.png c.png {other}"),
        &["c.png: found 64 by 45 pixels, expected 70 by 45"],
    );
    refused(&stage, &format!("flow a.png none.png {other}"), &["none.png"]);
    refused(&stage, "flow a.png b.ppm -o other.png --checkpoint run", &["other.png", "ends in flo"]);
    refused(&stage, &format!("flow a.png b.ppm {other} --picture p.jpg"), &["p.jpg", "ends in png"]);
    refused(&stage, "flow a.png b.ppm -o other.flo --checkpoint nowhere", &["nowhere", "banach train flow"]);
    refused(&stage, "flow a.png -o other.flo --checkpoint run", &["<B>"]);
}

#[test]
fn the_network_inside_the_command_finds_the_flow_of_any_two_images() {
    let stage = Stage::new();
    pattern(130, 70, 0.0).save(stage.path("a.png")).unwrap();
    pattern(130, 70, 2.0).save(stage.path("b.png")).unwrap();
    let (json, notes) = stage.succeed("flow a.png b.png -o flow.flo --json");
    let told: Value = serde_json::from_str(&json).unwrap();
    assert!(notes.contains("by FlowNet of width 0.125") && told["height"] == 70, "{told}{notes}");
    assert_eq!(std::fs::metadata(stage.path("flow.flo")).unwrap().len(), 12 + 8 * 130 * 70);
}

#[test]
fn options_and_pairs_that_cannot_be_used_are_refused() {
    let stage = with_pairs();
    refused(&stage, "train flow --layer fpi-gd", &["none, fpi-nn, feedforward, variational"]);
    refused(&stage, "train flow --size 100x64", &["100x64", "multiples of 64"]);
    refused(&stage, "train flow --width 0", &["--width", "from 0.01 to 4"]);
    refused(&stage, "train flow --layer none --solver picard", &["--solver with --layer none"]);
    refused(&stage, "train flow --layer variational --gain 0.5", &["--gain with --layer variational"]);
    refused(&stage, "train flow --adjoint cg", &["--adjoint cg"]);
    refused(&stage, "train flow --data nowhere", &["nowhere", "--data"]);
    refused(&stage, "train flow --data data/middlebury", &["begins with flyingchairs or middlebury"]);
    refused(
        &stage,
        "train flow --photographs data/flyingchairs/small",
        &["found 2 images, expected at least 5"],
    );
    let path = stage.path("data/middlebury/Whale/flow10.flo");
    let whole = std::fs::read(&path).unwrap();
    let turned: Vec<u8> = whole.chunks(4).flat_map(|word| word.iter().rev().copied()).collect();
    for (bytes, part) in [
        (&whole[..500], "a truncated file of 500 bytes, expected 16012 for 50 by 40 pixels"),
        (&turned[..], "big-endian"),
        (b"PIEH", "found 4 bytes"),
        (&flo(40, 50, [0.0; 2])[..], "found a flow of 40 by 50 pixels, expected 50 by 40"),
    ] {
        std::fs::write(&path, bytes).unwrap();
        refused(&stage, "train flow --data data", &["flow10.flo", part]);
    }
    assert!(!stage.path("out").exists());
}
