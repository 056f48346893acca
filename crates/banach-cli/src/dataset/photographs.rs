//! Images to train a denoiser on, to choose it by and to test it with.

use super::dead_leaves;
use super::picture;
use super::plane::Plane;
use crate::error::Error;
use crate::random::Generator;
use crate::report::plural::counted;
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// The share of the training images that validates.
const VALIDATION_SHARE: f64 = 0.05;
/// Names test images that belong to BSD68, one a line after a line of headings: their names there, then here.
const BSD68: &str = "BSD68_in_Test100.tsv";
const SPLIT_STREAM: u64 = 4;
/// Images that are drawn where no folder is named.
const DRAWN: [usize; 2] = [60, 12];
const DRAWN_SIZE: [usize; 2] = [180, 180];

/// An image of a data set.
#[derive(Clone, Debug)]
pub(crate) struct Photograph {
    /// The name of its file, without its ending.
    pub(crate) name: String,
    /// Its gray levels.
    pub(crate) plane: Plane,
    /// Whether it belongs to BSD68.
    pub(crate) in_bsd68: bool,
}

/// The three splits, and a number that tells one set of images from another.
#[derive(Clone, Debug)]
pub(crate) struct Photographs {
    /// What the network learns from.
    pub(crate) train: Arc<[Photograph]>,
    /// What chooses the epoch.
    pub(crate) validation: Arc<[Photograph]>,
    /// What is only reported.
    pub(crate) test: Arc<[Photograph]>,
    /// Changes with any pixel and with the split.
    pub(crate) fingerprint: String,
}

/// Reads the images of a folder, or draws dead leaves where there is none; `seed` draws the validation split.
///
/// The folder holds one folder whose name begins with `train` and one whose name begins with `test`.
pub(crate) fn load(directory: Option<&Path>, seed: u64, patch: usize) -> Result<Photographs, Error> {
    let (all, test) = match directory {
        Some(directory) => {
            let [train, test] = ["train", "test"].map(|name| subfolder(directory, name));
            let (train, mut test) = (photographs(&train?, patch)?, photographs(&test?, 1)?);
            mark_bsd68(directory, &mut test)?;
            (train, test)
        }
        None => {
            let [train, test] = [0, 1].map(|set| drawn(DRAWN[set], set as u64));
            (train, test)
        }
    };
    if all.len() < 2 {
        let reason =
            format!("found {}, expected at least 2 to train and validate with", counted(all.len(), "image"));
        return Err(Error::Data { path: directory.unwrap_or(Path::new(".")).to_path_buf(), reason });
    }
    let order = Generator::new(seed, SPLIT_STREAM).permutation(all.len());
    let validated = ((all.len() as f64 * VALIDATION_SHARE).round() as usize).max(1);
    let (validation, train) = order.split_at(validated);
    let pick = |rows: &[usize]| -> Arc<[Photograph]> {
        let mut rows = rows.to_vec();
        rows.sort_unstable();
        rows.iter().map(|&row| all[row].clone()).collect()
    };
    let (train, validation) = (pick(train), pick(validation));
    let fingerprint = fingerprint([&train, &validation, &test]);
    Ok(Photographs { train, validation, test: test.into(), fingerprint })
}

fn subfolder(directory: &Path, name: &str) -> Result<PathBuf, Error> {
    let refused = |reason: String| Error::Read {
        path: directory.to_path_buf(),
        reason,
        advice:
            "name a folder with --data that holds one folder of images called train... and one called test..."
                .into(),
    };
    let entries = std::fs::read_dir(directory).map_err(|error| refused(error.to_string()))?;
    let begins = |path: &PathBuf| {
        let file = path.file_name().map(|file| file.to_string_lossy().to_ascii_lowercase());
        path.is_dir() && file.is_some_and(|file| file.starts_with(name))
    };
    let mut found: Vec<PathBuf> =
        entries.filter_map(|entry| Some(entry.ok()?.path())).filter(begins).collect();
    match (found.pop(), found.is_empty()) {
        (Some(path), true) => Ok(path),
        (None, _) => Err(refused(format!("no folder in it begins with {name}"))),
        (Some(_), false) => Err(refused(format!("several folders in it begin with {name}"))),
    }
}

/// The images of a folder, each at least `least` pixels high and wide.
fn photographs(folder: &Path, least: usize) -> Result<Vec<Photograph>, Error> {
    let read = |path: PathBuf| {
        let plane = picture::read(&path)?.gray();
        let Plane { width, height, .. } = plane;
        if width.min(height) < least {
            let reason = format!(
                "found {width} by {height} pixels, expected at least {least} by {least}; leave it out, or give a smaller --patch"
            );
            return Err(Error::Data { path, reason });
        }
        let name = path.file_stem().unwrap_or_default().to_string_lossy().into_owned();
        Ok(Photograph { name, plane, in_bsd68: false })
    };
    picture::files(folder)?.into_iter().map(read).collect()
}

fn mark_bsd68(directory: &Path, test: &mut [Photograph]) -> Result<(), Error> {
    let path = directory.join(BSD68);
    if !path.is_file() {
        return Ok(());
    }
    let text = std::fs::read_to_string(&path).map_err(|error| Error::Read {
        path: path.clone(),
        reason: error.to_string(),
        advice: "mend or remove it".into(),
    })?;
    for (line, words) in text.lines().enumerate().skip(1) {
        let name = words.split('\t').nth(1);
        let Some(photograph) = test.iter_mut().find(|photograph| Some(photograph.name.as_str()) == name)
        else {
            let reason = format!("found `{words}`, expected the name of a test image in the second column");
            return Err(Error::Line { path, line: line + 1, reason });
        };
        photograph.in_bsd68 = true;
    }
    Ok(())
}

fn drawn(count: usize, set: u64) -> Vec<Photograph> {
    let one = |index: usize| Photograph {
        name: format!("leaves{index}"),
        plane: dead_leaves::draw(DRAWN_SIZE, set, index as u64),
        in_bsd68: false,
    };
    (0..count).map(one).collect()
}

/// FNV-1a over sizes and gray levels.
fn fingerprint(splits: [&[Photograph]; 3]) -> String {
    let mut hash = 0xcbf2_9ce4_8422_2325_u64;
    let mut add = |number: u64| hash = (hash ^ number).wrapping_mul(0x0100_0000_01b3);
    for photographs in splits {
        for Photograph { plane, .. } in photographs {
            add(plane.width as u64);
            add(plane.height as u64);
            plane.values.iter().for_each(|value| add(u64::from(value.to_bits())));
        }
        add(u64::MAX);
    }
    format!("{hash:016x}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn drawn_images_are_split_by_the_seed_and_are_always_the_same() {
        let [one, again, other] = [1, 1, 2].map(|seed| load(None, seed, 64).unwrap());
        assert_eq!((one.train.len(), one.validation.len(), one.test.len()), (57, 3, 12));
        assert_eq!(one.fingerprint, again.fingerprint);
        assert_ne!(one.fingerprint, other.fingerprint);
        let names = |set: &[Photograph]| set.iter().map(|one| one.name.clone()).collect::<Vec<_>>();
        assert!(names(&one.validation).iter().all(|name| !names(&one.train).contains(name)));
        assert_ne!(one.test[0].plane, other.train[0].plane);
    }
}
