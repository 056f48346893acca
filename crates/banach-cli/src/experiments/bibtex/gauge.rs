//! Which numbers does the dashboard draw while the network trains?

use super::step::StepOutput;
use burn::tensor::TensorReadError;
use burn::train::metric::state::{FormatOptions, NumericMetricState};
use burn::train::metric::{
    Adaptor, Metric, MetricAttributes, MetricMetadata, MetricName, Numeric, NumericAttributes, NumericEntry,
    SerializedEntry,
};
use std::sync::Arc;

/// What a gauge reads from one mini-batch.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Reading {
    loss: f64,
    f1_at_half: f64,
    forward_steps: f64,
    adjoint_steps: f64,
    unconverged_rows: f64,
    rows: usize,
}

impl Adaptor<Reading> for StepOutput {
    fn adapt(&self) -> Reading {
        Reading {
            loss: self.loss,
            f1_at_half: self.f1_at_half.unwrap_or(f64::NAN),
            forward_steps: self.work.forward_steps,
            adjoint_steps: self.work.adjoint_steps,
            unconverged_rows: self.work.unconverged_rows as f64,
            rows: self.rows,
        }
    }
}

/// One number of a mini-batch, averaged over its rows.
#[derive(Clone)]
pub(crate) struct Gauge {
    name: &'static str,
    higher_is_better: bool,
    read: fn(&Reading) -> f64,
    state: NumericMetricState,
}

impl Gauge {
    fn new(name: &'static str, higher_is_better: bool, read: fn(&Reading) -> f64) -> Self {
        Self { name, higher_is_better, read, state: NumericMetricState::default() }
    }

    /// What is minimised.
    pub(crate) fn loss() -> Self {
        Self::new("Loss", false, |reading| reading.loss)
    }

    /// F1 with outputs rounded at one half, in percent.
    pub(crate) fn f1_at_half() -> Self {
        Self::new("F1 at one half", true, |reading| reading.f1_at_half)
    }

    /// Mean steps of the forward solver.
    pub(crate) fn forward_steps() -> Self {
        Self::new("Forward steps", false, |reading| reading.forward_steps)
    }

    /// Mean steps of the adjoint solver.
    pub(crate) fn adjoint_steps() -> Self {
        Self::new("Adjoint steps", false, |reading| reading.adjoint_steps)
    }

    /// Rows that did not converge.
    pub(crate) fn unconverged_rows() -> Self {
        Self::new("Unconverged rows", false, |reading| reading.unconverged_rows)
    }

    fn format(&self) -> FormatOptions {
        FormatOptions::new(self.name()).precision(3)
    }
}

impl Metric for Gauge {
    type Input = Reading;

    fn name(&self) -> MetricName {
        Arc::new(self.name.to_string())
    }

    fn attributes(&self) -> MetricAttributes {
        NumericAttributes { unit: None, higher_is_better: self.higher_is_better }.into()
    }

    fn update(&mut self, reading: &Reading, _: &MetricMetadata) -> Result<SerializedEntry, TensorReadError> {
        self.state.update((self.read)(reading), reading.rows);
        Ok(self.state.compute_update(self.format()))
    }

    fn compute(&mut self) -> Result<SerializedEntry, TensorReadError> {
        Ok(self.state.compute_final(self.format()))
    }

    fn clear(&mut self) {
        self.state.reset();
    }
}

impl Numeric for Gauge {
    fn value(&self) -> Option<NumericEntry> {
        Some(self.state.current_value())
    }

    fn running_value(&self) -> Option<NumericEntry> {
        Some(self.state.running_value())
    }

    fn final_value(&self) -> NumericEntry {
        self.state.final_value()
    }
}
