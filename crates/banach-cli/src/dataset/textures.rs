//! Textures of generated scenes: photographs from a folder, or dead leaves in colour.

use super::colour_image::{self, ColourImage};
use super::{dead_leaves, picture};
use crate::error::Error;
use rayon::prelude::*;
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// Textures that are drawn to train with, and to validate and test with.
const DRAWN: [usize; 2] = [40, 12];
/// One photograph of this number is kept for validation and tests.
const KEPT: usize = 5;
/// The sets of dead leaves that textures are drawn from: other ones than those of the denoiser.
const SETS: [u64; 2] = [2, 3];

/// Textures to train with, and textures that training never sees.
#[derive(Clone, Debug)]
pub(crate) struct Textures {
    pub(crate) train: Arc<[ColourImage]>,
    pub(crate) kept: Arc<[ColourImage]>,
    /// Changes with any pixel and with the split.
    pub(crate) fingerprint: String,
}

/// Reads the photographs of a folder, or draws dead leaves as large as scenes of `size` where none is named.
pub(crate) fn load(folder: Option<&Path>, size: [usize; 2]) -> Result<Textures, Error> {
    let [train, kept]: [Vec<ColourImage>; 2] = match folder {
        Some(folder) => photographs(folder)?,
        None => [0, 1].map(|set: usize| {
            let numbers = (0..DRAWN[set]).into_par_iter();
            numbers.map(|index| dead_leaves::draw_in_colour(size, SETS[set], index as u64)).collect()
        }),
    };
    let fingerprint = fingerprint([&train, &kept]);
    Ok(Textures { train: train.into(), kept: kept.into(), fingerprint })
}

fn photographs(folder: &Path) -> Result<[Vec<ColourImage>; 2], Error> {
    let paths = picture::files(folder)?;
    if paths.len() < KEPT {
        let reason =
            format!("found {} images, expected at least {KEPT} to train and to test with", paths.len());
        return Err(Error::Data { path: folder.to_path_buf(), reason });
    }
    let read = |kept: bool| {
        let chosen: Vec<&PathBuf> = paths
            .iter()
            .enumerate()
            .filter(|(index, _)| (index % KEPT == KEPT - 1) == kept)
            .map(|(_, path)| path)
            .collect();
        chosen.into_par_iter().map(|path| colour_image::read(path)).collect::<Result<Vec<_>, _>>()
    };
    Ok([read(false)?, read(true)?])
}

/// FNV-1a over sizes and colours.
fn fingerprint(sets: [&[ColourImage]; 2]) -> String {
    let mut hash = 0xcbf2_9ce4_8422_2325_u64;
    let mut add = |number: u64| hash = (hash ^ number).wrapping_mul(0x0100_0000_01b3);
    for images in sets {
        for image in images {
            add(image.width as u64);
            add(image.height as u64);
            image.pixels.iter().flatten().for_each(|part| add(u64::from(part.to_bits())));
        }
        add(u64::MAX);
    }
    format!("{hash:016x}")
}
