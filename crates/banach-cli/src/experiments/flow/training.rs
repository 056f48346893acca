//! The training of a network of optical flow by compiled steps, epoch by epoch.

use super::estimator::Estimator;
use super::evaluation::{GeneratedPairs, evaluate};
use super::history::{Epoch, Scores, State};
use super::learner::Learner;
use super::network::Network;
use super::settings::Settings;
use crate::dataset::pair_batches::PairBatches;
use crate::error::Error;
use crate::experiments::checkpoint::{self, Parts, Writer};
use crate::experiments::continuation::End;
use crate::experiments::epoch::{Sums, Work, written};
use crate::experiments::schedule::Schedule;
use crate::experiments::session::Session;
use crate::experiments::trained;
use crate::terminal::progress::Progress;
use std::sync::mpsc::sync_channel;
use std::time::Instant;

/// Most lines of epochs that a run writes.
const MOST_LINES: usize = 100;

/// A network with everything that changes while it trains.
pub(crate) struct Training<'a> {
    session: &'a Session,
    batches: &'a PairBatches,
    generated: &'a GeneratedPairs,
    learner: Learner,
    schedule: Schedule,
    writer: Writer,
}

impl<'a> Training<'a> {
    /// Starts with a network, or continues from the parts of a checkpoint.
    pub(crate) fn new(
        session: &'a Session,
        (batches, generated): (&'a PairBatches, &'a GeneratedPairs),
        settings: &Settings,
        network: Network,
        parts: Option<Parts>,
    ) -> Result<Self, Error> {
        Ok(Self {
            session,
            batches,
            generated,
            learner: Learner::new(network, settings.frozen.is_some(), parts)?,
            schedule: Schedule::new(settings.learning_rate, settings.epochs * batches.count()),
            writer: Writer::new(&session.path(checkpoint::FOLDER)),
        })
    }

    /// Trains up to the last epoch of the settings, and adds each finished epoch to the state. The estimator has the shape of
    /// the network.
    pub(crate) fn run(&mut self, state: &mut State, estimator: &Estimator) -> Result<End, Error> {
        let trained = self.epochs(state, estimator);
        // The last checkpoint must be complete however the run ends.
        self.writer.finish().and(trained)
    }

    fn epochs(&mut self, state: &mut State, estimator: &Estimator) -> Result<End, Error> {
        let (total, count) = (state.settings.epochs, self.batches.count());
        let progress = self.session.progress(state.epochs.len() * count, total * count, "mini-batches");
        for epoch in state.epochs.len() + 1..=total {
            let (begun, trained) = (Instant::now(), self.train_epoch(epoch, &progress)?);
            let seconds = begun.elapsed().as_secs_f64();
            let Some(mut sums) = trained else { return Ok(End::Interrupted) };
            let Some((scores, work)) = self.scores(estimator, state)? else { return Ok(End::Interrupted) };
            sums.work.add_failures(&work);
            let finished = Epoch { epoch, seconds, sums, scores };
            if epoch.is_multiple_of(total.div_ceil(MOST_LINES)) || epoch == total {
                progress.print(|| line(&finished, total));
            }
            self.finish_epoch(finished, state)?;
            if state.is_over() {
                break;
            }
        }
        Ok(End::Finished)
    }

    /// Trains the network on every mini-batch once; none if interrupted.
    fn train_epoch(&mut self, epoch: usize, progress: &Progress) -> Result<Option<Sums>, Error> {
        let (mut sums, batches) = (Sums::default(), self.batches);
        // The next mini-batch is drawn while the network trains with this one.
        std::thread::scope(|scope| {
            let (ahead, drawn) = sync_channel(1);
            let _ = scope.spawn(move || batches.pass(epoch).all(|batch| ahead.send(batch).is_ok()));
            for (index, batch) in drawn.iter().enumerate() {
                let rate = self.schedule.rate((epoch - 1) * batches.count() + index);
                sums += self.learner.step(batch, rate)?;
                progress.advance_bar();
                if self.session.interruption.is_requested() {
                    return Ok(None);
                }
            }
            Ok(Some(sums))
        })
    }

    /// The errors of the network on generated pairs, and what the solver did there; none if interrupted.
    fn scores(&self, estimator: &Estimator, state: &State) -> Result<Option<(Scores, Work)>, Error> {
        let estimator = estimator.clone().with_weights(self.learner.network())?;
        let interruption = &self.session.interruption;
        let of = |pairs| evaluate(&estimator, pairs, interruption, || {});
        let Some((validation, mut work)) = of(&self.generated.validation) else { return Ok(None) };
        let Some((test, tested)) = of(&self.generated.test) else { return Ok(None) };
        work += tested;
        let scores = Scores {
            validation_aepe: validation.aepe,
            test_aepe: test.aepe,
            test_aepe_before: test.aepe_before,
            evaluated_steps: work.mean_forward_steps().filter(|_| state.layer.solves()),
        };
        Ok(Some((scores, work)))
    }

    /// Adds the epoch to the state, writes the checkpoint, and keeps the network if it is the best so far.
    fn finish_epoch(&mut self, epoch: Epoch, state: &mut State) -> Result<(), Error> {
        state.epochs.push(epoch);
        if state.has_improved() {
            trained::write(
                self.session.folder.path(),
                &state.settings.shape(state.layer),
                self.learner.network(),
            )?;
        }
        self.writer.save(state, self.learner.parts())
    }
}

fn line(epoch: &Epoch, epochs: usize) -> String {
    let (sums, scores, width) = (&epoch.sums, &epoch.scores, epochs.to_string().len());
    let line = format!(
        "epoch {:>width$}/{epochs} {:6.1} s  loss {}  test error {} pixels, before the layer {}  steps {} + {}, evaluated {}",
        epoch.epoch,
        epoch.seconds,
        written(sums.mean_loss(), 4),
        written(scores.test_aepe, 3),
        written(scores.test_aepe_before, 3),
        written(sums.work.mean_forward_steps(), 1),
        written(sums.work.mean_adjoint_steps(), 1),
        written(scores.evaluated_steps, 1),
    );
    line + &sums.work.failures()
}
