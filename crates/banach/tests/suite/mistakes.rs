//! Mistakes of users: wrong types, wrong shapes, empty batches and unknown settings are errors, never panics.

use crate::approximate::shine;
use crate::corners::{config, some, weight};
use crate::reference::numbers;
use crate::update;
use banach::program::Value;
use banach::regularize::{
    FixedPointCorrection, MonotoneConfig, SmallGain, SpectralConv2dConfig, SpectralEstimate,
    SpectralLinearConfig, StateGradient, VariationalDropoutConfig, frobenius_penalty, random_signs,
    spectral_penalty,
};
use banach::solve::{Dense, LinearSolver};
use banach::{
    AdamConfig, Energy, Engine, Error, FixedPointConfig, Function, Gradient, GradientDescentConfig,
    Objective, Projection,
};
use burn::config::Config;
use burn::module::{Module, Param};
use burn::nn::conv::Conv2dConfig;
use burn::nn::{Linear, LinearConfig};
use burn::tensor::{DType, Device, Tensor};

/// x = tanh(0.4 x W + z)
#[derive(Module, Debug)]
struct Weighted {
    w: Param<Tensor<2>>,
}

update!(Weighted, Tensor<2>, Tensor<2>, |this, z| z.zeros_like().inner(), |x, z| (x.matmul(this.w.val())
    * 0.4
    + z)
    .tanh());

/// x = tanh(0.4 linear(x) + z)
#[derive(Module, Debug)]
struct Linearly {
    state: Linear,
}

update!(Linearly, Tensor<2>, Tensor<2>, |this, z| z.zeros_like().inner(), |x, z| (this.state.forward(x)
    * 0.4
    + z)
    .tanh());

#[test]
fn a_weight_of_another_precision_is_refused_by_the_operations_name() {
    let device = Device::flex().autodiff();
    let z = Tensor::<2>::ones([4, 3], (&device, DType::F32));
    let layer = config().init(Weighted { w: weight([3, 3]) }).unwrap();
    let linear = LinearConfig::new(3, 3).init(&device);
    let single = config().init(Linearly { state: linear }).unwrap();
    let double = Tensor::<2>::ones([4, 3], (&device, DType::F64));
    let loss = |layer: &banach::FixedPoint<Weighted>, z: Tensor<2>| layer.forward(z).sum();
    let whole = Objective::new(|linear: &Linear, z: Tensor<2>| linear.forward(z).sum());
    for (operation, error) in [
        ("Matmul", layer.solve(z.clone()).unwrap_err()),
        ("Matmul", layer.program(z.clone()).unwrap_err()),
        ("Matmul", Objective::new(loss).value_and_gradient(&layer, z).unwrap_err()),
        // Burn records the product and refuses the bias.
        ("`add`", single.solve(double.clone()).unwrap_err()),
        ("`add`", whole.value_and_gradient(&single.update().state, double).unwrap_err()),
    ] {
        let text = error.to_string();
        assert!([operation, "f32[", "f64[", "cast"].iter().all(|part| text.contains(part)), "{text}");
        assert!(!text.contains('\n'), "{text}");
    }
}

#[test]
fn a_batch_of_no_rows_is_solved_and_has_a_gradient_of_zero() {
    let device = Device::flex().autodiff();
    let gradients = [
        FixedPointConfig::new(),
        FixedPointConfig::new().with_engine(Engine::Device),
        FixedPointConfig::new().with_gradient(Gradient::Unrolled { steps: 2 }),
        FixedPointConfig::new().with_adjoint(Dense::default()),
        shine(0, 1.3),
        shine(3, 1.3),
    ];
    for config in gradients {
        let layer = config.init(Weighted { w: weight([3, 3]) }).unwrap();
        let z = Tensor::<2>::zeros([0, 3], (&device, DType::F64));
        let x = layer.solve(z).unwrap().into_value();
        assert_eq!(x.dims(), [0, 3]);
        let slopes = x.sum().backward();
        let found = layer.update().w.val().grad(&slopes).map(|slope| numbers(&slope));
        assert!(found.is_none_or(|found| found.iter().all(|x| *x == 0.0)), "{config:?}");
    }
}

#[test]
fn penalties_of_no_rows_are_zero_and_a_gain_of_no_rows_is_refused() {
    let device = Device::flex().autodiff();
    let layer = config().init(Weighted { w: weight([3, 3]) }).unwrap();
    let z = Tensor::<2>::zeros([0, 3], (&device, DType::F64));
    let signs = random_signs(&z).unwrap();
    let frobenius = frobenius_penalty(&layer, z.clone(), z.clone(), signs.clone()).unwrap();
    let (spectral, u) = spectral_penalty(&layer, z.clone(), z.clone(), signs, 3).unwrap();
    assert_eq!((numbers(&frobenius), numbers(&spectral), u.dims()), (vec![0.0], vec![0.0], [0, 3]));
    let error = SmallGain::new().with_gain(0.1).init(Weighted { w: weight([3, 3]) }, z).unwrap_err();
    assert!(error.to_string().contains("at least one row"), "{error}");
}

#[test]
fn a_dense_adjoint_above_its_limit_is_an_error_of_the_solve() {
    let dense = LinearSolver::Dense(Dense { limit: 2 });
    let layer = config().with_adjoint(dense.clone()).init(Weighted { w: weight([3, 3]) }).unwrap();
    let z = some([2, 3], 0.1);
    let error = layer.solve(z.clone().autodiff()).unwrap_err();
    let text = error.to_string();
    assert!(matches!(error, Error::Solve(banach::solve::Error::Wide { width: 3, limit: 2, .. })), "{text}");
    assert!(text.contains("adjoint.dense.limit"), "{text}");
    let g = |(x, z): (Tensor<2>, Tensor<2>)| (x * 0.5 + z).tanh();
    let fixed = Function::of(&(z.clone(), z.clone()), g).unwrap().fix(&config().with_adjoint(dense)).unwrap();
    let tracked = z.clone().autodiff().require_grad();
    let error = fixed.call::<Value>((z.clone().autodiff(), tracked)).unwrap_err().to_string();
    assert!(error.contains("adjoint.dense.limit"), "{error}");
    assert!(fixed.call::<Value>((z.clone(), z)).is_ok());
}

/// Half the square of the distance to z.
#[derive(Module, Debug)]
struct Distance {
    size: usize,
}

impl Energy for Distance {
    type State = Tensor<2>;
    type Input = Tensor<2>;

    fn start(&self, z: &Tensor<2>) -> Tensor<2> {
        z.zeros_like()
    }

    fn energy(&self, x: Tensor<2>, z: Tensor<2>) -> Tensor<1> {
        (x - z).square().sum_dim(1).squeeze_dim(1) * 0.5
    }
}

#[test]
fn a_projection_with_another_number_of_bounds_is_an_error_of_its_own_kind() {
    let projection = Projection::Box { lower: vec![0.0; 4], upper: vec![1.0; 4] };
    let descent = GradientDescentConfig::new(0.5).with_projection(projection);
    let layer = config().init(descent.init(Distance { size: 3 }).unwrap()).unwrap();
    for error in [layer.program(some([2, 3], 0.1)).unwrap_err(), layer.solve(some([2, 3], 0.1)).unwrap_err()]
    {
        let text = error.to_string();
        assert!(matches!(error, Error::Projection { .. }), "{text}");
        assert!(text.contains("4 bounds") && text.contains("f64[2, 3]"), "{text}");
    }
}

/// An update whose start is of whatever shape.
#[derive(Module, Debug)]
struct Started {
    shape: [usize; 2],
}

update!(Started, Tensor<2>, Tensor<2>, |this, z| z.clone().inner().reshape(this.shape), |x, z| x * 0.5 + z);

#[test]
fn a_start_of_the_wrong_shape_is_an_error() {
    let z = || some([2, 3], 0.1).autodiff();
    let solved = |shape| config().init(Started { shape }).unwrap().solve(z());
    assert!(solved([2, 3]).is_ok());
    let error = solved([3, 2]).unwrap_err().to_string();
    assert!(error.contains("Add") && error.contains("[3, 2]") && error.contains("[2, 3]"), "{error}");
    let error = solved([4, 2]).unwrap_err().to_string();
    assert!(error.contains("Reshape") && !error.contains('\n'), "{error}");
    let layer = config().init(Started { shape: [2, 3] }).unwrap();
    let error = layer.solve_from(some([1, 3], 0.1), z()).unwrap_err();
    assert!(matches!(error, Error::State { .. }), "{error}");
    let (single, error) = (some([2, 3], 0.1).cast(DType::F32), "f32[2, 3]");
    assert!(layer.solve_from(single, z()).unwrap_err().to_string().contains(error));
}

fn refuses_unknown_fields<C: Config>(config: &C) {
    let text = serde_json::to_string(config).unwrap();
    let read = C::load_binary(text.as_bytes()).unwrap();
    assert_eq!(serde_json::to_string(&read).unwrap(), text);
    let known = text.rfind('}').unwrap();
    let separator = if text[..known].ends_with('{') { "" } else { "," };
    let unknown = format!("{}{separator}\"unknwon\":1{}", &text[..known], &text[known..]);
    assert!(C::load_binary(unknown.as_bytes()).is_err(), "{unknown}");
}

#[test]
fn configurations_refuse_fields_they_do_not_have() {
    refuses_unknown_fields(&AdamConfig::new().with_decay(0.1));
    refuses_unknown_fields(&SmallGain::new().with_gain(0.5));
    refuses_unknown_fields(&SpectralLinearConfig::new(LinearConfig::new(2, 3)));
    refuses_unknown_fields(&SpectralConv2dConfig::new(Conv2dConfig::new([2, 3], [3, 3])));
    refuses_unknown_fields(&MonotoneConfig::new(2, 3));
    refuses_unknown_fields(&VariationalDropoutConfig::new(0.5));
    refuses_unknown_fields(&FixedPointCorrection::new(vec![1, 2]));
    let estimate = SpectralEstimate::Power { margin: 0.1, steps: 3 };
    let text = serde_json::to_string(&estimate).unwrap();
    assert_eq!(serde_json::from_str::<SpectralEstimate>(&text).unwrap(), estimate);
    assert!(serde_json::from_str::<SpectralEstimate>(r#"{"Gram": {"steps": 2, "step": 1}}"#).is_err());
    let steps = serde_json::to_string(&StateGradient::Steps(2)).unwrap();
    assert_eq!(serde_json::from_str::<StateGradient>(&steps).unwrap(), StateGradient::Steps(2));
}
