//! A run on optical flow, from its options to its report.

use super::arguments::{self, FlowArguments};
use super::estimator::Estimator;
use super::evaluation::{self, GeneratedPairs, TestScores};
use super::history::State;
use super::model;
use super::network::Network;
use super::pictures::{self, Version};
use super::real_pairs::{self, RealPairs};
use super::settings::{self, Settings};
use super::summary::{self, FlowReport};
use super::training::Training;
use crate::dataset::chairs::Chairs;
use crate::dataset::flow_pairs::FlowPair;
use crate::dataset::pair_batches::PairBatches;
use crate::dataset::textures::{self, Textures};
use crate::error::Error;
use crate::experiments::checkpoint;
use crate::experiments::continuation::{self, End, interrupted};
use crate::experiments::experiment::{Experiment, Finished, Plan};
use crate::experiments::session::Session;
use crate::experiments::trained::{BEST, MODEL};
use crate::options::LayerName;
use crate::options::numbers::SceneSize;
use crate::report::folder::Contents;
use crate::report::plural::counted;
use burn::tensor::Device;
use std::path::Path;
use std::sync::Arc;

/// The pictures of all test sets, in the order of the sets.
const PICTURES: [&str; 3] = [summary::GENERATED, summary::CHAIRS, summary::MIDDLEBURY];

/// The textures, the real pairs, and the settings of a run on them.
#[derive(Debug)]
pub(crate) struct Flow {
    state: State,
    textures: Textures,
    real: RealPairs,
    resumes: bool,
}

impl Experiment for Flow {
    const NAME: &'static str = "flow";
    const ABOUT: &'static str = "Optical flow of generated pairs of images, by FlowNet and a layer behind it";
    const CONTENTS: Contents = Contents {
        command: "train flow",
        experiment: Some("flow"),
        files: &[
            "report.json",
            summary::CURVES,
            summary::GENERATED,
            summary::CHAIRS,
            summary::MIDDLEBURY,
            summary::ITERATES,
            summary::RESIDUALS,
            MODEL,
            BEST,
        ],
        folders: &[checkpoint::FOLDER],
    };
    type Arguments = FlowArguments;
    type Report = FlowReport;

    fn new(arguments: FlowArguments, seed: u64) -> Result<Self, Error> {
        arguments::check(&arguments)?;
        let kept =
            arguments.frozen.as_deref().map(|path| model::network(path, &Device::flex())).transpose()?;
        let kept = kept.map(|(shape, _)| shape);
        let SceneSize(size) = settings::size(&arguments);
        let textures = textures::load(arguments.photographs.as_deref(), size)?;
        let real = arguments.data.as_deref().map(real_pairs::load).transpose()?.unwrap_or_default();
        let settings = Settings::new(&arguments, kept, &textures.fingerprint);
        let state = State { layer: arguments.layer, seed, settings, epochs: Vec::new() };
        Ok(Self { state, textures, real, resumes: arguments.resume })
    }

    fn plan(&self) -> Plan {
        let State { layer, seed, settings, .. } = &self.state;
        let [count, rows] = settings.batches();
        let frozen = if settings.frozen.is_some() { " behind a network that stays as it is" } else { "" };
        let what = format!(
            "trains {}{frozen}, width {}, on {} of {} an epoch for at most {}",
            layer.as_str(),
            settings.width,
            counted(count * rows, "pair"),
            String::from(settings.size),
            counted(settings.epochs, "epoch")
        );
        let frozen = if settings.frozen.is_some() { "-frozen" } else { "" };
        let folder = format!("out/flow-{}{frozen}-seed{seed}", layer.as_str()).into();
        Plan { what, seconds: None, folder, resumes: self.resumes }
    }

    fn run(&self, session: &Session) -> Result<Finished<FlowReport>, Error> {
        let (mut state, parts) = continuation::begin(session.folder.path(), &self.state, self.resumes)?;
        let tracked = Device::flex().autodiff();
        let network = self.network(&state)?;
        let parameters = network.parameters();
        let SceneSize(size) = state.settings.size;
        let generated = GeneratedPairs::draw(Arc::clone(&self.textures.kept), size);
        let end = if state.is_over() {
            End::Finished
        } else {
            let chairs = Chairs::new(Arc::clone(&self.textures.train), size, state.seed);
            let batches = PairBatches::new(chairs, state.settings.batches(), &tracked);
            let estimator = self.estimator(&state)?;
            Training::new(session, (&batches, &generated), &state.settings, network, parts)?
                .run(&mut state, &estimator)?
        };
        if !state.epochs.is_empty() {
            summary::draw(session, &state)?;
        }
        let test = match end {
            End::Finished => self.test(session, &state, &generated)?,
            End::Interrupted => None,
        };
        let report = FlowReport::new(&state, parameters, test);
        if report.test.is_none() {
            if !state.epochs.is_empty() {
                session.write_report(&report)?;
            }
            return Err(interrupted(state.epochs.len(), session.folder.path()));
        }
        let pictures: &[&str] = if state.layer.solves() {
            &[summary::CURVES, summary::GENERATED, summary::ITERATES, summary::RESIDUALS]
        } else {
            &[summary::CURVES, summary::GENERATED]
        };
        let (table, next) = (summary::table(&report), self.next(session.folder.path()));
        Ok(Finished { report, is_new: true, table, pictures, next })
    }
}

impl Flow {
    /// The network to begin with, on the tape.
    fn network(&self, state: &State) -> Result<Network, Error> {
        let device = Device::flex().autodiff();
        let (shape, config) = (state.settings.shape(state.layer), state.settings.training());
        let network = Network::new(shape, state.seed, &config, &device)?;
        match &state.settings.frozen {
            Some(folder) => Ok(network.behind(model::network(folder, &device)?.1)),
            None => Ok(network),
        }
    }

    /// An estimator of the shape of the network, with the settings of evaluations.
    fn estimator(&self, state: &State) -> Result<Estimator, Error> {
        let device = Device::flex();
        let shape = state.settings.shape(state.layer);
        Ok(Estimator::new(Network::new(shape, state.seed, &settings::evaluation(), &device)?, &device))
    }

    /// The scores of the best epoch, and its pictures; none if interrupted.
    fn test(
        &self,
        session: &Session,
        state: &State,
        generated: &GeneratedPairs,
    ) -> Result<Option<TestScores>, Error> {
        let (_, estimator) = model::read(session.folder.path())?;
        let RealPairs { chairs, middlebury } = &self.real;
        let sets = [Some(&generated.test), chairs.as_ref(), middlebury.as_ref()];
        let count = sets.iter().flatten().map(|pairs| pairs.len()).sum();
        let progress = session.progress(0, count, "test pairs");
        let mut scores = [None; 3];
        for ((scores, set), picture) in scores.iter_mut().zip(sets).zip(PICTURES) {
            let Some(pairs) = set else { continue };
            let advance = || progress.advance(String::new);
            let Some((found, _)) = evaluation::evaluate(&estimator, pairs, &session.interruption, advance)
            else {
                return Ok(None);
            };
            *scores = Some(found);
            if let Some(pair) = pairs.first() {
                draw(session, (state, picture), &estimator, pair)?;
            }
        }
        let [generated, chairs, middlebury] = scores;
        Ok(generated.map(|generated| TestScores { generated, chairs, middlebury }))
    }

    fn next(&self, folder: &Path) -> Vec<(String, &'static str)> {
        let State { layer, settings, .. } = &self.state;
        let data =
            settings.data.as_ref().map_or_else(String::new, |data| format!(" --data {}", data.display()));
        let folder = folder.display();
        let mut next = vec![(
            format!("banach flow A.png B.png -o flow.flo --picture flow.png --checkpoint {folder}"),
            "the flow between two images of yours",
        )];
        next.push(if *layer == LayerName::NoLayer {
            let command = format!("banach train flow{data} --frozen {folder}");
            (command, "a fixed-point layer behind this network")
        } else {
            (format!("banach train flow{data} --layer none"), "the network without the layer, to compare")
        });
        next
    }
}

/// Draws what the network finds in a pair of a test set, and how in a generated one.
fn draw(
    session: &Session,
    (state, picture): (&State, &str),
    estimator: &Estimator,
    pair: &FlowPair,
) -> Result<(), Error> {
    let (estimate, _) = estimator.estimate(&pair.first, &pair.second);
    let version = |name: &str, flow| Version { name: name.into(), flow };
    let mut versions = vec![version("FlowNet", estimate.before)];
    versions.extend(estimate.behind.map(|flow| version(state.layer.as_str(), flow)));
    pictures::compare(&session.path(picture), &format!("the pair {}", pair.name), &versions, pair)?;
    if picture != summary::GENERATED {
        return Ok(());
    }
    let course = estimator.iterates(&pair.first, &pair.second)?;
    if course.is_empty() {
        return Ok(());
    }
    let [strip, curve] = [summary::ITERATES, summary::RESIDUALS].map(|name| session.path(name));
    pictures::iterates(&strip, &curve, &course, &pair.flow)
}
