//! Which files do the rules read?

use super::source::Source;
use std::io;
use std::path::{Path, PathBuf};

/// The texts of the workspace.
#[derive(Debug, Default)]
pub(crate) struct Folder {
    /// Every Rust file under `crates`.
    pub(crate) sources: Vec<Source>,
    /// The name of each crate's folder, and its `Cargo.toml`.
    pub(crate) manifests: Vec<(String, String)>,
    /// `README.md`.
    pub(crate) readme: String,
}

impl Folder {
    pub(crate) fn read(root: &Path) -> io::Result<Self> {
        let mut folder =
            Folder { readme: std::fs::read_to_string(root.join("README.md"))?, ..Folder::default() };
        for member in entries(&root.join("crates"))? {
            let manifest = member.join("Cargo.toml");
            if manifest.is_file() {
                folder.manifests.push((name(&member), std::fs::read_to_string(manifest)?));
                folder.collect(root, &member)?;
            }
        }
        Ok(folder)
    }

    fn collect(&mut self, root: &Path, from: &Path) -> io::Result<()> {
        for path in entries(from)? {
            if path.is_dir() {
                self.collect(root, &path)?;
            } else if path.extension().is_some_and(|extension| extension == "rs") {
                let parts =
                    path.strip_prefix(root).unwrap_or(&path).iter().map(|part| part.to_string_lossy());
                let relative = parts.collect::<Vec<_>>().join("/");
                self.sources.push(Source::new(relative, std::fs::read_to_string(path)?));
            }
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
