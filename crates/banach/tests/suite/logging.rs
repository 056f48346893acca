//! The log of failed rows.

use crate::policies::{Slope, column, tight};
use banach::solve::{FixedPointSolver, Picard};
use banach::{FixedPoint, OnFailure};
use burn::tensor::Tensor;
use log::{Level, LevelFilter};
use std::sync::{Mutex, Once};
use std::thread::{ThreadId, current};

/// What was logged, by which thread: tests run at the same time.
struct Heard(Mutex<Vec<(ThreadId, Level, String)>>);

impl log::Log for Heard {
    fn enabled(&self, _: &log::Metadata<'_>) -> bool {
        true
    }

    fn log(&self, record: &log::Record<'_>) {
        if record.target() == "banach" {
            let line = (current().id(), record.level(), record.args().to_string());
            self.0.lock().unwrap().push(line);
        }
    }

    fn flush(&self) {}
}

static HEARD: Heard = Heard(Mutex::new(vec![]));
static LISTENING: Once = Once::new();

/// What this thread has logged at a level since this was last asked for.
pub(crate) fn heard(level: Level) -> Vec<String> {
    LISTENING.call_once(|| {
        log::set_logger(&HEARD).unwrap();
        log::set_max_level(LevelFilter::Info);
    });
    let mine = |(thread, at, _): &mut (ThreadId, Level, String)| *thread == current().id() && *at == level;
    HEARD.0.lock().unwrap().extract_if(.., mine).map(|(_, _, text)| text).collect()
}

/// A layer of which rows with `|z|` near 1 do not converge.
fn hasty(on_failure: OnFailure) -> FixedPoint<Slope> {
    let picard = FixedPointSolver::Picard(Picard::default());
    tight().with_solver(picard).with_max_steps(60).with_on_failure(on_failure).init(Slope { b: 1.0 }).unwrap()
}

/// Solves a batch of eight rows of which so many fail.
fn solve(layer: &FixedPoint<Slope>, failing: usize) {
    let z: Vec<f64> = (0..8).map(|row| if row < failing { 0.9 } else { 0.1 }).collect();
    let _: Tensor<2> = layer.solve(column(&z).inner()).unwrap().into_value();
}

#[test]
fn failures_are_told_once_and_when_their_share_doubles() {
    heard(Level::Warn);
    for on_failure in [OnFailure::Best, OnFailure::Skip] {
        let layer = hasty(on_failure);
        let told: Vec<usize> = [0, 1, 1, 0, 2, 3, 4, 8, 8]
            .map(|failing| {
                solve(&layer, failing);
                let told = heard(Level::Warn);
                assert!(
                    told.iter().all(|text| text.contains("rows converged") && text.contains("budget.steps"))
                );
                told.len()
            })
            .to_vec();
        assert_eq!(told, [0, 1, 0, 0, 1, 0, 1, 1, 0], "{on_failure:?}");
    }
    let layer = hasty(OnFailure::Warn);
    (0..3).for_each(|_| solve(&layer, 1));
    assert_eq!(heard(Level::Warn).len(), 3, "every solve");
    // Clones are one layer, and the counts may be taken without its being told again.
    let layer = hasty(OnFailure::Best);
    solve(&layer, 1);
    assert_eq!(layer.take_statistics().unconverged_rows, 1);
    solve(&layer.clone(), 1);
    assert_eq!((heard(Level::Warn).len(), layer.statistics().unconverged_rows), (1, 1));
}

#[test]
fn the_first_solve_of_a_layer_is_summarized() {
    heard(Level::Info);
    let layer = hasty(OnFailure::Best);
    (0..3).for_each(|_| solve(&layer, 0));
    let told = heard(Level::Info);
    assert!(told.len() == 1 && told[0].contains("8 of 8 rows converged"), "{told:?}");
}

#[test]
fn a_second_adjoint_solver_that_never_helps_is_left_out_for_a_while() {
    heard(Level::Warn);
    let layer = tight().init(Slope { b: 0.0 }).unwrap();
    for _ in 0..20 {
        let z = column(&[0.5, 1.0, -0.5]);
        let _ = layer.forward(z).sum().backward();
    }
    let statistics = layer.take_statistics();
    assert_eq!((statistics.escalations, statistics.skipped_escalations), (4, 16));
    assert_eq!(statistics.adjoint_unconverged_rows, 20);
    let told = heard(Level::Warn);
    assert!(told.len() == 1 && told[0].contains("the adjoint of 1 of 3 rows"), "{told:?}");
}
