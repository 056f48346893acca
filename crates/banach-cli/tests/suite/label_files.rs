//! A small multi-label data set, written in every format.

use std::fmt::Write as _;

pub(crate) const FEATURES: usize = 12;
pub(crate) const LABELS: usize = 5;

/// The features and labels of a row: each label follows from a feature.
pub(crate) fn row(row: usize) -> ([bool; FEATURES], [bool; LABELS]) {
    let (mut features, mut labels) = ([false; FEATURES], [false; LABELS]);
    for at in [row % 5, (row / 2) % 5] {
        (features[at], labels[at]) = (true, true);
    }
    features[5 + row % 7] = true;
    (features, labels)
}

pub(crate) fn names() -> Vec<String> {
    let features = (1..=FEATURES).map(|index| format!("word{index}"));
    features.chain((1..=LABELS).map(|index| format!("tag{index}"))).collect()
}

pub(crate) fn header() -> String {
    let attributes = names().into_iter().map(|name| format!("@attribute {name} {{0,1}}\n"));
    format!("@relation small\n{}@data\n", attributes.collect::<String>())
}

pub(crate) fn sparse(rows: std::ops::Range<usize>) -> String {
    let mut text = header();
    for (features, labels) in rows.map(row) {
        let all = features.iter().chain(&labels).enumerate().filter(|(_, set)| **set);
        let pairs: Vec<String> = all.map(|(index, _)| format!("{index} 1")).collect();
        writeln!(text, "{{{}}}", pairs.join(",")).unwrap();
    }
    text
}

pub(crate) fn dense(rows: std::ops::Range<usize>, head: &str, end: &str) -> String {
    let mut text = head.to_string();
    for (features, labels) in rows.map(row) {
        let all: Vec<&str> = features.iter().chain(&labels).map(|&set| if set { "1" } else { "0" }).collect();
        write!(text, "{}{end}", all.join(",")).unwrap();
    }
    text
}

pub(crate) fn libsvm(rows: std::ops::Range<usize>) -> String {
    let mut text = String::new();
    for (features, labels) in rows.map(row) {
        let numbers = |set: &[bool]| -> Vec<usize> {
            (1..).zip(set).filter(|(_, set)| **set).map(|(at, _)| at).collect()
        };
        let labels: Vec<String> = numbers(&labels).iter().map(usize::to_string).collect();
        let features: Vec<String> = numbers(&features).iter().map(|at| format!("{at}:1")).collect();
        writeln!(text, "{} {}", labels.join(","), features.join(" ")).unwrap();
    }
    text
}

pub(crate) fn xml() -> String {
    let labels: String =
        names()[FEATURES..].iter().map(|name| format!("<label name=\"{name}\"></label>\n")).collect();
    format!(
        "<?xml version=\"1.0\"?>\n<labels xmlns=\"http://mulan.sourceforge.net/labels\">\n{labels}</labels>\n"
    )
}
