//! The choice of the columns that are labels: by an XML file of names, by count, or by name.

use super::lines::{self, Fault, shortened};
use super::table::{Attribute, repeated};
use crate::error::Error;
use std::collections::HashMap;
use std::path::{Path, PathBuf};

/// Which columns are labels.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum LabelChoice {
    /// Those named in an XML file of Mulan.
    Xml(PathBuf),
    /// The first columns.
    First(usize),
    /// The last columns.
    Last(usize),
    /// Those of these names.
    Named(Vec<String>),
}

impl LabelChoice {
    /// Reads the option `--labels`.
    pub(crate) fn parse(text: &str) -> Result<Self, String> {
        let count = |text: &str| text.parse::<usize>().ok().filter(|&count| count > 0);
        let (first, last) = (text.strip_prefix("first:"), text.strip_prefix("last:"));
        match (first, last) {
            (Some(first), _) => count(first).map(Self::First),
            (_, Some(last)) => count(last).map(Self::Last),
            _ if Path::new(text).extension().is_some_and(|ending| ending.eq_ignore_ascii_case("xml")) => {
                Some(Self::Xml(text.into()))
            }
            _ if text.parse::<i64>().is_ok() => count(text).map(Self::Last),
            _ => {
                let names: Vec<String> = text.split(',').map(|name| name.trim().to_string()).collect();
                names.iter().all(|name| !name.is_empty()).then_some(Self::Named(names))
            }
        }
        .ok_or_else(|| {
            format!("found {text}, expected FILE.xml, N or last:N, first:N, or names of columns separated by commas")
        })
    }

    /// The choice as written after `--labels`.
    pub(crate) fn option(&self) -> String {
        match self {
            Self::Xml(path) => path.display().to_string(),
            Self::First(count) => format!("first:{count}"),
            Self::Last(count) => format!("last:{count}"),
            Self::Named(names) => names.join(","),
        }
    }

    /// The positions of the labels among the attributes of `file`, in the order of the choice.
    pub(crate) fn columns(&self, attributes: &[Attribute], file: &Path) -> Result<Vec<usize>, Error> {
        let all = attributes.len();
        match self {
            Self::First(count) | Self::Last(count) if *count >= all => Err(Error::Setting {
                found: format!("--labels {count} for {} with {all} attributes", file.display()),
                expected: format!("at most {} labels, so that a feature is left", all.saturating_sub(1)),
                advice: "give the number of labels".into(),
            }),
            Self::First(count) => Ok((0..*count).collect()),
            Self::Last(count) => Ok((all - count..all).collect()),
            Self::Named(names) => {
                let names: Vec<(usize, String)> = names.iter().map(|name| (0, name.clone())).collect();
                positions(&names, attributes).map_err(|(_, name)| Error::Setting {
                    found: format!("the label `{}` in --labels", shortened(&name)),
                    expected: format!("a column of {}", file.display()),
                    advice: "correct its name, and name each column once".into(),
                })
            }
            Self::Xml(path) => positions(&named_in(path)?, attributes).map_err(|(line, name)| {
                let reason = format!(
                    "found the label `{}`, which no attribute of {} has, or which stands twice; correct its name",
                    shortened(&name),
                    file.display()
                );
                Error::Line { path: path.clone(), line, reason }
            }),
        }
    }
}

/// The positions of names among the attributes; the first name that stands twice or that no attribute has is an error.
fn positions(names: &[(usize, String)], attributes: &[Attribute]) -> Result<Vec<usize>, (usize, String)> {
    if let Some(twice) = repeated(names.iter().map(|(_, name)| name.as_str())) {
        let line = names.iter().rev().find(|(_, name)| name == twice).map_or(0, |&(line, _)| line);
        return Err((line, twice.into()));
    }
    let known: HashMap<&str, usize> = attributes
        .iter()
        .enumerate()
        .map(|(position, attribute)| (attribute.name.as_str(), position))
        .collect();
    let find =
        |(line, name): &(usize, String)| known.get(name.as_str()).copied().ok_or((*line, name.clone()));
    names.iter().map(find).collect()
}

/// The lines and names of `<label name="…">` in an XML file of Mulan.
fn named_in(path: &Path) -> Result<Vec<(usize, String)>, Error> {
    let mut names = Vec::new();
    let mut in_comment = false;
    let read = lines::each(lines::open(path)?, |line, text| {
        let text = without_comments(text, &mut in_comment);
        for tag in text.split("<label").skip(1).filter(|tag| tag.starts_with([' ', '\t'])) {
            let name = tag.split_once("name=").and_then(|(_, rest)| {
                let quote = rest.chars().next().filter(|first| matches!(first, '"' | '\''))?;
                rest[1..].split_once(quote).map(|(name, _)| name)
            });
            let name = name
                .ok_or_else(|| format!("found `<label{}`, expected `<label name=\"…\">`", shortened(tag)))?;
            names.push((line, plain(name)));
        }
        Ok(())
    });
    let last = read.map_err(|fault| fault.of(path))?;
    if names.is_empty() {
        let reason =
            "found no `<label name=\"…\">` in the file, expected one for each label; get Mulan's header file";
        return Err(Fault::Line { line: last, reason: reason.into() }.of(path));
    }
    Ok(names)
}

fn without_comments(text: &str, in_comment: &mut bool) -> String {
    let (mut kept, mut rest) = (String::new(), text);
    loop {
        if *in_comment {
            let Some((_, after)) = rest.split_once("-->") else { return kept };
            (*in_comment, rest) = (false, after);
        }
        match rest.split_once("<!--") {
            Some((before, after)) => {
                kept.push_str(before);
                (*in_comment, rest) = (true, after);
            }
            None => return kept + rest,
        }
    }
}

/// A text without the entities of XML.
fn plain(text: &str) -> String {
    let entities = [("&lt;", "<"), ("&gt;", ">"), ("&quot;", "\""), ("&apos;", "'"), ("&amp;", "&")];
    entities.iter().fold(text.to_string(), |text, (entity, character)| text.replace(entity, character))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_option_is_a_file_a_count_or_names() {
        let parsed = |text| LabelChoice::parse(text).unwrap();
        assert_eq!(parsed("a/b.XML"), LabelChoice::Xml("a/b.XML".into()));
        assert_eq!((parsed("7"), parsed("last:7")), (LabelChoice::Last(7), LabelChoice::Last(7)));
        assert_eq!(parsed("first:7"), LabelChoice::First(7));
        assert_eq!(parsed("red, green"), LabelChoice::Named(vec!["red".into(), "green".into()]));
        for text in ["0", "-3", "first:x", "last:0", "a,,b", ""] {
            assert!(LabelChoice::parse(text).unwrap_err().contains("first:N"), "{text}");
        }
    }

    #[test]
    fn columns_follow_from_the_choice() {
        let attributes: Vec<Attribute> = ["a", "b", "c"].into_iter().map(Attribute::binary).collect();
        let columns = |choice: LabelChoice| choice.columns(&attributes, Path::new("file.csv"));
        assert_eq!(columns(LabelChoice::First(2)).unwrap(), [0, 1]);
        assert_eq!(columns(LabelChoice::Last(1)).unwrap(), [2]);
        assert_eq!(columns(LabelChoice::Named(vec!["c".into(), "a".into()])).unwrap(), [2, 0]);
        let error = columns(LabelChoice::Last(3)).unwrap_err().to_string();
        assert!(error.contains("at most 2 labels"), "{error}");
        for names in [vec!["d".into()], vec!["a".into(), "a".into()]] {
            let error = columns(LabelChoice::Named(names)).unwrap_err().to_string();
            assert!(error.contains("a column of file.csv"), "{error}");
        }
    }

    #[test]
    fn comments_and_entities_of_xml_are_read() {
        let mut inside = false;
        assert_eq!(without_comments("a<!-- b -->c<!-- d", &mut inside), "ac");
        assert_eq!((without_comments("e --> f", &mut inside), inside), (" f".into(), false));
        assert_eq!(plain("a &amp;&lt; &quot;"), "a &< \"");
    }
}
