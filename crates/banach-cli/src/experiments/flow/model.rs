//! Trained networks of optical flow as files.

use super::estimator::Estimator;
use super::network::{Network, Shape};
use super::{pytorch, settings};
use crate::error::Error;
use crate::experiments::trained::Files;
use burn::tensor::Device;
use std::path::Path;

const ADVICE: &str = "name the results folder of a `banach train flow`, whose model.json describes best.bpk, or a file of weights from PyTorch";

/// The network in a folder or a file of weights from PyTorch, ready to estimate flow.
pub(crate) fn read(path: &Path) -> Result<(Shape, Estimator), Error> {
    let device = Device::flex();
    let (shape, network) = network(path, &device)?;
    Ok((shape, Estimator::new(network, &device)))
}

/// The network of these files in the command, ready to estimate flow.
pub(crate) fn decode(description: &[u8], weights: &[u8]) -> Result<(Shape, Estimator), Error> {
    let (folder, device) = (Path::new("the command itself"), Device::flex());
    let files =
        Files { folder, advice: ADVICE, description: description.to_vec(), weights: weights.to_vec() };
    let (shape, network) = built(files, &device)?;
    Ok((shape, Estimator::new(network, &device)))
}

/// The network in a folder or a file of weights from PyTorch.
pub(crate) fn network(path: &Path, device: &Device) -> Result<(Shape, Network), Error> {
    if path.is_file() {
        return pytorch::read(path, device);
    }
    built(Files::read(path, ADVICE)?, device)
}

/// The network that files describe.
fn built(files: Files<'_>, device: &Device) -> Result<(Shape, Network), Error> {
    let shape: Shape = files.description()?;
    let network = Network::new(shape, 0, &settings::evaluation(), device)?;
    Ok((shape, files.load(network)?))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::experiments::flow::flownet::Variant;
    use crate::experiments::trained;
    use crate::options::LayerName;
    use burn::module::{Module, ModuleMapper, Param};
    use burn::tensor::{FloatDType, Tensor};
    use std::path::PathBuf;

    /// Weights in half precision.
    struct Half;

    impl ModuleMapper for Half {
        fn map_float<const D: usize>(&mut self, param: Param<Tensor<D>>) -> Param<Tensor<D>> {
            param.map(|weight| weight.cast(FloatDType::F16))
        }
    }

    struct Folder(PathBuf);

    impl Drop for Folder {
        fn drop(&mut self) {
            let _ = std::fs::remove_dir_all(&self.0);
        }
    }

    #[test]
    fn weights_in_half_precision_take_half_the_memory_and_are_read_back() {
        let folder = Folder(std::env::temp_dir().join(format!("banach-half-{}", std::process::id())));
        let device = Device::flex();
        let shape = Shape { layer: LayerName::FpiNn, width: 0.1, gain: Some(0.9), variant: Variant::Paper };
        let network = Network::new(shape, 3, &settings::evaluation(), &device).unwrap();
        let bytes = || {
            let files = Files::read(&folder.0, ADVICE).unwrap();
            files.weights.len()
        };
        std::fs::create_dir_all(&folder.0).unwrap();
        trained::write(&folder.0, &shape, &network).unwrap();
        let whole = bytes();
        trained::write(&folder.0, &shape, &network.clone().map(&mut Half)).unwrap();
        assert!(bytes() < whole * 11 / 20, "{} of {whole}", bytes());
        let (found, back) = super::network(&folder.0, &device).unwrap();
        assert_eq!(found, shape);
        let images = Tensor::ones([1, 6, 64, 64], &device) * 0.7;
        let finest = |network: &Network| network.flows(images.clone()).pop().unwrap();
        let (one, other) = (finest(&network), finest(&back));
        let difference = (one.clone() - other).abs().max().into_scalar::<f32>();
        let greatest = one.abs().max().into_scalar::<f32>();
        assert!(difference < 1e-2 * greatest && difference > 0.0, "{difference} of {greatest}");
    }

    /// Writes `models/flow` from the results folder that `BANACH_FLOW` names.
    #[test]
    #[ignore = "replaces the network inside the command"]
    fn the_shipped_network_is_written() {
        let (from, device) = (std::env::var("BANACH_FLOW").unwrap(), Device::flex());
        let (shape, network) = super::network(Path::new(&from), &device).unwrap();
        let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("models/flow");
        trained::write(&folder, &shape, &network.map(&mut Half)).unwrap();
    }
}
