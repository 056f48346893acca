//! Which programs treat every row of the batch on its own?

use banach_program::{Rows, Type, rows, trace};
use burn::tensor::{Device, Tensor, activation};

fn of(shape: &[usize], closure: impl Fn(Tensor<3>) -> Tensor<3>) -> Rows {
    let traced = trace(&Device::flex(), &[Type::f64(shape)], |inputs| {
        Ok(vec![closure(inputs[0].clone().try_into_tensor()?).into()])
    });
    rows(&traced.unwrap(), &[0])
}

#[test]
fn networks_that_look_at_one_row_at_a_time_are_independent() {
    let shape = [4, 3, 5];
    assert_eq!(of(&shape, |x| x.tanh() * 2.0), Rows::Independent);
    assert_eq!(of(&shape, |x| activation::softmax(x, 2)), Rows::Independent);
    assert_eq!(
        of(&shape, |x| x.clone().matmul(x.swap_dims(1, 2)).sum_dim(2).expand([4, 3, 5])),
        Rows::Independent
    );
    assert_eq!(
        of(&shape, |x| x.clone().swap_dims(0, 1).tanh().swap_dims(0, 1) + x.mean_dim(1)),
        Rows::Independent
    );
    assert_eq!(of(&shape, |x| x.reshape([12, 5]).tanh().reshape([4, 3, 5])), Rows::Independent);
    assert_eq!(
        of(&shape, |x| {
            let weight = Tensor::<2>::ones([5, 5], (&x.device(), burn::tensor::DType::F64));
            burn::tensor::module::linear(x, weight, None)
        }),
        Rows::Independent
    );
}

#[test]
fn anything_that_mixes_rows_is_found_out() {
    let shape = [4, 3, 5];
    assert_eq!(of(&shape, |x| x.clone() - x.mean_dim(0)), Rows::Coupled);
    assert_eq!(of(&shape, |x| x.clone() * x.sum().reshape([1, 1, 1])), Rows::Coupled);
    assert_eq!(of(&shape, |x| x.flip([0])), Rows::Coupled);
    assert_eq!(of(&shape, |x| activation::softmax(x, 0)), Rows::Coupled);
    assert_eq!(of(&[4, 4, 5], |x| x.swap_dims(0, 1)), Rows::Coupled);
}

#[test]
fn one_row_is_always_independent() {
    assert_eq!(of(&[1, 3, 5], |x| x.clone() - x.mean_dim(0)), Rows::Independent);
}
