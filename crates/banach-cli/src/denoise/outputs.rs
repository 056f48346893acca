//! Where denoised images go: checked before anything is computed.

use crate::dataset::picture;
use crate::error::Error;
use std::path::{Path, PathBuf};

/// The file of each input: `out` itself for a single input, where it is named like an image, or files in the folder `out`.
pub(crate) fn outputs(inputs: &[PathBuf], out: &Path, overwrite: bool) -> Result<Vec<PathBuf>, Error> {
    let is_file = picture::is_named(out) && !out.is_dir();
    let refused = |found: String, expected: &str, advice: &str| {
        Err(Error::Setting { found, expected: expected.into(), advice: advice.into() })
    };
    if is_file && inputs.len() > 1 {
        let found = format!("{} inputs for the one file {}", inputs.len(), out.display());
        return refused(found, "a folder for several inputs", "name a folder with --out");
    }
    let mut outputs: Vec<PathBuf> = Vec::new();
    for input in inputs {
        let output = if is_file {
            out.to_path_buf()
        } else {
            let Some(name) = input.file_name() else {
                return refused(
                    input.display().to_string(),
                    "an image file",
                    "name PNG, JPEG, PGM or PPM files",
                );
            };
            out.join(name)
        };
        if !picture::is_named(&output) {
            let found = format!("the output {}", output.display());
            return refused(found, "a name that ends in png, jpg, pgm or ppm", "name such a file with --out");
        }
        if outputs.contains(&output) {
            let found = format!("several inputs that would be written to {}", output.display());
            return refused(found, "inputs of different names", "denoise them one by one");
        }
        if output.exists() && same_file(input, &output) {
            let found = format!("the input {} as its own output", input.display());
            return refused(found, "another place", "name another file or folder with --out");
        }
        if output.exists() && !overwrite {
            let found = format!("{}, which exists", output.display());
            return refused(found, "a new file", "name another place with --out, or add --overwrite");
        }
        outputs.push(output);
    }
    let folder = if is_file { out.parent().unwrap_or(Path::new("")) } else { out };
    if !folder.as_os_str().is_empty() {
        std::fs::create_dir_all(folder).map_err(|error| Error::write(folder, error))?;
    }
    Ok(outputs)
}

fn same_file(one: &Path, other: &Path) -> bool {
    matches!((one.canonicalize(), other.canonicalize()), (Ok(one), Ok(other)) if one == other)
}
