//! Circles of files inside a crate: sets of files each of which imports all others, directly or through files between.

use super::modules::Import;
use super::source::Source;
use super::violation::Violation;

/// The one recursive data type: a primitive may be a custom operation, which holds programs, which are made of primitives
/// and typed by their shapes. Each stands for a file, or for the folder of that name.
const RECURSIVE: [&str; 4] = [
    "crates/banach-program/src/language/primitive",
    "crates/banach-program/src/language/custom",
    "crates/banach-program/src/language/program",
    "crates/banach-program/src/language/shape",
];

/// Every import inside a circle that is not allowed.
pub(crate) fn check(files: &[&Source], imports: &[Import]) -> Vec<Violation> {
    let reaches = reachability(files.len(), imports);
    let in_circle = |from: usize, to: usize| reaches[from][to] && reaches[to][from];
    let mut found = vec![];
    for import in imports.iter().filter(|import| in_circle(import.from, import.to)) {
        let circle: Vec<&&Source> = files
            .iter()
            .enumerate()
            .filter(|(file, _)| in_circle(import.from, *file))
            .map(|(_, file)| file)
            .collect();
        if circle.iter().all(|file| RECURSIVE.iter().any(|known| is_or_in(&file.path, known))) {
            continue;
        }
        let place = format!("{}:{}", files[import.from].path, import.line);
        let text = format!(
            "`{}` imports {}, which leads back here: a circle of {} files",
            import.path,
            files[import.to].path,
            circle.len()
        );
        found.push(Violation::new(place, text));
    }
    found
}

/// Whether a file is the one named, without its ending, or lies in the folder of that name.
fn is_or_in(path: &str, name: &str) -> bool {
    path.strip_prefix(name).is_some_and(|rest| rest == ".rs" || rest.starts_with('/'))
}

/// Which files each file imports, directly or through others.
fn reachability(files: usize, imports: &[Import]) -> Vec<Vec<bool>> {
    let mut reaches = vec![vec![false; files]; files];
    for import in imports {
        reaches[import.from][import.to] = true;
    }
    for between in 0..files {
        for from in 0..files {
            if reaches[from][between] {
                let through = reaches[between].clone();
                reaches[from].iter_mut().zip(through).for_each(|(reaches, further)| *reaches |= further);
            }
        }
    }
    reaches
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::rooms::modules::Modules;

    /// The places of violations in a crate of these files.
    fn places(name: &str, files: &[(&str, &str)]) -> Vec<String> {
        let sources: Vec<Source> = files
            .iter()
            .map(|(path, text)| Source::new(format!("crates/{name}/src/{path}"), (*text).into()))
            .collect();
        let sources: Vec<&Source> = sources.iter().collect();
        let found = check(&sources, &Modules::of(&sources).imports());
        found.into_iter().map(|violation| violation.place).collect()
    }

    #[test]
    fn every_import_of_a_circle_is_named_and_those_that_lead_to_it_are_not() {
        let files = [
            ("lib.rs", "mod a;\nmod b;\nmod c;\nmod d;\npub use a::A;\n"),
            ("a.rs", "use crate::b::B;\npub struct A(B);\n"),
            ("b.rs", "use crate::c::C;\npub struct B(C);\n"),
            ("c.rs", "pub struct C(Box<crate::A>);\n"),
            ("d.rs", "use crate::A;\n"),
        ];
        let expected = ["crates/x/src/a.rs:1", "crates/x/src/b.rs:1", "crates/x/src/c.rs:1"];
        assert_eq!(places("x", &files), expected);
        let mut straight = files;
        straight[3].1 = "pub struct C;\n";
        assert_eq!(places("x", &straight), Vec::<String>::new());
    }

    #[test]
    fn a_folder_and_a_file_in_it_may_form_a_circle_too() {
        let files = [
            ("lib.rs", "mod a;\n"),
            ("a/mod.rs", "mod b;\npub struct A;\nfn f() { b::g() }\n"),
            ("a/b.rs", "use super::A;\npub fn g() -> A { A }\n"),
        ];
        assert_eq!(places("x", &files).len(), 2);
    }

    #[test]
    fn only_the_recursive_data_type_of_programs_is_allowed() {
        let mut files = vec![
            ("lib.rs", "mod language;\n"),
            ("language/mod.rs", "mod primitive;\nmod custom;\nmod print;\n"),
            ("language/primitive.rs", "pub enum Primitive { Custom(super::custom::Custom) }\n"),
            ("language/custom.rs", "pub struct Custom(Vec<super::primitive::Primitive>);\n"),
            ("language/print.rs", "use super::custom::Custom;\npub fn print() {}\n"),
        ];
        assert_eq!(places("banach-program", &files), Vec::<String>::new());
        assert_eq!(places("banach", &files).len(), 2);
        files[3].1 =
            "pub struct Custom(Vec<super::primitive::Primitive>);\nfn f() { super::print::print() }\n";
        assert_eq!(places("banach-program", &files).len(), 4);
    }
}
