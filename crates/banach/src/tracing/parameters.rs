//! Collection of a module's parameters, in visiting order and without duplicates.

use crate::error::Error;
use banach_program::Value;
use burn::module::{Flag, Module, ModuleMapper, ModuleVisitor, Param, ParamId};
use burn::tensor::{Bool, Int, Tensor};
use std::collections::HashMap;

/// The parameters of a module: live tensors, tracked if the module's are.
#[derive(Debug, Default)]
pub(crate) struct Parameters {
    pub(crate) ids: Vec<ParamId>,
    pub(crate) values: Vec<Value>,
    /// The field of the module that holds each parameter first, such as `state.weight`.
    pub(crate) names: Vec<String>,
    /// Which parameters no gradient may change.
    frozen: Vec<bool>,
    /// For every place that holds a parameter, which one it is.
    pub(crate) places: Vec<usize>,
    /// The flags of layers that behave differently in training, by which a frozen layer is known.
    pub(crate) flags: Vec<(ParamId, bool)>,
    path: Vec<String>,
    containers: Vec<String>,
    /// The layers in training mode that are no functions of their inputs.
    random: Vec<String>,
    /// Whether parameters that are not yet initialized are left out.
    initialized: bool,
}

impl Parameters {
    /// Collects the parameters of a module.
    pub(crate) fn of<M: Module>(module: &M) -> Self {
        let mut parameters = Parameters::default();
        module.visit(&mut parameters);
        parameters
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

    /// A layer in training mode that draws random numbers or computes batch statistics, whether it is used or not. The
    /// input tells whether a module without parameters is trained.
    pub(crate) fn random(&self, z: &[Value]) -> Option<String> {
        let witnesses = if self.values.is_empty() { z } else { &self.values };
        let training = witnesses.iter().any(|value| value.device().is_autodiff());
        (training && !self.random.is_empty()).then(|| self.random.join(" or "))
    }

    /// The parameters that are trained on Burn's tape, by position.
    pub(crate) fn tracked(&self) -> Vec<usize> {
        self.trained().into_iter().filter(|&at| self.values[at].device().is_autodiff()).collect()
    }

    /// The float parameters that are trained, by position; all of them, where the module is off the tape.
    pub(crate) fn trained(&self) -> Vec<usize> {
        (0..self.ids.len()).filter(|&at| self.values[at].ty().kind.is_float() && !self.frozen[at]).collect()
    }

    fn add(&mut self, id: ParamId, value: Value, frozen: bool) {
        let known = self.ids.iter().position(|known| *known == id);
        self.places.push(known.unwrap_or(self.ids.len()));
        if known.is_none() {
            self.ids.push(id);
            self.values.push(value);
            self.names.push(self.path.join("."));
            self.frozen.push(frozen);
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
        self.add(param.id, tensor.into(), frozen);
    }

    fn visit_int<const D: usize>(&mut self, param: &Param<Tensor<D, Int>>) {
        self.add(param.id, param.val().into(), true);
    }

    fn visit_bool<const D: usize>(&mut self, param: &Param<Tensor<D, Bool>>) {
        self.add(param.id, param.val().into(), true);
    }

    fn visit_flag(&mut self, flag: &Param<Flag>) {
        self.flags.push((flag.id, flag.is_enabled()));
        let random = ["Struct:Dropout", "Struct:BatchNorm", "Struct:GaussianNoise", "Struct:RRelu"];
        if let Some(layer) = self.containers.iter().find(|layer| random.contains(&layer.as_str()))
            && flag.is_enabled()
        {
            let layer = layer.trim_start_matches("Struct:").to_owned();
            if !self.random.contains(&layer) {
                self.random.push(layer);
            }
        }
    }

    fn enter_module(&mut self, name: &str, container_type: &str) {
        self.path.push(name.into());
        self.containers.push(container_type.into());
    }

    fn exit_module(&mut self, _name: &str, _container_type: &str) {
        self.path.pop();
        self.containers.pop();
    }
}

/// Replaces the parameters of a module by others of the same shapes.
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

    /// The same, which also sets flags of layers.
    pub(crate) fn with_flags(mut self, flags: &[(ParamId, bool)]) -> Self {
        self.flags = flags.iter().copied().collect();
        self
    }

    fn take(&self, id: ParamId) -> Value {
        let value = self.values.get(&id).cloned();
        value.unwrap_or_else(|| {
            panic!("parameter {id} is mapped but was not visited: Module::map and visit differ")
        })
    }
}

impl ModuleMapper for Replacement {
    fn map_float<const D: usize>(&mut self, param: Param<Tensor<D>>) -> Param<Tensor<D>> {
        let tensor = self.take(param.id).try_into_tensor();
        Param::initialized(param.id, tensor.unwrap_or_else(|error| panic!("{error}")))
    }

    fn map_int<const D: usize>(&mut self, param: Param<Tensor<D, Int>>) -> Param<Tensor<D, Int>> {
        let tensor = self.take(param.id).try_into_int();
        Param::initialized(param.id, tensor.unwrap_or_else(|error| panic!("{error}")))
    }

    fn map_bool<const D: usize>(&mut self, param: Param<Tensor<D, Bool>>) -> Param<Tensor<D, Bool>> {
        let tensor = self.take(param.id).try_into_bool();
        Param::initialized(param.id, tensor.unwrap_or_else(|error| panic!("{error}")))
    }

    fn map_flag(&mut self, flag: Param<Flag>) -> Param<Flag> {
        match self.flags.get(&flag.id) {
            Some(&enabled) => flag.with_value(enabled),
            None => flag,
        }
    }
}
