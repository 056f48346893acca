//! The tables of times beside other libraries, rendered from the record.

use crate::book::{generated, table};
use serde_json::Value;
use std::path::Path;

/// The measurements of a file of the record.
fn lines(name: &str) -> Vec<Value> {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../record/engine").join(name);
    let text = std::fs::read_to_string(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
    text.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
}

/// The mean time of the measurements for which the fields have these values.
fn time(lines: &[Value], fields: &[(&str, &str)]) -> Option<f64> {
    let fits = |line: &&Value| fields.iter().all(|(name, value)| line[*name].as_str() == Some(value));
    let times: Vec<f64> = lines.iter().filter(fits).filter_map(|line| line["ms"].as_f64()).collect();
    (!times.is_empty()).then(|| times.iter().sum::<f64>() / times.len() as f64)
}

/// Three digits that say something.
fn short(ms: f64) -> String {
    let digits = (2 - ms.log10().floor() as i32).max(0) as usize;
    format!("{ms:.digits$}")
}

/// Our time and those of others, each with how many times ours it is.
fn cells(ours: f64, others: impl IntoIterator<Item = Option<f64>>) -> Vec<String> {
    let beside = |peer: f64| format!("{}, {:.1} times", short(peer), peer / ours);
    let others = others.into_iter().map(|peer| peer.map_or_else(String::new, beside));
    std::iter::once(short(ours)).chain(others).collect()
}

const PEERS: [&str; 5] = ["work", "Banach", "JAX, jitted by hand", "torchdeq, plain", "torchdeq, Anderson"];
const SOLVERS: [&str; 3] = ["picard", "fixed_point_iter", "anderson"];

#[test]
fn times_of_cells_beside_other_libraries_are_those_of_the_record() {
    let (ours, peers) = (lines("cell.jsonl"), lines("cell-peers.jsonl"));
    let mut rows = vec![];
    for (name, setting) in [("16 × 64", "B16 n64"), ("64 × 256", "B64 n256"), ("256 × 512", "B256 n512")] {
        let picard = format!("{setting} picard");
        let mine = time(&ours, &[("setting", &picard), ("backward", "compiled")]).unwrap();
        let others = SOLVERS.map(|solver| time(&peers, &[("setting", &format!("{setting} {solver}"))]));
        rows.push([vec![format!("dense cell, training step, {name}")], cells(mine, others)].concat());
    }
    let (ours, peers) = (lines("conv.jsonl"), lines("conv-peers.jsonl"));
    for (name, setting) in [
        ("32 channels, 8 × 40 × 40, 20 iterations", "C32 B8 40x40 K20"),
        ("48 channels, 16 × 64 × 64, 10 iterations", "C48 B16 64x64 K10"),
        ("64 channels, 4 × 128 × 128, 10 iterations", "C64 B4 128x128 K10"),
    ] {
        for (work, known) in [("train", 2), ("forward", 1)] {
            let picard = format!("{setting} picard {work}");
            let mine =
                time(&ours, &[("setting", picard.as_str()), ("backward", "compiled")][..known]).unwrap();
            let of = |solver| time(&peers, &[("setting", &format!("{setting} {solver} {work}"))]);
            let what = if work == "train" { "training step" } else { "forward solve" };
            let name = format!("convolutional cell, {what}, {name}");
            rows.push([vec![name], cells(mine, SOLVERS.map(of))].concat());
        }
    }
    generated("peers.md", &table(&PEERS, &rows));
}

#[test]
fn times_of_bibtex_and_of_quadratic_programs_beside_other_libraries_are_those_of_the_record() {
    let (ours, peers) = (lines("bibtex.jsonl"), lines("bibtex-peers.jsonl"));
    let mine = time(&ours, &[("setting", "anderson"), ("backward", "compiled")]).unwrap();
    let others = ["broyden", "anderson"].map(|solver| time(&peers, &[("setting", solver)]));
    let row = [vec!["an epoch of Bibtex".to_string()], cells(mine, others)].concat();
    let head = ["work", "Banach", "torchdeq, Broyden", "torchdeq, Anderson"];
    let bibtex = table(&head, &[row]);
    let (ours, peers) = (lines("qp.jsonl"), lines("qp-peers.jsonl"));
    let row = |setting: &str| {
        let mine = time(&ours, &[("setting", setting)]).unwrap();
        let others =
            ["qpth", "cvxpylayers"].map(|peer| time(&peers, &[("setting", setting), ("peer", peer)]));
        [vec![setting.to_string()], cells(mine, others)].concat()
    };
    let rows = ["B128 n20 m20 p5 f64", "B64 n50 m50 p10 f64", "B16 n200 m100 p20 f64"].map(row);
    let programs = table(&["quadratic programs", "Banach", "qpth", "cvxpylayers"], &rows);
    generated("peers_bibtex.md", &bibtex);
    generated("peers_programs.md", &programs);
}
