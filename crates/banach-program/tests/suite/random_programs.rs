//! Random compositions: the program agrees with Burn, its derivatives with differences and with one another.

use crate::harness::{Numbers, check, derivatives};
use banach_program::{Value, simplify};
use burn::tensor::{Tensor, activation};
use proptest::prelude::*;

#[derive(Clone, Copy, Debug)]
enum Step {
    Tanh,
    Sigmoid,
    Sin,
    Softmax,
    Multiply,
    Add,
    Matmul,
    Turn,
    Mean,
    Cat,
    Max,
    Select,
    Scale(i8),
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        Just(Step::Tanh),
        Just(Step::Sigmoid),
        Just(Step::Sin),
        Just(Step::Softmax),
        Just(Step::Multiply),
        Just(Step::Add),
        Just(Step::Matmul),
        Just(Step::Turn),
        Just(Step::Mean),
        Just(Step::Cat),
        Just(Step::Max),
        Just(Step::Select),
        any::<i8>().prop_map(Step::Scale),
    ]
}

fn run(steps: &[Step], x: Tensor<2>, w: Tensor<2>) -> Tensor<2> {
    let mut y = x.clone();
    for step in steps {
        y = match step {
            Step::Tanh => y.tanh(),
            Step::Sigmoid => activation::sigmoid(y),
            Step::Sin => y.sin(),
            Step::Softmax => activation::softmax(y, 1),
            Step::Multiply => y * x.clone(),
            Step::Add => y + w.clone(),
            Step::Matmul => y.matmul(w.clone()).tanh(),
            Step::Turn => y.transpose(),
            Step::Mean => y.clone() - y.mean_dim(1),
            Step::Cat => Tensor::cat(vec![y, x.clone()], 0).slice([1..4, 0..3]),
            Step::Max => y.clone() + y.max_dim(0),
            Step::Select => y.clone().mask_where(x.clone().greater_elem(0.1), y.cos()),
            Step::Scale(factor) => y * (f64::from(*factor) / 64.0),
        };
    }
    y
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 60, ..ProptestConfig::default() })]

    #[test]
    fn compositions_of_random_steps_are_differentiated_right(steps in prop::collection::vec(step(), 1..9)) {
        let closure = |inputs: &[Value]| -> Vec<Value> {
            let [x, w] = [0, 1].map(|at| inputs[at].clone().try_into_tensor().unwrap());
            vec![run(&steps, x, w).into()]
        };
        let program = check(&format!("{steps:?}"), &[&[3, 3], &[3, 3]], closure);
        prop_assert_eq!(&simplify(&program), &program);
        let reverse = banach_program::vjp(&program, &[0, 1]);
        let mut stream = Numbers::new(steps.len() as u64);
        let inputs: Vec<Value> = reverse.input_types().map(|ty| stream.value(ty)).collect();
        derivatives(&format!("reverse of {steps:?}"), &reverse, &inputs, &mut stream);
    }
}
