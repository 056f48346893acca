//! What happens in an epoch, in which order?
//!
//! The loop is a training strategy of burn-train: its learner, optimizer, metrics, dashboard, checkpointers, early
//! stopping and interrupter do the work. Its stock strategy is not used because it gives no hand on the network at the
//! end of an epoch, and there the outputs of the whole validation split are needed to choose the threshold, the test
//! split is scored for the report, and the best network is kept.

use super::average::Average;
use super::display::Display;
use super::evaluation::Scores;
use super::history::{Epoch, History};
use super::network::Network;
use super::tally::{Figures, Tally};
use super::work::Work;
use crate::dataset::batches::{Batch, Batches};
use crate::report::file;
use burn::data::dataloader::DataLoader;
use burn::module::Module;
use burn::tensor::Device;
use burn::train::{
    EventProcessorTraining, InferenceStep, Interrupter, Learner, LearnerEvent, SupervisedLearningStrategy,
    SupervisedTrainingEventProcessor, TrainLoader, TrainingComponents, TrainingItem, ValidLoader,
};
use std::path::PathBuf;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Instant;

type Processor = SupervisedTrainingEventProcessor<Network>;

/// How a course ended.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) enum End {
    /// All epochs are trained, or nothing better was found for a while.
    #[default]
    Finished,
    /// The user stopped it in the middle of an epoch.
    Interrupted,
    /// It cannot go on.
    Failed(String),
}

/// The training of one network.
#[derive(Clone, Debug)]
pub(crate) struct Course {
    /// Where the network trains.
    pub(crate) device: Device,
    /// The validation split.
    pub(crate) validation: Batches,
    /// The test split, on the device where the network trains.
    pub(crate) test: Batches,
    /// Where finished epochs are written down.
    pub(crate) history: History,
    /// Where the best network is kept.
    pub(crate) best: PathBuf,
    /// Where checkpoints are kept.
    pub(crate) checkpoints: PathBuf,
    /// How much of the mean of the weights stays at a step; 0 takes no mean.
    pub(crate) averaging: f64,
    /// Rows of a mini-batch.
    pub(crate) batch: usize,
    /// What is shown.
    pub(crate) display: Display,
    /// How it ended.
    pub(crate) end: Arc<Mutex<End>>,
}

impl SupervisedLearningStrategy<Network> for Course {
    fn fit(
        &self,
        parts: TrainingComponents<Network>,
        mut learner: Learner<Network>,
        train: TrainLoader<Network>,
        _: ValidLoader<Network>,
        first: usize,
    ) -> (Network, Processor) {
        let TrainingComponents { num_epochs, mut checkpointer, interrupter, .. } = parts;
        let (mut early_stopping, mut processor) = (parts.early_stopping, parts.event_processor);
        learner.fork(&self.device);
        let average = Average::new(&learner.model(), self.averaging, &self.checkpoints);
        let mut average = match average.clone().restored(first - 1) {
            Ok(restored) => restored,
            Err(reason) => {
                self.fail(reason, &interrupter);
                average
            }
        };
        for epoch in first..=num_epochs {
            let moving = (&mut learner, &mut average);
            let mut trained = self.train_epoch(epoch, moving, &*train, (&mut processor, &interrupter));
            if interrupter.should_stop() {
                break;
            }
            let Some(evaluated) = self.evaluate(epoch, average.network(), &mut processor, &interrupter)
            else {
                break;
            };
            trained.add_rows(&evaluated.work);
            let finished = trained.into_epoch(epoch, evaluated.figures);
            self.finish_epoch(finished, &average, num_epochs, &interrupter);
            if let Some(checkpointer) = &mut checkpointer {
                checkpointer.checkpoint(&learner, epoch, &parts.event_store);
            }
            let enough =
                early_stopping.as_mut().is_some_and(|rule| rule.should_stop(epoch, &parts.event_store));
            if enough || interrupter.should_stop() {
                break;
            }
        }
        drop(checkpointer); // waits until the last checkpoint is on disk
        self.note_end(&interrupter);
        (learner.model(), processor)
    }
}

impl Course {
    /// Trains the network on every mini-batch once.
    fn train_epoch(
        &self,
        epoch: usize,
        (learner, average): (&mut Learner<Network>, &mut Average),
        train: &dyn DataLoader<Batch>,
        (processor, interrupter): (&mut Processor, &Interrupter),
    ) -> Tally {
        let (started, mut trained) = (Instant::now(), Tally::default());
        let start = LearnerEvent::StartSplit { epoch_number: epoch, total_items: train.num_items() };
        interrupter.fail_on_error(processor.process_train(start));
        let (mut pass, mut iteration) = (train.iter(), 0);
        let mini_batches = train.num_items().div_ceil(self.batch);
        while let Some(batch) = pass.next() {
            let Some(batch) = loaded(batch, interrupter) else { break };
            self.display.mini_batch_starts();
            let output = learner.train_step(batch);
            learner.lr_step();
            learner.optimizer_step(output.grads);
            average.add(&learner.model(), (epoch - 1) * mini_batches + iteration);
            trained.add(&output.item);
            iteration += 1;
            let item =
                TrainingItem::new(output.item, pass.progress(), Some(iteration), Some(learner.lr_current()));
            interrupter.fail_on_error(processor.process_train(LearnerEvent::ProcessedItem(item)));
            if interrupter.should_stop() {
                break;
            }
        }
        interrupter.fail_on_error(processor.process_train(LearnerEvent::EndSplit(epoch)));
        trained.seconds = started.elapsed().as_secs_f64();
        trained
    }

    /// Runs the validation and test splits; none if interrupted.
    fn evaluate(
        &self,
        epoch: usize,
        network: &Network,
        processor: &mut Processor,
        interrupter: &Interrupter,
    ) -> Option<Evaluated> {
        let (mut work, mut validation, mut test) = (Work::default(), Scores::default(), Scores::default());
        let total_items = self.validation.num_items();
        let start = LearnerEvent::StartSplit { epoch_number: epoch, total_items };
        interrupter.fail_on_error(processor.process_valid(start));
        for (split, scores, shown) in
            [(&self.validation, &mut validation, true), (&self.test, &mut test, false)]
        {
            let mut pass = split.iter();
            while let Some(batch) = pass.next() {
                let output = InferenceStep::step(network, loaded(batch, interrupter)?);
                scores.extend(&output.outputs);
                work.add_rows(&output.work);
                if shown {
                    let item = TrainingItem::new(output, pass.progress(), None, None);
                    interrupter.fail_on_error(processor.process_valid(LearnerEvent::ProcessedItem(item)));
                }
                if interrupter.should_stop() {
                    return None;
                }
            }
        }
        interrupter.fail_on_error(processor.process_valid(LearnerEvent::EndSplit(epoch)));
        interrupter.fail_on_error(processor.process_train(LearnerEvent::EndEpoch(epoch)));
        interrupter.fail_on_error(processor.flush());
        let (threshold, validation_f1) = validation.best_threshold(self.validation.examples());
        let test_f1 = |threshold| test.f1(self.test.examples(), threshold);
        let figures =
            Figures { threshold, validation_f1, test_f1: test_f1(threshold), test_f1_at_half: test_f1(0.5) };
        Some(Evaluated { figures, work })
    }

    /// Writes the epoch down, and keeps the network if it is the best so far.
    fn finish_epoch(&self, epoch: Epoch, average: &Average, epochs: usize, interrupter: &Interrupter) {
        self.display.epoch_ends(&epoch, epochs);
        if let Err(reason) = average.save(epoch.report.epoch) {
            self.fail(format!("cannot write into {}: {reason}", self.checkpoints.display()), interrupter);
        }
        if self.history.push(epoch) {
            let kept = average.network().clone().into_record().into_bytes();
            let kept = kept.map_err(|error| error.to_string());
            let kept = kept
                .and_then(|bytes| file::write_whole(&self.best, &bytes).map_err(|error| error.to_string()));
            if let Err(reason) = kept {
                self.fail(format!("cannot write {}: {reason}", self.best.display()), interrupter);
            }
        }
    }

    fn fail(&self, reason: String, interrupter: &Interrupter) {
        self.set_end(End::Failed(reason));
        interrupter.stop(None);
    }

    /// Notes how the course ended; the dashboard forgets it when it closes.
    fn note_end(&self, interrupter: &Interrupter) {
        match interrupter.error() {
            Some(error) => self.set_end(End::Failed(error.to_string().replace('\n', " "))),
            None if interrupter.should_stop() => self.set_end(End::Interrupted),
            None => {}
        }
    }

    fn set_end(&self, end: End) {
        let mut noted = self.end.lock().unwrap_or_else(PoisonError::into_inner);
        if *noted == End::Finished {
            *noted = end;
        }
    }

    /// How the course ended.
    pub(crate) fn end(&self) -> End {
        self.end.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

fn loaded<E: Into<burn::train::TrainingError>>(
    batch: Result<Batch, E>,
    interrupter: &Interrupter,
) -> Option<Batch> {
    batch.map_err(|error| interrupter.fail(error)).ok()
}

/// What the evaluation after an epoch found.
struct Evaluated {
    figures: Figures,
    work: Work,
}
