//! Multi-label classification of data sets in every format: reports, tables, predictions, and refused files.

use crate::label_files::{FEATURES, LABELS, dense, header, libsvm, names, sparse, xml};
use crate::mistakes::refused;
use crate::stage::{Stage, text};
use std::fmt::Write as _;

/// A folder with the data set in Mulan's format.
fn stage() -> Stage {
    let stage = Stage::new();
    std::fs::create_dir(stage.path("data")).unwrap();
    write(&stage, "data/small-train.arff", &sparse(0..70));
    write(&stage, "data/small-test.arff", &sparse(70..105));
    write(&stage, "data/small.xml", &xml());
    stage
}

fn write(stage: &Stage, name: &str, text: &str) {
    std::fs::write(stage.path(name), text).unwrap();
}

const SMALL: &str = "--hidden 16 --input-dropout 0 --dropout 0";

#[test]
fn one_data_set_in_every_format_gives_one_report() {
    let stage = stage();
    let csv = names().join(",") + "\r\n";
    for (name, text) in [
        ("dense-train.arff", dense(0..70, &header(), "\r\n")),
        ("dense-test.arff", dense(70..105, &header(), "\n")),
        ("a.csv", dense(0..70, &csv, "\r\n")),
        ("b.csv", dense(70..105, &csv, "\n")),
        ("a.svm", libsvm(0..70)),
        ("b.svm", libsvm(70..105)),
    ] {
        write(&stage, name, &text);
    }
    let mut reports = Vec::new();
    for source in [
        "--data data",
        "--data dense-train.arff --test dense-test.arff --labels last:5",
        "--data a.csv --test b.csv --labels tag1,tag2,tag3,tag4,tag5",
        "--data a.svm --test b.svm",
    ] {
        stage.succeed(&format!("train multilabel {source} --layer mlp --epochs 2 --out run --quiet {SMALL}"));
        let report = stage.json("run/report.json");
        assert_eq!(report["experiment"], "multilabel");
        let scores = ["threshold", "test_f1", "micro_f1", "macro_f1", "p_at_1", "p_at_3", "p_at_5"];
        let best: Vec<_> = scores.iter().map(|name| report["best"][name].as_f64().unwrap()).collect();
        reports.push((report["data"].clone(), report["settings"]["data_fingerprint"].clone(), best));
    }
    assert!(reports.windows(2).all(|pair| pair[0] == pair[1]), "{reports:?}");
    let data = &reports[0].0;
    assert_eq!((&data["train"], &data["validation"], &data["test"]), (&63.into(), &7.into(), &35.into()));
    assert_eq!((&data["features"], &data["labels"]), (&FEATURES.into(), &LABELS.into()));
}

#[test]
fn a_single_file_is_split_by_the_seed_and_numbers_are_standardised() {
    let stage = Stage::new();
    let mut text = String::from("tag,size,weight,fixed\n");
    (0..40).for_each(|row| {
        writeln!(text, "{},{},{},3", row % 2, row % 2 * 10 + row, -0.5 * f64::from(row)).unwrap()
    });
    write(&stage, "numbers.csv", &text);
    let line = "train multilabel --data numbers.csv --labels first:1 --unlabelled keep --layer mlp --epochs 1 --out run";
    let (_, notes) = stage.succeed(&format!("{line} {SMALL}"));
    let counts = "25 training examples, 3 to validate, 12 to test; 3 features (2 standardised";
    assert!(notes.contains(counts) && notes.contains("1 feature constant in training"), "{notes}");
    let fingerprint = || stage.json("run/report.json")["settings"]["data_fingerprint"].clone();
    let one = fingerprint();
    stage.succeed(&format!("{line} --seed 2 --quiet {SMALL}"));
    assert_ne!(one, fingerprint());
    let skipped = line.replace("keep", "skip");
    let (_, notes) = stage.succeed(&format!("{skipped} {SMALL}"));
    assert!(notes.contains("20 examples without labels left out"), "{notes}");
}

#[test]
fn files_that_cannot_be_read_are_refused_in_one_line_and_nothing_is_written() {
    let stage = stage();
    let good = sparse(0..70);
    let train = "data/small-train.arff";
    let first = "{0 1,5 1,12 1}";
    assert!(good.contains(first));
    let row = format!("line {}", 1 + FEATURES + LABELS + 2);
    let line = "train multilabel --data data --out run";
    for (from, to, parts) in [
        (first, "{0 1,5 1}", ["an example without labels", "--unlabelled skip"]),
        (first, "{0 ?,5 1,12 1}", ["a missing value of `word1`", "fill it in"]),
        (first, "{0 2,5 1,12 1}", ["the value `2` of `word1`", "one of {0,1}"]),
        (first, "{0 1,5 1,12 1", ["closing `}`", "get the whole file"]),
        (first, "{0 '1,5 1,12 1}", ["a quote without its end", "close it"]),
        (first, "0,1,0", ["a row of 3 values, expected 17", "get the whole file"]),
    ] {
        write(&stage, train, &good.replacen(from, to, 1));
        refused(&stage, line, &[train, &row, parts[0], parts[1]]);
    }
    write(&stage, train, &good.replace("@attribute word2", "@attribute word1"));
    refused(&stage, line, &[train, "line 3", "the attribute `word1` twice", "rename one"]);
    write(&stage, train, &good[..good.find("@data").unwrap()]);
    refused(&stage, line, &[train, "@data", "get the whole file"]);
    let mut bytes = good.clone().into_bytes();
    let at = good.find(first).unwrap();
    bytes[at + 1] = 0xff;
    std::fs::write(stage.path(train), bytes).unwrap();
    refused(&stage, line, &[train, &row, "not UTF-8", "iconv"]);
    write(&stage, train, &good.replace('\n', "\r\n"));
    write(&stage, "data/small.xml", &xml().replace("tag2", "tag22"));
    refused(&stage, line, &["small.xml", "line 4", "the label `tag22`", "correct its name"]);
    write(&stage, "data/small.xml", "<labels></labels>");
    refused(&stage, line, &["small.xml", "line 1", "<label name="]);
    write(&stage, "data/small.xml", &xml());
    write(&stage, "data/small-test.arff", &sparse(70..105).replace("word3", "word33"));
    refused(&stage, line, &["small-test.arff", "no attribute `word3`"]);
    assert!(!stage.path("run").exists());
    write(&stage, "data/small-test.arff", &sparse(70..105));
    stage.succeed(&format!("{line} --layer mlp --epochs 1 --quiet {SMALL}"));
}

#[test]
fn sources_that_contradict_themselves_are_refused() {
    let stage = stage();
    write(&stage, "a.svm", &libsvm(0..70));
    write(&stage, "a.csv", &dense(0..70, &(names().join(",") + "\n"), "\n"));
    let refuse =
        |rest: &str, parts: &[&str]| refused(&stage, &format!("train multilabel {rest} --out run"), parts);
    refuse("--data nowhere", &["nowhere", "--data"]);
    refuse("--data a.csv", &["no --labels for a.csv"]);
    refuse("--data a.csv --labels tag1,tag9", &["the label `tag9`", "a column of a.csv"]);
    refuse("--data a.csv --labels 17", &["--labels 17", "at most 16 labels"]);
    refuse("--data a.svm --labels 5", &["--labels for a.svm", "leave out --labels"]);
    refuse("--data a.svm --test a.csv", &["--test a.csv", "the format of a.svm"]);
    refuse("--data data --test a.svm", &["--test with the folder data"]);
    refuse("--data data --test-share 0.5", &["--test-share with the folder data"]);
    refuse("--data a.svm --test a.svm --test-share 0.5", &["--test-share with --test"]);
    refuse("--data data/small.xml", &["small.xml", ".arff"]);
    std::fs::remove_file(stage.path("data/small-test.arff")).unwrap();
    refuse("--data data", &["found 0 data files named *-test in data", "--test"]);
    assert!(!stage.path("run").exists());
}

#[test]
fn a_trained_network_predicts_labels_with_scores_and_outcomes() {
    let stage = stage();
    stage.succeed(&format!(
        "train multilabel --data data --epochs 3 --out run --quiet {SMALL} --learning-rate 0.05"
    ));
    let line = "predict --checkpoint run --data data/small-test.arff --out labels.csv";
    let (table, _) = stage.succeed(line);
    assert!(table.contains("rows: converged") && table.contains("F1 at this threshold"), "{table}");
    let report = stage.json("run/report.json");
    let value: serde_json::Value =
        serde_json::from_str(&stage.succeed(&format!("{line} --overwrite --json --quiet")).0).unwrap();
    let (f1, best) = (value["f1"].as_f64().unwrap(), report["best"]["test_f1"].as_f64().unwrap());
    assert!((f1 - best).abs() < 1e-6, "found {f1} where the run found {best}");
    assert_eq!(value["threshold"], report["best"]["threshold"]);
    let written = std::fs::read_to_string(stage.path("labels.csv")).unwrap();
    let lines: Vec<&str> = written.lines().collect();
    assert_eq!(lines.len(), 36);
    assert!(lines[0].starts_with("line,labels,threshold,outcome,score of tag1,"), "{}", lines[0]);
    let threshold = report["best"]["threshold"].as_f64().unwrap();
    for line in &lines[1..] {
        let fields: Vec<&str> = line.split(',').collect();
        assert_eq!((fields.len(), fields[3]), (4 + LABELS, "converged"), "{line}");
        for (score, name) in fields[4..].iter().zip(&names()[FEATURES..]) {
            let chosen = fields[1].split(';').any(|label| label == name);
            assert_eq!(score.parse::<f64>().unwrap() > threshold, chosen, "{line}");
        }
    }
    refused(&stage, line, &["labels.csv", "--overwrite"]);
    refused(&stage, "predict --checkpoint data --data a --out b.csv", &["model.json", "train multilabel"]);
    write(&stage, "other.csv", "a,b\n1,2\n");
    refused(
        &stage,
        "predict --checkpoint run --data other.csv --out b.csv",
        &["other.csv", "no attribute `word1`"],
    );
    write(
        &stage,
        "plain.csv",
        &format!("{}\n{}\n", names()[..FEATURES].join(","), ["1"; FEATURES].join(",")),
    );
    refused(
        &stage,
        "predict --checkpoint run --data plain.csv --out b.csv",
        &["plain.csv", "other values of the attribute"],
    );
    assert!(!stage.path("b.csv").exists());
}

#[test]
fn a_network_of_libsvm_data_predicts_lines_of_libsvm_with_or_without_labels() {
    let stage = Stage::new();
    write(&stage, "a.svm", &libsvm(0..70));
    stage.succeed(&format!("train multilabel --data a.svm --layer mlp --epochs 1 --out run --quiet {SMALL}"));
    write(&stage, "b.svm", "1:1 3:1\n2 2:1\n");
    let (table, _) = stage.succeed("predict --checkpoint run --data b.svm --out b.csv");
    assert!(table.contains("rows: computed"), "{table}");
    let written = std::fs::read_to_string(stage.path("b.csv")).unwrap();
    assert!(written.starts_with("line,labels,threshold,outcome,score of label 1,"), "{written}");
    write(&stage, "c.svm", "1 99:1\n");
    let output = stage.run("predict --checkpoint run --data c.svm --out c.csv");
    assert!(text(&output.stderr).contains("the feature 99, expected one from 1 to 12"));
}

#[test]
fn every_system_of_the_papers_table_trains_by_both_recipes_and_predicts() {
    let stage = stage();
    for layer in ["spen", "spen-e2e", "spen-implicit", "icnn", "icnn-implicit", "dvn-gt", "dvn-adversarial"] {
        for recipe in ["published", "tuned"] {
            let options =
                format!("--layer {layer} --recipe {recipe} --label-units 8 --learning-rate 0.02 {SMALL}");
            stage.succeed(&format!("train multilabel --data data --epochs 12 --out run --quiet {options}"));
            let report = stage.json("run/report.json");
            let epochs = report["epochs"].as_array().unwrap();
            assert_eq!(epochs.len(), 12, "{layer} {recipe}");
            assert!(epochs.iter().all(|epoch| epoch["non_finite_rows"] == 0), "{layer} {recipe}: {epochs:?}");
            assert!(epochs.iter().all(|epoch| epoch["train_loss"].is_number()), "{layer} {recipe}");
            let (first, best) = (&epochs[0]["test_f1"], &report["best"]["test_f1"]);
            assert!(best.as_f64() >= first.as_f64(), "{layer} {recipe}: {best} after {first}");
            let line = "predict --checkpoint run --data data/small-test.arff --out labels.csv --overwrite --json --quiet";
            let value: serde_json::Value = serde_json::from_str(&stage.succeed(line).0).unwrap();
            let found = value["f1"].as_f64().unwrap();
            assert!(
                (found - best.as_f64().unwrap()).abs() < 1e-6,
                "{layer} {recipe}: {found}, expected {best}"
            );
        }
    }
    refused(&stage, "train multilabel --data data --layer dvn-gt --f1-weight 1", &["--f1-weight", "dvn-gt"]);
    refused(&stage, "train multilabel --data data --layer icnn --solver picard", &["--solver", "icnn"]);
}

#[test]
fn the_systems_repeat_their_numbers_and_resume_to_the_bit() {
    let stage = stage();
    let scores = |folder: &str| {
        let report = stage.json(&format!("{folder}/report.json"));
        let epochs = report["epochs"].as_array().unwrap().clone();
        epochs
            .into_iter()
            .map(|epoch| (epoch["train_loss"].clone(), epoch["test_f1"].clone()))
            .collect::<Vec<_>>()
    };
    for layer in ["spen", "icnn", "dvn-adversarial"] {
        let line = format!("train multilabel --data data --layer {layer} --quiet {SMALL}");
        stage.succeed(&format!("{line} --epochs 3 --out whole"));
        stage.succeed(&format!("{line} --epochs 2 --out parts"));
        stage.succeed(&format!("{line} --epochs 3 --out parts --resume"));
        assert_eq!(scores("whole"), scores("parts"), "{layer}");
    }
}

#[test]
fn the_table_of_a_data_set_has_a_row_for_every_layer_and_recipe() {
    let stage = stage();
    let line = "table multilabel --data data --layers mlp,fpi-nn --seeds 2 --epochs 1 --out table --quiet";
    let (table, _) = stage.succeed(line);
    assert!(table.contains("macro F1") && !table.contains("DVN"), "{table}");
    let rows = stage.json("table/table.json")["rows"].clone();
    let methods: Vec<_> =
        rows.as_array().unwrap().iter().map(|row| (&row["method"], &row["recipe"])).collect();
    assert_eq!(format!("{methods:?}").matches("published").count(), 2, "{methods:?}");
    for row in rows.as_array().unwrap() {
        for name in [
            "test_f1_mean",
            "test_f1_std",
            "at_half_mean",
            "micro_f1_mean",
            "macro_f1_mean",
            "p_at_1",
            "p_at_3",
            "p_at_5",
            "seeds",
            "parameters",
            "seconds_per_epoch",
        ] {
            assert!(row[name].is_number(), "{name}: {row}");
        }
        assert_eq!((&row["seeds"], &row["non_finite_rows"]), (&2.into(), &0.into()));
    }
    assert_eq!(stage.succeed(line).0, table);
}
