//! Rules of the rooms: the project's laws, checked on the texts of its files.

mod book;
mod circles;
mod files;
mod imports;
mod manifest;
mod modules;
mod order;
mod paths;
mod readme;
mod shape;
mod source;
mod violation;

use files::Folder;
use modules::Modules;
use source::Source;
use std::path::Path;
use violation::Violation;

pub(crate) fn check(root: &Path) -> Result<String, String> {
    let folder = Folder::read(root).map_err(|error| format!("{}: {error}", root.display()))?;
    for note in shape::notes(&folder) {
        println!("note: {note}");
    }
    let violations: Vec<Violation> =
        [manifest::check, imports::check, structure, shape::check, readme::check, book::check]
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

/// Circles of files and imports against the order of rooms, crate by crate.
fn structure(folder: &Folder) -> Vec<Violation> {
    let orders = order::orders(&folder.architecture);
    let mut found = vec![];
    for name in folder.manifests.iter().map(|(name, _)| name.as_str()) {
        let of_crate = |source: &&Source| source.crate_name() == name && source.inside().starts_with("src/");
        let files: Vec<&Source> = folder.sources.iter().filter(of_crate).collect();
        let imports = Modules::of(&files).imports();
        found.extend(circles::check(&files, &imports));
        found.extend(order::check(name, &orders, &files, &imports));
    }
    found
}
