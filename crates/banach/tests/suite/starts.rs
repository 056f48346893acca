//! Learned starts: the loss, the parameters it reaches, and failed rows.

use crate::corners::{config, some, weight};
use crate::reference::{assert_close, numbers};
use crate::update;
use crate::warm::column;
use banach::Update;
use banach::solve::Outcome;
use burn::module::{Module, Param};
use burn::tensor::Tensor;

/// x = tanh(0.4 x W + z), from z G.
#[derive(Module, Debug)]
struct Guessing {
    w: Param<Tensor<2>>,
    g: Param<Tensor<2>>,
}

update!(Guessing, Tensor<2>, Tensor<2>, |this, z| z.clone().matmul(this.g.val()), |x, z| {
    (x.matmul(this.w.val()) * 0.4 + z).tanh()
});

#[test]
fn the_loss_of_a_start_reaches_the_start_alone() {
    let g = Param::from_tensor(some([4, 4], 2.2).autodiff().require_grad());
    let layer = config().init(Guessing { w: weight([4, 4]), g }).unwrap();
    let z = some([3, 4], 0.1).autodiff();
    let solution = layer.solve(z.clone()).unwrap();
    let loss = layer.start_loss(z.clone(), &solution).unwrap();
    let x = numbers(solution.value());
    let start = numbers(&layer.update().start(&z));
    let expected: f64 = start.iter().zip(&x).map(|(s, x)| (s - x).powi(2)).sum::<f64>() / 12.0;
    assert_close(&numbers(&loss), &[expected], 1e-12, "the mean of squares");
    let gradients = loss.backward();
    assert!(layer.update().w.val().grad(&gradients).is_none());
    let found = numbers(&layer.update().g.val().grad(&gradients).unwrap());
    let residual: Tensor<2> = layer.update().start(&z).inner() - solution.value().clone().inner();
    let expected: Vec<f64> =
        numbers(&z.inner().transpose().matmul(residual)).iter().map(|x| x / 6.0).collect();
    assert_close(&found, &expected, 1e-12, "2 zᵀ (z G - x̂) / 12");
}

#[test]
fn rows_that_failed_teach_no_start() {
    /// x = sqrt(x + z), from z times a number.
    #[derive(Module, Debug)]
    struct Scaled {
        g: Param<Tensor<2>>,
    }
    update!(Scaled, Tensor<2>, Tensor<2>, |this, z| z.clone() * this.g.val(), |x, z| (x + z).sqrt());
    let g = Param::from_tensor(column(vec![0.5]).autodiff().require_grad());
    let layer = config().init(Scaled { g }).unwrap();
    let z = column(vec![2.0, -1.0, 6.0]).autodiff();
    let solution = layer.solve(z.clone()).unwrap();
    assert_eq!(solution.report().outcomes[1], Outcome::NonFinite);
    let loss = layer.start_loss(z, &solution).unwrap();
    assert_close(&numbers(&loss), &[0.5], 1e-9, "((1 - 2)² + (3 - 3)²) / 2");
    let found = layer.update().g.val().grad(&loss.backward()).unwrap();
    assert_close(&numbers(&found), &[-2.0], 1e-9, "2 (1 - 2) 2 / 2");
    // Where all failed there is nothing to learn.
    let z = column(vec![-1.0, -2.0]).autodiff();
    let solution = layer.solve(z.clone()).unwrap();
    let loss = layer.start_loss(z.clone(), &solution).unwrap();
    assert_eq!(numbers(&loss), [0.0]);
    let found = (loss + layer.update().g.val().sum()).backward();
    assert_eq!(numbers(&layer.update().g.val().grad(&found).unwrap()), [1.0]);
    let error = layer.start_loss(column(vec![1.0]), &solution).unwrap_err().to_string();
    assert!(error.contains("the solution"), "{error}");
}
