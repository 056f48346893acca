//! The layer as a Burn module: records, clones, statistics, programs.

use crate::reference::{numbers, steadied};
use crate::update;
use banach::solve::Picard;
use banach::{FixedPoint, FixedPointConfig};
use burn::module::Module;
use burn::nn::{Linear, LinearConfig};
use burn::optim::{GradientsParams, SgdConfig};
use burn::tensor::{Device, Tensor};

#[derive(Module, Debug)]
struct Cell {
    state: Linear,
    input: Linear,
}

update!(
    Cell,
    Tensor<2>,
    Tensor<2>,
    |this, z| Tensor::zeros([z.dims()[0], 5], &z.device().inner()),
    |x, z| (this.state.forward(x) * 0.3 + this.input.forward(z)).tanh()
);

#[derive(Module, Debug)]
struct Network {
    layer: FixedPoint<Cell>,
    head: Linear,
}

impl Network {
    fn new(device: &Device) -> Self {
        let cell = Cell {
            state: LinearConfig::new(5, 5).with_bias(false).init(device),
            input: LinearConfig::new(3, 5).init(device),
        };
        let layer = FixedPointConfig::new().init(cell).unwrap();
        Network { layer, head: LinearConfig::new(5, 2).init(device) }
    }

    fn forward(&self, z: Tensor<2>) -> Tensor<2> {
        self.head.forward(self.layer.forward(z))
    }
}

fn input(device: &Device) -> Tensor<2> {
    Tensor::from_data([[0.3, -0.1, 0.7], [1.0, 0.2, -0.4]], device)
}

#[test]
fn records_are_saved_and_loaded_as_burnpack_and_safetensors() {
    let device = Device::flex();
    let network = Network::new(&device);
    let expected = numbers(&network.forward(input(&device)));
    let folder = std::env::temp_dir().join(format!("banach-records-{}", std::process::id()));
    std::fs::create_dir_all(&folder).unwrap();
    let path = folder.join("network.bpk");
    network.clone().save_file(&path).unwrap();
    let loaded = Network::new(&device).load_file(&path);
    assert_eq!(numbers(&loaded.forward(input(&device))), expected);

    use burn::store::{ModuleSnapshot, SafetensorsStore};
    let path = folder.join("network.safetensors");
    let mut store = SafetensorsStore::from_file(&path);
    network.save_into(&mut store).unwrap();
    let mut loaded = Network::new(&device);
    let mut store = SafetensorsStore::from_file(&path);
    loaded.load_from(&mut store).unwrap();
    assert_eq!(numbers(&loaded.forward(input(&device))), expected);
    std::fs::remove_dir_all(&folder).unwrap();
}

#[test]
fn an_optimizer_trains_the_layer_and_programs_are_traced_once() {
    let device = Device::flex().autodiff();
    let mut network = steadied(Network::new(&device));
    let mut optimizer = SgdConfig::new().init();
    let target = Tensor::<2>::from_data([[0.5, -0.5], [0.1, 0.2]], &device);
    let mut losses = vec![];
    for _ in 0..30 {
        let loss = (network.forward(input(&device)) - target.clone()).powi_scalar(2).sum();
        losses.push(loss.clone().into_scalar::<f32>());
        let gradients = GradientsParams::from_grads(loss.backward(), &network);
        network = optimizer.step(0.1, network, gradients);
    }
    assert!(losses[29] < 0.05 * losses[0], "{losses:?}");
    let statistics = network.layer.take_statistics();
    assert_eq!((statistics.solves, statistics.rows, statistics.adjoint_rows), (30, 60, 60));
    assert_eq!((statistics.unconverged_rows, statistics.adjoint_unconverged_rows), (0, 0));
    assert!(statistics.mean_forward_steps() > 1.0);
    assert_eq!(network.layer.statistics().solves, 0);
}

#[test]
fn settings_survive_serialisation_and_unknown_ones_are_refused() {
    let config = FixedPointConfig::new().with_solver(Picard { damping: 0.5, ..Picard::default() });
    let text = serde_json::to_string(&config).unwrap();
    assert_eq!(serde_json::from_str::<FixedPointConfig>(&text).unwrap(), config);
    let error = serde_json::from_str::<FixedPointConfig>(r#"{"solvr": 1}"#).unwrap_err().to_string();
    assert!(error.contains("unknown field `solvr`"), "{error}");
}

#[test]
fn a_module_prints_like_any_other() {
    let text = Network::new(&Device::flex()).to_string();
    assert!(text.contains("FixedPoint") && text.contains("Linear"), "{text}");
}

#[test]
fn any_batch_size_can_follow_any_other() {
    let device = Device::flex();
    let network = Network::new(&device);
    let whole = numbers(&network.forward(input(&device)));
    let parts: Vec<f64> =
        [0, 1].iter().flat_map(|&row| numbers(&network.forward(input(&device).narrow(0, row, 1)))).collect();
    for (a, b) in whole.iter().zip(parts) {
        assert!((a - b).abs() < 1e-4, "{a} {b}");
    }
}
