//! Collection of a module's parameters, in visiting order and without duplicates.

use crate::error::Error;
use banach_program::Value;
use burn::module::{Flag, Module, ModuleMapper, ModuleVisitor, Param, ParamId};
use burn::tensor::{Bool, Int, Tensor};
use std::collections::HashMap;

/// The parameters of a module: live tensors, tracked if those of the module are.
#[derive(Debug, Default)]
pub(crate) struct Parameters {
    pub(crate) ids: Vec<ParamId>,
    pub(crate) values: Vec<Value>,
    /// Which parameters are not trained.
    frozen: Vec<bool>,
    /// The position of the parameter for every place in the module that holds one.
    pub(crate) places: Vec<usize>,
    /// The flags of layers that behave differently in training; they tell whether such a layer is frozen.
    pub(crate) flags: Vec<(ParamId, bool)>,
    /// The kinds of the modules around the place that is visited, where they are among [`RANDOM`].
    containers: Vec<Option<usize>>,
    /// The layers in training mode that are no functions of their inputs, as positions in [`RANDOM`].
    random: Vec<usize>,
    /// Whether parameters that are not yet initialized are left out.
    initialized: bool,
    /// The names of the parameters, if they are collected.
    names: Option<Names>,
}

/// The names of parameters, and the path to the module that is visited.
#[derive(Debug, Default)]
struct Names {
    path: Vec<String>,
    names: Vec<String>,
}

/// Layers that in training mode draw random numbers or compute batch statistics.
const RANDOM: [&str; 4] = ["Struct:Dropout", "Struct:BatchNorm", "Struct:GaussianNoise", "Struct:RRelu"];

impl Parameters {
    /// Collects the parameters of a module.
    pub(crate) fn of<M: Module>(module: &M) -> Self {
        let mut parameters = Parameters::default();
        module.visit(&mut parameters);
        parameters
    }

    /// Collects the names of the parameters of a module: the field that holds each of them first, such as `state.weight`.
    pub(crate) fn names_of<M: Module>(module: &M) -> Vec<String> {
        let mut parameters = Parameters { names: Some(Names::default()), ..Parameters::default() };
        module.visit(&mut parameters);
        parameters.names.unwrap_or_default().names
    }

    /// Collects the parameters that a module has initialized, and initializes none.
    pub(crate) fn of_initialized<M: Module>(module: &M) -> Self {
        let mut parameters = Parameters { initialized: true, ..Parameters::default() };
        module.visit(&mut parameters);
        parameters
    }

    /// Refuses quantized parameters and parameters on several devices.
    pub(crate) fn validate(&self) -> Result<(), Error> {
        if self.values.iter().any(Value::is_quantized) {
            return Err(Error::Quantized);
        }
        Ok(Value::on_one_device(&self.values)?)
    }

    /// Names the layers in training mode that draw random numbers or compute batch statistics, used or not. A module
    /// without parameters is in training if its input z is on a training device.
    pub(crate) fn random(&self, z: &[Value]) -> Option<String> {
        let witnesses = if self.values.is_empty() { z } else { &self.values };
        let training = witnesses.iter().any(|value| value.device().is_autodiff());
        let names = || self.random.iter().map(|&kind| RANDOM[kind].trim_start_matches("Struct:"));
        (training && !self.random.is_empty()).then(|| names().collect::<Vec<_>>().join(" or "))
    }

    /// Returns the positions of the parameters that are trained on Burn's tape.
    pub(crate) fn tracked(&self) -> Vec<usize> {
        self.trained().into_iter().filter(|&at| self.values[at].device().is_autodiff()).collect()
    }

    /// Returns the positions of the float parameters that are trained; off the tape, of all float parameters.
    pub(crate) fn trained(&self) -> Vec<usize> {
        (0..self.ids.len()).filter(|&at| self.values[at].ty().kind.is_float() && !self.frozen[at]).collect()
    }

    fn add(&mut self, id: ParamId, frozen: bool, value: impl FnOnce() -> Value) {
        let known = self.ids.iter().position(|known| *known == id);
        self.places.push(known.unwrap_or(self.ids.len()));
        if known.is_none() {
            self.ids.push(id);
            self.values.push(value());
            self.frozen.push(frozen);
            if let Some(Names { path, names }) = &mut self.names {
                names.push(path.join("."));
            }
        }
    }
}

impl ModuleVisitor for Parameters {
    fn visit_float<const D: usize>(&mut self, param: &Param<Tensor<D>>) {
        if self.initialized && !param.is_initialized() {
            return;
        }
        let tensor = param.val();
        let frozen = tensor.device().is_autodiff() && !tensor.is_require_grad();
        self.add(param.id, frozen, || tensor.into());
    }

    fn visit_int<const D: usize>(&mut self, param: &Param<Tensor<D, Int>>) {
        self.add(param.id, true, || param.val().into());
    }

    fn visit_bool<const D: usize>(&mut self, param: &Param<Tensor<D, Bool>>) {
        self.add(param.id, true, || param.val().into());
    }

    fn visit_flag(&mut self, flag: &Param<Flag>) {
        self.flags.push((flag.id, flag.is_enabled()));
        if let Some(kind) = self.containers.iter().flatten().next()
            && flag.is_enabled()
            && !self.random.contains(kind)
        {
            self.random.push(*kind);
        }
    }

    fn enter_module(&mut self, name: &str, container_type: &str) {
        self.containers.push(RANDOM.iter().position(|random| *random == container_type));
        if let Some(names) = &mut self.names {
            names.path.push(name.into());
        }
    }

    fn exit_module(&mut self, _name: &str, _container_type: &str) {
        self.containers.pop();
        if let Some(names) = &mut self.names {
            names.path.pop();
        }
    }
}

/// Replaces the parameters of a module by others of equal shapes.
#[derive(Debug)]
pub(crate) struct Replacement {
    values: HashMap<ParamId, Value>,
    /// The flags to set; others stay.
    flags: HashMap<ParamId, bool>,
}

impl Replacement {
    pub(crate) fn new(ids: &[ParamId], values: &[Value]) -> Self {
        let values = ids.iter().copied().zip(values.iter().cloned()).collect();
        Replacement { values, flags: HashMap::new() }
    }

    /// Sets flags of layers as well.
    pub(crate) fn with_flags(mut self, flags: &[(ParamId, bool)]) -> Self {
        self.flags = flags.iter().copied().collect();
        self
    }

    fn value(&self, id: ParamId) -> Value {
        let value = self.values.get(&id).cloned();
        value.unwrap_or_else(|| {
            panic!("found parameter {id} in Module::map, expected one that Module::visit visits")
        })
    }
}

impl ModuleMapper for Replacement {
    fn map_float<const D: usize>(&mut self, param: Param<Tensor<D>>) -> Param<Tensor<D>> {
        let tensor = self.value(param.id).try_into_tensor();
        Param::initialized(param.id, tensor.unwrap_or_else(|error| panic!("{error}")))
    }

    fn map_int<const D: usize>(&mut self, param: Param<Tensor<D, Int>>) -> Param<Tensor<D, Int>> {
        let tensor = self.value(param.id).try_into_int();
        Param::initialized(param.id, tensor.unwrap_or_else(|error| panic!("{error}")))
    }

    fn map_bool<const D: usize>(&mut self, param: Param<Tensor<D, Bool>>) -> Param<Tensor<D, Bool>> {
        let tensor = self.value(param.id).try_into_bool();
        Param::initialized(param.id, tensor.unwrap_or_else(|error| panic!("{error}")))
    }

    fn map_flag(&mut self, flag: Param<Flag>) -> Param<Flag> {
        match self.flags.get(&flag.id) {
            Some(&enabled) => flag.with_value(enabled),
            None => flag,
        }
    }
}
