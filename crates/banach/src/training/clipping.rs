//! Clipping of a gradient by the norm over all parameters; Burn's own clipping treats each tensor separately.

use crate::error::Error;
use banach_kernels::{Level, careful_norm, square_sum};
use banach_program::{Host, Number, Operand, Value, on_all_cores};
use banach_solve::Rows as _;
use burn::module::{Module, ModuleVisitor, Param, ParamId};
use burn::optim::GradientsParams;
use burn::tensor::Tensor;
use std::collections::HashSet;

/// Scales the gradients of a module together so that their Euclidean norm is at most `longest`, and returns them with their
/// norm before. A parameter that a module holds in several places counts once.
///
/// If the norm is not finite, it is returned with the unchanged gradients; the caller decides whether to drop the step. R. Pascanu, T. Mikolov and Y. Bengio, "On the difficulty of training recurrent neural networks" (2013),
/// algorithm 1.
///
/// ```
/// use banach::clip_gradients;
/// use burn::nn::LinearConfig;
/// use burn::optim::GradientsParams;
/// use burn::tensor::{Device, Tensor};
///
/// let device = Device::flex().autodiff();
/// let layer = LinearConfig::new(2, 1).with_bias(false).init(&device);
/// let loss = layer.forward(Tensor::<2>::from_floats([[3.0, 4.0]], &device)).sum();
/// let gradients = GradientsParams::from_grads(loss.backward(), &layer);
/// let (gradients, norm) = clip_gradients(&layer, gradients, 1.0)?;
/// assert_eq!(norm, 5.0);
/// let clipped: Tensor<2> = gradients.get(layer.weight.id).unwrap();
/// assert!(clipped.into_data().iter::<f64>().zip([0.6, 0.8]).all(|(a, b)| (a - b).abs() < 1e-6));
/// # Ok::<(), banach::Error>(())
/// ```
///
/// # Errors
/// [`Error::Setting`] unless `longest` is above 0. It may be infinite.
pub fn clip_gradients(
    module: &impl Module,
    gradients: GradientsParams,
    longest: f64,
) -> Result<(GradientsParams, f64), Error> {
    if longest.is_nan() || longest <= 0.0 {
        return Err(Error::setting("longest", longest, "a number above 0"));
    }
    let mut measure = Measure { gradients: &gradients, seen: HashSet::new(), norm: 0.0 };
    module.visit(&mut measure);
    let norm = measure.norm;
    if norm <= longest || !norm.is_finite() {
        return Ok((gradients, norm));
    }
    let mut scale = Scale { gradients, seen: HashSet::new(), factor: longest / norm };
    module.visit(&mut scale);
    Ok((scale.gradients, norm))
}

/// Elements that one core sums at a time. Sums do not depend on the number of cores.
const PART: usize = 1 << 14;

struct Measure<'a> {
    gradients: &'a GradientsParams,
    seen: HashSet<ParamId>,
    norm: f64,
}

impl ModuleVisitor for Measure<'_> {
    fn visit_float<const D: usize>(&mut self, param: &Param<Tensor<D>>) {
        let Some(gradient) = self.gradients.get::<D>(param.id).filter(|_| self.seen.insert(param.id)) else {
            return;
        };
        let value = || Value::from(gradient.clone());
        let here = norm::<f32>(value()).or_else(|| norm::<f64>(value()));
        let elsewhere = || {
            let count = gradient.shape().num_elements();
            Tensor::<2>::norms(&[&gradient.clone().reshape([1, count])])[0][0]
        };
        let norm = here.unwrap_or_else(elsewhere);
        // The hypotenuse of NaN and infinity is infinite.
        self.norm = if norm.is_nan() { norm } else { self.norm.hypot(norm) };
    }
}

/// Returns the norm, if the elements are in host memory.
fn norm<T: Number>(gradient: Value) -> Option<f64> {
    let host = Host::<T>::new(gradient).ok()?;
    let Operand::Real(numbers) = host.operand() else { return None };
    let parts = on_all_cores(numbers.chunks(PART), |part| square_sum(Level::best(), part));
    let square: f64 = parts.into_iter().sum();
    if square.is_finite() && square > f64::MIN_POSITIVE / f64::EPSILON {
        return Some(square.sqrt());
    }
    // Squares may have overflowed or underflowed in double precision.
    let parts = on_all_cores(numbers.chunks(PART), |part| careful_norm(Level::best(), part));
    Some(if parts.iter().any(|part| part.is_nan()) {
        f64::NAN
    } else {
        parts.into_iter().fold(0.0, f64::hypot)
    })
}

struct Scale {
    gradients: GradientsParams,
    seen: HashSet<ParamId>,
    factor: f64,
}

impl ModuleVisitor for Scale {
    fn visit_float<const D: usize>(&mut self, param: &Param<Tensor<D>>) {
        if self.seen.insert(param.id)
            && let Some(gradient) = self.gradients.remove::<D>(param.id)
        {
            self.gradients.register(param.id, gradient.mul_scalar(self.factor));
        }
    }
}
