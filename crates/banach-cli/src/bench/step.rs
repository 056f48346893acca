//! A training step: a loss, its value, and its gradient by the tape or compiled.

use crate::error::Error;
use crate::options::{BackwardName, ConvolutionName, EngineName};
use banach::Objective;
use banach::program::Tensors;
use burn::module::{Module, ModuleDisplay};
use burn::optim::GradientsParams;
use burn::tensor::Tensor;

/// The loss of a module for a batch, and the backward to its gradient.
pub(crate) enum Step<M, I> {
    /// Recorded by Burn anew in every step.
    Tape(Loss<M, I>),
    /// Compiled in the first step.
    Compiled(Box<Objective<M, I>>),
}

/// One number for a batch.
type Loss<M, I> = fn(&M, I) -> Tensor<1>;

impl<M: Module + ModuleDisplay + 'static, I: Tensors + 'static> Step<M, I> {
    /// A step by the backward given.
    pub(crate) fn new(backward: BackwardName, engine: EngineName, loss: Loss<M, I>) -> Self {
        match backward {
            BackwardName::Tape => Self::Tape(loss),
            BackwardName::Compiled => {
                Self::Compiled(Box::new(Objective::new(loss).with_engine(engine.engine())))
            }
        }
    }

    /// The step with another method for its convolutions, where it is compiled; layers in it have their own setting.
    pub(crate) fn with_convolution(self, convolution: ConvolutionName) -> Self {
        match self {
            Self::Tape(loss) => Self::Tape(loss),
            Self::Compiled(objective) => {
                Self::Compiled(Box::new(objective.with_convolution(convolution.convolution())))
            }
        }
    }

    /// The loss and its gradient for every parameter, as an optimizer takes it.
    pub(crate) fn take(&self, module: &M, batch: I) -> Result<(f64, GradientsParams), Error> {
        match self {
            Self::Tape(loss) => {
                let loss = loss(module, batch);
                let value = f64::from(loss.clone().into_scalar::<f32>());
                Ok((value, GradientsParams::from_grads(loss.backward(), module)))
            }
            Self::Compiled(objective) => objective.value_and_gradient(module, batch).map_err(Error::layer),
        }
    }
}
