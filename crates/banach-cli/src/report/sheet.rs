//! Sheets of pictures with captions and arrows, as SVG files that hold their pixels.

use crate::error::Error;
use crate::report::file;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use image::{DynamicImage, ImageFormat};
use std::fmt::Write as _;
use std::io::Cursor;
use std::path::Path;

const GAP: f64 = 10.0;
/// The height of a line of text.
const LINE: f64 = 18.0;
/// The length of the head of an arrow.
const HEAD: f64 = 4.0;
/// The most figures of a strip.
const SHOWN: usize = 8;
const FONT: &str = "font-family=\"sans-serif\" font-size=\"13\"";

/// A picture of a sheet.
#[derive(Clone, Debug)]
pub(crate) struct Figure {
    /// The lines below it.
    pub(crate) captions: Vec<String>,
    /// Its pixels.
    pub(crate) pixels: DynamicImage,
    /// How many units of the sheet a pixel measures.
    pub(crate) scale: f64,
    /// A part of it in a frame: column, row, width and height.
    pub(crate) framed: Option<[usize; 4]>,
    /// Arrows on it, in its pixels: from a column and a row to a column and a row.
    pub(crate) arrows: Vec<[f64; 4]>,
}

impl Figure {
    /// A picture without a frame and without arrows.
    pub(crate) fn new(captions: Vec<String>, pixels: impl Into<DynamicImage>, scale: f64) -> Self {
        Self { captions, pixels: pixels.into(), scale, framed: None, arrows: Vec::new() }
    }

    fn size(&self) -> [f64; 2] {
        [self.pixels.width(), self.pixels.height()].map(|length| f64::from(length) * self.scale)
    }
}

/// The figures of a sequence in rows of four, at most [`SHOWN`]: most happens at first, and the last is the result.
pub(crate) fn strip(count: usize, figure: impl Fn(usize) -> Figure) -> Vec<Vec<Figure>> {
    let first = if count <= SHOWN { 0..count } else { 0..SHOWN - 1 };
    let shown: Vec<usize> = first.chain((count > SHOWN).then(|| count - 1)).collect();
    shown.chunks(4).map(|row| row.iter().map(|&index| figure(index)).collect()).collect()
}

/// Draws rows of pictures below a title.
pub(crate) fn draw(path: &Path, title: &str, rows: &[Vec<Figure>]) -> Result<(), Error> {
    let text = render(title, rows).map_err(|error| Error::write(path, error))?;
    file::write_whole(path, text.as_bytes()).map_err(|error| Error::write(path, error))
}

fn render(title: &str, rows: &[Vec<Figure>]) -> Result<String, image::ImageError> {
    let mut body = String::new();
    let text = |x: f64, y: f64, words: &str, body: &mut String| {
        // A String takes everything that is written into it.
        let _ =
            writeln!(body, "<text x=\"{x:.0}\" y=\"{y:.0}\" {FONT} fill=\"#222\">{}</text>", escaped(words));
    };
    let (mut top, mut right) = (GAP, 0.0_f64);
    text(GAP, top + 0.75 * LINE, title, &mut body);
    top += LINE + GAP;
    for row in rows {
        let (mut left, mut tallest, mut lines) = (GAP, 0.0_f64, 0);
        for figure in row {
            let [width, height] = figure.size();
            let mut png = Cursor::new(Vec::new());
            figure.pixels.write_to(&mut png, ImageFormat::Png)?;
            let data = STANDARD.encode(png.into_inner());
            let sharp = if figure.scale > 1.0 { " style=\"image-rendering:pixelated\"" } else { "" };
            let place = format!("x=\"{left:.1}\" y=\"{top:.1}\" width=\"{width:.1}\" height=\"{height:.1}\"");
            let _ = writeln!(body, "<image {place}{sharp} href=\"data:image/png;base64,{data}\"/>");
            if let Some(frame) = figure.framed {
                let [x, y, w, h] = frame.map(|length| length as f64 * figure.scale);
                let place =
                    format!("x=\"{:.1}\" y=\"{:.1}\" width=\"{w:.1}\" height=\"{h:.1}\"", left + x, top + y);
                let _ = writeln!(body, "<rect {place} fill=\"none\" stroke=\"#d62728\" stroke-width=\"2\"/>");
            }
            for arrow in &figure.arrows {
                let [from_x, from_y, to_x, to_y] = arrow.map(|place| place * figure.scale);
                body.push_str(&arrow_between([left + from_x, top + from_y], [left + to_x, top + to_y]));
            }
            for (line, caption) in figure.captions.iter().enumerate() {
                text(left, top + height + (line as f64 + 0.8) * LINE, caption, &mut body);
            }
            left += width + GAP;
            (tallest, lines) = (tallest.max(height), lines.max(figure.captions.len()));
        }
        (right, top) = (right.max(left), top + tallest + lines as f64 * LINE + GAP);
    }
    Ok(format!(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" width=\"{right:.0}\" height=\"{top:.0}\" viewBox=\"0 0 {right:.0} {top:.0}\">\n<rect width=\"100%\" height=\"100%\" fill=\"white\"/>\n{body}</svg>\n"
    ))
}

/// A dark arrow with a light edge, so that it is seen on everything.
fn arrow_between([x, y]: [f64; 2], [to_x, to_y]: [f64; 2]) -> String {
    let (right, down) = (to_x - x, to_y - y);
    let length = right.hypot(down).max(f64::MIN_POSITIVE);
    let (right, down) = (right / length * HEAD, down / length * HEAD);
    let barb = |side: f64| {
        format!("M{:.1} {:.1}L{to_x:.1} {to_y:.1}", to_x - right - side * down, to_y - down + side * right)
    };
    let path = format!("M{x:.1} {y:.1}L{to_x:.1} {to_y:.1}{}{}", barb(0.7), barb(-0.7));
    let stroke = |colour: &str, width: f64| {
        format!(
            "<path d=\"{path}\" fill=\"none\" stroke=\"{colour}\" stroke-width=\"{width}\" stroke-linecap=\"round\"/>\n"
        )
    };
    stroke("#fff", 3.0) + &stroke("#111", 1.2)
}

fn escaped(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;")
}

#[cfg(test)]
mod tests {
    use super::*;
    use image::{GrayImage, Luma, Rgb, RgbImage};

    #[test]
    fn a_sheet_holds_its_pixels_and_its_captions() {
        let figure = |caption: &str, scale| Figure {
            framed: Some([0, 0, 2, 1]),
            ..Figure::new(vec![caption.into()], GrayImage::from_pixel(3, 2, Luma([77])), scale)
        };
        let text =
            render("a < b", &[vec![figure("one", 4.0), figure("two", 1.0)], vec![figure("three", 2.0)]])
                .unwrap();
        assert!(text.contains("a &lt; b") && text.contains("three") && text.trim_end().ends_with("</svg>"));
        assert_eq!(
            (text.matches("data:image/png;base64,").count(), text.matches("pixelated").count()),
            (3, 2)
        );
        let data = text.split("base64,").nth(1).unwrap().split('"').next().unwrap();
        let pixels = image::load_from_memory(&STANDARD.decode(data).unwrap()).unwrap().to_luma8();
        assert_eq!((pixels.dimensions(), pixels.get_pixel(2, 1)), ((3, 2), &Luma([77])));
    }

    #[test]
    fn pictures_in_colour_carry_arrows() {
        let mut figure = Figure::new(vec![], RgbImage::from_pixel(4, 4, Rgb([9, 8, 7])), 2.0);
        figure.arrows = vec![[0.0, 0.0, 3.0, 0.0]];
        let text = render("t", &[vec![figure]]).unwrap();
        // Below the title, two units to a pixel, light first.
        assert_eq!(
            text.matches("M10.0 38.0L16.0 38.0M12.0 40.8L16.0 38.0M12.0 35.2L16.0 38.0").count(),
            2,
            "{text}"
        );
        assert!(text.find("#fff\"").unwrap() < text.find("#111").unwrap());
    }
}
