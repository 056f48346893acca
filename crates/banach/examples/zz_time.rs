//! Timing.
use banach::{FixedPoint, FixedPointConfig, Update};
use burn::module::{DisplaySettings, Module, ModuleDisplay, Param};
use burn::tensor::{Device, Tensor};
use std::fmt::Write as _;
use std::hash::{DefaultHasher, Hasher as _};
use std::time::Instant;
struct H(DefaultHasher);
impl std::fmt::Write for H {
    fn write_str(&mut self, t: &str) -> std::fmt::Result {
        if !t.starts_with("Param: ") {
            self.0.write(t.as_bytes());
        }
        Ok(())
    }
}
struct Count(usize, usize);
impl std::fmt::Write for Count {
    fn write_str(&mut self, t: &str) -> std::fmt::Result {
        self.0 += 1;
        self.1 += t.len();
        Ok(())
    }
}
#[derive(Module, Debug)]
struct Cell {
    state: Param<Tensor<2>>,
    input: Param<Tensor<2>>,
}
impl Update for Cell {
    type State = Tensor<2>;
    type Input = Tensor<2>;
    fn start(&self, z: &Tensor<2>) -> Tensor<2> {
        z.zeros_like()
    }
    fn update(&self, x: Tensor<2>, z: Tensor<2>) -> Tensor<2> {
        (x.matmul(self.state.val()) + z.matmul(self.input.val())).tanh()
    }
}
fn time(name: &str, mut f: impl FnMut()) {
    for _ in 0..200 {
        f();
    }
    let t = Instant::now();
    for _ in 0..2000 {
        f();
    }
    println!("{name}: {:.2} us", t.elapsed().as_secs_f64() / 2000.0 * 1e6);
}
fn main() {
    let d = Device::flex().autodiff();
    let p = || Param::from_tensor(Tensor::<2>::ones([64, 64], &d) * 0.001);
    let layer: FixedPoint<Cell> = FixedPointConfig::new().init(Cell { state: p(), input: p() }).unwrap();
    time("format", || {
        let _ = std::hint::black_box(layer.format(DisplaySettings::new().with_show_all_attributes(true)));
    });
    time("debug", || {
        let mut h = H(DefaultHasher::new());
        let _ = write!(h, "{layer:?}");
        std::hint::black_box(h.0.finish());
    });
    time("config", || {
        let mut h = H(DefaultHasher::new());
        let _ = write!(h, "{:?}", layer.config());
        std::hint::black_box(h.0.finish());
    });
    let mut c = Count(0, 0);
    let _ = write!(c, "{layer:?}");
    println!("{} pieces, {} bytes", c.0, c.1);
    println!("{layer:?}");
    let z = Tensor::<2>::ones([16, 64], &d) * 0.01;
    time("forward", || {
        let _ = std::hint::black_box(layer.forward(z.clone()));
    });
    let z = Tensor::<2>::ones([16, 64], &Device::flex()) * 0.01;
    let layer = layer.valid();
    time("forward off the tape", || {
        let _ = std::hint::black_box(layer.forward(z.clone()));
    });
}
