//! Rules of the book. Every chapter is listed, what it includes and links to is there, and its Rust is quoted from examples.

use super::files::Folder;
use super::violation::Violation;

/// Where tests write tables that chapters include.
const GENERATED: &str = "book/src/generated/";
/// The list of chapters.
const SUMMARY: &str = "book/src/SUMMARY.md";

/// What a fence may open beside Rust: nothing that a reader would compile.
const LANGUAGES: [&str; 3] = ["text", "sh", "toml"];

pub(crate) fn check(folder: &Folder) -> Vec<Violation> {
    let mut found = listed(&folder.book);
    for (path, text) in &folder.book {
        let mut say = |line: usize, text: String| {
            found.push(Violation::new(format!("{path}:{line}"), text));
        };
        unquoted(text).into_iter().for_each(|(line, text)| say(line, text));
        for (line, target) in inclusions(text) {
            if let Some(wrong) = missing(folder, path, &target) {
                say(line, wrong);
            }
        }
        for (line, target) in links(text) {
            let file = beside(path, target.split('#').next().unwrap_or_default());
            if !target.contains("://") && !target.starts_with('#') && !folder.paths.contains(&file) {
                say(line, format!("links to {file}, which is not there"));
            }
        }
    }
    found
}

/// Every chapter stands in the list, and everything in the list is there; what is generated is included, not listed.
fn listed(book: &[(String, String)]) -> Vec<Violation> {
    let Some((_, summary)) = book.iter().find(|(path, _)| path == SUMMARY) else {
        return vec![Violation::new(SUMMARY, "found no such file, expected the list of chapters")];
    };
    let listed: Vec<String> =
        links(summary).into_iter().map(|(_, target)| beside(SUMMARY, &target)).collect();
    let chapters = book.iter().map(|(path, _)| path).filter(|path| *path != SUMMARY);
    let forgotten = chapters.filter(|path| !path.starts_with(GENERATED) && !listed.contains(path));
    let mut found: Vec<Violation> =
        forgotten.map(|path| Violation::new(path, format!("no line of {SUMMARY} leads here"))).collect();
    for (at, path) in listed.iter().enumerate() {
        if listed[..at].contains(path) {
            found.push(Violation::new(SUMMARY, format!("lists {path} twice")));
        }
    }
    found
}

/// Fences in languages that are not allowed, and Rust that is not included.
fn unquoted(text: &str) -> Vec<(usize, String)> {
    let mut found = vec![];
    let mut fence: Option<&str> = None;
    for (number, line) in text.lines().enumerate() {
        let line = line.trim();
        if let Some(language) = line.strip_prefix("```") {
            fence = if fence.is_some() { None } else { Some(language) };
            let known = |language: &str| language.starts_with("rust") || LANGUAGES.contains(&language);
            if let Some(language) = fence.filter(|language| !known(language)) {
                let allowed = LANGUAGES.join(", ");
                found.push((number + 1, format!("a fence opens `{language}`, expected rust or {allowed}")));
            }
        } else if fence.is_some_and(|language| language.starts_with("rust"))
            && !(line.is_empty() || line.starts_with("{{#include ") && line.ends_with("}}"))
        {
            found.push((
                number + 1,
                "Rust that is not included from an example, so that nobody compiles it".into(),
            ));
        }
    }
    found
}

/// What is included, and at which lines.
fn inclusions(text: &str) -> Vec<(usize, String)> {
    between(text, "{{#include ", "}}")
}

/// Where links lead, and at which lines.
fn links(text: &str) -> Vec<(usize, String)> {
    between(text, "](", ")")
}

/// The texts between two marks, and at which lines they start.
fn between(text: &str, open: &str, close: &str) -> Vec<(usize, String)> {
    let mut found = vec![];
    for (number, line) in text.lines().enumerate() {
        let pieces = line.split(open).skip(1).filter_map(|piece| piece.split_once(close));
        found.extend(pieces.map(|(inside, _)| (number + 1, inside.trim().to_owned())));
    }
    found
}

/// What is wrong with an inclusion `PATH` or `PATH:ANCHOR`.
fn missing(folder: &Folder, from: &str, target: &str) -> Option<String> {
    let (file, anchor) = target.split_once(':').map_or((target, None), |(file, anchor)| (file, Some(anchor)));
    let file = beside(from, file);
    let sources = folder.sources.iter().map(|source| (&source.path, &source.text));
    let mut texts = sources.chain(folder.book.iter().map(|(path, text)| (path, text)));
    let Some((_, text)) = texts.find(|(path, _)| **path == file) else {
        return Some(format!("includes {file}, which is no file of Rust or of the book"));
    };
    let anchor = anchor?;
    let at = |mark: &str| text.lines().position(|line| line.trim().ends_with(&format!("{mark}: {anchor}")));
    let (Some(start), Some(end)) = (at("ANCHOR"), at("ANCHOR_END")) else {
        return Some(format!("{file} has no lines from `ANCHOR: {anchor}` to `ANCHOR_END: {anchor}`"));
    };
    (start + 1 >= end).then(|| format!("the anchor {anchor} of {file} holds no line"))
}

/// A path that is written in a file, from the root.
fn beside(from: &str, path: &str) -> String {
    let mut parts: Vec<&str> = from.split('/').collect();
    parts.pop();
    for part in path.split('/') {
        match part {
            ".." => drop(parts.pop()),
            "." | "" => {}
            name => parts.push(name),
        }
    }
    parts.join("/")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::rooms::files::CHAPTERS;
    use crate::rooms::source::Source;

    const EXAMPLE: &str = "crates/banach/examples/1_a.rs";

    /// A book of these chapters beside one example.
    fn folder(chapters: &[(&str, &str)]) -> Folder {
        let text = "//! What?\n// ANCHOR: all\nlet a = 1;\n// ANCHOR_END: all\n// ANCHOR: none\n// ANCHOR_END: none\n";
        let book: Vec<(String, String)> =
            chapters.iter().map(|(path, text)| (format!("{CHAPTERS}{path}"), (*text).to_owned())).collect();
        let mut paths: Vec<String> = book.iter().map(|(path, _)| path.clone()).collect();
        paths.extend([EXAMPLE.into(), "README.md".into()]);
        Folder { sources: vec![Source::new(EXAMPLE.into(), text.into())], book, paths, ..Folder::default() }
    }

    /// What is wrong with one chapter that is listed.
    fn of_chapter(text: &str) -> Vec<String> {
        let found =
            check(&folder(&[("SUMMARY.md", "- [A](a.md)\n"), ("a.md", text), ("generated/b.md", "")]));
        found.into_iter().map(|violation| violation.text).collect()
    }

    #[test]
    fn every_chapter_is_listed_once_and_everything_listed_is_there() {
        let summary = "- [A](a.md)\n- [B](b.md)\n";
        let count = |chapters: &[(&str, &str)]| check(&folder(chapters)).len();
        assert_eq!(count(&[("SUMMARY.md", summary), ("a.md", ""), ("b.md", ""), ("generated/c.md", "")]), 0);
        assert_eq!(count(&[("SUMMARY.md", summary), ("a.md", "")]), 1);
        assert_eq!(count(&[("SUMMARY.md", summary), ("a.md", ""), ("b.md", ""), ("c.md", "")]), 1);
        assert_eq!(count(&[("SUMMARY.md", "- [A](a.md)\n- [B](a.md)\n"), ("a.md", "")]), 1);
        assert_eq!(count(&[("a.md", "")]), 1);
    }

    #[test]
    fn rust_is_included_and_every_fence_names_its_language() {
        let block = |language: &str, line: &str| of_chapter(&format!("```{language}\n{line}\n```\n")).len();
        assert_eq!(block("rust", "{{#include ../../crates/banach/examples/1_a.rs:all}}"), 0);
        assert_eq!(block("rust", "let a = 1;"), 1);
        assert_eq!(block("rust,ignore", "let a = 1;"), 1);
        assert_eq!(block("sh", "cargo test"), 0);
        assert_eq!(block("", "let a = 1;"), 1);
        assert_eq!(block("python", "a = 1"), 1);
    }

    #[test]
    fn inclusions_lead_to_files_and_anchors_that_hold_lines() {
        let include = |target: &str| of_chapter(&format!("{{{{#include {target}}}}}\n")).len();
        assert_eq!(include("../../crates/banach/examples/1_a.rs:all"), 0);
        assert_eq!(include("../../crates/banach/examples/1_a.rs"), 0);
        assert_eq!(include("generated/b.md"), 0);
        assert_eq!(include("../../crates/banach/examples/2_b.rs:all"), 1);
        assert_eq!(include("../../crates/banach/examples/1_a.rs:al"), 1);
        assert_eq!(include("../../crates/banach/examples/1_a.rs:none"), 1);
        assert_eq!(include("generated/c.md"), 1);
    }

    #[test]
    fn links_lead_to_files_of_the_project() {
        assert_eq!(of_chapter("[a](a.md#b), [b](../../README.md) and [c](https://example.org/c)"), [""; 0]);
        assert_eq!(of_chapter("[a](c.md)").len(), 1);
        assert_eq!(of_chapter("[a](../README.md)").len(), 1);
    }
}
