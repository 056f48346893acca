//! Changes of method, and their reasons.

use serde::{Deserialize, Serialize};
use std::fmt;

/// A change of method in one row, by [`Auto`](crate::Auto).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Switch {
    /// The row.
    pub row: usize,
    /// The number of steps before the change.
    pub step: usize,
    /// The method before the change.
    pub from: Method,
    /// The method after the change.
    pub to: Method,
    /// The reason.
    pub reason: Reason,
}

/// A method of solution for one row.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum Method {
    /// Plain iteration.
    Picard,
    /// Anderson acceleration.
    Anderson,
    /// Broyden's method.
    Broyden,
    /// Newton's method, from the start of the row.
    Newton,
}

/// The reason to leave a method.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum Reason {
    /// The residual fell too slowly to meet the tolerance soon.
    Slow,
    /// The residual grew.
    Growing,
    /// The residual did not halve in the steps allowed.
    Stagnant,
    /// A plain step led to where the map is not finite.
    NonFinite,
}

impl fmt::Display for Method {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Picard => "picard",
            Self::Anderson => "anderson",
            Self::Broyden => "broyden",
            Self::Newton => "newton",
        })
    }
}

impl fmt::Display for Reason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Slow => "the residual fell too slowly",
            Self::Growing => "the residual grew",
            Self::Stagnant => "the residual stagnated",
            Self::NonFinite => "the map was not finite",
        })
    }
}

/// Describes every change of method in a sentence; empty for no changes.
pub(super) fn described(switches: &[Switch]) -> String {
    let mut text = String::new();
    let mut changes: Vec<(Method, Method)> = Vec::new();
    for switch in switches {
        let change = (switch.from, switch.to);
        if changes.contains(&change) {
            continue;
        }
        changes.push(change);
        let count = switches.iter().filter(|other| (other.from, other.to) == change).count();
        let Switch { row, step, from, to, reason } = switch;
        text += &format!(
            " {count} went from {from} to {to}, the first, row {row}, after {step} steps because {reason}."
        );
    }
    text
}
