//! Modules of one crate, and which of its files import which.
//!
//! A path is an import of the file that defines its item: re-exports are followed, and a module alone, which only
//! shortens later paths, is none. Methods and traits in scope name no file and are not seen.
use super::paths::{CodePath, code_paths};
use super::source::Source;
use std::collections::BTreeMap;

/// One file uses an item of another one.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Import {
    /// Position of the importing file among the crate's files.
    pub(crate) from: usize,
    /// Position of the file that defines the item.
    pub(crate) to: usize,
    /// The first line that needs the item, and the path written there.
    pub(crate) line: usize,
    pub(crate) path: String,
}

/// A module's path from the crate's root.
type Place<'a> = Vec<&'a str>;

/// What a name stands for.
enum Name<'a> {
    Item,
    Module(Place<'a>),
    Path(Vec<&'a str>),
}

/// What a path leads to.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Target<'a> {
    File(usize),
    Module(Place<'a>),
}

struct Module<'a> {
    file: usize,
    names: BTreeMap<&'a str, Vec<Name<'a>>>,
    paths: Vec<CodePath<'a>>,
}

/// The modules of one crate.
pub(crate) struct Modules<'a> {
    modules: BTreeMap<Place<'a>, Module<'a>>,
}

impl<'a> Modules<'a> {
    /// Reads a crate's files; tests are left out.
    pub(crate) fn of(files: &[&'a Source]) -> Self {
        let mut modules = Modules { modules: BTreeMap::new() };
        for (file, source) in files.iter().enumerate() {
            modules.add(file, place(source.inside()), &without_tests(&source.tokens()));
        }
        modules
    }

    /// Adds a module of a file, and the modules written inside it.
    fn add(&mut self, file: usize, place: Place<'a>, tokens: &[(usize, &'a str)]) {
        let mut names: BTreeMap<&str, Vec<Name>> = BTreeMap::new();
        let mut own = vec![];
        let (mut at, mut depth) = (0, 0usize);
        while at < tokens.len() {
            let word = |ahead: usize| tokens.get(at + ahead).map_or("", |(_, token)| *token);
            let (token, name) = (word(0), word(1));
            if token == "mod" && matches!(word(2), ";" | "{") {
                let inner = [place.as_slice(), &[name]].concat();
                names.entry(name).or_default().push(Name::Module(inner.clone()));
                let end = item_end(tokens, at);
                if word(2) == "{" {
                    self.add(file, inner, &tokens[at + 3..end - 1]);
                }
                at = end;
                continue;
            }
            match token {
                "{" => depth += 1,
                "}" => depth = depth.saturating_sub(1),
                _ if depth > 0 => {}
                "fn" | "struct" | "enum" | "trait" | "type" | "const" | "static" | "union" => {
                    names.entry(name).or_default().push(Name::Item);
                }
                "macro_rules" if name == "!" => names.entry(word(2)).or_default().push(Name::Item),
                _ => {}
            }
            own.push(tokens[at]);
            at += 1;
        }
        let paths = code_paths(&own);
        for path in &paths {
            if let Some(name) = path.binds {
                names.entry(name).or_default().push(Name::Path(path.segments.clone()));
            }
        }
        self.modules.insert(place, Module { file, names, paths });
    }

    /// Every pair of files of which the first imports from the second, with the first line that does so.
    pub(crate) fn imports(&self) -> Vec<Import> {
        let mut found: BTreeMap<(usize, usize), Import> = BTreeMap::new();
        for (place, module) in &self.modules {
            for path in &module.paths {
                for target in self.resolve(place, &path.segments, &mut vec![]) {
                    let to = match target {
                        Target::File(file) => file,
                        Target::Module(_) => continue,
                    };
                    let (from, line) = (module.file, path.line);
                    if from != to {
                        let import = || Import { from, to, line, path: path.written() };
                        found.entry((from, to)).or_insert_with(import);
                    }
                }
            }
        }
        found.into_values().collect()
    }

    /// What a path written in a module leads to; nothing for other crates' items and for local variables. `seen` holds
    /// the names being looked up, since an import may bind the name that its path begins with.
    fn resolve(
        &self,
        place: &[&'a str],
        path: &[&'a str],
        seen: &mut Vec<(Place<'a>, &'a str)>,
    ) -> Vec<Target<'a>> {
        let Some((&first, mut rest)) = path.split_first() else { return vec![] };
        let mut targets = match first {
            "crate" => vec![Target::Module(vec![])],
            "self" => vec![Target::Module(place.to_vec())],
            "super" => {
                let mut parent = &place[..place.len().saturating_sub(1)];
                while let Some(("super", more)) = rest.split_first().map(|(first, more)| (*first, more)) {
                    (parent, rest) = (&parent[..parent.len().saturating_sub(1)], more);
                }
                vec![Target::Module(parent.to_vec())]
            }
            name => self.lookup(place, name, seen).unwrap_or_default(),
        };
        for name in rest {
            // A module and a function may share a name; only a module leads on.
            if targets.iter().any(is_module) {
                targets.retain(is_module);
            }
            let mut next = vec![];
            for target in targets {
                match target {
                    // What follows an item is its variant, associated item or the like.
                    Target::File(file) => next.push(Target::File(file)),
                    Target::Module(inside) => match self.lookup(&inside, name, seen) {
                        Some(found) => next.extend(found),
                        // An item that a macro writes.
                        None => {
                            next.extend(self.modules.get(&inside).map(|module| Target::File(module.file)))
                        }
                    },
                }
            }
            targets = next;
        }
        targets
    }

    /// What a name stands for in a module; `None` for an unknown name.
    fn lookup(
        &self,
        place: &[&'a str],
        name: &'a str,
        seen: &mut Vec<(Place<'a>, &'a str)>,
    ) -> Option<Vec<Target<'a>>> {
        let module = self.modules.get(place)?;
        let key = (place.to_vec(), name);
        let again = seen.contains(&key);
        seen.push(key);
        let mut found = None;
        if let Some(names) = module.names.get(name) {
            let targets = names.iter().flat_map(|name| match name {
                Name::Item => vec![Target::File(module.file)],
                Name::Module(inner) => vec![Target::Module(inner.clone())],
                Name::Path(_) if again => vec![],
                Name::Path(path) => self.resolve(place, path, seen),
            });
            found = Some(targets.collect());
        } else if !again {
            for glob in module.paths.iter().filter(|path| path.glob) {
                for target in self.resolve(place, &glob.segments, seen) {
                    if let Target::Module(inside) = target {
                        found = found.or_else(|| self.lookup(&inside, name, seen));
                    }
                }
            }
        }
        seen.pop();
        found
    }
}

fn is_module(target: &Target) -> bool {
    matches!(target, Target::Module(_))
}

/// The module that a file holds.
fn place(inside: &str) -> Place<'_> {
    let path = inside.trim_start_matches("src/").trim_end_matches(".rs");
    let mut place: Place = path.split('/').collect();
    let root = place.len() == 1 && matches!(place[0], "lib" | "main");
    if root || place.last() == Some(&"mod") {
        place.pop();
    }
    place
}

/// The tokens without items under `#[cfg(test)]`.
fn without_tests<'a>(tokens: &[(usize, &'a str)]) -> Vec<(usize, &'a str)> {
    const GATE: [&str; 7] = ["#", "[", "cfg", "(", "test", ")", "]"];
    let mut kept = vec![];
    let mut at = 0;
    while at < tokens.len() {
        let gated = GATE
            .iter()
            .enumerate()
            .all(|(ahead, sign)| tokens.get(at + ahead).is_some_and(|(_, token)| token == sign));
        if gated {
            at = item_end(tokens, at + GATE.len());
        } else {
            kept.push(tokens[at]);
            at += 1;
        }
    }
    kept
}

/// The position behind the item that starts at a position: behind its semicolon, or behind its braces.
fn item_end(tokens: &[(usize, &str)], start: usize) -> usize {
    let mut depth = 0usize;
    for (at, (_, token)) in tokens.iter().enumerate().skip(start) {
        match *token {
            "{" | "(" | "[" => depth += 1,
            ")" | "]" => depth = depth.saturating_sub(1),
            "}" => {
                depth = depth.saturating_sub(1);
                let goes_on = tokens.get(at + 1).is_some_and(|(_, next)| *next == ";");
                if depth == 0 && !goes_on {
                    return at + 1;
                }
            }
            ";" if depth == 0 => return at + 1,
            _ => {}
        }
    }
    tokens.len()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The imports of a crate of these files, as `from:line -> to`.
    fn imports(files: &[(&str, &str)]) -> Vec<String> {
        let sources: Vec<Source> = files
            .iter()
            .map(|(path, text)| Source::new(format!("crates/a/src/{path}"), (*text).into()))
            .collect();
        let imports = Modules::of(&sources.iter().collect::<Vec<_>>()).imports();
        imports
            .iter()
            .map(|import| format!("{}:{} -> {}", files[import.from].0, import.line, files[import.to].0))
            .collect()
    }

    #[test]
    fn imports_name_the_file_that_defines_an_item() {
        let files = [
            ("lib.rs", "mod rows;\nmod run;\n"),
            ("rows.rs", "pub struct Rows;\n"),
            ("run/mod.rs", "mod fast;\nmod slow;\npub fn plan() {}\n"),
            ("run/fast.rs", "use super::slow::{Slow, self};\nuse crate::rows::Rows as R;\n"),
            (
                "run/slow.rs",
                "pub struct Slow(super::super::rows::Rows);\nfn f() { self::g(); super::plan() }\n",
            ),
        ];
        let expected = [
            "run/fast.rs:2 -> rows.rs",
            "run/fast.rs:1 -> run/slow.rs",
            "run/slow.rs:1 -> rows.rs",
            "run/slow.rs:2 -> run/mod.rs",
        ];
        assert_eq!(imports(&files), expected);
    }

    #[test]
    fn reexports_lead_to_the_definition_and_are_imports_themselves() {
        let files = [
            ("lib.rs", "mod rows;\nmod user;\nmod renamed;\npub use rows::Rows;\n"),
            ("rows.rs", "pub struct Rows;\n"),
            ("user.rs", "use crate::Rows;\n"),
            ("renamed.rs", "use crate::user::Rows as Lines;\npub(crate) use super::rows as lines;\n"),
        ];
        let expected = ["lib.rs:4 -> rows.rs", "user.rs:1 -> rows.rs", "renamed.rs:1 -> rows.rs"];
        assert_eq!(imports(&files), expected);
    }

    #[test]
    fn a_module_alone_is_no_import_and_paths_through_it_are() {
        let root = ("lib.rs", "mod rows;\nmod user;\n");
        let rows = ("rows.rs", "pub enum Rows { A }\nmacro_rules! made { () => {} }\n");
        let uses = |text| imports(&[root, rows, ("user.rs", text)]);
        assert_eq!(uses("use crate::rows;\n"), Vec::<String>::new());
        assert_eq!(uses("use crate::rows;\nfn f() { rows::Rows::A }\n"), ["user.rs:2 -> rows.rs"]);
        assert_eq!(uses("use crate::rows::*;\nfn f(a: Rows) {}\n"), ["user.rs:2 -> rows.rs"]);
        assert_eq!(uses("use crate::rows::Rows::*;\n"), ["user.rs:1 -> rows.rs"]);
        assert_eq!(uses("fn f() { crate::rows::written_by_a_macro() }\n"), ["user.rs:1 -> rows.rs"]);
        assert_eq!(uses("pub(in crate::rows) fn f(rows: usize) -> usize { rows }\n"), Vec::<String>::new());
    }

    #[test]
    fn a_function_and_a_module_of_one_name_are_told_apart() {
        let files = [
            ("lib.rs", "mod solve;\nmod user;\npub use solve::solve;\n"),
            ("solve/mod.rs", "mod fast;\npub fn solve() {}\n"),
            ("solve/fast.rs", "pub struct Fast;\n"),
            ("user.rs", "use crate::solve;\nfn f() { crate::solve::fast::Fast }\n"),
        ];
        let expected =
            ["lib.rs:3 -> solve/mod.rs", "user.rs:1 -> solve/mod.rs", "user.rs:2 -> solve/fast.rs"];
        assert_eq!(imports(&files), expected);
    }

    #[test]
    fn a_module_inside_a_file_has_its_own_parent() {
        let text = "mod sealed {\n    use super::Key;\n    pub trait Sealed { fn f(key: crate::rows::Rows); }\n}\n\
                    struct Key;\nimpl sealed::Sealed for Key {}\n";
        let files =
            [("lib.rs", "mod rows;\nmod user;\n"), ("rows.rs", "pub struct Rows;\n"), ("user.rs", text)];
        assert_eq!(imports(&files), ["user.rs:3 -> rows.rs"]);
    }

    #[test]
    fn comments_tests_and_other_crates_import_nothing() {
        let text = "//! [`Rows`](crate::rows::Rows)\nuse rows::Rows;\n#[cfg(test)]\nuse crate::rows::Rows;\n\
                    #[cfg(test)]\nmod tests {\n    use crate::rows::{Rows};\n}\nfn f() { g(\"crate::rows::Rows\") }\n";
        let files =
            [("lib.rs", "mod rows;\nmod user;\n"), ("rows.rs", "pub struct Rows;\n"), ("user.rs", text)];
        assert_eq!(imports(&files), Vec::<String>::new());
        let after = format!("{text}use crate::rows::Rows;\n");
        let files = [files[0], files[1], ("user.rs", after.as_str())];
        assert_eq!(imports(&files), ["user.rs:10 -> rows.rs"]);
    }
}
