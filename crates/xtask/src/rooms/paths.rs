//! Paths in the code of a file: `use` trees written out, and paths inside expressions and types.

/// One path, at its first line.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct CodePath<'a> {
    pub(crate) line: usize,
    /// Its identifiers in order, without generic arguments.
    pub(crate) segments: Vec<&'a str>,
    /// The name that an import binds; none for a glob and outside imports.
    pub(crate) binds: Option<&'a str>,
    /// Whether the path ends in `*`.
    pub(crate) glob: bool,
}

impl CodePath<'_> {
    /// The path as it is written in code.
    pub(crate) fn written(&self) -> String {
        let end = if self.glob { "::*" } else { "" };
        format!("{}{end}", self.segments.join("::"))
    }
}

/// Every path of the code; an identifier alone is a path of one segment.
pub(crate) fn code_paths<'a>(tokens: &[(usize, &'a str)]) -> Vec<CodePath<'a>> {
    let mut found = vec![];
    let mut at = 0;
    while at < tokens.len() {
        let (line, token) = tokens[at];
        if token == "use" {
            let start = if is_separator(tokens, at + 1) { at + 3 } else { at + 1 };
            at = tree(tokens, start, &[], &mut found);
            continue;
        }
        if token == "mod" {
            at += 2;
            continue;
        }
        let after_separator = at >= 2 && is_separator(tokens, at - 2);
        if !is_identifier(token) || after_separator || is_member(tokens, at) {
            at += 1;
            continue;
        }
        let mut segments = vec![token];
        at += 1;
        while let Some((_, next)) = tokens.get(at + 2).filter(|_| is_separator(tokens, at)) {
            if !is_identifier(next) {
                break;
            }
            segments.push(next);
            at += 3;
        }
        found.push(CodePath { line, segments, binds: None, glob: false });
    }
    found
}

/// Writes out the import tree at a position, and returns the position behind the tree.
fn tree<'a>(
    tokens: &[(usize, &'a str)],
    start: usize,
    prefix: &[&'a str],
    found: &mut Vec<CodePath<'a>>,
) -> usize {
    let mut segments = prefix.to_vec();
    let mut at = start;
    while let Some(&(line, token)) = tokens.get(at) {
        if token == "{" {
            at += 1;
            while tokens.get(at).is_some_and(|(_, token)| *token != "}") {
                at =
                    if tokens[at].1 == "," { at + 1 } else { tree(tokens, at, &segments, found).max(at + 1) };
            }
            return at + 1;
        }
        let glob = token == "*";
        // `a::{self}` imports a itself.
        if !glob && (token != "self" || segments.is_empty()) {
            segments.push(token);
        }
        at += 1;
        if is_separator(tokens, at) {
            at += 2;
            continue;
        }
        let mut binds = segments.last().copied().filter(|_| !glob);
        if let (Some((_, "as")), Some((_, name))) = (tokens.get(at), tokens.get(at + 1)) {
            binds = Some(name);
            at += 2;
        }
        found.push(CodePath { line, segments, binds, glob });
        return at;
    }
    at
}

/// Whether `::` stands at a position.
fn is_separator(tokens: &[(usize, &str)], at: usize) -> bool {
    let is_colon = |at: usize| tokens.get(at).is_some_and(|(_, token)| *token == ":");
    is_colon(at) && is_colon(at + 1)
}

/// Whether the identifier at a position is a field or a method: it follows a dot that ends no range.
fn is_member(tokens: &[(usize, &str)], at: usize) -> bool {
    let is_dot = |back: usize| at >= back && tokens[at - back].1 == ".";
    is_dot(1) && !is_dot(2)
}

fn is_identifier(token: &str) -> bool {
    token.starts_with(|letter: char| letter.is_alphabetic() || letter == '_')
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::rooms::source::tokens;

    fn written(code: &str) -> Vec<String> {
        code_paths(&tokens(code)).iter().map(CodePath::written).collect()
    }

    #[test]
    fn trees_of_imports_are_written_out() {
        let code = "use a::{B as C, d::{E, self}, f::*};\npub use ::g::H;\n";
        assert_eq!(written(code), ["a::B", "a::d::E", "a::d", "a::f::*", "pub", "g::H"]);
        let bound: Vec<Option<&str>> = code_paths(&tokens(code)).iter().map(|path| path.binds).collect();
        assert_eq!(bound, [Some("C"), Some("E"), Some("d"), None, None, Some("H")]);
    }

    #[test]
    fn paths_in_expressions_end_before_generic_arguments_and_are_no_members() {
        assert_eq!(written("a::b::<C>(d.e, 0..f::G, self.h)"), ["a::b", "C", "d", "f::G", "self"]);
        assert_eq!(written("<T as A>::Out"), ["T", "as", "A"]);
        assert_eq!(code_paths(&tokens("a;\nb::c"))[1].line, 2);
    }
}
