//! The list of Burn's operations that are lowered and refused, read from the lowering and compared with the book.

use crate::book::generated;
use std::fmt::Write as _;
use std::path::Path;

/// The files of the lowering with their groups in the book.
const FILES: [(&str, &str); 6] = [
    ("elementwise", "arithmetic, functions and activations"),
    ("reduction", "reductions and comparisons"),
    ("structure", "shapes, choice and positions"),
    ("network", "linear maps, norms and embeddings"),
    ("convolution", "convolutions"),
    ("pooling", "pooling, resampling and attention"),
];

/// An arm of a table of the lowering: the operations, and what to write instead if they are refused.
#[derive(Debug, PartialEq)]
struct Arm {
    operations: Vec<String>,
    instead: Option<String>,
}

/// The arms of the tables in a file.
fn arms(source: &str) -> Vec<Arm> {
    let mut arms: Vec<(String, String)> = vec![];
    let mut pattern = String::new();
    let mut inside = false;
    for line in source.lines().map(str::trim) {
        let starts = line.starts_with("Op::") || (inside && line.starts_with("other =>"));
        if starts || (!pattern.is_empty() && line.starts_with('|')) {
            inside = true;
            pattern += line;
            if let Some((operations, body)) = pattern.clone().split_once("=>") {
                arms.push((operations.to_string(), body.to_string()));
                pattern.clear();
            }
        } else if line.starts_with("fn ") || line.starts_with("pub") || line == "match op {" {
            inside = false;
        } else if inside && let Some((_, body)) = arms.last_mut() {
            body.push_str(line);
        }
    }
    arms.into_iter()
        .map(|(operations, body)| Arm {
            operations: names(&operations),
            instead: body.contains("unsupported(").then(|| literal(&body)),
        })
        .collect()
}

/// The names behind `Op::`.
fn names(pattern: &str) -> Vec<String> {
    let name = |text: &str| text.chars().take_while(|letter| letter.is_alphanumeric()).collect();
    pattern.split("Op::").skip(1).map(name).collect()
}

/// The first literal of a piece of code.
fn literal(body: &str) -> String {
    body.split('"').nth(1).unwrap_or_else(|| panic!("no literal in {body}")).replace('\\', "")
}

#[test]
fn every_operation_that_is_lowered_or_refused_is_listed() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../banach-program/src/trace/lower");
    let (mut lowered, mut refused) = (String::new(), String::new());
    for (file, group) in FILES {
        let source = std::fs::read_to_string(folder.join(format!("{file}.rs"))).unwrap();
        let mut taken = vec![];
        for arm in arms(&source) {
            let listed = arm.operations.iter().map(|name| format!("`{name}`")).collect::<Vec<_>>();
            match arm.instead {
                _ if listed.is_empty() => {}
                Some(instead) => writeln!(refused, "| {} | {instead} |", listed.join(" ")).unwrap(),
                None => taken.extend(listed),
            }
        }
        taken.sort();
        taken.dedup();
        if !taken.is_empty() {
            writeln!(lowered, "| {group} | {} |", taken.join(" ")).unwrap();
        }
    }
    let text = format!(
        "| group | recorded operations that are lowered |\n| :-- | :-- |\n{lowered}\n\
         | recorded operations that are refused | what to write instead |\n| :-- | :-- |\n{refused}"
    );
    generated("operations.md", &text);
}

#[test]
fn arms_of_a_table_are_read_with_their_operations_and_hints() {
    let source = "match op {\n    Op::Add(op) => self.binary(op),\n    Op::Sort(_)\n    | Op::ArgSort(_) => {\n        \
                  self.unsupported(op, \"sort outside\")\n    }\n    other => self.unsupported(other, \"no\"),\n}";
    let arm = |operations: &[&str], instead: Option<&str>| Arm {
        operations: operations.iter().map(ToString::to_string).collect(),
        instead: instead.map(ToString::to_string),
    };
    let expected =
        [arm(&["Add"], None), arm(&["Sort", "ArgSort"], Some("sort outside")), arm(&[], Some("no"))];
    assert_eq!(arms(source), expected);
}
