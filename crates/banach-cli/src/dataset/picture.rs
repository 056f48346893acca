//! Image files: PNG, JPEG, PGM and PPM, of 8 or 16 bits, gray or in colour.

use super::plane::Plane;
use crate::error::Error;
use image::codecs::jpeg::JpegEncoder;
use image::codecs::png::PngEncoder;
use image::{ColorType, ImageDecoder, ImageEncoder, ImageFormat, ImageReader, ImageResult};
use std::path::{Path, PathBuf};

/// What red, green and blue add to gray: ITU-R BT.601.
pub(crate) const GRAY: [f32; 3] = [0.299, 0.587, 0.114];
/// Endings of the files that are read and written.
const ENDINGS: [&str; 6] = ["jpeg", "jpg", "pgm", "png", "pnm", "ppm"];
/// The quality, of 100, of JPEG files that are written.
const JPEG_QUALITY: u8 = 95;

/// A decoded image file.
#[derive(Clone, Debug)]
pub(crate) struct Picture {
    pub(crate) width: usize,
    pub(crate) height: usize,
    colour: ColorType,
    /// Samples pixel by pixel, in the byte order of this machine.
    samples: Vec<u8>,
    /// The colour profile that the file embeds.
    profile: Option<Vec<u8>>,
    /// The Exif data that the file embeds.
    exif: Option<Vec<u8>>,
}

/// Decodes an image file, whose format its first bytes tell.
pub(crate) fn read(path: &Path) -> Result<Picture, Error> {
    let refused = |reason: String| Error::Read {
        path: path.to_path_buf(),
        reason: reason.split_whitespace().collect::<Vec<_>>().join(" "),
        advice: "name whole PNG, JPEG, PGM or PPM files of 8 or 16 bits".into(),
    };
    let reader = ImageReader::open(path).and_then(ImageReader::with_guessed_format);
    let mut reader = reader.map_err(|error| refused(error.to_string()))?;
    // The memory of an image is the user's to spend.
    reader.no_limits();
    decode(reader)
        .map_err(|error| refused(error.to_string()))?
        .checked()
        .map_err(|reason| refused(reason.into()))
}

fn decode(reader: ImageReader<std::io::BufReader<std::fs::File>>) -> ImageResult<Picture> {
    let mut decoder = reader.into_decoder()?;
    let (width, height) = decoder.dimensions();
    // What describes the pixels may be broken without harm to them.
    let (profile, exif) =
        (decoder.icc_profile().unwrap_or_default(), decoder.exif_metadata().unwrap_or_default());
    let (colour, mut samples) = (decoder.color_type(), vec![0; decoder.total_bytes() as usize]);
    decoder.read_image(&mut samples)?;
    Ok(Picture { width: width as usize, height: height as usize, colour, samples, profile, exif })
}

impl Picture {
    fn checked(self) -> Result<Self, &'static str> {
        if self.width == 0 || self.height == 0 {
            return Err("an image without pixels");
        }
        if self.bits() > 16 { Err("samples of more than 16 bits") } else { Ok(self) }
    }

    /// Bits of a sample.
    pub(crate) fn bits(&self) -> usize {
        8 * usize::from(self.colour.bytes_per_pixel() / self.colour.channel_count())
    }

    fn most(&self) -> f32 {
        if self.bits() == 8 { 255.0 } else { 65535.0 }
    }

    /// Channels without the transparency.
    pub(crate) fn colours(&self) -> usize {
        usize::from(self.colour.channel_count()) - usize::from(self.colour.has_alpha())
    }

    /// The gray level of every sample of a channel.
    pub(crate) fn plane(&self, channel: usize) -> Plane {
        let count = usize::from(self.colour.channel_count());
        let most = self.most();
        let values = if self.bits() == 8 {
            self.samples.chunks_exact(count).map(|pixel| f32::from(pixel[channel]) / most).collect()
        } else {
            let pairs = self.samples.chunks_exact(2 * count).map(|pixel| &pixel[2 * channel..]);
            pairs.map(|pair| f32::from(u16::from_ne_bytes([pair[0], pair[1]])) / most).collect()
        };
        Plane { width: self.width, height: self.height, values }
    }

    /// Replaces the samples of a channel by gray levels, rounded and clipped.
    pub(crate) fn replace(&mut self, channel: usize, plane: &Plane) {
        let (count, most, bits) = (usize::from(self.colour.channel_count()), self.most(), self.bits());
        let sample = |level: &f32| (most * level.clamp(0.0, 1.0)).round();
        if bits == 8 {
            let pixels = self.samples.chunks_exact_mut(count).zip(&plane.values);
            pixels.for_each(|(pixel, level)| pixel[channel] = sample(level) as u8);
        } else {
            let pixels = self.samples.chunks_exact_mut(2 * count).zip(&plane.values);
            pixels.for_each(|(pixel, level)| {
                pixel[2 * channel..][..2].copy_from_slice(&(sample(level) as u16).to_ne_bytes());
            });
        }
    }

    /// The gray levels of the image, without its transparency.
    pub(crate) fn gray(&self) -> Plane {
        let first = self.plane(0);
        if self.colours() == 1 {
            return first;
        }
        let [red, green, blue] = [first, self.plane(1), self.plane(2)];
        let levels = red.values.iter().zip(&green.values).zip(&blue.values);
        let values = levels.map(|((r, g), b)| GRAY[0] * r + GRAY[1] * g + GRAY[2] * b).collect();
        Plane { values, ..red }
    }

    /// The bytes of a file in the format that the ending of `path` names, with the colour profile and the Exif data, as far
    /// as the format holds them.
    pub(crate) fn encoded(&self, path: &Path) -> Result<Vec<u8>, Error> {
        let refused = |reason: String| {
            let kind = if self.colours() == 1 { "gray" } else { "colour" };
            let alpha = if self.colour.has_alpha() { " and transparency" } else { "" };
            let reason = reason.split_whitespace().collect::<Vec<_>>().join(" ");
            Error::Setting {
                found: format!("{} bits of {kind}{alpha} for {}", self.bits(), path.display()),
                expected: format!("a format that holds them ({reason})"),
                advice: "name a file that ends in png with --out".into(),
            }
        };
        let format = ImageFormat::from_path(path).map_err(|error| refused(error.to_string()))?;
        if format == ImageFormat::Pnm {
            return self.pnm().ok_or_else(|| refused("PGM and PPM files have no transparency".into()));
        }
        let mut bytes = Vec::new();
        let encoded = if format == ImageFormat::Jpeg {
            self.encode(JpegEncoder::new_with_quality(&mut bytes, JPEG_QUALITY))
        } else {
            self.encode(PngEncoder::new(&mut bytes))
        };
        encoded.map_err(|error| refused(error.to_string()))?;
        Ok(bytes)
    }

    /// A binary PGM or PPM file, of which the image crate writes no PPM of 16 bits; none with transparency.
    fn pnm(&self) -> Option<Vec<u8>> {
        if self.colour.has_alpha() {
            return None;
        }
        let magic = if self.colours() == 1 { "P5" } else { "P6" };
        let mut bytes = format!("{magic}\n{} {}\n{}\n", self.width, self.height, self.most()).into_bytes();
        if self.bits() == 8 {
            bytes.extend(&self.samples);
        } else {
            let pairs = self.samples.chunks_exact(2);
            bytes.extend(pairs.flat_map(|pair| u16::from_ne_bytes([pair[0], pair[1]]).to_be_bytes()));
        }
        Some(bytes)
    }

    fn encode(&self, mut encoder: impl ImageEncoder) -> ImageResult<()> {
        // A format without room for them leaves them out.
        let _ = self.profile.clone().map(|profile| encoder.set_icc_profile(profile));
        let _ = self.exif.clone().map(|exif| encoder.set_exif_metadata(exif));
        encoder.write_image(&self.samples, self.width as u32, self.height as u32, self.colour.into())
    }
}

/// Whether the name of a file ends like that of an image.
pub(crate) fn is_named(path: &Path) -> bool {
    let ending = path.extension().map(|ending| ending.to_string_lossy().to_ascii_lowercase());
    ending.is_some_and(|ending| ENDINGS.contains(&ending.as_str()))
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
        if is_named(&path) && path.is_file() {
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
        let plane = read(&path).unwrap().gray();
        assert_eq!((plane.width, plane.height), (2, 3));
        assert!((plane.at(1, 2) - (0.299 + 0.2 * 0.114)).abs() < 1e-6, "{plane:?}");
        ImageBuffer::<Rgb<u16>, _>::from_pixel(1, 1, Rgb([65535_u16; 3])).save(&path).unwrap();
        let picture = read(&path).unwrap();
        assert_eq!((picture.bits(), picture.colours()), (16, 3));
        assert!((picture.gray().at(0, 0) - 1.0).abs() < 1e-6);
        GrayAlphaImage::from_pixel(1, 1, LumaA([51, 3])).save(&path).unwrap();
        let picture = read(&path).unwrap();
        assert!(picture.colours() == 1 && (picture.gray().at(0, 0) - 0.2).abs() < 1e-6);
    }

    #[test]
    fn samples_survive_every_format_that_holds_them() {
        let folder = folder("formats");
        let wide =
            ImageBuffer::<Rgb<u16>, _>::from_fn(5, 3, |x, y| Rgb([x as u16 * 9999, y as u16 * 20000, 7]));
        let narrow = RgbImage::from_fn(4, 3, |x, y| Rgb([x as u8 * 60, y as u8 * 80, 9]));
        wide.save(folder.0.join("wide.png")).unwrap();
        narrow.save(folder.0.join("narrow.png")).unwrap();
        GrayAlphaImage::from_fn(4, 3, |x, y| LumaA([x as u8 * 60, y as u8]))
            .save(folder.0.join("gray.png"))
            .unwrap();
        for (name, ending) in
            [("wide", "png"), ("wide", "ppm"), ("narrow", "png"), ("narrow", "ppm"), ("gray", "png")]
        {
            let mut picture = read(&folder.0.join(format!("{name}.png"))).unwrap();
            for channel in 0..picture.colours() {
                let plane = picture.plane(channel);
                picture.replace(channel, &plane);
            }
            let copy = folder.0.join(format!("copy.{ending}"));
            std::fs::write(&copy, picture.encoded(&copy).unwrap()).unwrap();
            let again = read(&copy).unwrap();
            assert_eq!((&again.samples, again.colour), (&picture.samples, picture.colour), "{name} {ending}");
        }
        let wide = read(&folder.0.join("wide.png")).unwrap();
        assert!(!wide.encoded(Path::new("wide.jpg")).unwrap_err().to_string().contains('\n'));
    }

    #[test]
    fn metadata_stays_with_the_image() {
        let folder = folder("metadata");
        let path = folder.0.join("image.png");
        RgbImage::from_pixel(9, 9, Rgb([9, 8, 7])).save(&path).unwrap();
        let mut picture = read(&path).unwrap();
        (picture.profile, picture.exif) =
            (Some(vec![1, 2, 3]), Some(b"MM\0\x2a\0\0\0\x08\0\0\0\0\0\0".to_vec()));
        for name in ["image.png", "image.jpg"] {
            let path = folder.0.join(name);
            std::fs::write(&path, picture.encoded(&path).unwrap()).unwrap();
            let again = read(&path).unwrap();
            assert_eq!((&again.profile, &again.exif), (&picture.profile, &picture.exif), "{name}");
        }
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
