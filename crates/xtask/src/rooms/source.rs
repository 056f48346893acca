//! The code of a Rust file: comments and the contents of literals are told apart from it.

/// A Rust file.
#[derive(Debug)]
pub(crate) struct Source {
    /// Its path from the root, with `/` between the parts.
    pub(crate) path: String,
    /// What stands in it.
    pub(crate) text: String,
    /// The same lines without comments and without the contents of literals.
    pub(crate) code: String,
    /// Lines that hold code, without tests at the end.
    pub(crate) code_lines: usize,
}

impl Source {
    pub(crate) fn new(path: String, text: String) -> Self {
        let (code, counted) = stripped(&text);
        let code_lines = count(&counted);
        Source { path, text, code, code_lines }
    }

    /// The crate it belongs to.
    pub(crate) fn crate_name(&self) -> &str {
        self.path.split('/').nth(1).unwrap_or_default()
    }

    /// Where it stands in its crate.
    pub(crate) fn inside(&self) -> &str {
        self.path.splitn(3, '/').nth(2).unwrap_or_default()
    }

    /// Identifiers and single signs of the code, each with its line.
    pub(crate) fn tokens(&self) -> Vec<(usize, &str)> {
        tokens(&self.code)
    }
}

/// Identifiers, numbers, and single signs.
pub(crate) fn tokens(code: &str) -> Vec<(usize, &str)> {
    let is_word = |letter: char| letter.is_alphanumeric() || letter == '_';
    let mut found = vec![];
    for (number, line) in code.lines().enumerate() {
        let mut rest = line.trim_start();
        while let Some(first) = rest.chars().next() {
            let end = if is_word(first) {
                rest.find(|letter| !is_word(letter)).unwrap_or(rest.len())
            } else {
                first.len_utf8()
            };
            found.push((number + 1, &rest[..end]));
            rest = rest[end..].trim_start();
        }
    }
    found
}

/// Lines with code above the tests; a test module at the end starts with an attribute at the margin.
fn count(code: &str) -> usize {
    let lines: Vec<&str> = code.lines().collect();
    let opens_tests = |at: usize| {
        let next = lines[at + 1..].iter().find(|line| !line.trim().is_empty());
        lines[at] == "#[cfg(test)]" && next.is_some_and(|line| line.starts_with("mod "))
    };
    let end = (0..lines.len()).find(|&at| opens_tests(at)).unwrap_or(lines.len());
    lines[..end].iter().filter(|line| !line.trim().is_empty()).count()
}

/// The text without comments and contents of literals, and without comments alone.
fn stripped(text: &str) -> (String, String) {
    let (mut code, mut counted) = (String::new(), String::new());
    let mut rest = text;
    while let Some(letter) = rest.chars().next() {
        let (length, kind) = piece(rest, letter, code.chars().last());
        let part = &rest[..length];
        let blank = || part.chars().map(|letter| if letter == '\n' { '\n' } else { ' ' });
        match kind {
            Kind::Code => (code.push_str(part), counted.push_str(part)),
            Kind::Literal => (code.extend(blank()), counted.push_str(part)),
            Kind::Comment => (code.extend(blank()), counted.extend(blank())),
        };
        rest = &rest[length..];
    }
    (code, counted)
}

enum Kind {
    Code,
    Literal,
    Comment,
}

/// The length and the kind of what the text starts with.
fn piece(text: &str, first: char, before: Option<char>) -> (usize, Kind) {
    let inside_word = before.is_some_and(|letter| letter.is_alphanumeric() || letter == '_');
    match first {
        '/' if text.starts_with("//") => (text.find('\n').unwrap_or(text.len()), Kind::Comment),
        '/' if text.starts_with("/*") => (block_comment(text), Kind::Comment),
        '"' => (quoted(text, '"'), Kind::Literal),
        'r' | 'b' | 'c' if !inside_word => match raw_string(text) {
            Some(length) => (length, Kind::Literal),
            None => (1, Kind::Code),
        },
        '\'' => match character(text) {
            Some(length) => (length, Kind::Literal),
            None => (1, Kind::Code),
        },
        other => (other.len_utf8(), Kind::Code),
    }
}

fn block_comment(text: &str) -> usize {
    let (mut depth, mut at) = (0, 0);
    while at < text.len() {
        let here = &text.as_bytes()[at..];
        if here.starts_with(b"/*") {
            (depth, at) = (depth + 1, at + 2);
        } else if here.starts_with(b"*/") {
            (depth, at) = (depth - 1, at + 2);
            if depth == 0 {
                return at;
            }
        } else {
            at += 1;
        }
    }
    text.len()
}

/// The length of a literal between two quotes, with its quotes.
fn quoted(text: &str, quote: char) -> usize {
    let mut escaped = false;
    for (at, letter) in text.char_indices().skip(1) {
        match letter {
            _ if escaped => escaped = false,
            '\\' => escaped = true,
            end if end == quote => return at + 1,
            _ => {}
        }
    }
    text.len()
}

/// The length of `r"..."`, `br#"..."#` and the like.
fn raw_string(text: &str) -> Option<usize> {
    let marks =
        text.strip_prefix("br").or_else(|| text.strip_prefix("cr")).or_else(|| text.strip_prefix('r'))?;
    let hashes = marks.len() - marks.trim_start_matches('#').len();
    let inside = marks[hashes..].strip_prefix('"')?;
    let end = format!("\"{}", "#".repeat(hashes));
    let length = inside.find(&end).map_or(inside.len(), |at| at + end.len());
    Some(text.len() - inside.len() + length)
}

/// The length of a character literal; a lifetime is none.
fn character(text: &str) -> Option<usize> {
    let mut letters = text.chars().skip(1);
    let (first, second) = (letters.next()?, letters.next()?);
    (first == '\\' || second == '\'').then(|| quoted(text, '\''))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn code(text: &str) -> String {
        Source::new("crates/a/src/b.rs".into(), text.into()).code
    }

    #[test]
    fn comments_and_literals_are_blanked_and_lines_stay() {
        let text = "let a = \"x // y\"; // z\n/* a /* b */\nc */ let d = 'e';";
        let found = code(text);
        assert_eq!(found.split_whitespace().collect::<Vec<_>>().join(" "), "let a = ; let d = ;");
        assert_eq!(found.lines().count(), 3);
    }

    #[test]
    fn raw_strings_escapes_and_lifetimes_are_understood() {
        assert_eq!(code(r###"f(r#"a " b"#, c)"###).replace(' ', ""), "f(,c)");
        assert_eq!(code(r#"f("a \" b", c)"#).replace(' ', ""), "f(,c)");
        assert_eq!(
            code("fn f<'a>(x: &'a str, c: char) { c == '\\'' }"),
            "fn f<'a>(x: &'a str, c: char) { c ==      }"
        );
        assert_eq!(code("for bar in car {}"), "for bar in car {}");
    }

    #[test]
    fn only_code_above_the_tests_is_counted() {
        let text = "//! What?\n\nuse a::b;\n\n/// Doc.\nfn f() {\n    // why\n    g(\"\n    x\");\n}\n\n#[cfg(test)]\nmod tests {\n    fn t() {}\n}\n";
        assert_eq!(Source::new("crates/a/src/b.rs".into(), text.into()).code_lines, 5);
        let gate = "#[cfg(test)]\nuse a::b;\nfn f() {}\n";
        assert_eq!(Source::new("crates/a/src/b.rs".into(), gate.into()).code_lines, 3);
    }

    #[test]
    fn a_path_tells_the_crate_and_the_file() {
        let source = Source::new("crates/banach/src/attach.rs".into(), String::new());
        assert_eq!((source.crate_name(), source.inside()), ("banach", "src/attach.rs"));
    }
}
