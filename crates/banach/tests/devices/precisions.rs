//! Precisions other than single: refused where the device does not compute in them.

use crate::{device, update};
use banach::{Engine, FixedPoint, FixedPointConfig};
use burn::module::Module;
use burn::tensor::{DType, Device, FloatDType, Tensor};

#[derive(Module, Debug)]
struct Half {
    factor: f64,
}

update!(Half, Tensor<2>, Tensor<2>, |this, z| z.zeros_like(), |x, z| (x * this.factor + z).tanh());

/// Solves x = tanh(x / 2 + z) in a precision.
fn solved(precision: FloatDType, device: &Device) -> Result<(bool, Vec<f64>), String> {
    let config = FixedPointConfig::new().with_engine(Engine::Device);
    let layer: FixedPoint<Half> = config.init(Half { factor: 0.5 }).unwrap();
    let z = Tensor::<2>::from_data([[0.3, -0.2], [0.7, 0.1]], (device, DType::F32)).cast(precision);
    let solution = layer.solve(z).map_err(|error| error.to_string())?;
    let converged = solution.report().converged();
    Ok((converged, solution.into_value().into_data().iter::<f64>().collect()))
}

#[test]
fn a_precision_is_right_or_refused() {
    let (_, expected) = solved(FloatDType::F64, &Device::flex()).unwrap();
    for (precision, allowed) in [(FloatDType::F64, 1e-4), (FloatDType::F16, 5e-3), (FloatDType::BF16, 4e-2)] {
        for device in [Device::flex(), device()] {
            match solved(precision, &device) {
                Err(error) => {
                    assert!(device != Device::flex(), "{precision:?}: {error}");
                    assert!(error.contains("the CPU for this precision") && !error.contains('\n'), "{error}");
                }
                Ok((converged, found)) => {
                    assert!(converged, "{precision:?} on {device:?}");
                    let close = |(a, b): (&f64, &f64)| (a - b).abs() < allowed;
                    assert!(
                        found.iter().zip(&expected).all(close),
                        "{precision:?} on {device:?}: {found:?}, {expected:?}"
                    );
                }
            }
        }
    }
}
