//! Pictures of optical flow: what was found in a pair, and how the iterates of a fixed point become it.

use super::evaluation::Errors;
use super::flow_colours;
use crate::dataset::colour_image::ColourImage;
use crate::dataset::flow_field::FlowField;
use crate::dataset::flow_pairs::FlowPair;
use crate::error::Error;
use crate::report::curves::{self, Axis, Curve, Panel};
use crate::report::sheet::{self, Figure};
use image::{Rgb, RgbImage};
use std::path::Path;

/// The width of a picture on the sheet.
const WIDTH: f64 = 280.0;
/// Pixels of the colour wheel along each axis.
const WHEEL: u32 = 121;
/// Arrows along the width of an image.
const ARROWS: usize = 16;
/// The share of displacements that may be longer than the edge of the colour wheel.
const BEYOND: f64 = 0.01;
/// The error that is drawn black, as a share of the edge of the colour wheel.
const GREATEST_ERROR: f32 = 0.5;
/// The colours of errors, from none to the greatest.
const ERRORS: [[f32; 3]; 4] =
    [[255.0, 255.0, 255.0], [255.0, 214.0, 90.0], [200.0, 40.0, 40.0], [20.0, 0.0, 20.0]];

/// A flow that somebody found, with its name.
#[derive(Clone, Debug)]
pub(crate) struct Version {
    pub(crate) name: String,
    pub(crate) flow: FlowField,
}

/// Draws versions of the flow of a pair beside the true one: as colours, and their errors.
pub(crate) fn compare(path: &Path, title: &str, versions: &[Version], pair: &FlowPair) -> Result<(), Error> {
    let scale = WIDTH / pair.first.width as f64;
    let longest = pair.flow.longest(BEYOND).max(1.0);
    let greatest = GREATEST_ERROR * longest;
    let figure = |caption: String, pixels: RgbImage| Figure::new(vec![caption], pixels, scale);
    let mut first = figure("first image, arrows of the true flow".into(), pixels(&pair.first));
    first.arrows = arrows(&pair.flow);
    let mut wheel = Figure::new(
        vec!["colours of flow".into(), format!("edge: {longest:.1} pixels")],
        flow_colours::legend(WHEEL),
        1.0,
    );
    wheel.arrows = wheel_arrows();
    let found = |version: &Version| {
        let caption = format!("{}, {}", version.name, aepe(&version.flow, &pair.flow));
        figure(caption, flow_colours::draw(&version.flow, longest))
    };
    let ramp = Figure::new(
        vec!["colours of errors".into(), format!("right end: {greatest:.1} pixels")],
        RgbImage::from_fn(WHEEL, 24, |x, _| error_colour(x as f32 / (WHEEL - 1) as f32)),
        1.0,
    );
    let mut flows: Vec<Figure> = versions.iter().map(found).collect();
    flows.push(figure("true flow".into(), flow_colours::draw(&pair.flow, longest)));
    let mut errors: Vec<Figure> = versions
        .iter()
        .map(|version| figure("its error".into(), error_map(&version.flow, &pair.flow, greatest)))
        .collect();
    errors.push(ramp);
    let images = vec![first, figure("second image".into(), pixels(&pair.second)), wheel];
    sheet::draw(path, title, &[images, flows, errors])
}

/// Draws the iterates of a solve as a strip, and their residuals and errors as curves.
pub(crate) fn iterates(
    strip: &Path,
    curve: &Path,
    course: &[(FlowField, f64)],
    truth: &FlowField,
) -> Result<(), Error> {
    let longest = truth.longest(BEYOND).max(1.0);
    let figure = |index: usize| {
        let (flow, residual) = &course[index];
        let captions = vec![format!("x{index}: {}", aepe(flow, truth)), format!("residual {residual:.1e}")];
        Figure::new(captions, flow_colours::draw(flow, longest), 0.75 * WIDTH / flow.width as f64)
    };
    let rows = sheet::strip(course.len(), figure);
    sheet::draw(strip, "the iterates of the solver, from the flow of FlowNet", &rows)?;
    let panel = |title, logarithmic, values| Panel {
        title,
        logarithmic,
        axis: Axis::Steps,
        curves: vec![Curve { name: Some("iterates"), values }],
    };
    let error = |flow| Errors::of(flow, truth).mean().unwrap_or(f64::NAN);
    let residuals = panel("residual", true, course.iter().map(|(_, residual)| *residual).collect());
    let errors =
        panel("end point error in pixels", false, course.iter().map(|(flow, _)| error(flow)).collect());
    curves::draw(curve, &[residuals, errors])
}

fn aepe(found: &FlowField, truth: &FlowField) -> String {
    Errors::of(found, truth)
        .mean()
        .map_or_else(|| "no error known".into(), |error| format!("error {error:.2} pixels"))
}

/// The displacement in the middle of each block of an image, as arrows; those that leave the image are left out.
fn arrows(flow: &FlowField) -> Vec<[f64; 4]> {
    let step = flow.width.div_ceil(ARROWS);
    let middles = |length: usize| (step / 2..length).step_by(step);
    let places = middles(flow.height).flat_map(|y| middles(flow.width).map(move |x| (x, y)));
    places
        .filter_map(|(x, y)| {
            let [u, v] = flow.at(x, y)?.map(f64::from);
            let from = [x, y].map(|at| at as f64 + 0.5);
            let to = [from[0] + u, from[1] + v];
            let stays =
                (0.0..flow.width as f64).contains(&to[0]) && (0.0..flow.height as f64).contains(&to[1]);
            (stays && u.hypot(v) > 0.5).then_some([from[0], from[1], to[0], to[1]])
        })
        .collect()
}

/// Arrows to the edge of the colour wheel.
fn wheel_arrows() -> Vec<[f64; 4]> {
    let middle = 0.5 * f64::from(WHEEL);
    let arrow = |eighth: u32| {
        let (sine, cosine) = (f64::from(eighth) * std::f64::consts::FRAC_PI_4).sin_cos();
        [middle, middle, middle * (1.0 + 0.9 * cosine), middle * (1.0 + 0.9 * sine)]
    };
    (0..8).map(arrow).collect()
}

fn pixels(image: &ColourImage) -> RgbImage {
    RgbImage::from_fn(image.width as u32, image.height as u32, |x, y| {
        Rgb(image.at(x as usize, y as usize).map(|part| (255.0 * part.clamp(0.0, 1.0)).round() as u8))
    })
}

/// Errors as colours; black where the true flow is unknown.
fn error_map(found: &FlowField, truth: &FlowField, greatest: f32) -> RgbImage {
    RgbImage::from_fn(truth.width as u32, truth.height as u32, |x, y| {
        let at = |field: &FlowField| field.at(x as usize, y as usize);
        match (at(found), at(truth)) {
            (Some([u, v]), Some([true_u, true_v])) => error_colour((u - true_u).hypot(v - true_v) / greatest),
            _ => Rgb([0; 3]),
        }
    })
}

fn error_colour(share: f32) -> Rgb<u8> {
    let place = share.clamp(0.0, 1.0) * (ERRORS.len() - 1) as f32;
    let first = (place as usize).min(ERRORS.len() - 2);
    let between = place - first as f32;
    let part = |channel: usize| {
        (ERRORS[first][channel] * (1.0 - between) + ERRORS[first + 1][channel] * between).round() as u8
    };
    Rgb([part(0), part(1), part(2)])
}
