//! Gradients through Burn's own modules inside an update, by all methods.

use crate::corners::{right, some};
use crate::reference::steadied;
use crate::update;
use banach::solve::Tolerance;
use banach::{FixedPointConfig, check};
use burn::module::{Module, ModuleMapper, Param};
use burn::nn::attention::{
    MhaInput, MultiHeadAttention, MultiHeadAttentionConfig, generate_autoregressive_mask,
};
use burn::nn::conv::{Conv1d, Conv1dConfig, Conv2d, Conv2dConfig, ConvTranspose2d, ConvTranspose2dConfig};
use burn::nn::{
    BatchNorm, BatchNormConfig, GroupNorm, GroupNormConfig, Gru, GruConfig, InstanceNorm, InstanceNormConfig,
    LayerNorm, LayerNormConfig, Lstm, LstmConfig, LstmState, PRelu, PReluConfig, PaddingConfig1d,
    PaddingConfig2d, PositionalEncoding, PositionalEncodingConfig, RmsNorm, RmsNormConfig, SwiGlu,
    SwiGluConfig,
};
use burn::tensor::{DType, Device, Tensor, activation};

/// A module in double precision, with weights that make maps contract and are the same in every run.
fn double<M: Module>(module: M) -> M {
    struct Wide;
    impl ModuleMapper for Wide {
        fn map_float<const D: usize>(&mut self, param: Param<Tensor<D>>) -> Param<Tensor<D>> {
            let (id, tensor, _) = param.consume();
            Param::initialized(id, tensor.cast(DType::F64))
        }
    }
    steadied(module.map(&mut Wide))
}

/// Images: convolutions and norms over channels.
#[derive(Module, Debug)]
struct Images {
    first: Conv2d,
    second: ConvTranspose2d,
    group: GroupNorm,
    instance: InstanceNorm,
    batch: BatchNorm,
    slope: PRelu,
}

update!(Images, Tensor<4>, Tensor<4>, |this, z| z.zeros_like().inner(), |x, z| {
    let y = this.group.forward(this.first.forward(x * 0.3 + z.clone()));
    let y = this.instance.forward(this.slope.forward(y) + z.clone());
    this.batch.forward(this.second.forward(y.tanh())).tanh() * 0.3 + z
});

#[test]
fn images_with_convolutions_and_norms() {
    let device = Device::flex();
    let module = Images {
        first: Conv2dConfig::new([4, 4], [3, 3])
            .with_padding(PaddingConfig2d::Explicit(1, 1, 1, 1))
            .with_groups(2)
            .init(&device),
        second: ConvTranspose2dConfig::new([4, 4], [3, 3]).with_padding([1, 1]).init(&device),
        group: GroupNormConfig::new(2, 4).init(&device),
        instance: InstanceNormConfig::new(4).init(&device),
        batch: BatchNormConfig::new(4).init(&device),
        slope: PReluConfig::new().with_num_parameters(4).init(&device),
    };
    let layer = right("images", double(module), some([2, 4, 3, 5], 0.3));
    assert_eq!(layer.solve(some([2, 4, 3, 5], 0.3)).unwrap().report().outcomes.len(), 2);
}

/// Sequences: attention, norms over features, gates, positions.
#[derive(Module, Debug)]
struct Sequences {
    attention: MultiHeadAttention,
    norm: LayerNorm,
    root: RmsNorm,
    gate: SwiGlu,
    positions: PositionalEncoding,
    along: Conv1d,
}

update!(Sequences, Tensor<3>, Tensor<3>, |this, z| z.zeros_like().inner(), |x, z| {
    let y = this.norm.forward(x * 0.2 + z.clone());
    let mask = generate_autoregressive_mask(2, 3, &y.device());
    let y = y.clone() + this.attention.forward(MhaInput::self_attn(y).mask_attn(mask)).context;
    let y = this.root.forward(activation::gelu(y) + z.clone());
    let y = this.along.forward(y.swap_dims(1, 2)).swap_dims(1, 2);
    this.gate.forward(y).tanh() * 0.3 + z
});

#[test]
fn sequences_with_attention_and_gates() {
    let device = Device::flex();
    let module = Sequences {
        attention: MultiHeadAttentionConfig::new(4, 2).init(&device),
        norm: LayerNormConfig::new(4).init(&device),
        root: RmsNormConfig::new(4).init(&device),
        gate: SwiGluConfig::new(4, 4).init(&device),
        positions: PositionalEncodingConfig::new(4).init(&device),
        along: Conv1dConfig::new(4, 4, 3).with_padding(PaddingConfig1d::Explicit(1, 1)).init(&device),
    };
    let layer = right("sequences", double(module), some([2, 3, 4], 0.3));
    assert_eq!(layer.solve(some([2, 3, 4], 0.3)).unwrap().report().outcomes.len(), 2);
}

#[derive(Module, Debug)]
struct Positions {
    positions: PositionalEncoding,
}

update!(Positions, Tensor<3>, Tensor<3>, |this, z| z.zeros_like().inner(), |x, z| {
    (this.positions.forward(x.cast(DType::F32) * 0.3) * 0.1 + z.cast(DType::F32)).tanh().cast(DType::F64)
});

#[test]
fn positions_that_are_no_parameters_are_constants() {
    let module = Positions { positions: PositionalEncodingConfig::new(4).init(&Device::flex()) };
    let layer = FixedPointConfig::new().init(module).unwrap();
    assert!(layer.solve(some([2, 3, 4], 0.3)).unwrap().report().converged());
}

/// Recurrent cells, one step of which is the update.
#[derive(Module, Debug)]
struct Cells {
    gru: Gru,
    lstm: Lstm,
}

update!(
    Cells,
    (Tensor<2>, Tensor<2>, Tensor<2>),
    Tensor<3>,
    |this, z| {
        let zeros = Tensor::zeros([z.dims()[0], 3], &z.device().inner());
        (zeros.clone(), zeros.clone(), zeros)
    },
    |x, z| {
        let hidden = this.gru.forward(z.clone(), Some(x.0)).squeeze_dim::<2>(1);
        let (_, state) = this.lstm.forward(z, Some(LstmState::new(x.1, x.2)));
        (hidden, state.cell * 0.5, state.hidden)
    }
);

#[test]
fn recurrent_cells() {
    let device = Device::flex();
    let (gru, lstm) = (GruConfig::new(2, 3, true).init(&device), LstmConfig::new(2, 3, true).init(&device));
    let layer = FixedPointConfig::new()
        .with_tolerance(Tolerance::both(1e-6))
        .init(steadied(Cells { gru, lstm }))
        .unwrap();
    let found = check::gradients(&layer, some([2, 1, 2], 0.3).cast(DType::F32)).unwrap();
    assert!(found.dot_product < 1e-3 && found.unrolled.is_some_and(|error| error < 1e-2), "{found:?}");
}
