//! Recipes: the settings that each layer has if no option changes them.

use crate::dataset::example::Widths;
use crate::options::{LayerName, RecipeName};

/// The settings that no option names, and defaults for those that an option may change.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Recipe {
    pub(crate) epochs: usize,
    pub(crate) batch: usize,
    pub(crate) hidden: usize,
    /// None where labels do not act on one another through units of their own.
    pub(crate) label_units: Option<usize>,
    pub(crate) learning_rate: f64,
    /// After an epoch, as a part of the one before it.
    pub(crate) learning_rate_decay: f64,
    pub(crate) weight_decay: f64,
    pub(crate) dropout: f64,
    pub(crate) input_dropout: f64,
    pub(crate) f1_weight: f64,
    /// How much of the running mean of the weights stays at a step.
    pub(crate) averaging: f64,
}

/// What makes a network: its layer, its architecture and its sizes.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Shape {
    pub(crate) recipe: RecipeName,
    pub(crate) layer: LayerName,
    pub(crate) widths: Widths,
    pub(crate) hidden: usize,
    pub(crate) label_units: Option<usize>,
    pub(crate) f1_weight: f64,
}

/// Hidden units through which labels act on one another.
const LABEL_UNITS: usize = 100;
/// Hidden units of the published map.
pub(crate) const PUBLISHED_HIDDEN: usize = 600;

impl Recipe {
    /// What `name` gives to `layer`.
    pub(crate) fn of(name: RecipeName, layer: LayerName) -> Self {
        match name {
            RecipeName::Published => Self::published(layer),
            RecipeName::Tuned => Self::tuned(layer),
        }
    }

    /// About how long training and evaluating takes for one example of one epoch of Bibtex, in seconds on two cores;
    /// none where it was not measured.
    pub(crate) fn seconds_per_example(name: RecipeName, layer: LayerName) -> Option<f64> {
        let milliseconds = match (name, layer) {
            (
                _,
                LayerName::Spen
                | LayerName::SpenE2e
                | LayerName::SpenImplicit
                | LayerName::Icnn
                | LayerName::IcnnImplicit
                | LayerName::DvnGt
                | LayerName::DvnAdversarial
                | LayerName::NoLayer
                | LayerName::Variational,
            ) => return None,
            (RecipeName::Tuned, LayerName::Mlp | LayerName::Feedforward) => 0.10,
            (RecipeName::Tuned, LayerName::FpiNn | LayerName::FpiGd) => 0.12,
            (RecipeName::Published, LayerName::Mlp | LayerName::Feedforward) => 0.12,
            (RecipeName::Published, LayerName::FpiNn) => 0.30,
            (RecipeName::Published, LayerName::FpiGd) => 0.15,
        };
        Some(1e-3 * milliseconds)
    }

    /// The network that `name` gives to `layer` for data of these widths.
    pub(crate) fn shape(name: RecipeName, layer: LayerName, widths: Widths) -> Shape {
        let Self { hidden, label_units, f1_weight, .. } = Self::of(name, layer);
        Shape { recipe: name, layer, widths, hidden, label_units, f1_weight }
    }

    fn published(layer: LayerName) -> Self {
        let descends = layer == LayerName::FpiGd;
        let is_cell = matches!(layer, LayerName::Mlp | LayerName::Feedforward | LayerName::FpiNn) || descends;
        Self {
            epochs: 30,
            batch: if descends { 80 } else { 40 },
            hidden: if descends { 512 } else { PUBLISHED_HIDDEN },
            label_units: (!is_cell).then_some(LABEL_UNITS),
            learning_rate: 1e-3,
            learning_rate_decay: 1.0,
            weight_decay: 0.0,
            dropout: 0.0,
            input_dropout: 0.0,
            f1_weight: 0.0,
            averaging: 0.0,
        }
    }

    /// Chosen on validation data alone.
    fn tuned(layer: LayerName) -> Self {
        Self {
            epochs: 20,
            batch: 100,
            hidden: 600,
            label_units: (layer != LayerName::Mlp).then_some(LABEL_UNITS),
            learning_rate: 2e-3,
            learning_rate_decay: 0.9,
            weight_decay: 0.01,
            dropout: 0.5,
            input_dropout: 0.3,
            f1_weight: if layer.scores_outputs() { 0.3 } else { 0.0 },
            averaging: 0.99,
        }
    }
}
