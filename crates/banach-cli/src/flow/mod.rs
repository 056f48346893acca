//! The command `flow`: the optical flow between two images of a user.

mod shipped;

use crate::dataset::flow_field::FlowField;
use crate::dataset::{flow_file, flow_pairs};
use crate::error::Error;
use crate::experiments::flow::{draw, read};
use crate::options::Verbosity;
use crate::report::{file, json, table};
use crate::terminal::output::{say, tell};
use clap::Args;
use image::ImageFormat;
use serde::Serialize;
use std::io::Cursor;
use std::path::{Path, PathBuf};
use std::time::Instant;

/// The share of displacements that may be longer than those of full colour.
const BEYOND: f64 = 0.01;

/// The arguments of `banach flow`.
#[derive(Args, Debug)]
pub(crate) struct FlowArguments {
    /// The first image, a PNG, JPEG, PGM or PPM file.
    #[arg(value_name = "A")]
    first: PathBuf,
    /// The second image, of one size with the first.
    #[arg(value_name = "B")]
    second: PathBuf,
    /// The .flo file to write.
    #[arg(short, long, value_name = "OUT")]
    out: PathBuf,
    /// A PNG file that shows the flow as colours: the direction as hue, the length as saturation.
    #[arg(long, value_name = "FILE")]
    picture: Option<PathBuf>,
    /// The results folder of a `banach train flow` whose network is used, or a file of weights of FlowNetS from PyTorch [default: the network inside the command].
    #[arg(long, value_name = "PATH")]
    checkpoint: Option<PathBuf>,
    /// Replace files that exist.
    #[arg(long)]
    overwrite: bool,
    #[command(flatten)]
    verbosity: Verbosity,
}

/// What was found.
#[derive(Debug, Serialize)]
struct Done<'a> {
    output: &'a Path,
    picture: Option<&'a Path>,
    width: usize,
    height: usize,
    layer: &'static str,
    /// The mean displacement, to the right and down, and the length of full colour, in pixels.
    mean: [f64; 2],
    longest: f32,
    /// Steps of the solver, and whether the fixed point was found to the tolerance.
    steps: Option<f64>,
    converged: bool,
    seconds: f64,
}

/// Runs `banach flow`.
pub(crate) fn flow(arguments: &FlowArguments) -> Result<(), Error> {
    check_outputs(arguments)?;
    let [first, second] = flow_pairs::images(&arguments.first, &arguments.second)?;
    let (shape, estimator) = arguments.checkpoint.as_deref().map_or_else(shipped::network, read)?;
    let Verbosity { quiet, json } = arguments.verbosity;
    if !quiet {
        let name = |path: &Path| path.file_name().unwrap_or(path.as_os_str()).to_string_lossy().into_owned();
        tell(format_args!(
            "{} to {}: {} by {}, by FlowNet of width {} with the layer {}",
            name(&arguments.first),
            name(&arguments.second),
            first.width,
            first.height,
            shape.width,
            shape.layer.as_str()
        ));
    }
    let begun = Instant::now();
    let (estimate, work) = estimator.estimate(&first, &second);
    let field = estimate.flow();
    flow_file::write(&arguments.out, field)?;
    let longest = field.longest(BEYOND);
    if let Some(path) = &arguments.picture {
        write_picture(path, field, longest)?;
    }
    let done = Done {
        output: &arguments.out,
        picture: arguments.picture.as_deref(),
        width: field.width,
        height: field.height,
        layer: shape.layer.as_str(),
        mean: mean(field),
        longest,
        steps: work.mean_forward_steps().filter(|_| shape.layer.solves()),
        converged: work.unconverged_rows == 0,
        seconds: begun.elapsed().as_secs_f64(),
    };
    if json { json::say(&done) } else { say(summary(&done)) }
}

/// Refuses files of other kinds, files that exist, and one file for both.
fn check_outputs(arguments: &FlowArguments) -> Result<(), Error> {
    let refused = |found: String, expected: &str, advice: &str| {
        Err(Error::Setting { found, expected: expected.into(), advice: advice.into() })
    };
    let ends =
        |path: &Path, ending: &str| path.extension().is_some_and(|found| found.eq_ignore_ascii_case(ending));
    if !ends(&arguments.out, "flo") {
        let found = format!("the output {}", arguments.out.display());
        return refused(found, "a name that ends in flo", "name one with --out");
    }
    if let Some(picture) = arguments.picture.as_ref().filter(|picture| !ends(picture, "png")) {
        let found = format!("the picture {}", picture.display());
        return refused(found, "a name that ends in png", "name one with --picture");
    }
    for path in std::iter::once(&arguments.out).chain(&arguments.picture) {
        if path.exists() && !arguments.overwrite {
            let found = format!("{}, which exists", path.display());
            return refused(found, "a new file", "name another one, or add --overwrite");
        }
    }
    Ok(())
}

fn write_picture(path: &Path, field: &FlowField, longest: f32) -> Result<(), Error> {
    let mut bytes = Cursor::new(Vec::new());
    let encoded = draw(field, longest).write_to(&mut bytes, ImageFormat::Png);
    encoded.map_err(|error| Error::write(path, error))?;
    file::write_whole(path, bytes.get_ref()).map_err(|error| Error::write(path, error))
}

fn mean(field: &FlowField) -> [f64; 2] {
    let known = || field.vectors.iter().flatten();
    let count = known().count().max(1) as f64;
    [0, 1].map(|part: usize| known().map(|vector| f64::from(vector[part])).sum::<f64>() / count)
}

fn summary(done: &Done<'_>) -> String {
    let row = |name: &str, value: String| vec![name.to_string(), value];
    let mut rows = vec![
        row("mean displacement to the right, pixels", format!("{:.2}", done.mean[0])),
        row("mean displacement down, pixels", format!("{:.2}", done.mean[1])),
        row("length of full colour, pixels", format!("{:.2}", done.longest)),
    ];
    if let Some(steps) = done.steps {
        let ended = if done.converged { "" } else { ", not converged" };
        rows.push(row("steps of the solver", format!("{steps:.0}{ended}")));
    }
    rows.push(row("seconds", format!("{:.2}", done.seconds)));
    table::lined_up(&[&done.output.display().to_string(), ""], &rows)
}
