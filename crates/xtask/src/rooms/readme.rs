//! Rules of the README: its Rust stands word for word in examples that are compiled and run.

use super::files::Folder;
use super::violation::Violation;

/// Where the README quotes from.
const EXAMPLES: &str = "crates/banach/examples/";

pub(crate) fn check(folder: &Folder) -> Vec<Violation> {
    let examples = folder.sources.iter().filter(|source| source.path.starts_with(EXAMPLES));
    let examples: Vec<&str> = examples.map(|source| source.text.as_str()).collect();
    compare(&folder.readme, &examples)
        .into_iter()
        .map(|(line, text)| Violation::new(format!("README.md:{line}"), text))
        .collect()
}

fn compare(readme: &str, examples: &[&str]) -> Vec<(usize, String)> {
    let blocks = rust_blocks(readme);
    if blocks.is_empty() {
        return vec![(1, "found no block of Rust, expected the smallest example".into())];
    }
    let examples: Vec<String> = examples.iter().map(|example| flush(example)).collect();
    let strange =
        blocks.iter().filter(|(_, block)| !examples.iter().any(|example| example.contains(&flush(block))));
    strange
        .map(|(line, _)| (*line, format!("this Rust does not stand word for word in a file of {EXAMPLES}")))
        .collect()
}

/// Lines without the space around them, so that a quotation may be indented otherwise.
fn flush(text: &str) -> String {
    text.lines().map(|line| format!("{}\n", line.trim())).collect()
}

/// What stands between fences marked as Rust and the next fences, and at which lines it starts.
fn rust_blocks(text: &str) -> Vec<(usize, String)> {
    let mut blocks: Vec<(usize, String)> = vec![];
    let mut fence: Option<bool> = None;
    for (number, line) in text.lines().enumerate() {
        if let Some(language) = line.strip_prefix("```") {
            let rust = language.starts_with("rust");
            fence = if fence.is_some() { None } else { Some(rust) };
            if fence == Some(true) {
                blocks.push((number + 1, String::new()));
            }
        } else if let (Some(true), Some((_, block))) = (fence, blocks.last_mut()) {
            block.push_str(line);
            block.push('\n');
        }
    }
    blocks
}

#[cfg(test)]
mod tests {
    use super::*;

    const README: &str =
        "# A\n```sh\nls\n```\n```rust\nlet a = 1;\nlet b = 2;\n```\ntext\n```rust,ignore\nc();\n```\n";

    #[test]
    fn only_rust_is_quoted_rust() {
        let expected = [(5, "let a = 1;\nlet b = 2;\n".to_owned()), (10, "c();\n".to_owned())];
        assert_eq!(rust_blocks(README), expected);
    }

    #[test]
    fn every_quotation_stands_in_an_example() {
        assert_eq!(compare(README, &["fn main() {\n    let a = 1;\n    let b = 2;\n}", "    c();\n"]), []);
        assert_eq!(compare(README, &["let b = 2;\nlet a = 1;\nc();\n"]).len(), 1);
        assert_eq!(compare(README, &[]).len(), 2);
        assert_eq!(compare("# A\n", &["c();\n"]).len(), 1);
    }
}
