//! Pictures of a denoising run: what was made of an image, and how the iterates of a fixed point become it.

use super::evaluation::clipped;
use super::quality::psnr;
use crate::dataset::plane::Plane;
use crate::error::Error;
use crate::report::curves::{self, Axis, Curve, Panel};
use crate::report::sheet::{self, Figure};
use image::{GrayImage, Luma};
use std::path::Path;

/// Pixels of the magnified part along each axis.
const PART: usize = 80;
/// The distance, in pixels, over which an edge is looked for.
const EDGE: usize = 4;
/// The width of a whole picture on the sheet.
const WIDTH: f64 = 280.0;
/// The error that is drawn black, in gray levels from 0 to 1.
const GREATEST_ERROR: f32 = 0.15;

/// An image that somebody made, with its name.
#[derive(Clone, Debug)]
pub(crate) struct Version {
    pub(crate) name: String,
    pub(crate) plane: Plane,
}

/// Draws versions of an image beside it: whole, a part magnified, and their errors.
pub(crate) fn compare(path: &Path, title: &str, versions: &[Version], clean: &Plane) -> Result<(), Error> {
    let part = liveliest(clean);
    let whole = |name: String, plane: &Plane| Figure {
        framed: Some(part),
        ..Figure::new(vec![name], gray(plane), WIDTH / clean.width as f64)
    };
    let magnified = |pixels: GrayImage, caption: &str| {
        let scale = WIDTH / f64::from(pixels.width());
        Figure::new(vec![caption.into()], pixels, scale)
    };
    let [column, row, width, height] = part;
    let cut = |plane: &Plane| plane.part([column, row], [width, height]);
    let named = |version: &Version| format!("{}, {:.2} dB", version.name, psnr(&version.plane, clean));
    let all = versions.iter().map(|version| (named(version), &version.plane));
    let all: Vec<(String, &Plane)> = all.chain([("clean".into(), clean)]).collect();
    let rows = [
        all.iter().map(|(name, plane)| whole(name.clone(), plane)).collect(),
        all.iter().map(|(_, plane)| magnified(gray(&cut(plane)), "the part in the frame")).collect(),
        versions
            .iter()
            .map(|version| magnified(errors(&cut(&version.plane), &cut(clean)), "its error"))
            .collect(),
    ];
    let title =
        format!("{title}; errors from white for none to black for {:.0} of 255", 255.0 * GREATEST_ERROR);
    sheet::draw(path, &title, &rows)
}

/// Draws what is made of an image after every step of a solver as a strip, and residuals and PSNR as curves.
pub(crate) fn iterates(
    strip: &Path,
    curve: &Path,
    course: &[(Plane, f64)],
    clean: &Plane,
) -> Result<(), Error> {
    let [column, row, width, height] = liveliest(clean);
    let quality: Vec<f64> = course.iter().map(|(image, _)| psnr(&clipped(image.clone()), clean)).collect();
    let figure = |index: usize| {
        let (image, residual) = &course[index];
        let captions =
            vec![format!("x{index}: {:.2} dB", quality[index]), format!("residual {residual:.1e}")];
        let pixels = gray(&image.part([column, row], [width, height]));
        Figure::new(captions, pixels, 0.5 * WIDTH / width as f64)
    };
    let rows = sheet::strip(course.len(), figure);
    sheet::draw(strip, "what is read out of the iterates of the solver", &rows)?;
    let panel = |title, logarithmic, values| Panel {
        title,
        logarithmic,
        axis: Axis::Steps,
        curves: vec![Curve { name: Some("iterates"), values }],
    };
    let residuals = panel("residual", true, course.iter().map(|(_, residual)| *residual).collect());
    curves::draw(curve, &[residuals, panel("PSNR of what is read out, in dB", false, quality)])
}

/// The part of an image with most edges: where pixels a few steps apart differ most.
fn liveliest(plane: &Plane) -> [usize; 4] {
    let [width, height] = [plane.width.min(PART), plane.height.min(PART)];
    let places = |length: usize, part: usize| (0..=length - part).step_by((part / 2).max(1));
    let rows = places(plane.height, height);
    let all = rows.flat_map(|row| places(plane.width, width).map(move |column| [column, row]));
    let edges = |[column, row]: [usize; 2]| {
        let inner = (row..row + height.saturating_sub(EDGE))
            .flat_map(|y| (column..column + width.saturating_sub(EDGE)).map(move |x| (x, y)));
        let differences = inner.map(|(x, y)| {
            let level = plane.at(x, y);
            (plane.at(x + EDGE, y) - level).abs() + (plane.at(x, y + EDGE) - level).abs()
        });
        differences.sum::<f32>()
    };
    let best = all.max_by(|one, other| edges(*one).total_cmp(&edges(*other)));
    let [column, row] = best.unwrap_or_default();
    [column, row, width, height]
}

fn gray(plane: &Plane) -> GrayImage {
    pixels(plane, |at| Luma([(255.0 * plane.values[at].clamp(0.0, 1.0)).round() as u8]))
}

fn errors(found: &Plane, clean: &Plane) -> GrayImage {
    let error = |at: usize| (found.values[at] - clean.values[at]).abs() / GREATEST_ERROR;
    pixels(clean, |at| Luma([(255.0 * (1.0 - error(at)).clamp(0.0, 1.0)).round() as u8]))
}

fn pixels(plane: &Plane, pixel: impl Fn(usize) -> Luma<u8>) -> GrayImage {
    let at = |x: u32, y: u32| y as usize * plane.width + x as usize;
    GrayImage::from_fn(plane.width as u32, plane.height as u32, |x, y| pixel(at(x, y)))
}
