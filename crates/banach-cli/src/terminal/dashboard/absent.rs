//! The dashboard of a build without it: a type without values.

use crate::error::Error;
use crate::terminal::dashboard::metric::{Metric, Split};
use crate::terminal::interruption::Interruption;

/// A dashboard that is never open.
#[derive(Debug)]
pub(crate) enum Dashboard {}

/// Refuses the dashboard.
pub(crate) fn check() -> Result<(), Error> {
    Err(refusal())
}

fn refusal() -> Error {
    Error::Setting {
        found: "--dashboard".into(),
        expected: "a build with the feature `dashboard`, which draws it with burn-train".into(),
        advice: "build with `cargo run --release --features dashboard`, or leave out --dashboard".into(),
    }
}

impl Dashboard {
    pub(crate) fn open(_: usize, _: usize, _: &[Metric], _: &Interruption) -> Result<Self, Error> {
        Err(refusal())
    }

    pub(crate) fn start_split(&mut self, _: Split, _: usize) {
        match *self {}
    }

    pub(crate) fn mini_batch(&mut self, _: &[(Metric, f64)], _: usize, _: usize) {
        match *self {}
    }

    pub(crate) fn end_split(&mut self) {
        match *self {}
    }

    pub(crate) fn end_epoch(&mut self, _: usize) {
        match *self {}
    }
}
