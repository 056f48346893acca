//! Training on Bibtex: every layer, recipe, solver and engine, and the table of methods.

use crate::stage::{Stage, text};

#[test]
fn bibtex_writes_the_report_of_the_contract() {
    let stage = Stage::with_data();
    let (table, progress) =
        stage.succeed("train bibtex --data data --recipe published --layer feedforward --epochs 3 --seed 2");
    assert!(table.contains("test F1"), "{table}");
    assert_eq!(progress.lines().filter(|line| line.starts_with("epoch")).count(), 3, "{progress}");
    assert!(progress.starts_with("trains feedforward, recipe published, on 54 examples"), "{progress}");
    let folder = "out/bibtex-feedforward-seed2";
    let report = stage.json(&format!("{folder}/report.json"));
    assert_eq!((&report["experiment"], &report["layer"]), (&"bibtex".into(), &"feedforward".into()));
    assert_eq!((&report["seed"], &report["parameters"]), (&2.into(), &1_293_159.into()));
    let epochs = report["epochs"].as_array().unwrap();
    let mut names: Vec<&str> = epochs[2].as_object().unwrap().keys().map(String::as_str).collect();
    names.sort_unstable();
    let expected = "adjoint_steps at_half epoch forward_steps macro_f1 micro_f1 non_finite_rows p_at_1 p_at_3 p_at_5 seconds sums test_f1 test_f1_at_half threshold train_loss unconverged_rows validation_f1";
    assert_eq!(names.join(" "), expected);
    assert_eq!(epochs[2]["epoch"], 3);
    assert!(epochs[2]["train_loss"].as_f64().unwrap() < epochs[0]["train_loss"].as_f64().unwrap());
    for name in ["epoch", "validation_f1", "threshold", "test_f1", "test_f1_at_half"] {
        assert!(report["best"][name].is_number(), "{name}");
    }
    assert!(report["settings"]["learning_rate"].is_number());
    assert!(cfg!(not(target_os = "linux")) || report["peak_memory_bytes"].as_u64().unwrap() > 1_000_000);
    assert!(stage.path(folder).join("best.bpk").is_file());
    let drawn = std::fs::read_to_string(stage.path(folder).join("curves.svg")).unwrap();
    assert!(drawn.contains("training loss") && drawn.contains("F1 in percent"));
}

#[test]
fn every_pair_of_solvers_trains_a_fixed_point_network() {
    let stage = Stage::with_data();
    for (solver, adjoint) in [("picard", "neumann"), ("anderson", "gmres")] {
        let options = format!("--solver {solver} --adjoint {adjoint} --max-steps 40 --tolerance 1e-3");
        let line = format!("train bibtex --data data --recipe published --epochs 2 {options}");
        stage.succeed(&format!("{line} --out run --quiet"));
        let report = stage.json("run/report.json");
        let epochs = report["epochs"].as_array().unwrap();
        assert!(epochs[1]["train_loss"].as_f64().unwrap() < epochs[0]["train_loss"].as_f64().unwrap());
        for name in ["forward_steps", "adjoint_steps"] {
            assert!(epochs.iter().all(|epoch| epoch[name].as_f64().unwrap() >= 1.0), "{solver}: {epochs:?}");
        }
        assert!(epochs.iter().all(|epoch| epoch["non_finite_rows"] == 0));
        let settings = &report["settings"];
        assert_eq!((&settings["solver"], &settings["adjoint"]), (&solver.into(), &adjoint.into()));
        assert_eq!((&settings["tolerance"], &settings["max_steps"]), (&1e-3.into(), &40.into()));
    }
}

#[test]
fn either_engine_trains_and_is_written_down() {
    let stage = Stage::with_data();
    for engine in ["native", "device"] {
        stage.succeed(&format!("train toy --dimension 2 --epochs 1 --out toy --quiet --engine {engine}"));
        assert_eq!(stage.json("toy/report.json")["settings"]["engine"], engine);
        let line = "train bibtex --data data --recipe published --epochs 1 --out run --quiet";
        stage.succeed(&format!("{line} --engine {engine}"));
        assert_eq!(stage.json("run/report.json")["settings"]["engine"], engine);
    }
}

#[test]
fn every_layer_trains_by_either_recipe() {
    let stage = Stage::with_data();
    for layer in ["mlp", "feedforward", "fpi-nn", "fpi-gd"] {
        for recipe in ["published --hidden 20", "tuned --hidden 20"] {
            let line = format!("train bibtex --data data --layer {layer} --recipe {recipe} --max-steps 30");
            let solves = layer.starts_with("fpi");
            let line = if solves { line } else { line.replace(" --max-steps 30", "") };
            stage.succeed(&format!("{line} --epochs 2 --out run --quiet"));
            let report = stage.json("run/report.json");
            let losses = |epoch: usize| report["epochs"][epoch]["train_loss"].as_f64().unwrap();
            // So short a course leaves the published energies flat, and their minimisers far out.
            let flat = layer == "fpi-gd" && recipe.starts_with("published");
            let falls = if flat { losses(1).is_finite() } else { losses(1) < losses(0) };
            assert!(falls, "{layer} {recipe}: {} and {}", losses(0), losses(1));
            assert_eq!(report["settings"]["hidden"], 20);
            assert_eq!(report["epochs"][1]["non_finite_rows"], 0, "{layer} {recipe}");
        }
    }
}

#[test]
fn options_change_the_recipe() {
    let stage = Stage::with_data();
    let options = "--hidden 7 --dropout 0.25 --input-dropout 0.1 --weight-decay 0.5 --learning-rate 0.002 --learning-rate-decay 0.5 --f1-weight 0.75 --label-units 9 --averaging 0.5";
    stage.succeed(&format!("train bibtex --data data --epochs 1 --quiet --out run {options}"));
    let settings = &stage.json("run/report.json")["settings"];
    let expected = [
        ("hidden", 7.0),
        ("dropout", 0.25),
        ("input_dropout", 0.1),
        ("weight_decay", 0.5),
        ("learning_rate", 0.002),
        ("learning_rate_decay", 0.5),
        ("f1_weight", 0.75),
        ("averaging", 0.5),
        ("label_units", 9.0),
    ];
    for (name, value) in expected {
        assert_eq!(settings[name].as_f64(), Some(value), "{name}");
    }
}

#[test]
fn the_table_holds_every_method_and_repeats_no_finished_run() {
    let stage = Stage::with_data();
    let line = "table bibtex --data data --seeds 2 --epochs 1 --out table";
    let (table, progress) = stage.succeed(line);
    assert!(table.contains("DVN (adversarial)") && table.contains("±"), "{table}");
    assert_eq!(progress.lines().filter(|line| line.contains("at one half")).count(), 8, "{progress}");
    let rows = stage.json("table/table.json")["rows"].clone();
    let names: Vec<&str> =
        rows.as_array().unwrap().iter().map(|row| row["method"].as_str().unwrap()).collect();
    assert_eq!(names, ["mlp", "feedforward", "fpi-nn", "fpi-gd"]);
    for row in rows.as_array().unwrap() {
        assert_eq!(row["seeds"], 2);
        for name in ["test_f1_mean", "test_f1_std", "test_f1_at_half_mean", "parameters"] {
            assert!(row[name].is_number(), "{name}");
        }
    }
    assert!(std::fs::read_to_string(stage.path("table/table.md")).unwrap().starts_with("| method |"));
    let refused = stage.run(&format!("{line} --recipe published"));
    assert_eq!(refused.status.code(), Some(2));
    let message = text(&refused.stderr);
    assert!(message.contains("found --recipe published") && !message.contains("--resume"), "{message}");
    let made =
        |stage: &Stage| std::fs::metadata(stage.path("table/fpi-nn-seed2/report.json")).unwrap().modified();
    let before = made(&stage).unwrap();
    assert_eq!(stage.succeed(line).0, table);
    assert_eq!(made(&stage).unwrap(), before);
    assert_eq!(stage.json("table/table.json")["rows"], rows);
    stage.succeed("train bibtex --data data --layer mlp --epochs 1 --out table/mlp-seed1 --quiet");
    assert!(!stage.path("table/mlp-seed1/finished.json").exists());
}
