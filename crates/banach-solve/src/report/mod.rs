//! Results of solves: solutions with statistics, traces, changes of method and advice.

pub(crate) mod advice;
mod explain;
pub(crate) mod rate;
mod record;
mod solution;
mod solver_kind;
mod statistics;
mod switch;
mod transfers;

pub use advice::{ResidualTrend, advice};
pub use record::Record;
pub use solution::Solution;
pub use solver_kind::SolverKind;
pub use statistics::Statistics;
pub use switch::{Method, Reason, Switch};
pub use transfers::Transfers;
