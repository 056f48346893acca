//! Fixed points, losses, gradients and forward derivatives computed independently.

use crate::reference::{Golden, assert_close, double, numbers};
use crate::update;
use banach::solve::Tolerance;
use banach::{Engine, FixedPoint, FixedPointConfig, Precision, RowCertificate, Update};
use burn::module::{Module, Param};
use burn::tensor::module::{conv2d, layer_norm};
use burn::tensor::ops::ConvOptions;
use burn::tensor::{Gradients, Tensor, activation};

/// The layer as it is, and begun in single precision on both engines.
fn tight<M: Module + Update>(module: M) -> [FixedPoint<M>; 3] {
    let stated = FixedPointConfig::new().with_tolerance(Tolerance::both(crate::TIGHTEST)).with_max_steps(500);
    let mixed = stated.clone().with_precision(Precision::Mixed);
    let configs = [stated, mixed.clone(), mixed.with_engine(Engine::Device)];
    configs.map(|config| config.init(module.clone()).unwrap())
}

fn param<const D: usize>(golden: &Golden, name: &str) -> Param<Tensor<D>> {
    Param::from_tensor(golden.tensor::<D>("inputs", name).autodiff().require_grad())
}

fn loss<const D: usize>(golden: &Golden, state: &str, x: &Tensor<D>) -> Tensor<1> {
    (x.clone().sin() * golden.tensor("weights", state)).sum()
}

/// Holds gradients against the golden ones by name.
struct Checked<'a> {
    golden: &'a Golden,
    gradients: Gradients,
    directional: f64,
}

impl<'a> Checked<'a> {
    fn new(golden: &'a Golden, loss: &Tensor<1>) -> Self {
        assert_close(&numbers(loss), &[golden.number("loss_value")], crate::EXACT, "loss");
        Checked { golden, gradients: loss.backward(), directional: 0.0 }
    }

    fn gradient<const D: usize>(&mut self, name: &str, tensor: &Tensor<D>) {
        let found = numbers(&tensor.grad(&self.gradients).unwrap());
        assert_close(
            &found,
            &self.golden.numbers("gradient", name),
            crate::EXACT,
            &format!("gradient of {name}"),
        );
        let direction = self.golden.numbers("direction", name);
        self.directional += found.iter().zip(direction).map(|(g, t)| g * t).sum::<f64>();
    }

    fn param<const D: usize>(&mut self, name: &str, param: &Param<Tensor<D>>) {
        self.gradient(name, &param.val());
    }

    /// All gradients together along the direction, against forward mode.
    fn agrees_forward(&self, along: f64) {
        assert_close(&[self.directional], &[along], crate::EXACT, "⟨∇, t⟩ = ⟨w cos x̂, ẋ⟩");
    }
}

/// Holds what a certificate says of J against the golden radius and norm, which are those of the worst row.
fn magnitudes<M: Module + Update>(golden: &Golden, layer: &FixedPoint<M>, z: M::Input) {
    let certificate = layer.certificate(z).unwrap();
    let largest = |of: fn(&RowCertificate) -> f64| certificate.rows.iter().map(of).fold(0.0, f64::max);
    assert_close(&[largest(|row| row.radius)], &[golden.number("spectral_radius")], 1e-3, "the radius of J");
    assert_close(&[largest(|row| row.norm)], &[golden.number("jacobian_spectral_norm")], 1e-3, "‖J‖");
    assert!(certificate.holds(crate::EXACT), "{certificate}");
}

/// d loss along the direction by the golden forward derivative: Σ cos(x̂) w ẋ.
fn along<const D: usize>(golden: &Golden, state: &str, x: &Tensor<D>) -> f64 {
    let x = numbers(x);
    let (weights, tangent) = (golden.numbers("weights", state), golden.numbers("jvp", state));
    x.iter().zip(weights).zip(tangent).map(|((x, w), t)| x.cos() * w * t).sum()
}

#[derive(Module, Debug)]
struct TanhCell {
    w: Param<Tensor<2>>,
    u: Param<Tensor<2>>,
    b: Param<Tensor<1>>,
}

update!(
    TanhCell,
    Tensor<2>,
    Tensor<2>,
    |this, z| Tensor::zeros([z.dims()[0], this.b.dims()[0]], (&z.device().inner(), z.dtype())),
    |x, z| (x.matmul(this.w.val()) + z.matmul(this.u.val()) + this.b.val().unsqueeze()).tanh()
);

#[test]
fn tanh_cell() {
    let golden = Golden::read("tanh_cell");
    let cell = TanhCell { w: param(&golden, "W"), u: param(&golden, "U"), b: param(&golden, "b") };
    for layer in tight(cell) {
        let z = golden.tensor::<2>("inputs", "z").autodiff().require_grad();
        magnitudes(&golden, &layer, z.clone());
        let x = layer.forward(z.clone());
        assert_close(&numbers(&x), &golden.numbers("fixed_point", "x"), crate::EXACT * 1e-2, "x̂");
        let mut checked = Checked::new(&golden, &loss(&golden, "x", &x));
        checked.param("W", &layer.update().w);
        checked.param("U", &layer.update().u);
        checked.param("b", &layer.update().b);
        checked.gradient("z", &z);
        checked.agrees_forward(along(&golden, "x", &x));
    }
}

#[derive(Module, Debug)]
struct ConvCell {
    k: Param<Tensor<4>>,
    l: Param<Tensor<4>>,
    b: Param<Tensor<1>>,
}

fn same(x: Tensor<4>, kernel: Tensor<4>) -> Tensor<4> {
    conv2d(x, kernel, None, ConvOptions::new([1, 1], [1, 1], [1, 1], 1))
}

update!(
    ConvCell,
    Tensor<4>,
    Tensor<4>,
    |this, z| {
        let [batch, _, height, width] = z.dims();
        Tensor::zeros([batch, this.b.dims()[0], height, width], (&z.device().inner(), z.dtype()))
    },
    |x, z| (same(x, this.k.val()) + same(z, this.l.val()) + this.b.val().reshape([1, -1, 1, 1])).tanh()
);

#[test]
fn conv_cell() {
    let golden = Golden::read("conv_cell");
    let cell = ConvCell { k: param(&golden, "K"), l: param(&golden, "L"), b: param(&golden, "b") };
    for layer in tight(cell) {
        let z = golden.tensor::<4>("inputs", "z").autodiff().require_grad();
        magnitudes(&golden, &layer, z.clone());
        let x = layer.forward(z.clone());
        assert_close(&numbers(&x), &golden.numbers("fixed_point", "x"), crate::EXACT * 1e-2, "x̂");
        let mut checked = Checked::new(&golden, &loss(&golden, "x", &x));
        checked.param("K", &layer.update().k);
        checked.param("L", &layer.update().l);
        checked.param("b", &layer.update().b);
        checked.gradient("z", &z);
        checked.agrees_forward(along(&golden, "x", &x));
    }
}

#[derive(Module, Debug)]
struct AttentionCell {
    q: Param<Tensor<2>>,
    k: Param<Tensor<2>>,
    v: Param<Tensor<2>>,
    gamma: Param<Tensor<1>>,
    beta: Param<Tensor<1>>,
}

update!(AttentionCell, Tensor<3>, Tensor<3>, |this, z| z.zeros_like().inner(), |x, z| {
    let y = x + z;
    let width = y.dims()[2] as f64;
    let project = |w: &Param<Tensor<2>>| y.clone().matmul(w.val().unsqueeze());
    let scores = project(&this.q).matmul(project(&this.k).swap_dims(1, 2)) / width.sqrt();
    let mixed = activation::softmax(scores, 2).matmul(project(&this.v));
    layer_norm(mixed, this.gamma.val(), Some(this.beta.val()), 1e-5) * 0.25
});

#[test]
fn attention_cell() {
    let golden = Golden::read("attention_cell");
    let (q, k, v) = (param(&golden, "Q"), param(&golden, "K"), param(&golden, "V"));
    let (gamma, beta) = (param(&golden, "gamma"), param(&golden, "beta"));
    for layer in tight(AttentionCell { q, k, v, gamma, beta }) {
        let z = golden.tensor::<3>("inputs", "z").autodiff().require_grad();
        magnitudes(&golden, &layer, z.clone());
        let x = layer.forward(z.clone());
        assert_close(&numbers(&x), &golden.numbers("fixed_point", "x"), crate::EXACT * 1e-2, "x̂");
        let mut checked = Checked::new(&golden, &loss(&golden, "x", &x));
        checked.param("Q", &layer.update().q);
        checked.param("K", &layer.update().k);
        checked.param("V", &layer.update().v);
        checked.param("gamma", &layer.update().gamma);
        checked.param("beta", &layer.update().beta);
        checked.gradient("z", &z);
        checked.agrees_forward(along(&golden, "x", &x));
    }
}

#[derive(Module, Debug)]
struct TwoStates {
    a: Param<Tensor<2>>,
    b: Param<Tensor<2>>,
    c: Param<Tensor<2>>,
    d: Param<Tensor<2>>,
    u: Param<Tensor<2>>,
}

update!(
    TwoStates,
    (Tensor<2>, Tensor<2>),
    Tensor<2>,
    |this, z| {
        let (rows, options) = (z.dims()[0], (&z.device().inner(), z.dtype()));
        (Tensor::zeros([rows, this.a.dims()[0]], options), Tensor::zeros([rows, this.d.dims()[0]], options))
    },
    |(x, y), z| {
        let new_x = x.clone().matmul(this.a.val()) + y.clone().matmul(this.b.val()) + z.matmul(this.u.val());
        let new_y = x.matmul(this.c.val()).sin() * 0.5 + activation::sigmoid(y.matmul(this.d.val())) * 0.3;
        (new_x.tanh(), new_y)
    }
);

#[test]
fn two_states() {
    let golden = Golden::read("two_states");
    let (a, b, c) = (param(&golden, "A"), param(&golden, "B"), param(&golden, "C"));
    for layer in tight(TwoStates { a, b, c, d: param(&golden, "D"), u: param(&golden, "U") }) {
        let z = golden.tensor::<2>("inputs", "z").autodiff().require_grad();
        magnitudes(&golden, &layer, z.clone());
        let (x, y) = layer.forward(z.clone());
        assert_close(&numbers(&x), &golden.numbers("fixed_point", "x"), crate::EXACT * 1e-2, "x̂");
        assert_close(&numbers(&y), &golden.numbers("fixed_point", "y"), crate::EXACT * 1e-2, "ŷ");
        let mut checked = Checked::new(&golden, &(loss(&golden, "x", &x) + loss(&golden, "y", &y)));
        checked.param("A", &layer.update().a);
        checked.param("B", &layer.update().b);
        checked.param("C", &layer.update().c);
        checked.param("D", &layer.update().d);
        checked.param("U", &layer.update().u);
        checked.gradient("z", &z);
        checked.agrees_forward(along(&golden, "x", &x) + along(&golden, "y", &y));
    }
}

#[derive(Module, Debug)]
struct Expanding {
    slope: f64,
}

update!(Expanding, Tensor<2>, Tensor<2>, |this, z| z.zeros_like().inner(), |x, z| z - x.sin() * this.slope);

#[test]
fn expanding() {
    let golden = Golden::read("expanding");
    for layer in tight(Expanding { slope: 1.7 }) {
        let z = golden.tensor::<2>("inputs", "z").autodiff().require_grad();
        magnitudes(&golden, &layer, z.clone());
        let x = layer.forward(z.clone());
        assert_close(&numbers(&x), &golden.numbers("fixed_point", "x"), crate::EXACT * 1e-2, "x̂");
        let mut checked = Checked::new(&golden, &loss(&golden, "x", &x));
        checked.gradient("z", &z);
        checked.agrees_forward(along(&golden, "x", &x));
        assert_eq!(double().1, x.dtype());
    }
}
