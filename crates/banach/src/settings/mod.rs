//! Settings of a layer and the reports of its solves.

pub(crate) mod configuration;
pub(crate) mod gradient;
pub(crate) mod journal;
pub(crate) mod lock;
pub(crate) mod precision;
pub(crate) mod report;
pub(crate) mod strict;
pub(crate) mod trial;
