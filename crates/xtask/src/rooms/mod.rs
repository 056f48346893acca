//! Does every line stand in its room? The project's laws, checked on the texts of its files.

mod book;
mod files;
mod imports;
mod manifest;
mod readme;
mod shape;
mod source;

use files::Folder;
use std::path::Path;

/// What is wrong, and where.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Violation {
    place: String,
    text: String,
}

impl Violation {
    pub(crate) fn new(place: impl Into<String>, text: impl Into<String>) -> Self {
        Violation { place: place.into(), text: text.into() }
    }
}

pub(crate) fn check(root: &Path) -> Result<String, String> {
    let folder = Folder::read(root).map_err(|error| format!("{}: {error}", root.display()))?;
    for note in shape::notes(&folder) {
        println!("note: {note}");
    }
    let violations: Vec<Violation> =
        [manifest::check, imports::check, shape::check, readme::check, book::check]
            .into_iter()
            .flat_map(|check| check(&folder))
            .collect();
    if violations.is_empty() {
        return Ok(format!("{} Rust files, {} crates", folder.sources.len(), folder.manifests.len()));
    }
    let lines = violations.iter().map(|violation| format!("{}: {}", violation.place, violation.text));
    let lines = lines.collect::<Vec<_>>().join("\n");
    Err(format!("{lines}\n{} violations; ARCHITECTURE.md gives the laws and their reasons", violations.len()))
}
