//! Weights of FlowNetS that PyTorch wrote.
//!
//! Their names are those of the network `flownets` of FlowNetPytorch, which released them: `conv3_1.0.weight`,
//! `predict_flow6.weight`. Its flow is in the unit of 20 pixels, as here.

use super::convolutions::Weights;
use super::flownet::{FlowNet, Variant};
use super::network::{Network, Shape};
use crate::error::Error;
use crate::options::LayerName;
use crate::random::Generator;
use burn::store::burn_pack::{DType, Tensor};
use burn::store::{ApplyError, ApplyResult, ModuleSnapshot, ModuleStore, SafetensorsStore};
use burn::tensor::Device;
use std::fmt::Display;
use std::fs::File;
use std::io::Read;
use std::path::Path;

const CONTRACTING: [&str; 10] =
    ["conv1", "conv2", "conv3", "conv3_1", "conv4", "conv4_1", "conv5", "conv5_1", "conv6", "conv6_1"];
/// Output channels of the first convolution of the published network.
const PUBLISHED: f64 = 64.0;
const ADVICE: &str =
    "name the weights of the network flownets of FlowNetPytorch, for example flownets_EPE1.951.pth.tar";

/// FlowNetS with the weights in a file, without a layer.
pub(super) fn read(path: &Path, device: &Device) -> Result<(Shape, Network), Error> {
    let tensors = if is_safetensors(path)? {
        tensors(SafetensorsStore::from_file(path).map_indices_contiguous(false), path)?
    } else {
        unpickled(path)?
    };
    let (width, flownet) = flownet(tensors, device).map_err(|reason| refused(path, reason))?;
    let shape = Shape { layer: LayerName::NoLayer, width, gain: None, variant: Variant::Pytorch };
    Ok((shape, Network::alone(flownet)))
}

fn refused(path: &Path, reason: impl Display) -> Error {
    let reason: String = reason.to_string().split_whitespace().collect::<Vec<_>>().join(" ");
    Error::Model { path: path.to_path_buf(), reason: reason.chars().take(200).collect(), advice: ADVICE }
}

/// Whether a file begins with a length and the JSON of that length.
fn is_safetensors(path: &Path) -> Result<bool, Error> {
    let mut bytes = Vec::new();
    let read = File::open(path).and_then(|file| file.take(9).read_to_end(&mut bytes));
    read.map_err(|reason| refused(path, reason))?;
    Ok(bytes.get(8) == Some(&b'{'))
}

fn tensors<S: ModuleStore>(mut store: S, path: &Path) -> Result<Vec<Tensor>, Error> {
    Ok(store.get_all_tensors().map_err(|reason| refused(path, reason))?.values().cloned().collect())
}

/// The tensors in a file of `torch.save`, which holds them alone or under `state_dict`.
#[cfg(feature = "pytorch")]
fn unpickled(path: &Path) -> Result<Vec<Tensor>, Error> {
    use burn::store::PytorchStore;
    let store = || PytorchStore::from_file(path).map_indices_contiguous(false);
    tensors(store().with_top_level_key("state_dict"), path).or_else(|_| tensors(store(), path))
}

#[cfg(not(feature = "pytorch"))]
fn unpickled(path: &Path) -> Result<Vec<Tensor>, Error> {
    Err(Error::Model {
        path: path.to_path_buf(),
        reason: "found no .safetensors file, and this build reads no file of torch.save".into(),
        advice: "build the command with --features pytorch, or write the weights by safetensors.torch.save_file(torch.load(FILE)[\"state_dict\"], NAME)",
    })
}

/// The network that these tensors are the weights of, and its width; else the reason why there is none.
fn flownet(mut tensors: Vec<Tensor>, device: &Device) -> Result<(f64, FlowNet), String> {
    let names = names();
    for tensor in &mut tensors {
        // A network that trained on several devices has a name in front of all.
        let name = tensor.name.strip_prefix("module.").unwrap_or(&tensor.name);
        if name.starts_with("conv1.1.") {
            return Err("found batch normalisation, expected FlowNetS without".into());
        }
        let Some((_, ours)) = names.iter().find(|(theirs, _)| theirs == name) else {
            return Err(format!("found a tensor {name}, which FlowNetS does not have"));
        };
        if tensor.dtype != DType::F32 {
            return Err(format!("found {name} as {:?}, expected F32", tensor.dtype));
        }
        tensor.name.clone_from(ours);
    }
    let first = |tensor: &&Tensor| tensor.name == "contracting.0.weight";
    let Some(channels) = tensors.iter().find(first).and_then(|tensor| tensor.shape.iter().next().copied())
    else {
        return Err("found no tensor conv1.0.weight".into());
    };
    let width = channels as f64 / PUBLISHED;
    let weights = &mut Weights { generator: Generator::new(0, 0), device };
    let mut flownet = FlowNet::new(Variant::Pytorch, width, weights);
    let ApplyResult { missing, errors, .. } = flownet.apply(tensors, None, None, false);
    let theirs = |path: &str| names.iter().find(|(_, ours)| ours == path).map(|(theirs, _)| theirs.clone());
    if let Some(error) = errors.first() {
        return Err(match error {
            ApplyError::ShapeMismatch { path, expected, found } => format!(
                "found {} of shape {:?}, expected {:?}",
                theirs(path).unwrap_or_default(),
                found.to_vec(),
                expected.to_vec()
            ),
            ApplyError::DTypeMismatch { .. }
            | ApplyError::AdapterError { .. }
            | ApplyError::LoadError { .. } => error.to_string(),
        });
    }
    // Where PyTorch's network has no bias, ours begins with 0.
    match missing.iter().find_map(|(path, _)| theirs(path)) {
        Some(name) => Err(format!("found no tensor {name}")),
        None => Ok((width, flownet)),
    }
}

/// The names of all tensors, PyTorch's and ours.
fn names() -> Vec<(String, String)> {
    let mut names = Vec::new();
    for (at, name) in CONTRACTING.iter().enumerate() {
        for part in ["weight", "bias"] {
            names.push((format!("{name}.0.{part}"), format!("contracting.{at}.{part}")));
        }
    }
    for at in 0..5 {
        names.push((format!("predict_flow{}.weight", 6 - at), format!("reading.{at}.weight")));
    }
    for at in 0..4 {
        names.push((format!("deconv{}.0.weight", 5 - at), format!("expanding.{at}.weight")));
        let enlarging = format!("upsampled_flow{}_to_{}.weight", 6 - at, 5 - at);
        names.push((enlarging, format!("enlarging.{at}.weight")));
    }
    names
}
