//! What is θ? The parameters of a module in visiting order, each once, whatever it is used for.

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
    /// Which of them a gradient may change.
    steady: Vec<bool>,
    /// For every place that holds a parameter, which one it is.
    pub(crate) places: Vec<usize>,
    inside: Vec<String>,
    /// A layer in training mode that is no function.
    unsteady: Option<String>,
}

impl Parameters {
    /// Collects the parameters of an update; the input tells whether an update without any is trained.
    pub(crate) fn of<M: Module>(module: &M, z: &[Value]) -> Result<Self, Error> {
        let mut parameters = Parameters::default();
        module.visit(&mut parameters);
        let witnesses = if parameters.values.is_empty() { z } else { &parameters.values };
        let training = witnesses.iter().any(|value| value.device().is_autodiff());
        match parameters.unsteady.take().filter(|_| training) {
            Some(found) => Err(Error::NoFunction { found }),
            None => Ok(parameters),
        }
    }

    /// The float parameters that are trained, by position; all of them, where the module is off the tape.
    pub(crate) fn trained(&self) -> Vec<usize> {
        (0..self.ids.len()).filter(|&at| self.values[at].ty().kind.is_float() && !self.steady[at]).collect()
    }

    fn add(&mut self, id: ParamId, value: Value, steady: bool) {
        let known = self.ids.iter().position(|known| *known == id);
        self.places.push(known.unwrap_or(self.ids.len()));
        if known.is_none() {
            self.ids.push(id);
            self.values.push(value);
            self.steady.push(steady);
        }
    }
}

impl ModuleVisitor for Parameters {
    fn visit_float<const D: usize>(&mut self, param: &Param<Tensor<D>>) {
        let tensor = param.val();
        let steady = tensor.device().is_autodiff() && !tensor.is_require_grad();
        self.add(param.id, tensor.into(), steady);
    }

    fn visit_int<const D: usize>(&mut self, param: &Param<Tensor<D, Int>>) {
        self.add(param.id, param.val().into(), true);
    }

    fn visit_bool<const D: usize>(&mut self, param: &Param<Tensor<D, Bool>>) {
        self.add(param.id, param.val().into(), true);
    }

    fn visit_flag(&mut self, flag: &Param<Flag>) {
        let unsteady = ["Struct:Dropout", "Struct:BatchNorm", "Struct:GaussianNoise", "Struct:RRelu"];
        if let Some(layer) = self.inside.iter().find(|layer| unsteady.contains(&layer.as_str()))
            && flag.is_enabled()
        {
            self.unsteady = Some(layer.trim_start_matches("Struct:").into());
        }
    }

    fn enter_module(&mut self, _name: &str, container_type: &str) {
        self.inside.push(container_type.into());
    }

    fn exit_module(&mut self, _name: &str, _container_type: &str) {
        self.inside.pop();
    }
}

/// Replaces the parameters of a module by others of the same shapes.
#[derive(Debug)]
pub(crate) struct Replacement {
    values: HashMap<ParamId, Value>,
}

impl Replacement {
    pub(crate) fn new(ids: &[ParamId], values: &[Value]) -> Self {
        Replacement { values: ids.iter().copied().zip(values.iter().cloned()).collect() }
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
}
