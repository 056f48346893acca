//! Do the experiments write the reports that scripts rely on?

use crate::stage::Stage;

#[test]
fn the_toy_writes_its_report_its_plots_and_its_table() {
    let stage = Stage::new();
    let (table, progress) = stage.succeed("train toy --dimension 3 --epochs 2 --seed 5 --out toy");
    assert!(table.contains("fpi-nn") && table.contains("feedforward"), "{table}");
    assert_eq!(progress.lines().count(), 4, "{progress}");
    let report = stage.json("toy/report.json");
    assert_eq!(report["experiment"], "toy");
    for layer in ["fpi-nn", "feedforward"] {
        let layer = &report["layers"][layer];
        assert_eq!(layer["parameters"], 6 * 12 + 12 + 12 * 3 + 3);
        for name in ["train_loss", "test_loss"] {
            let losses = layer[name].as_array().unwrap();
            assert_eq!(losses.len(), 2);
            assert!(losses.iter().all(|loss| loss.as_f64().unwrap().is_finite()));
        }
    }
    for plot in ["train_loss.svg", "test_loss.svg"] {
        assert!(std::fs::read_to_string(stage.path("toy").join(plot)).unwrap().contains("fpi-nn"));
    }
}

#[test]
fn the_same_seed_gives_the_same_toy() {
    let stage = Stage::new();
    let report = |folder: &str, seed: u64| {
        stage.succeed(&format!("train toy --dimension 2 --epochs 1 --seed {seed} --out {folder} --quiet"));
        stage.json(&format!("{folder}/report.json"))["layers"].clone()
    };
    let first = report("one", 3);
    assert_eq!(first, report("two", 3));
    assert_ne!(first, report("three", 4));
}

#[test]
fn bibtex_writes_the_report_of_the_contract() {
    let stage = Stage::with_data();
    let (table, progress) = stage.succeed("train bibtex --data data --layer feedforward --epochs 3 --seed 2");
    assert!(table.contains("test F1"), "{table}");
    assert_eq!(progress.lines().count(), 3, "{progress}");
    let folder = "out/bibtex-feedforward-seed2";
    let report = stage.json(&format!("{folder}/report.json"));
    assert_eq!((&report["experiment"], &report["layer"]), (&"bibtex".into(), &"feedforward".into()));
    assert_eq!((&report["seed"], &report["parameters"]), (&2.into(), &1_293_159.into()));
    let epochs = report["epochs"].as_array().unwrap();
    let mut names: Vec<&str> = epochs[2].as_object().unwrap().keys().map(String::as_str).collect();
    names.sort_unstable();
    let expected = "adjoint_steps epoch forward_steps non_finite_rows seconds test_f1_at_half train_loss unconverged_rows validation_f1";
    assert_eq!(names.join(" "), expected);
    assert_eq!(epochs[2]["epoch"], 3);
    assert!(epochs[2]["train_loss"].as_f64().unwrap() < epochs[0]["train_loss"].as_f64().unwrap());
    for name in ["epoch", "validation_f1", "threshold", "test_f1", "test_f1_at_half"] {
        assert!(report["best"][name].is_number(), "{name}");
    }
    assert!(report["settings"]["learning_rate"].is_number());
    assert!(cfg!(not(target_os = "linux")) || report["peak_memory_bytes"].as_u64().unwrap() > 1_000_000);
    for file in ["curves.svg", "best.bpk"] {
        assert!(stage.path(folder).join(file).is_file(), "{file}");
    }
}

#[test]
fn every_pair_of_solvers_trains_a_fixed_point_network() {
    let stage = Stage::with_data();
    for (solver, adjoint) in [("picard", "neumann"), ("anderson", "gmres")] {
        let options = format!("--solver {solver} --adjoint {adjoint} --max-steps 40 --tolerance 1e-3");
        stage.succeed(&format!("train bibtex --data data --epochs 2 {options} --out run --quiet"));
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
fn the_program_of_the_update_is_shown() {
    let (program, _) = Stage::new().succeed("show bibtex");
    for part in ["sigmoid", "relu", "matmul", "f32[40, 159]"] {
        assert!(program.contains(part), "{part}: {program}");
    }
}

#[test]
fn quiet_prints_no_progress() {
    let stage = Stage::with_data();
    let line = "train bibtex --data data --layer feedforward --epochs 1 --quiet";
    assert_eq!(stage.succeed(line).1, "");
}
