//! Real pairs to test on: those of Flying Chairs and of Middlebury in a folder.

use crate::dataset::flow_pairs::{self, FlowPair};
use crate::error::Error;
use std::path::{Path, PathBuf};

/// The pairs of both sets; none where there is no such folder.
#[derive(Debug, Default)]
pub(crate) struct RealPairs {
    pub(crate) chairs: Option<Vec<FlowPair>>,
    pub(crate) middlebury: Option<Vec<FlowPair>>,
}

/// Reads the folders of a folder that are called flyingchairs... and middlebury..., at least one of them.
pub(crate) fn load(data: &Path) -> Result<RealPairs, Error> {
    let refused = |reason: String| Error::Read {
        path: data.to_path_buf(),
        reason,
        advice: "name a folder with --data that holds a folder flyingchairs... or middlebury... of pairs"
            .into(),
    };
    let entries = std::fs::read_dir(data).map_err(|error| refused(error.to_string()))?;
    let folders = entries.filter_map(|entry| Some(entry.ok()?.path())).filter(|path| path.is_dir());
    let mut folders: Vec<PathBuf> = folders.collect();
    folders.sort();
    let set = |name: &str| {
        let named = |path: &&PathBuf| {
            let file = path.file_name().map(|file| file.to_string_lossy().to_ascii_lowercase());
            file.is_some_and(|file| file.starts_with(name))
        };
        folders.iter().find(named).map(|folder| flow_pairs::load(folder)).transpose()
    };
    let real = RealPairs { chairs: set("flyingchairs")?, middlebury: set("middlebury")? };
    if real.chairs.is_none() && real.middlebury.is_none() {
        return Err(refused("no folder in it begins with flyingchairs or middlebury".into()));
    }
    Ok(real)
}
