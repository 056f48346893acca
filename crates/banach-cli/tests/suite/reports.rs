//! Reports, tables and pictures of the experiments.

use crate::stage::{Stage, text};

#[test]
fn the_toy_writes_its_report_its_plots_and_its_table() {
    let stage = Stage::new();
    let (table, notes) = stage.succeed("train toy --dimension 3 --epochs 20 --seed 5 --out toy");
    assert!(["fpi-gd", "fpi-nn", "feedforward"].iter().all(|name| table.contains(name)), "{table}");
    assert_eq!(table.lines().count(), 5, "{table}");
    let lines: Vec<&str> = notes.lines().collect();
    for part in ["3 unknowns", "3 networks of 20 epochs", "results go to toy"] {
        assert!(lines[0].contains(part), "{part}: {notes}");
    }
    let progress = lines.iter().filter(|line| line.contains("/60 epochs") && line.contains(" left"));
    assert_eq!(progress.count(), 10, "{notes}");
    for part in
        ["picture: toy/losses.svg", "report:  toy/report.json", "next:    banach report toy", "banach train"]
    {
        assert!(notes.contains(part), "{part}: {notes}");
    }
    let report = stage.json("toy/report.json");
    assert_eq!(report["experiment"], "toy");
    let perceptron = 6 * 12 + 12 + 12 * 3 + 3;
    for (layer, parameters) in [("fpi-gd", 2 * 3 * 3), ("fpi-nn", perceptron), ("feedforward", perceptron)] {
        let layer = &report["layers"][layer];
        assert_eq!(layer["parameters"], parameters);
        let epochs = layer["epochs"].as_array().unwrap();
        assert_eq!((epochs.len(), &epochs[19]["epoch"]), (20, &20.into()));
        for epoch in epochs {
            let losses = ["train_loss", "test_loss"].map(|name| epoch[name].as_f64().unwrap());
            assert!(losses.iter().all(|loss| loss.is_finite()), "{epoch}");
            assert_eq!(epoch["sums"]["loss_rows"], 2000, "{epoch}");
        }
    }
    let work = |layer: &str| report["layers"][layer]["epochs"][0]["sums"]["work"].clone();
    assert!(work("fpi-gd")["adjoint_rows"] == 2000 && work("feedforward")["adjoint_rows"] == 0);
    assert!(report["layers"]["feedforward"]["epochs"][0]["adjoint_steps"].is_null());
    let drawn = std::fs::read_to_string(stage.path("toy/losses.svg")).unwrap();
    assert!(drawn.matches("fpi-nn").count() == 2 && drawn.matches("fpi-gd").count() == 2);
}

#[test]
fn the_same_seed_gives_the_same_toy() {
    let stage = Stage::new();
    let report = |folder: &str, seed: u64| {
        stage.succeed(&format!("train toy --dimension 2 --epochs 1 --seed {seed} --out {folder} --quiet"));
        let mut layers = stage.json(&format!("{folder}/report.json"))["layers"].clone();
        for layer in layers.as_object_mut().unwrap().values_mut() {
            layer["epochs"][0].as_object_mut().unwrap().remove("seconds");
        }
        layers
    };
    let first = report("one", 3);
    assert_eq!(first, report("two", 3));
    assert_ne!(first, report("three", 4));
}

#[cfg(feature = "optimize")]
#[test]
fn sudoku_writes_its_report_its_boards_and_its_table() {
    let stage = Stage::new();
    let run = |folder: &str, seed: u64| {
        stage.succeed(&format!("train sudoku --puzzles 50 --epochs 2 --seed {seed} --out {folder}"))
    };
    let (table, notes) = run("run", 5);
    assert_eq!(table.lines().count(), 5 + 1 + 3, "{table}");
    assert!(table.contains("wrong boards") && table.lines().nth(2).unwrap().starts_with("----"), "{table}");
    for part in ["4 digits from 50 solved puzzles", "40 equations", "run/error.svg", "run/board.svg"] {
        assert!(notes.contains(part), "{part}: {notes}");
    }
    let report = stage.json("run/report.json");
    assert_eq!((&report["experiment"], &report["parameters"]), (&"sudoku".into(), &(40 * 64 + 64).into()));
    let epochs = report["epochs"].as_array().unwrap();
    let losses = [0, 1].map(|epoch: usize| epochs[epoch]["train_loss"].as_f64().unwrap());
    assert!(epochs.len() == 2 && losses[1] < losses[0], "{losses:?}");
    assert!((0.0..=1.0).contains(&epochs[1]["test_error"].as_f64().unwrap()));
    assert_eq!((&epochs[1]["sums"]["loss_rows"], &epochs[1]["unconverged_rows"]), (&50.into(), &0.into()));
    run("again", 5);
    run("other", 6);
    let loss = |folder: &str| stage.json(&format!("{folder}/report.json"))["epochs"][1]["test_loss"].clone();
    assert_eq!(loss("again"), loss("run"));
    assert_ne!(loss("other"), loss("run"));
}

#[test]
fn the_program_of_the_update_is_shown() {
    let stage = Stage::new();
    let shown = |options: &str| stage.succeed(&format!("show bibtex {options}")).0;
    for (options, parts) in [
        // The tuned update acts among the labels: 159 -> 100 -> 159, at the logits of the features.
        ("", ["sigmoid", "f32[100, 159]", "f32[159, 100]"]),
        ("--recipe published", ["f32[40, 159]", "f32[1995, 600]", "f32[40, 1836]"]),
        ("--layer fpi-gd", ["f32[159, 100]", "f32[100, 159]", "f32[100]"]),
        ("--layer fpi-gd --recipe published", ["f32[80, 1836]", "f32[1995, 512]", "f32[80, 159]"]),
    ] {
        let program = shown(options);
        for part in parts {
            assert!(program.contains(part), "{options}: {part}: {program}");
        }
    }
    let tuned = shown("");
    assert!(tuned.contains("matmul") && tuned.contains("relu") && !tuned.contains("1836"), "{tuned}");
    assert_eq!(tuned, shown("--recipe tuned --layer fpi-nn"));
    for layer in ["mlp", "feedforward"] {
        let output = stage.run(&format!("show bibtex --layer {layer}"));
        let message = text(&output.stderr);
        assert!(
            output.status.code() == Some(2) && message.contains("expected fpi-nn or fpi-gd"),
            "{message}"
        );
    }
}

#[test]
fn a_split_program_counts_its_operations() {
    let stage = Stage::new();
    let (split, _) = stage.succeed("show cell --hoisted");
    for part in ["prologue: 131072 operations, once a solve", "loop: 133120 operations a step", "1024    %"] {
        assert!(split.contains(part), "{part}: {split}");
    }
    let (split, _) = stage.succeed("show conv --hoisted");
    let (prologue, body) = split.split_once("loop:").unwrap();
    assert_eq!((prologue.matches("convolution").count(), body.matches("convolution").count()), (1, 2));
    assert!(body.contains("methods: "), "{body}");
    assert!(!stage.succeed("show conv").0.contains("operations"));
}

#[test]
fn the_course_of_a_solve_is_written_and_drawn() {
    let stage = Stage::new();
    for (solver, name, rows) in
        [("picard", "cell", 16), ("anderson", "bibtex", 40), ("newton", "cell", 16), ("anderson", "conv", 8)]
    {
        let recipe = if name == "bibtex" { "--recipe published" } else { "" };
        let line =
            format!("show {name} {recipe} --trace --solver {solver} --tolerance 1e-4 --out {name}-{solver}");
        let (out, _) = stage.succeed(&line);
        for part in [
            &format!("{name} by {solver}"),
            "worst row",
            "median row",
            "rate",
            &format!("{rows} of {rows} rows"),
        ] {
            assert!(out.contains(part), "{line}: {part}: {out}");
        }
        let csv = std::fs::read_to_string(stage.path(&format!("{name}-{solver}/trace.csv"))).unwrap();
        assert!(csv.starts_with("row,step,evaluations,residual\n0,0,"), "{line}");
        let numbers: Vec<Vec<f64>> = csv
            .lines()
            .skip(1)
            .map(|line| line.split(',').map(|number| number.parse().unwrap()).collect())
            .collect();
        let (first, last) = (&numbers[0], numbers.iter().rfind(|line| line[0] == 0.0).unwrap());
        assert!(last[1] >= 1.0 && last[3] < 1e-2 * first[3], "{line}: {first:?}, {last:?}");
        assert_eq!(numbers[numbers.len() - 1][0] as usize, rows - 1);
        let drawing = std::fs::read_to_string(stage.path(&format!("{name}-{solver}/trace.svg"))).unwrap();
        assert!(drawing.contains("worst row") && drawing.matches("polyline").count() >= rows, "{line}");
    }
    let (out, _) = stage.succeed("show cell --trace --solver picard --max-steps 3");
    assert!(out.contains("0 of 16 rows converged") && out.contains("step limit"), "{out}");
    assert!(stage.path("out/trace-cell/trace.csv").exists());
}

#[test]
fn quiet_prints_the_result_alone_everywhere() {
    let stage = Stage::with_data();
    for line in [
        "train bibtex --data data --layer feedforward --epochs 1",
        "train toy --dimension 2 --epochs 20 --out toy",
        "table bibtex --data data --seeds 1 --epochs 1 --out table",
        "show cell",
        "show cell --trace",
        "bench cell --only B16 --repeats 1",
    ] {
        let (out, notes) = stage.succeed(&format!("{line} --quiet"));
        assert!(notes.is_empty() && !out.is_empty(), "{line}: {notes}");
    }
}

#[test]
fn json_prints_one_value_everywhere() {
    let stage = Stage::with_data();
    let value = |line: &str| -> serde_json::Value {
        let (out, notes) = stage.succeed(&format!("{line} --json --quiet"));
        assert!(out.lines().count() == 1 && notes.is_empty(), "{line}: {out}{notes}");
        serde_json::from_str(&out).unwrap()
    };
    let toy = value("train toy --dimension 2 --epochs 1 --out toy");
    assert_eq!(toy, stage.json("toy/report.json"));
    let bibtex = value("train bibtex --data data --layer mlp --epochs 1 --out run");
    assert_eq!(bibtex, stage.json("run/report.json"));
    let table = value("table bibtex --data data --seeds 1 --epochs 1 --out table");
    assert_eq!(table, stage.json("table/table.json"));
    assert_eq!(value("show cell")["program"]["operations"], 131_072 + 133_120);
    let hoisted = value("show cell --hoisted");
    assert_eq!((&hoisted["prologue"]["operations"], &hoisted["name"]), (&131_072.into(), &"cell".into()));
    let trace = value("show cell --trace");
    assert_eq!(
        (trace["rows"].as_array().unwrap().len(), &trace["rows"][3]["outcome"]),
        (16, &"converged".into())
    );
}

#[test]
fn banach_alone_shows_what_to_try_first() {
    let (welcome, notes) = Stage::new().succeed("");
    assert!(notes.is_empty() && welcome.lines().filter(|line| line.starts_with("  banach ")).count() == 4);
}

#[test]
fn completions_and_manual_pages_know_every_experiment() {
    let stage = Stage::new();
    for shell in ["bash", "elvish", "fish", "powershell", "zsh"] {
        let script = stage.succeed(&format!("completions {shell}")).0;
        assert!(["toy", "bibtex", "dimension"].iter().all(|name| script.contains(name)), "{shell}");
    }
    let page = stage.succeed("manual").0;
    assert!(page.contains(".TH banach 1") && page.contains("train"), "{page}");
    stage.succeed("manual --out pages");
    for name in ["banach.1", "banach-train.1", "banach-train-toy.1", "banach-show-cell.1"] {
        assert!(stage.path("pages").join(name).is_file(), "{name}");
    }
}
