//! The files that the rules read.

use super::source::Source;
use std::io;
use std::path::{Path, PathBuf};

/// Folders that are looked through; beside them may lie results and data.
const FOLDERS: [&str; 4] = ["book", "crates", "experiments", "record"];

/// Where the book's chapters lie.
pub(crate) const CHAPTERS: &str = "book/src/";

/// The texts of the workspace.
#[derive(Debug, Default)]
pub(crate) struct Folder {
    /// Every Rust file under `crates`.
    pub(crate) sources: Vec<Source>,
    /// The name of each crate's folder, and its `Cargo.toml`.
    pub(crate) manifests: Vec<(String, String)>,
    /// `README.md`.
    pub(crate) readme: String,
    /// `ARCHITECTURE.md`.
    pub(crate) architecture: String,
    /// Every Markdown file of the book's chapters, with its path from the root.
    pub(crate) book: Vec<(String, String)>,
    /// The paths of all files from the root, with `/` between the parts.
    pub(crate) paths: Vec<String>,
}

impl Folder {
    pub(crate) fn read(root: &Path) -> io::Result<Self> {
        let mut folder = Folder {
            readme: std::fs::read_to_string(root.join("README.md"))?,
            architecture: std::fs::read_to_string(root.join("ARCHITECTURE.md"))?,
            ..Folder::default()
        };
        for member in entries(&root.join("crates"))? {
            let manifest = member.join("Cargo.toml");
            if manifest.is_file() {
                folder.manifests.push((name(&member), std::fs::read_to_string(manifest)?));
            }
        }
        for path in entries(root)?.iter().filter(|path| path.is_file()) {
            folder.paths.push(name(path));
        }
        for part in FOLDERS {
            folder.collect(root, &root.join(part))?;
        }
        Ok(folder)
    }

    fn collect(&mut self, root: &Path, from: &Path) -> io::Result<()> {
        for path in entries(from)? {
            if path.is_dir() {
                self.collect(root, &path)?;
                continue;
            }
            let parts = path.strip_prefix(root).unwrap_or(&path).iter().map(|part| part.to_string_lossy());
            let relative = parts.collect::<Vec<_>>().join("/");
            if relative.starts_with("crates/") && relative.ends_with(".rs") {
                self.sources.push(Source::new(relative.clone(), std::fs::read_to_string(path)?));
            } else if relative.starts_with(CHAPTERS) && relative.ends_with(".md") {
                self.book.push((relative.clone(), std::fs::read_to_string(path)?));
            }
            self.paths.push(relative);
        }
        Ok(())
    }
}

fn entries(folder: &Path) -> io::Result<Vec<PathBuf>> {
    let mut paths =
        std::fs::read_dir(folder)?.map(|entry| Ok(entry?.path())).collect::<io::Result<Vec<_>>>()?;
    paths.retain(|path| !name(path).starts_with('.') && name(path) != "target");
    paths.sort();
    Ok(paths)
}

fn name(path: &Path) -> String {
    path.file_name().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default()
}
