//! A denoising run, from its options to its report.

use super::arguments::{self, DenoiseArguments};
use super::denoiser::Denoiser;
use super::evaluation;
use super::history::State;
use super::model;
use super::network::Network;
use super::pictures::{self, Version};
use super::settings::{self, Settings};
use super::summary::{self, DenoiseReport};
use super::training::Training;
use crate::dataset::patches::{NoiseLevel, Patches, noisy};
use crate::dataset::photographs::{self, Photographs};
use crate::dataset::plane::Plane;
use crate::error::Error;
use crate::experiments::checkpoint;
use crate::experiments::continuation::{self, End, interrupted};
use crate::experiments::experiment::{Experiment, Finished, Plan};
use crate::experiments::session::Session;
use crate::experiments::trained::{BEST, MODEL};
use crate::report::folder::Contents;
use crate::report::plural::counted;
use burn::module::Module;
use burn::tensor::Device;
use std::path::Path;

/// The images, and the settings of a run on them.
#[derive(Debug)]
pub(crate) struct Denoise {
    state: State,
    photographs: Photographs,
    resumes: bool,
}

impl Experiment for Denoise {
    const NAME: &'static str = "denoise";
    const ABOUT: &'static str =
        "Denoising of photographs, or of images that are drawn where no folder is named";
    const CONTENTS: Contents = Contents {
        command: "train denoise",
        experiment: Some("denoise"),
        files: &[
            "report.json",
            summary::CURVES,
            summary::PICTURES,
            summary::ITERATES,
            summary::RESIDUALS,
            MODEL,
            BEST,
        ],
        folders: &[checkpoint::FOLDER],
    };
    type Arguments = DenoiseArguments;
    type Report = DenoiseReport;

    fn new(arguments: DenoiseArguments, seed: u64) -> Result<Self, Error> {
        arguments::check(&arguments)?;
        let photographs =
            photographs::load(arguments.data.as_deref(), seed, settings::patch_side(&arguments))?;
        let settings = Settings::new(&arguments, &photographs.fingerprint);
        let state = State { layer: arguments.layer, seed, settings, epochs: Vec::new() };
        Ok(Self { state, photographs, resumes: arguments.resume })
    }

    fn plan(&self) -> Plan {
        let State { layer, seed, settings, .. } = &self.state;
        let level = match settings.sigma {
            NoiseLevel::Fixed(sigma) => format!("sigma {sigma}"),
            NoiseLevel::Blind { most } => format!("sigma up to {most}"),
        };
        let what = format!(
            "trains {}, {level}, on {} for at most {}",
            layer.as_str(),
            counted(self.photographs.train.len(), "image"),
            counted(settings.epochs, "epoch")
        );
        let folder = format!("out/denoise-{}-seed{seed}", layer.as_str()).into();
        Plan { what, seconds: None, folder, resumes: self.resumes }
    }

    fn run(&self, session: &Session) -> Result<Finished<DenoiseReport>, Error> {
        let (mut state, parts) = continuation::begin(session.folder.path(), &self.state, self.resumes)?;
        let device = Device::flex();
        let tracked = device.clone().autodiff();
        let shape = state.settings.shape(state.layer);
        let network = Network::new(shape, state.seed, &state.settings.training(), &tracked)?;
        let parameters = network.num_params();
        let denoiser = Network::new(shape, state.seed, &settings::evaluation(), &device)?;
        let denoiser = Denoiser::new(denoiser, &shape, &device);
        let end = if state.is_over() {
            End::Finished
        } else {
            let train = std::sync::Arc::clone(&self.photographs.train);
            let patches = Patches::new(train, state.settings.patches(), state.seed, &tracked);
            let splits = (&patches, &self.photographs.validation[..]);
            Training::new(session, splits, (&state.settings, state.seed), network, parts)?
                .run(&mut state, &denoiser)?
        };
        if !state.epochs.is_empty() {
            summary::draw(session, &state)?;
        }
        let test = match end {
            End::Finished => self.test(session, &state)?,
            End::Interrupted => None,
        };
        let report = DenoiseReport::new(&state, parameters, test);
        if report.test.is_none() {
            if !state.epochs.is_empty() {
                session.write_report(&report)?;
            }
            return Err(interrupted(state.epochs.len(), session.folder.path()));
        }
        let table = summary::table(&report);
        let pictures: &[&str] = if state.layer.solves() {
            &[summary::CURVES, summary::PICTURES, summary::ITERATES, summary::RESIDUALS]
        } else {
            &[summary::CURVES, summary::PICTURES]
        };
        Ok(Finished { report, is_new: true, table, pictures, next: self.next(session.folder.path()) })
    }
}

impl Denoise {
    /// The scores of the best epoch, and its pictures; none if interrupted.
    fn test(&self, session: &Session, state: &State) -> Result<Option<evaluation::TestScores>, Error> {
        let (_, denoiser) = model::read(session.folder.path())?;
        let photographs = &self.photographs.test;
        let progress = session.progress(0, photographs.len(), "test images");
        let sigma = state.settings.sigma.typical();
        let advance = || progress.advance(String::new);
        let scores = evaluation::test(&denoiser, photographs, sigma, &session.interruption, advance);
        if scores.is_some()
            && let Some(first) = photographs.first()
        {
            draw(session, state, &denoiser, &first.plane)?;
        }
        Ok(scores)
    }

    fn next(&self, folder: &Path) -> Vec<(String, &'static str)> {
        let data = self.state.settings.data.as_ref();
        let data = data.map_or_else(String::new, |data| format!(" --data {}", data.display()));
        vec![
            (
                format!("banach denoise IN.png -o OUT.png --checkpoint {}", folder.display()),
                "this network on an image of yours",
            ),
            (format!("banach train denoise{data} --layer feedforward"), "the map applied once, to compare"),
        ]
    }
}

/// Draws what the network makes of an image, and how.
fn draw(session: &Session, state: &State, denoiser: &Denoiser, clean: &Plane) -> Result<(), Error> {
    let sigma = state.settings.sigma.typical();
    let noisy = noisy(clean, sigma, 0);
    let Some((found, _)) = denoiser.denoise(&noisy, |_| true) else { return Ok(()) };
    let version = |name: &str, plane| Version { name: name.into(), plane };
    let versions =
        [version("noisy", noisy.clone()), version(state.layer.as_str(), evaluation::clipped(found))];
    pictures::compare(&session.path(summary::PICTURES), &format!("sigma {sigma}"), &versions, clean)?;
    let course = denoiser.iterates(&noisy)?;
    if course.is_empty() {
        return Ok(());
    }
    let [strip, curve] = [summary::ITERATES, summary::RESIDUALS].map(|name| session.path(name));
    pictures::iterates(&strip, &curve, &course, clean)
}
