//! Pairs of images with their optical flow, and the pairs in a folder.

use super::colour_image::{self, ColourImage};
use super::flow_field::FlowField;
use super::flow_file;
use crate::error::Error;
use std::path::{Path, PathBuf};

/// Two images, and the flow from the first to the second.
#[derive(Clone, Debug)]
pub(crate) struct FlowPair {
    pub(crate) name: String,
    pub(crate) first: ColourImage,
    pub(crate) second: ColourImage,
    pub(crate) flow: FlowField,
}

/// How the names of a flow, without its ending, and of its two images end: Flying Chairs, samples of FlowNet, Middlebury.
const NAMES: [[&str; 3]; 3] =
    [["_flow", "_img1", "_img2"], ["-gt", "-img0", "-img1"], ["flow10", "frame10", "frame11"]];
const ENDINGS: [&str; 3] = ["ppm", "png", "jpg"];

/// Reads two images of one size.
pub(crate) fn images(first: &Path, second: &Path) -> Result<[ColourImage; 2], Error> {
    let images = [colour_image::read(first)?, colour_image::read(second)?];
    let [one, other] = [&images[0], &images[1]].map(|image| [image.width, image.height]);
    if one != other {
        let [[w, h], [width, height]] = [other, one];
        let reason = format!(
            "found {w} by {h} pixels, expected {width} by {height} as in {}; the images of a pair have one size",
            first.display()
        );
        return Err(Error::Data { path: second.to_path_buf(), reason });
    }
    Ok(images)
}

/// Reads the pairs of a folder and its subfolders, in the order of their names.
pub(crate) fn load(folder: &Path) -> Result<Vec<FlowPair>, Error> {
    let mut flows = Vec::new();
    find(folder, &mut flows)?;
    flows.sort();
    if flows.is_empty() {
        return Err(Error::Read {
            path: folder.to_path_buf(),
            reason: "a folder without .flo files".into(),
            advice: "name a folder with --data that holds pairs of images and their flow".into(),
        });
    }
    flows.iter().map(|path| pair(path)).collect()
}

fn find(folder: &Path, flows: &mut Vec<PathBuf>) -> Result<(), Error> {
    let refused = |error: std::io::Error| Error::Read {
        path: folder.to_path_buf(),
        reason: error.to_string(),
        advice: "name a folder with pairs of images and their flow".into(),
    };
    for entry in std::fs::read_dir(folder).map_err(refused)? {
        let path = entry.map_err(refused)?.path();
        if path.is_dir() {
            find(&path, flows)?;
        } else if path.extension().is_some_and(|ending| ending.eq_ignore_ascii_case("flo")) {
            flows.push(path);
        }
    }
    Ok(())
}

fn pair(path: &Path) -> Result<FlowPair, Error> {
    let stem = path.file_stem().unwrap_or_default().to_string_lossy().into_owned();
    let named = NAMES.iter().find_map(|[flow, first, second]| {
        let start = stem.strip_suffix(flow)?;
        let image = |end: &str| {
            let paths = ENDINGS.iter().map(|ending| path.with_file_name(format!("{start}{end}.{ending}")));
            paths.into_iter().find(|path| path.is_file())
        };
        Some((start.to_string(), image(first)?, image(second)?))
    });
    let Some((start, first, second)) = named else {
        let reason = "found no two images of this flow beside it, expected for example 1_img1.ppm and 1_img2.ppm beside 1_flow.flo";
        return Err(Error::Data { path: path.to_path_buf(), reason: reason.into() });
    };
    let flow = flow_file::read(path)?;
    let [first, second] = images(&first, &second)?;
    if [flow.width, flow.height] != [first.width, first.height] {
        let reason = format!(
            "found a flow of {} by {} pixels, expected {} by {} as in its images",
            flow.width, flow.height, first.width, first.height
        );
        return Err(Error::Data { path: path.to_path_buf(), reason });
    }
    let folder = path.parent().and_then(Path::file_name).unwrap_or_default().to_string_lossy();
    let name = if start.is_empty() { folder.into_owned() } else { start };
    Ok(FlowPair { name, first, second, flow })
}

#[cfg(test)]
mod tests {
    use super::*;
    use image::{GrayImage, Luma, Rgb, RgbImage};

    struct Folder(PathBuf);

    impl Drop for Folder {
        fn drop(&mut self) {
            let _ = std::fs::remove_dir_all(&self.0);
        }
    }

    #[test]
    fn pairs_are_found_by_their_names_and_broken_ones_are_told() {
        let folder = Folder(std::env::temp_dir().join(format!("banach-pairs-{}", std::process::id())));
        let path = |name: &str| folder.0.join(name);
        std::fs::create_dir_all(path("Whale")).unwrap();
        let message = |found: Result<Vec<FlowPair>, Error>| {
            let text = found.unwrap_err().to_string();
            assert!(!text.contains('\n'), "{text}");
            text
        };
        assert!(message(load(&folder.0)).contains("without .flo files"));
        let field = FlowField::from_vectors([6, 4], |x, _| (x > 0).then_some([1.0, x as f32]));
        flow_file::write(&path("7_flow.flo"), &field).unwrap();
        assert!(message(load(&folder.0)).contains("no two images of this flow"));
        RgbImage::from_pixel(6, 4, Rgb([255, 0, 51])).save(path("7_img1.ppm")).unwrap();
        RgbImage::from_pixel(5, 4, Rgb([255, 0, 51])).save(path("7_img2.ppm")).unwrap();
        assert!(message(load(&folder.0)).contains("found 5 by 4 pixels, expected 6 by 4"));
        RgbImage::from_pixel(6, 4, Rgb([0, 0, 51])).save(path("7_img2.ppm")).unwrap();
        flow_file::write(&path("Whale/flow10.flo"), &field).unwrap();
        for name in ["Whale/frame10.png", "Whale/frame11.png"] {
            GrayImage::from_pixel(6, 4, Luma([51])).save(path(name)).unwrap();
        }
        let pairs = load(&folder.0).unwrap();
        assert_eq!(pairs.iter().map(|pair| pair.name.as_str()).collect::<Vec<_>>(), ["7", "Whale"]);
        assert_eq!((pairs[0].first.at(5, 3), pairs[1].second.at(0, 0)), ([1.0, 0.0, 0.2], [0.2; 3]));
        assert_eq!(pairs[0].flow, field);
        let small = FlowField::from_vectors([4, 6], |_, _| None);
        flow_file::write(&path("7_flow.flo"), &small).unwrap();
        assert!(message(load(&folder.0)).contains("found a flow of 4 by 6 pixels, expected 6 by 4"));
    }
}
