//! The record of an epoch, from its mini-batches to `report.json`.

use banach::Statistics;
use serde::{Deserialize, Serialize, Serializer};
use std::ops::AddAssign;

/// What the solvers of a network did, summed over rows.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
pub(crate) struct Work {
    /// Rows of the forward solves.
    pub(crate) forward_rows: usize,
    /// Their steps.
    pub(crate) forward_steps: usize,
    /// Rows of the adjoint solves.
    pub(crate) adjoint_rows: usize,
    /// Their steps.
    pub(crate) adjoint_steps: usize,
    /// Rows whose fixed point was not found to the tolerance, and rows whose adjoint was not.
    pub(crate) unconverged_rows: usize,
    /// Rows in which a number that is not finite was met.
    pub(crate) non_finite_rows: usize,
}

impl Work {
    /// A network without a solver: its map applied once to each row counts as one step.
    pub(crate) fn once(rows: usize) -> Self {
        Self { forward_rows: rows, forward_steps: rows, ..Self::default() }
    }

    /// Adds the failed rows of an evaluation, but not its steps: means of steps are those of training.
    pub(crate) fn add_failures(&mut self, evaluation: &Self) {
        self.unconverged_rows += evaluation.unconverged_rows;
        self.non_finite_rows += evaluation.non_finite_rows;
    }

    /// The failed rows for the end of a line of progress; empty where there are none.
    pub(crate) fn failures(&self) -> String {
        let counts = [(self.unconverged_rows, "unconverged"), (self.non_finite_rows, "non-finite")];
        let failed = counts.into_iter().filter(|(count, _)| *count > 0);
        failed.map(|(count, name)| format!("  {count} {name}")).collect()
    }

    /// Mean steps of a forward row.
    pub(crate) fn mean_forward_steps(&self) -> Option<f64> {
        mean(self.forward_steps as f64, self.forward_rows)
    }

    /// Mean steps of an adjoint row.
    pub(crate) fn mean_adjoint_steps(&self) -> Option<f64> {
        mean(self.adjoint_steps as f64, self.adjoint_rows)
    }
}

impl From<Statistics> for Work {
    fn from(counts: Statistics) -> Self {
        Self {
            forward_rows: counts.rows,
            forward_steps: counts.forward_steps,
            adjoint_rows: counts.adjoint_rows,
            adjoint_steps: counts.adjoint_steps,
            unconverged_rows: counts.unconverged_rows + counts.adjoint_unconverged_rows,
            non_finite_rows: counts.non_finite_rows,
        }
    }
}

impl AddAssign for Work {
    fn add_assign(&mut self, other: Self) {
        self.forward_rows += other.forward_rows;
        self.forward_steps += other.forward_steps;
        self.adjoint_rows += other.adjoint_rows;
        self.adjoint_steps += other.adjoint_steps;
        self.add_failures(&other);
    }
}

/// Sums over the rows of one mini-batch, or of all mini-batches of an epoch.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
pub(crate) struct Sums {
    /// Rows with a finite loss.
    pub(crate) loss_rows: usize,
    /// The sum of their losses.
    pub(crate) loss: f64,
    /// What the solvers did.
    pub(crate) work: Work,
}

impl Sums {
    /// The sums of a mini-batch, from the mean loss of its rows.
    pub(crate) fn of_mini_batch(mean_loss: f64, rows: usize, work: Work) -> Self {
        let loss_rows = if mean_loss.is_finite() { rows } else { 0 };
        let loss = if mean_loss.is_finite() { mean_loss * rows as f64 } else { 0.0 };
        Self { loss_rows, loss, work }
    }

    /// Mean loss of the rows with a finite loss.
    pub(crate) fn mean_loss(&self) -> Option<f64> {
        mean(self.loss, self.loss_rows)
    }
}

impl AddAssign for Sums {
    fn add_assign(&mut self, other: Self) {
        self.loss_rows += other.loss_rows;
        self.loss += other.loss;
        self.work += other.work;
    }
}

fn mean(sum: f64, count: usize) -> Option<f64> {
    (count > 0).then(|| sum / count as f64)
}

/// A finished epoch: its sums, and the scores that the experiment computes after it.
#[derive(Clone, Debug, PartialEq, Deserialize)]
pub(crate) struct Epoch<S> {
    /// Its number, from 1.
    pub(crate) epoch: usize,
    /// Time spent training, without the evaluations.
    pub(crate) seconds: f64,
    /// Sums over the rows while the weights were changing, and the failed rows of the evaluations.
    pub(crate) sums: Sums,
    /// The scores of the network after the epoch.
    #[serde(flatten)]
    pub(crate) scores: S,
}

/// An epoch as JSON: beside its fields the means that readers want, `null` where there is nothing to average.
#[derive(Serialize)]
struct WithMeans<'a, S> {
    epoch: usize,
    seconds: f64,
    train_loss: Option<f64>,
    forward_steps: Option<f64>,
    adjoint_steps: Option<f64>,
    unconverged_rows: usize,
    non_finite_rows: usize,
    #[serde(flatten)]
    scores: &'a S,
    sums: &'a Sums,
}

impl<S: Serialize> Serialize for Epoch<S> {
    fn serialize<Z: Serializer>(&self, serializer: Z) -> Result<Z::Ok, Z::Error> {
        let Self { epoch, seconds, sums, scores } = self;
        let work = &sums.work;
        let whole = WithMeans {
            epoch: *epoch,
            seconds: *seconds,
            train_loss: sums.mean_loss(),
            forward_steps: work.mean_forward_steps(),
            adjoint_steps: work.mean_adjoint_steps(),
            unconverged_rows: work.unconverged_rows,
            non_finite_rows: work.non_finite_rows,
            scores,
            sums,
        };
        whole.serialize(serializer)
    }
}

/// The scores of an epoch, one of which says how good the network is.
pub(crate) trait Scored {
    /// The score on the validation split that chooses the best epoch, greater where better; none where it is not finite.
    fn validation(&self) -> Option<f64>;
}

/// The epoch with the best validation score, the first of equals.
pub(crate) fn best<S: Scored>(epochs: &[Epoch<S>]) -> Option<&Epoch<S>> {
    let score = |epoch: &Epoch<S>| epoch.scores.validation().unwrap_or(f64::NEG_INFINITY);
    epochs.iter().reduce(|best, next| if score(next) > score(best) { next } else { best })
}

/// Whether the last `patience` epochs brought nothing better.
pub(crate) fn is_exhausted<S: Scored>(epochs: &[Epoch<S>], patience: usize) -> bool {
    best(epochs).is_some_and(|best| epochs.len() - best.epoch >= patience)
}

/// A number for a table or a line of progress; `none` where there is none.
pub(crate) fn written(number: Option<f64>, digits: usize) -> String {
    number.map_or_else(|| "none".into(), |number| format!("{number:.digits$}"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::{Value, json};

    #[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
    struct Scores {
        f1: f64,
    }

    impl Scored for Scores {
        fn validation(&self) -> Option<f64> {
            Some(self.f1).filter(|f1| f1.is_finite())
        }
    }

    #[test]
    fn the_first_of_the_best_epochs_wins_and_patience_counts_from_it() {
        let epoch = |(f1, epoch)| Epoch { epoch, seconds: 1.0, sums: Sums::default(), scores: Scores { f1 } };
        let epochs: Vec<Epoch<Scores>> =
            [f64::NAN, 30.0, 30.0, 20.0].into_iter().zip(1..).map(epoch).collect();
        assert!(best::<Scores>(&[]).is_none() && !is_exhausted::<Scores>(&[], 1));
        assert_eq!(best(&epochs).unwrap().epoch, 2);
        assert!(is_exhausted(&epochs, 2) && !is_exhausted(&epochs, 3));
    }

    #[test]
    fn sums_stay_sums_and_an_epoch_without_a_finite_loss_has_null() {
        let work = Work { forward_rows: 2, forward_steps: 6, unconverged_rows: 1, ..Work::default() };
        let mut sums = Sums::of_mini_batch(0.5, 2, work);
        sums +=
            Sums::of_mini_batch(f64::NAN, 4, Work { forward_rows: 4, forward_steps: 4, ..Work::default() });
        sums += Sums::of_mini_batch(f64::INFINITY, 4, Work::default());
        assert_eq!((sums.mean_loss(), sums.loss_rows), (Some(0.5), 2));
        assert_eq!(sums.work.mean_forward_steps(), Some(10.0 / 6.0));
        let epoch = Epoch { epoch: 1, seconds: 2.0, sums, scores: Scores { f1: 3.0 } };
        let text = serde_json::to_value(&epoch).unwrap();
        assert_eq!((&text["train_loss"], &text["adjoint_steps"]), (&json!(0.5), &Value::Null));
        assert_eq!((&text["unconverged_rows"], &text["f1"]), (&json!(1), &json!(3.0)));
        let read: Epoch<Scores> = serde_json::from_value(text).unwrap();
        assert_eq!(read, epoch);
        let none = Epoch { sums: Sums::of_mini_batch(f64::NAN, 4, work), ..epoch };
        assert_eq!(serde_json::to_value(&none).unwrap()["train_loss"], Value::Null);
        assert_eq!([written(None, 2), written(Some(1.0), 2)], ["none", "1.00"]);
    }
}
