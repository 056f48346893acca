//! The time of a training step of FlowNet, with a fixed point behind it and without.

use super::journal::Journal;
use crate::error::Error;
use crate::experiments::flow::Learner;
use crate::options::{EngineName, LayerName, Measuring};

const LAYERS: [LayerName; 2] = [LayerName::NoLayer, LayerName::FpiNn];
/// Width and height of the images.
const SIZES: [[usize; 2]; 2] = [[64, 64], [192, 128]];
const RATE: f64 = 1e-3;
const REPEATS: usize = 25;
const WARM_UP: usize = 5;

/// Runs `banach bench flow`.
pub(crate) fn bench(measuring: &Measuring) -> Result<(), Error> {
    let refused = |found: String, option: &str| {
        Err(Error::Setting {
            found,
            expected: format!("no {option}"),
            advice: format!("flow is trained by compiled steps on the native engine; leave {option} out"),
        })
    };
    if let Some(backward) = measuring.backward {
        return refused(format!("--backward {}", backward.as_str()), "--backward");
    }
    if measuring.engine != EngineName::Native {
        return refused(format!("--engine {}", measuring.engine.as_str()), "--engine");
    }
    let mut journal = Journal::new("flow", measuring)?;
    for layer in LAYERS {
        for size in SIZES {
            let [width, height] = size;
            let setting = format!("{} {width}x{height}", layer.as_str());
            if !journal.wants(&setting) {
                continue;
            }
            let (mut learner, batch) = Learner::measured(layer, size)?;
            let (pairs, mut steps) = (batch.images.dims()[0], None);
            let timing = journal.median_ms(REPEATS, WARM_UP, || {
                steps = learner.step(batch.clone(), RATE)?.work.mean_forward_steps();
                Ok(())
            })?;
            let measurement = journal.measurement(&setting, None, timing, steps.unwrap_or(f64::NAN));
            let rate = 1e3 * pairs as f64 / timing.ms;
            journal.write(measurement.with("pairs_per_second", rate))?;
        }
    }
    journal.close()
}
