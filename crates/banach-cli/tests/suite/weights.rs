//! Weights of FlowNetS that PyTorch wrote: the flow that PyTorch finds with them, and files that are no such weights.

use crate::flow::pattern;
use crate::mistakes::refused;
use crate::stage::Stage;
use serde_json::json;

/// Channels are a 64th of the published ones.
const CONVOLUTIONS: [(&str, [usize; 3]); 10] = [
    ("conv1", [6, 1, 7]),
    ("conv2", [1, 2, 5]),
    ("conv3", [2, 4, 5]),
    ("conv3_1", [4, 4, 3]),
    ("conv4", [4, 8, 3]),
    ("conv4_1", [8, 8, 3]),
    ("conv5", [8, 8, 3]),
    ("conv5_1", [8, 8, 3]),
    ("conv6", [8, 16, 3]),
    ("conv6_1", [16, 16, 3]),
];
/// The scale of each transposed convolution, its inputs and outputs.
const TRANSPOSED: [(usize, [usize; 2]); 4] = [(5, [16, 8]), (4, [18, 4]), (3, [14, 2]), (2, [8, 1])];
/// Inputs of the last convolution, which reads the finest flow.
const LAST: usize = 5;

/// What `experiments/flow/torch_weights.py` prints: places, and the displacements that PyTorch 2.15.0 finds there.
const FOUND: [([usize; 2], [f32; 2]); 5] = [
    ([0, 0], [-66.1982, -70.6]),
    ([5, 7], [26.8273, -7.361]),
    ([60, 33], [-33.4062, -30.915]),
    ([127, 63], [10.6811, 23.7247]),
    ([90, 12], [7.1719, 5.4864]),
];

/// The tensors of that program, with their shapes, in the order of their names.
fn shapes() -> Vec<(String, Vec<usize>)> {
    let mut shapes = Vec::new();
    for (name, [inputs, outputs, kernel]) in CONVOLUTIONS {
        shapes.push((format!("{name}.0.weight"), vec![outputs, inputs, kernel, kernel]));
        shapes.push((format!("{name}.0.bias"), vec![outputs]));
    }
    for (scale, [inputs, outputs]) in TRANSPOSED {
        shapes.push((format!("predict_flow{}.weight", scale + 1), vec![2, inputs, 3, 3]));
        shapes.push((format!("deconv{scale}.0.weight"), vec![inputs, outputs, 4, 4]));
        shapes.push((format!("upsampled_flow{}_to_{scale}.weight", scale + 1), vec![2, 2, 4, 4]));
    }
    shapes.push(("predict_flow2.weight".into(), vec![2, LAST, 3, 3]));
    shapes.sort();
    shapes
}

/// The bytes of a file of safetensors: the length of the description, the description, the numbers.
fn safetensors(shapes: &[(String, Vec<usize>)], kind: &str) -> Vec<u8> {
    let (mut description, mut numbers) = (serde_json::Map::new(), Vec::new());
    for (place, (name, shape)) in shapes.iter().enumerate() {
        let (count, begun) = (shape.iter().product::<usize>(), numbers.len());
        let fan = if shape.len() == 4 { count / shape[0] } else { 100 };
        for at in 0..count {
            let angle = 0.7 * ((at + 1) * (1 + place % 5)) as f64 + place as f64;
            let value = (3.0 / (fan as f64).sqrt() * angle.sin()) as f32;
            let bytes = value.to_le_bytes();
            numbers.extend(if kind == "F32" { &bytes[..] } else { &bytes[2..] });
        }
        let entry = json!({ "dtype": kind, "shape": shape, "data_offsets": [begun, numbers.len()] });
        description.insert(name.clone(), entry);
    }
    let description = serde_json::Value::from(description).to_string().into_bytes();
    [(description.len() as u64).to_le_bytes().to_vec(), description, numbers].concat()
}

fn with_images() -> Stage {
    let stage = Stage::new();
    pattern(128, 64, 0.0).save(stage.path("a.png")).unwrap();
    pattern(128, 64, 2.0).save(stage.path("b.png")).unwrap();
    stage
}

/// Compares the flow by the weights in a file with that of PyTorch.
fn compare(stage: &Stage, weights: &str) {
    stage.succeed(&format!("flow a.png b.png -o flow.flo --overwrite --checkpoint {weights}"));
    let bytes = std::fs::read(stage.path("flow.flo")).unwrap();
    for ([x, y], expected) in FOUND {
        for (part, expected) in expected.into_iter().enumerate() {
            let start = 12 + 8 * (128 * y + x) + 4 * part;
            let found = f32::from_le_bytes(bytes[start..start + 4].try_into().unwrap());
            assert!((found - expected).abs() < 5e-3, "{weights}: at {x}, {y}: {found}, expected {expected}");
        }
    }
}

#[test]
fn weights_of_pytorch_give_the_flow_of_pytorch() {
    let stage = with_images();
    std::fs::write(stage.path("flownets.safetensors"), safetensors(&shapes(), "F32")).unwrap();
    compare(&stage, "flownets.safetensors");
    // Names as a network has them that trained on several devices.
    let named: Vec<_> = shapes().into_iter().map(|(name, shape)| (format!("module.{name}"), shape)).collect();
    std::fs::write(stage.path("parallel.safetensors"), safetensors(&named, "F32")).unwrap();
    compare(&stage, "parallel.safetensors");
}

#[test]
fn files_of_torch_save_are_read_in_builds_with_the_feature() {
    let stage = with_images();
    std::fs::write(stage.path("flownets.pth.tar"), include_bytes!("flownets.pth.tar")).unwrap();
    if cfg!(feature = "pytorch") {
        compare(&stage, "flownets.pth.tar");
    } else {
        let line = "flow a.png b.png -o flow.flo --checkpoint flownets.pth.tar";
        refused(&stage, line, &["flownets.pth.tar", "--features pytorch", "safetensors.torch.save_file"]);
    }
}

#[test]
fn a_layer_is_trained_behind_weights_of_pytorch() {
    let stage = with_images();
    std::fs::write(stage.path("flownets.safetensors"), safetensors(&shapes(), "F32")).unwrap();
    let line = "train flow --frozen flownets.safetensors --layer fpi-nn --size 64x64 --pairs 8 --batch 4";
    let (table, _) = stage.succeed(&format!("{line} --epochs 2 --out behind --quiet"));
    assert!(table.contains("before the layer"), "{table}");
    let report = stage.json("behind/report.json");
    assert_eq!(
        (&report["settings"]["width"], &report["settings"]["variant"]),
        (&json!(1.0 / 64.0), &json!("pytorch"))
    );
    let before = |epoch: usize| report["epochs"][epoch]["test_aepe_before"].as_f64().unwrap();
    assert!((before(0) - before(1)).abs() < 1e-3 * before(0), "{report}");
    assert_ne!(report["epochs"][0]["test_aepe"], report["epochs"][1]["test_aepe"]);
    // The results folder holds the network with its layer.
    let (told, _) = stage.succeed("flow a.png b.png -o flow.flo --checkpoint behind");
    assert!(told.contains("steps of the solver"), "{told}");
    refused(&stage, &format!("{line} --width 1"), &["--width with --frozen"]);
}

#[test]
fn files_that_are_no_weights_of_flownets_are_refused() {
    let stage = with_images();
    let check = |name: &str, bytes: Vec<u8>, parts: &[&str]| {
        std::fs::write(stage.path(name), bytes).unwrap();
        let line = format!("flow a.png b.png -o flow.flo --checkpoint {name}");
        refused(&stage, &line, &[&[name, "flownets of FlowNetPytorch"], parts].concat());
    };
    let with = |index: usize, name: &str, shape: &[usize]| {
        let mut shapes = shapes();
        shapes[index] = (name.into(), shape.to_vec());
        safetensors(&shapes, "F32")
    };
    let all = shapes();
    let at = |name: &str| all.iter().position(|(found, _)| found == name).unwrap();
    let whole = safetensors(&all, "F32");
    check("cut.safetensors", whole[..whole.len() - 40].to_vec(), &[]);
    check("half.safetensors", safetensors(&all, "BF16"), &["found conv1.0.bias as BF16, expected F32"]);
    let normalised = with(at("conv1.0.bias"), "conv1.1.bias", &[1]);
    check("bn.safetensors", normalised, &["found batch normalisation, expected FlowNetS without"]);
    let biased = with(at("conv4.0.bias"), "deconv4.0.bias", &[4]);
    check("biased.safetensors", biased, &["found a tensor deconv4.0.bias, which FlowNetS does not have"]);
    let correlated = with(at("conv1.0.weight"), "conv1.0.weight", &[1, 3, 7, 7]);
    check(
        "correlated.safetensors",
        correlated,
        &["found conv1.0.weight of shape [1, 3, 7, 7], expected [1, 6, 7, 7]"],
    );
    let without = all.iter().filter(|(name, _)| name != "predict_flow3.weight").cloned().collect::<Vec<_>>();
    check("part.safetensors", safetensors(&without, "F32"), &["found no tensor predict_flow3.weight"]);
    let without = all.iter().filter(|(name, _)| name != "conv1.0.weight").cloned().collect::<Vec<_>>();
    check("first.safetensors", safetensors(&without, "F32"), &["found no tensor conv1.0.weight"]);
    refused(&stage, "train flow --frozen a.png", &["a.png"]);
}
