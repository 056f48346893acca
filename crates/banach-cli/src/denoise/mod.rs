//! The command `denoise`: noise removed from a user's own images.

mod estimate;
mod outputs;
mod shipped;

use crate::dataset::picture::{self, Picture};
use crate::dataset::plane::Plane;
use crate::error::Error;
use crate::experiments::Work;
use crate::experiments::denoise::{Denoiser, Shape, read};
use crate::options::Verbosity;
use crate::options::numbers::deviation;
use crate::report::{file, json, table};
use crate::terminal::interruption::Interruption;
use crate::terminal::output::{say, tell};
use crate::terminal::progress::Progress;
use clap::Args;
use serde::Serialize;
use shipped::Kind;
use std::path::{Path, PathBuf};
use std::time::Instant;

/// Below this standard deviation, on the scale of 0 to 255, an image is left as it is.
const LEAST_NOISE: f64 = 0.5;

/// The arguments of `banach denoise`.
#[derive(Args, Debug)]
pub(crate) struct DenoiseArguments {
    /// PNG, JPEG, PGM or PPM files of 8 or 16 bits, gray or in colour.
    #[arg(required = true, value_name = "IN")]
    inputs: Vec<PathBuf>,
    /// The file of a single image, or a folder for all, where files keep their names.
    #[arg(short, long, value_name = "OUT")]
    out: PathBuf,
    /// Standard deviation of the noise, on the scale of 0 to 255 [default: estimated for each image].
    #[arg(long, value_name = "S", value_parser = deviation, allow_negative_numbers = true)]
    sigma: Option<f64>,
    /// The results folder of a `banach train denoise` whose network is used [default: the networks inside the command].
    #[arg(long, value_name = "DIR")]
    checkpoint: Option<PathBuf>,
    /// Which of the networks inside the command.
    #[arg(
        long,
        value_enum,
        value_name = "NAME",
        default_value = "feedforward",
        conflicts_with = "checkpoint"
    )]
    layer: Kind,
    /// Replace files that exist.
    #[arg(long)]
    overwrite: bool,
    #[command(flatten)]
    verbosity: Verbosity,
}

/// What was done to an image.
#[derive(Debug, Serialize)]
struct Done {
    input: PathBuf,
    output: PathBuf,
    width: usize,
    height: usize,
    /// Channels that were denoised, and the bits of their samples.
    channels: usize,
    bits: usize,
    /// The standard deviation of the noise, on the scale of 0 to 255, and whether it was estimated.
    sigma: f64,
    estimated: bool,
    /// The standard deviation that the network was trained for.
    trained_sigma: f64,
    /// Tiles of all channels, and those whose fixed point was not found to the tolerance.
    tiles: usize,
    unconverged_tiles: usize,
    /// Mean steps of the solver.
    steps: Option<f64>,
    seconds: f64,
}

/// Runs `banach denoise`.
pub(crate) fn denoise(arguments: &DenoiseArguments) -> Result<(), Error> {
    let Verbosity { quiet, json } = arguments.verbosity;
    let outputs = outputs::outputs(&arguments.inputs, &arguments.out, arguments.overwrite)?;
    let own = arguments.checkpoint.as_deref().map(read).transpose()?;
    let interruption = Interruption::listen()?;
    let mut all = Vec::new();
    for (input, output) in arguments.inputs.iter().zip(outputs) {
        let picture = picture::read(input)?;
        let estimated = || estimate::noise_level(&picture.gray()) * gray_gain(&picture);
        let sigma = arguments.sigma.unwrap_or_else(estimated);
        let (shape, denoiser) = match &own {
            Some(own) => own.clone(),
            None => shipped::nearest(arguments.layer, sigma.max(LEAST_NOISE))?,
        };
        let begun = Instant::now();
        let mut done = Done {
            input: input.clone(),
            output,
            width: picture.width,
            height: picture.height,
            channels: picture.colours(),
            bits: picture.bits(),
            sigma,
            estimated: arguments.sigma.is_none(),
            trained_sigma: shape.sigma.typical(),
            tiles: 0,
            unconverged_tiles: 0,
            steps: None,
            seconds: 0.0,
        };
        if !quiet {
            tell(done.opening());
        }
        let clean = run(picture, (&denoiser, shape), (&mut done, quiet), &interruption)?;
        let bytes = clean.encoded(&done.output)?;
        file::write_whole(&done.output, &bytes).map_err(|error| Error::write(&done.output, error))?;
        done.seconds = begun.elapsed().as_secs_f64();
        all.push(done);
    }
    if json {
        return json::say(&serde_json::json!({ "images": all }));
    }
    say(summary(&all))
}

/// How much larger the noise of a channel is than that of the gray image, if the noise of the channels is independent.
fn gray_gain(picture: &Picture) -> f64 {
    if picture.colours() == 1 {
        1.0
    } else {
        picture::GRAY.iter().map(|part| f64::from(part * part)).sum::<f64>().sqrt().recip()
    }
}

/// The picture without its noise.
fn run(
    mut picture: Picture,
    (denoiser, shape): (&Denoiser, Shape),
    (done, quiet): (&mut Done, bool),
    interruption: &Interruption,
) -> Result<Picture, Error> {
    if done.sigma < LEAST_NOISE {
        return Ok(picture);
    }
    // A blind network takes images as they are; others see the noise that they were trained for.
    let gain = if shape.sigma.is_blind() { 1.0 } else { (shape.sigma.typical() / done.sigma) as f32 };
    done.tiles = picture.colours() * denoiser.tiles([picture.width, picture.height]);
    let progress = Progress::new(0, done.tiles, "tiles", quiet);
    let mut work = Work::default();
    for channel in 0..picture.colours() {
        let plane = picture.plane(channel);
        let advance = |tiles: usize| {
            (0..tiles).for_each(|_| progress.advance(String::new));
            !interruption.is_requested()
        };
        let Some((clean, channel_work)) = denoiser.denoise(&scaled(plane, gain), advance) else {
            return Err(Error::Interrupted(format!("{} was not written", done.output.display())));
        };
        picture.replace(channel, &scaled(clean, gain.recip()));
        work += channel_work;
    }
    done.unconverged_tiles = work.unconverged_rows;
    done.steps = work.mean_forward_steps();
    Ok(picture)
}

/// Gray levels with another contrast about the middle gray.
fn scaled(mut plane: Plane, gain: f32) -> Plane {
    if gain != 1.0 {
        plane.values.iter_mut().for_each(|level| *level = 0.5 + (*level - 0.5) * gain);
    }
    plane
}

impl Done {
    fn opening(&self) -> String {
        let Self { input, width, height, channels, bits, sigma, estimated, trained_sigma, .. } = self;
        let kind = if *channels == 1 { "gray" } else { "in colour, each channel by itself" };
        let source = if *estimated { "estimated" } else { "given" };
        let how = if *sigma < LEAST_NOISE {
            "so little that the image stays as it is".into()
        } else {
            format!("by the network trained for sigma {trained_sigma}")
        };
        format!(
            "{}: {width} by {height}, {bits} bits, {kind}; noise {source} as sigma {sigma:.1}, {how}",
            name(input)
        )
    }
}

fn name(path: &Path) -> String {
    path.file_name().unwrap_or(path.as_os_str()).to_string_lossy().into_owned()
}

fn summary(all: &[Done]) -> String {
    let line = |done: &Done| {
        vec![
            done.output.display().to_string(),
            format!("{:.1}", done.sigma),
            done.tiles.to_string(),
            done.steps.map_or_else(|| "none".into(), |steps| format!("{steps:.1}")),
            done.unconverged_tiles.to_string(),
            format!("{:.2}", done.seconds),
        ]
    };
    let rows: Vec<Vec<String>> = all.iter().map(line).collect();
    table::lined_up(&["output", "sigma", "tiles", "steps", "unconverged tiles", "seconds"], &rows)
}
