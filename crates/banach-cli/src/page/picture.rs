//! The pictures of a results folder, as data inside the page.

use crate::error::Error;
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use serde::Serialize;
use std::path::Path;

/// A picture and its name.
#[derive(Debug, Serialize)]
pub(super) struct Picture {
    name: String,
    source: String,
}

/// Curves of the epochs, which the page draws itself.
const CURVES: &str = "curves.svg";

/// The pictures in a folder, by name.
pub(super) fn all(folder: &Path) -> Result<Vec<Picture>, Error> {
    let unreadable = |path: &Path, error: std::io::Error| Error::Read {
        path: path.to_path_buf(),
        reason: error.to_string(),
        advice: "name the results folder of a finished run".into(),
    };
    let entries = std::fs::read_dir(folder).map_err(|error| unreadable(folder, error))?;
    let mut paths: Vec<_> = entries.filter_map(|entry| Some(entry.ok()?.path())).collect();
    paths.retain(|path| path.file_name().is_none_or(|name| name != CURVES));
    paths.sort();
    let mut pictures = vec![];
    for path in paths {
        let kind = match path.extension().and_then(|extension| extension.to_str()) {
            Some("svg") => "image/svg+xml",
            Some("png") => "image/png",
            Some("jpg" | "jpeg") => "image/jpeg",
            Some(_) | None => continue,
        };
        let bytes = std::fs::read(&path).map_err(|error| unreadable(&path, error))?;
        let name = path.file_stem().unwrap_or_default().to_string_lossy().replace(['-', '_'], " ");
        pictures.push(Picture { name, source: format!("data:{kind};base64,{}", STANDARD.encode(bytes)) });
    }
    Ok(pictures)
}
