//! Rows that changed their solver, and the reasons.

use serde::{Deserialize, Serialize};
use std::fmt;

/// A row that has moved on from one method to another, under [`Auto`](crate::Auto).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Switch {
    /// The row.
    pub row: usize,
    /// The steps it had taken.
    pub step: usize,
    /// What it used up to there.
    pub from: Method,
    /// What it uses from there on.
    pub to: Method,
    /// Why.
    pub reason: Reason,
}

/// How the state of a row moves.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum Method {
    /// By plain iteration.
    Picard,
    /// By Anderson acceleration.
    Anderson,
    /// By Broyden's method.
    Broyden,
    /// By Newton's method, from the start of the row.
    Newton,
}

/// Why a method did not suffice.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum Reason {
    /// The residual fell too slowly to meet the tolerance soon.
    Slow,
    /// The residual grew.
    Growing,
    /// The residual was not halved for too long.
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

/// A sentence for each way that rows have gone; nothing for no switches.
pub(crate) fn told(switches: &[Switch]) -> String {
    let mut text = String::new();
    let mut ways: Vec<(Method, Method)> = Vec::new();
    for switch in switches {
        let way = (switch.from, switch.to);
        if ways.contains(&way) {
            continue;
        }
        ways.push(way);
        let count = switches.iter().filter(|other| (other.from, other.to) == way).count();
        let Switch { row, step, from, to, reason } = switch;
        text += &format!(
            " {count} went from {from} to {to}, the first, row {row}, after {step} steps because {reason}."
        );
    }
    text
}
