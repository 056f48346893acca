//! Reading of image files: PNG, JPEG, PGM and PPM, of 8 or 16 bits, gray or in colour.

use super::plane::Plane;
use crate::error::Error;
use image::{ColorType, DynamicImage, ImageDecoder, ImageReader};
use std::path::{Path, PathBuf};

/// What red, green and blue add to gray: ITU-R BT.601.
pub(crate) const GRAY: [f32; 3] = [0.299, 0.587, 0.114];
/// Endings of the files that are read.
const ENDINGS: [&str; 6] = ["jpeg", "jpg", "pgm", "png", "pnm", "ppm"];

/// A decoded image file.
#[derive(Clone, Debug)]
pub(crate) struct Picture {
    /// The pixels as stored.
    pub(crate) pixels: DynamicImage,
    /// The colour profile that the file embeds.
    pub(crate) profile: Option<Vec<u8>>,
    /// The Exif data that the file embeds.
    pub(crate) exif: Option<Vec<u8>>,
}

/// Decodes an image file, whose format its first bytes tell.
pub(crate) fn read(path: &Path) -> Result<Picture, Error> {
    let refused = |reason: String| Error::Read {
        path: path.to_path_buf(),
        reason: reason.split_whitespace().collect::<Vec<_>>().join(" "),
        advice: "name whole PNG, JPEG, PGM or PPM files".into(),
    };
    let reader = ImageReader::open(path).and_then(ImageReader::with_guessed_format);
    let mut reader = reader.map_err(|error| refused(error.to_string()))?;
    // The memory of an image is the user's to spend.
    reader.no_limits();
    let mut decoder = reader.into_decoder().map_err(|error| refused(error.to_string()))?;
    // What describes the pixels may be broken without harm to them.
    let (profile, exif) =
        (decoder.icc_profile().unwrap_or_default(), decoder.exif_metadata().unwrap_or_default());
    let pixels = DynamicImage::from_decoder(decoder).map_err(|error| refused(error.to_string()))?;
    if pixels.width() == 0 || pixels.height() == 0 {
        return Err(refused("an image without pixels".into()));
    }
    Ok(Picture { pixels, profile, exif })
}

/// Reads an image as gray levels; an alpha channel is left out.
pub(crate) fn read_gray(path: &Path) -> Result<Plane, Error> {
    let pixels = read(path)?.pixels;
    let (width, height) = (pixels.width() as usize, pixels.height() as usize);
    let values = if is_gray(pixels.color()) {
        pixels.to_luma32f().into_raw()
    } else {
        let colours = pixels.to_rgb32f().into_raw();
        let gray = |pixel: &[f32]| pixel.iter().zip(GRAY).map(|(part, weight)| part * weight).sum();
        colours.chunks_exact(3).map(gray).collect()
    };
    Ok(Plane { width, height, values })
}

/// Whether pixels have no colour.
pub(crate) fn is_gray(colour: ColorType) -> bool {
    !colour.has_color()
}

/// The image files of a folder, by name.
pub(crate) fn files(folder: &Path) -> Result<Vec<PathBuf>, Error> {
    let refused = |reason: String| Error::Read {
        path: folder.to_path_buf(),
        reason,
        advice: "name a folder with PNG, JPEG, PGM or PPM files".into(),
    };
    let entries = std::fs::read_dir(folder).map_err(|error| refused(error.to_string()))?;
    let mut paths = Vec::new();
    for entry in entries {
        let path = entry.map_err(|error| refused(error.to_string()))?.path();
        let ending = path.extension().map(|ending| ending.to_string_lossy().to_ascii_lowercase());
        if ending.is_some_and(|ending| ENDINGS.contains(&ending.as_str())) && path.is_file() {
            paths.push(path);
        }
    }
    paths.sort();
    if paths.is_empty() {
        return Err(refused("a folder without images".into()));
    }
    Ok(paths)
}

#[cfg(test)]
mod tests {
    use super::*;
    use image::{GrayAlphaImage, ImageBuffer, LumaA, Rgb, RgbImage};

    struct Folder(PathBuf);

    impl Drop for Folder {
        fn drop(&mut self) {
            let _ = std::fs::remove_dir_all(&self.0);
        }
    }

    fn folder(name: &str) -> Folder {
        let path = std::env::temp_dir().join(format!("banach-picture-{name}-{}", std::process::id()));
        std::fs::create_dir_all(&path).unwrap();
        Folder(path)
    }

    #[test]
    fn colour_depth_and_alpha_are_read_as_gray() {
        let folder = folder("gray");
        let path = folder.0.join("image.png");
        RgbImage::from_pixel(2, 3, Rgb([255, 0, 51])).save(&path).unwrap();
        let plane = read_gray(&path).unwrap();
        assert_eq!((plane.width, plane.height), (2, 3));
        assert!((plane.at(1, 2) - (0.299 + 0.2 * 0.114)).abs() < 1e-6, "{plane:?}");
        ImageBuffer::<Rgb<u16>, _>::from_pixel(1, 1, Rgb([65535_u16; 3])).save(&path).unwrap();
        assert!((read_gray(&path).unwrap().at(0, 0) - 1.0).abs() < 1e-6);
        GrayAlphaImage::from_pixel(1, 1, LumaA([51, 3])).save(&path).unwrap();
        assert!((read_gray(&path).unwrap().at(0, 0) - 0.2).abs() < 1e-6);
    }

    #[test]
    fn broken_files_and_empty_folders_are_one_line() {
        let folder = folder("broken");
        let message = |error: Error| {
            let text = error.to_string();
            assert!(!text.contains('\n'), "{text}");
            text
        };
        assert!(message(files(&folder.0).unwrap_err()).contains("a folder without images"));
        assert!(message(files(&folder.0.join("none")).unwrap_err()).contains("none"));
        let path = folder.0.join("image.png");
        RgbImage::from_fn(40, 40, |x, y| Rgb([(x * y) as u8, x as u8, y as u8])).save(&path).unwrap();
        let whole = std::fs::read(&path).unwrap();
        for bytes in [&whole[..whole.len() / 2], &whole[..20], b"", b"no image at all"] {
            std::fs::write(&path, bytes).unwrap();
            assert!(message(read(&path).unwrap_err()).contains("image.png"), "{} bytes", bytes.len());
        }
        assert_eq!(files(&folder.0).unwrap(), [path]);
    }
}
