//! Lines of the benchmarks, in the format of the peers' lines.

use crate::stage::{Stage, text};
use serde_json::Value;

/// The JSON lines of a benchmark.
fn lines(stage: &Stage, line: &str) -> Vec<Value> {
    let (text, _) = stage.succeed(&format!("bench {line} --json"));
    let lines: Vec<Value> = text.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    assert!(!lines.is_empty());
    for line in &lines {
        assert_eq!(line["peer"], "banach");
        assert!(line["ms"].as_f64().unwrap() > 0.0 && line["iterations"].is_number(), "{line}");
    }
    lines
}

#[test]
fn the_dense_cell_is_measured_by_either_engine() {
    let stage = Stage::new();
    let loss = |engine: &str| {
        let lines = lines(&stage, &format!("cell --only B16 --repeats 1 --engine {engine}"));
        let settings: Vec<&Value> = lines.iter().map(|line| &line["setting"]).collect();
        assert!(
            settings.contains(&&"B16 n64 picard".into()) && settings.contains(&&"B16 n64 anderson".into())
        );
        for line in &lines {
            assert_eq!((&line["task"], &line["engine"]), (&"cell".into(), &engine.into()));
            assert_eq!(line["unconverged_rows"], 0);
        }
        lines[0]["loss"].as_f64().unwrap()
    };
    assert!((loss("native") - loss("device")).abs() < 1e-5);
}

#[test]
fn one_slow_row_is_measured_beside_the_others() {
    let lines = lines(&Stage::new(), "rows --repeats 1");
    let forward: Vec<&Value> = lines.iter().filter(|line| line["backward"].is_null()).collect();
    assert_eq!(forward.len(), 3);
    let steps = |line: &Value| line["steps_of_all_rows"].as_u64().unwrap();
    assert_eq!(steps(forward[0]), 63 * 14);
    assert!(steps(forward[1]) > 19 * 13 && forward[2]["times_the_parts"].is_number());
    assert!(lines.iter().all(|line| line["unconverged_rows"] == 0));
}

#[cfg(feature = "optimize")]
#[test]
fn quadratic_programs_are_measured_with_their_infeasibility() {
    let lines = lines(&Stage::new(), "qp --repeats 1 --only n20");
    assert_eq!(lines[0]["setting"], "B128 n20 m20 p5 f64");
    assert_eq!(lines[0]["unsolved_rows"], 0);
    assert!(lines[0]["infeasibility"].as_f64().unwrap() < 1e-10, "{}", lines[0]);
}

#[test]
fn a_training_step_of_optical_flow_is_measured_with_a_fixed_point_and_without() {
    let stage = Stage::new();
    let lines = lines(&stage, "flow --repeats 1 --only 64x64");
    let found = |line: &Value| (line["setting"].clone(), line["iterations"].as_f64().unwrap() > 1.0);
    let expected = [("none 64x64".into(), false), ("fpi-nn 64x64".into(), true)];
    assert_eq!(lines.iter().map(found).collect::<Vec<_>>(), expected);
    let rate = |line: &Value| line["pairs_per_second"].as_f64().unwrap() * line["ms"].as_f64().unwrap();
    assert!(lines.iter().all(|line| (rate(line) - 8e3).abs() < 1.0));
    for line in ["flow --backward tape", "flow --engine device"] {
        let output = stage.run(&format!("bench {line}"));
        let text = text(&output.stderr);
        assert!(
            output.status.code() == Some(2) && text.contains("compiled steps on the native engine"),
            "{text}"
        );
    }
}

#[test]
fn growing_work_is_measured_below_the_roofs_of_the_machine() {
    let stage = Stage::new();
    let lines = lines(&stage, "scale --repeats 1 --only n256 --out roofs");
    let at = |start: &str| {
        let found = lines.iter().find(|line| line["setting"].as_str().unwrap().starts_with(start));
        found.unwrap_or_else(|| panic!("{start}: {lines:?}"))
    };
    let number = |line: &Value, name: &str| line[name].as_f64().unwrap();
    let batch = at("batch B4 n256 K10");
    // z U once, and x W, a sum and a tanh in each of ten steps.
    let (state, weights) = (4.0 * 256.0, 256.0 * 256.0);
    let operations = 2.0 * 4.0 * weights + 10.0 * (2.0 * 4.0 * weights + 2.0 * state);
    let bytes = 4.0 * (2.0 * state + weights + 10.0 * (3.0 * state + weights));
    assert_eq!((number(batch, "operations"), number(batch, "bytes")), (operations, bytes));
    let rate = operations / number(batch, "ms") / 1e6;
    assert!((number(batch, "gflops") / rate - 1.0).abs() < 1e-9);
    let all =
        lines.iter().rfind(|line| line["setting"].as_str().unwrap().starts_with("roof product")).unwrap();
    let memory = number(at("roof copy"), "gbytes_a_second");
    let roof = number(all, "gflops").min(memory * operations / bytes);
    assert!((number(batch, "share_of_roof") / (rate / roof) - 1.0).abs() < 1e-9, "{batch}");
    let one = number(at("roof product 256x256x256 cores 1"), "gflops");
    assert!(one > 0.0 && number(at("steps B64 n256 K100"), "operations_per_byte") > 0.0);
    let picture = std::fs::read_to_string(stage.path("roofs/roofline.svg")).unwrap();
    // A mark for each point of the two sweeps, and two in the legend.
    let points = lines.iter().filter(|line| line["share_of_roof"].is_number()).count();
    assert_eq!((points, picture.matches("<circle").count()), (10, 12), "{picture}");
}

#[test]
fn solves_on_more_threads_are_compared_with_one() {
    let lines = lines(&Stage::new(), "scale --repeats 1 --only threads");
    let spread: Vec<&Value> = lines.iter().filter(|line| line["threads"].is_number()).collect();
    let number = |line: &Value, name: &str| line[name].as_f64().unwrap();
    assert!(spread.len().is_multiple_of(2) && spread[0]["threads"] == 1 && spread[0]["efficiency"] == 1.0);
    for line in &spread[..spread.len() / 2] {
        let expected = number(spread[0], "ms") / number(line, "ms") / number(line, "threads");
        assert!((number(line, "efficiency") - expected).abs() < 1e-9, "{line}");
    }
}

#[test]
fn a_table_of_growing_work_ends_with_what_is_far_below_its_roof() {
    let stage = Stage::new();
    let (table, _) = stage.succeed("bench scale --repeats 1 --only steps");
    let head: Vec<&str> = table.lines().next().unwrap().split_whitespace().collect();
    assert_eq!(head[..4], ["scale", "backward", "ms", "iterations"]);
    assert!(head.contains(&"operations_per_byte") && head.contains(&"share_of_roof"), "{head:?}");
    let low =
        |line: &&str| line.split_whitespace().last().unwrap().parse::<f64>().is_ok_and(|share| share < 0.5);
    let named = table.lines().skip_while(|line| !line.starts_with("Below half")).skip(1).count();
    let of_sweeps = table.lines().filter(|line| line.starts_with("steps"));
    assert_eq!(named, of_sweeps.filter(low).count(), "{table}");
    let refused = stage.run("bench scale --only B3");
    assert!(refused.status.code() == Some(2) && text(&refused.stderr).contains("--only B3"));
}

#[test]
fn epochs_of_bibtex_are_measured() {
    let stage = Stage::with_data();
    let lines = lines(&stage, "bibtex --data data --repeats 2 --only anderson");
    assert_eq!((&lines[0]["epoch"], &lines[1]["epoch"]), (&1.into(), &2.into()));
    assert!(lines[1]["loss"].as_f64().unwrap() < lines[0]["loss"].as_f64().unwrap());
    assert!(lines[1]["test_f1_at_half"].is_number());
}

#[test]
#[cfg(target_os = "linux")]
fn memory_is_measured_in_a_process_of_its_own() {
    for line in lines(&Stage::new(), "memory --repeats 1 --only K10") {
        assert_eq!(line["setting"], "C32 B8 40x40 K10 picard train");
        assert!(line["peak_mb"].as_f64().unwrap() > line["above_the_start_mb"].as_f64().unwrap());
    }
}

#[test]
fn without_json_there_is_a_table() {
    let (table, _) = Stage::new().succeed("bench cell --only B16 --repeats 1");
    let head: Vec<&str> = table.lines().next().unwrap().split_whitespace().collect();
    assert_eq!(head[..4], ["cell", "backward", "ms", "iterations"]);
    let passes =
        table.lines().filter_map(|line| line.strip_prefix("B16 n64 anderson")?.split_whitespace().next());
    assert_eq!(passes.collect::<Vec<_>>(), ["tape", "compiled"]);
}

#[test]
fn every_solver_is_measured_on_a_network_forward_and_backward() {
    let lines = lines(&Stage::new(), "solvers --repeats 1 --only layer");
    let solvers = |side: &str| {
        let lines = lines.iter().filter(|line| line["setting"] == format!("zoo layer {side} 1e-6"));
        lines.map(|line| line["solver"].as_str().unwrap()).collect::<Vec<&str>>()
    };
    assert_eq!(solvers("forward"), ["picard", "anderson", "broyden", "squarem", "auto", "newton"]);
    let adjoints = ["neumann", "gmres", "bicgstab", "anderson", "broyden", "dense", "truncated", "identity"];
    assert_eq!(solvers("adjoint"), adjoints);
    for line in &lines {
        let approximate = line["solver"] == "truncated" || line["solver"] == "identity";
        let outcome = if approximate { "approximate" } else { "converged" };
        assert_eq!((&line["outcomes"][outcome], &line["unconverged_rows"]), (&3.into(), &0.into()), "{line}");
        assert_eq!(line["derivative_applications"].as_u64().unwrap_or(0) > 0, line["solver"] == "newton");
        if let Some(error) = line["gradient_error"].as_f64() {
            let tight = line["setting"] == "zoo layer adjoint 1e-6";
            assert_eq!(error > if tight { 1e-5 } else { 1e-3 }, approximate, "{line}");
        } else {
            assert!(line["row_evaluations"].as_u64() >= line["evaluations"].as_u64(), "{line}");
        }
    }
}

#[test]
fn a_trained_energy_is_minimised_by_every_solver_and_written_for_other_programs() {
    let stage = Stage::with_data();
    stage.succeed("train bibtex --data data --layer fpi-gd --epochs 1 --hidden 20 --out run --quiet");
    let lines = lines(&stage, "energy --checkpoint run --data data/bibtex-test.arff --repeats 1");
    let solvers: Vec<&str> = lines.iter().map(|line| line["solver"].as_str().unwrap()).collect();
    assert_eq!(solvers, ["anderson", "newton", "auto"]);
    let energies: Vec<f64> = lines.iter().map(|line| line["energy"].as_f64().unwrap()).collect();
    // The tuned energy has one minimiser to start with.
    assert!(energies.iter().all(|energy| (energy / energies[1] - 1.0).abs() < 1e-3), "{energies:?}");
    assert!(lines.iter().all(|line| line["unconverged_rows"] == 0), "{lines:?}");
    let export = "bench energy --checkpoint run --data data/bibtex-test.arff --export energy.safetensors";
    stage.succeed(export);
    let bytes = std::fs::read(stage.path("energy.safetensors")).unwrap();
    let length = u64::from_le_bytes(bytes[..8].try_into().unwrap()) as usize;
    let header: Value = serde_json::from_slice(&bytes[8..8 + length]).unwrap();
    assert_eq!(header["z"]["shape"][1], 1836);
    let ends = header.as_object().unwrap().values().map(|tensor| tensor["data_offsets"][1].as_u64().unwrap());
    assert_eq!(ends.max(), Some((bytes.len() - 8 - length) as u64));
    assert_eq!(stage.run(export).status.code(), Some(2));
    stage.succeed("train bibtex --data data --layer feedforward --epochs 1 --hidden 20 --out other --quiet");
    let refused = stage.run("bench energy --checkpoint other --data data/bibtex-test.arff");
    assert!(refused.status.code() == Some(2) && text(&refused.stderr).contains("expected a run of fpi-gd"));
}

#[test]
fn solvers_are_compared_in_tables_of_markdown() {
    let (text, _) = Stage::new().succeed("bench solvers --repeats 1 --only layer");
    let heads: Vec<&str> = text.lines().filter(|line| line.starts_with("| network | ")).collect();
    assert_eq!(heads.len(), 4);
    assert_eq!(heads[0], "| network | picard | anderson | broyden | squarem | auto | newton |");
    let rows: Vec<&str> = text.lines().filter(|line| line.starts_with("| zoo layer | ")).collect();
    // Times that are equal when rounded are all bold.
    let fastest = |row: &&str| row.matches("**").count() / 2;
    assert!(rows.len() == 4 && rows.iter().all(|row| fastest(row) >= 1 && !row.contains('✗')), "{text}");
}

#[test]
fn times_are_compared_with_an_earlier_recording() {
    let stage = Stage::new();
    let (recording, _) = stage.succeed("bench rows --repeats 3 --only forward --json");
    let slower = recording.replace("\"ms\":", "\"ms\":1e9,\"was\":");
    std::fs::write(stage.path("earlier.jsonl"), slower).unwrap();
    let compared = lines(&stage, "rows --repeats 3 --only forward --against earlier.jsonl");
    for line in &compared {
        assert_eq!((&line["change"], &line["before_ms"]), (&"faster".into(), &1e9.into()), "{line}");
        assert!(line["spread_ms"].as_f64().unwrap() >= 0.0 && line["ratio"].as_f64().unwrap() < 1.0);
    }
    let new = lines(&stage, "cell --repeats 1 --only B16 --against earlier.jsonl");
    assert!(new.iter().all(|line| line["change"] == "not in the recording"));
}

#[test]
fn a_recording_that_is_none_is_refused_with_its_line() {
    let stage = Stage::new();
    std::fs::write(stage.path("earlier.jsonl"), "\nsomething else\n").unwrap();
    let refused = stage.run("bench cell --against earlier.jsonl");
    let message = text(&refused.stderr);
    assert_eq!(refused.status.code(), Some(2));
    assert!(message.contains("earlier.jsonl, line 2: found no line of"), "{message}");
    let missing = stage.run("bench cell --against nowhere.jsonl");
    assert_eq!(missing.status.code(), Some(2));
    assert!(text(&missing.stderr).contains("found no readable file at nowhere.jsonl"));
}
