//! Progress of a run: one bar on a terminal that redraws, sparse lines elsewhere.

use super::capability;
use super::output::tell;
use indicatif::{ProgressBar, ProgressDrawTarget, ProgressState, ProgressStyle};
use std::fmt::Write;
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

/// Lines that a whole run writes where no bar can be drawn.
const LINES: u64 = 10;
const REDRAWS_A_SECOND: u8 = 8;
const BAR: &str = "{bar:24} {pos}/{len} {prefix}  {rate}  {eta} left  {wide_msg}";

/// Progress in equal steps towards a total; threads may share it.
#[derive(Debug)]
pub(crate) struct Progress {
    unit: &'static str,
    total: u64,
    started: Instant,
    drawing: Drawing,
}

#[derive(Debug)]
enum Drawing {
    Bar(ProgressBar),
    Lines(Mutex<Steps>),
    Nothing,
}

/// Steps done, and how many tenths of them a line has told.
#[derive(Debug, Default)]
struct Steps {
    done: u64,
    /// Steps that an earlier run did.
    earlier: u64,
    told: u64,
}

impl Progress {
    /// Progress over `total` steps, of which an earlier run did `done`; `unit` is their plural noun.
    pub(crate) fn new(done: usize, total: usize, unit: &'static str, quiet: bool) -> Self {
        let (done, total) = (done as u64, total as u64);
        let drawing = if quiet {
            Drawing::Nothing
        } else if capability::redraws(&std::io::stderr()) {
            let target = ProgressDrawTarget::stderr_with_hz(REDRAWS_A_SECOND);
            let bar = ProgressBar::with_draw_target(Some(total), target).with_prefix(unit);
            if let Ok(style) = ProgressStyle::with_template(BAR) {
                let rate = |state: &ProgressState, text: &mut dyn Write| {
                    // A failed write leaves the rate out of one drawing.
                    let _ = write!(text, "{:.1}/s", state.per_sec());
                };
                bar.set_style(style.with_key("rate", rate).progress_chars("=> "));
            }
            bar.set_position(done);
            bar.reset_eta();
            Drawing::Bar(bar)
        } else {
            let told = done * LINES / total.max(1);
            Drawing::Lines(Mutex::new(Steps { done, earlier: done, told }))
        };
        Self { unit, total, started: Instant::now(), drawing }
    }

    /// Counts one step. Where there is no bar, every tenth of the whole writes a line that ends with `message`.
    pub(crate) fn advance(&self, message: impl FnOnce() -> String) {
        match &self.drawing {
            Drawing::Nothing => {}
            Drawing::Bar(bar) => {
                bar.set_message(message());
                bar.inc(1);
            }
            Drawing::Lines(steps) => {
                let mut steps = steps.lock().unwrap_or_else(PoisonError::into_inner);
                steps.done += 1;
                let tenths = steps.done * LINES / self.total.max(1);
                if tenths > steps.told {
                    steps.told = tenths;
                    tell(format_args!("{}  {}", self.line(&steps, self.started.elapsed()), message()));
                }
            }
        }
    }

    /// Counts one step; where there is no bar, nothing is written.
    pub(crate) fn advance_bar(&self) {
        if let Drawing::Bar(bar) = &self.drawing {
            bar.inc(1);
        }
    }

    /// Writes a line, above the bar if there is one.
    pub(crate) fn print(&self, line: impl FnOnce() -> String) {
        match &self.drawing {
            Drawing::Nothing => {}
            Drawing::Bar(bar) => bar.println(line()),
            Drawing::Lines(_) => tell(line()),
        }
    }

    fn line(&self, steps: &Steps, elapsed: Duration) -> String {
        let (done, total) = (steps.done, self.total);
        let new = steps.done.saturating_sub(steps.earlier).max(1);
        let left = elapsed.as_secs_f64() / new as f64 * total.saturating_sub(done) as f64;
        let percent = 100 * done / total.max(1);
        format!("{percent:>3} %  {done}/{total} {}  {} left", self.unit, in_words(left))
    }
}

impl Drop for Progress {
    fn drop(&mut self) {
        if let Drawing::Bar(bar) = &self.drawing {
            bar.finish_and_clear();
        }
    }
}

/// `45 s`, `12 min`, `3.5 h`: a time in seconds as people say it.
pub(crate) fn in_words(seconds: f64) -> String {
    if seconds < 100.0 {
        format!("{seconds:.0} s")
    } else if seconds < 6000.0 {
        format!("{:.0} min", seconds / 60.0)
    } else {
        format!("{:.1} h", seconds / 3600.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_says_how_much_is_done_and_how_long_the_rest_takes() {
        let progress = Progress::new(0, 40, "epochs", true);
        let steps = Steps { done: 30, earlier: 20, told: 0 };
        assert_eq!(progress.line(&steps, Duration::from_secs(20)), " 75 %  30/40 epochs  20 s left");
        assert_eq!(["45 s", "2 min", "2.0 h"].map(String::from), [45.0, 119.0, 7200.0].map(in_words));
    }
}
