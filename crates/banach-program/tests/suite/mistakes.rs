//! Random code with wrong types, wrong shapes and empty batches: an error or a result, never a panic.

use crate::networks::{average, largest};
use banach_program::{
    Error, Kind, Machine, Program, Type, Value, evaluate, hoist, jvp, row_dependence, trace, vjp, with_rows,
};
use burn::tensor::ops::{AttentionModuleOptions, ConvOptions, ConvTransposeOptions};
use burn::tensor::{
    DType, Device, FloatDType, IndexingUpdateOp, Int, IntDType, Slice, Tensor, activation, module,
};
use std::panic::{AssertUnwindSafe, catch_unwind};

/// A reproducible stream of choices.
struct Choices(u64);

impl Choices {
    fn below(&mut self, count: usize) -> usize {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        (self.0 >> 33) as usize % count
    }

    fn shape(&mut self, rank: usize) -> Vec<usize> {
        (0..rank).map(|_| [0, 1, 2, 2, 3, 3][self.below(6)]).collect()
    }

    fn input(&mut self) -> Type {
        let rank = [2, 2, 2, 1, 3, 4, 4][self.below(7)];
        let kinds = [
            Kind::Float(FloatDType::F32),
            Kind::Float(FloatDType::F32),
            Kind::Float(FloatDType::F64),
            Kind::Int(IntDType::I64),
            Kind::Bool,
        ];
        Type::new(self.shape(rank), kinds[self.below(5)])
    }

    fn pick(&mut self, pool: &[Value]) -> Value {
        pool[self.below(pool.len())].clone()
    }

    /// One of the tensors of a rank, floats for the most part.
    fn of_rank(&mut self, pool: &[Value], rank: usize) -> Value {
        let fits = |value: &&Value| value.ty().shape.len() == rank && value.ty().kind.is_float();
        let found: Vec<&Value> = pool.iter().filter(fits).collect();
        if found.is_empty() || self.below(12) == 0 {
            self.pick(pool)
        } else {
            found[self.below(found.len())].clone()
        }
    }
}

/// Code on a float tensor of whatever rank.
macro_rules! at_rank {
    ($value:expr, |$x:ident: $rank:ident| $code:expr) => {{
        let value: Value = $value;
        macro_rules! at {
            ($d:literal) => {{
                #[allow(dead_code, reason = "not all code says the rank")]
                const $rank: usize = $d;
                let $x: Tensor<$d> = value.try_into_tensor()?;
                $code
            }};
        }
        match value.ty().shape.len() {
            1 => at!(1),
            2 => at!(2),
            3 => at!(3),
            _ => at!(4),
        }
    }};
}

/// One operation on tensors of the pool, whether they fit or not.
#[allow(clippy::too_many_lines, reason = "a table")]
fn step(choices: &mut Choices, pool: &[Value]) -> Result<Value, Error> {
    let a = choices.pick(pool);
    let rank = a.ty().shape.len();
    let b = choices.of_rank(pool, rank);
    let (dim, other, size) = (choices.below(4), choices.below(4), choices.below(4));
    let number = choices.below(5) as i64 - 1;
    Ok(match choices.below(26) {
        0 => at_rank!(a, |x: D| {
            let y: Tensor<D> = b.try_into_tensor()?;
            match size {
                0 => x + y,
                1 => x.atan2(y),
                2 => x.powf(y),
                _ => x / y,
            }
            .into()
        }),
        1 => at_rank!(a, |x: D| {
            let y: Tensor<D> = b.try_into_tensor()?;
            x.matmul(y).into()
        }),
        2 => at_rank!(a, |x: D| {
            let y: Tensor<D> = b.try_into_tensor()?;
            Tensor::cat(vec![x, y], dim).into()
        }),
        3 => at_rank!(a, |x: D| {
            let slices = [Slice::new(number as isize, Some(size as isize), 1 + other as isize); D];
            x.slice(slices).into()
        }),
        4 => at_rank!(a, |x: D| x.reshape([size, other]).into()),
        5 => at_rank!(a, |x: D| x.swap_dims(dim, other).into()),
        6 => at_rank!(a, |x: D| match size {
            0 => x.sum_dim(dim).into(),
            1 => x.mean_dim(dim).into(),
            2 => x.max_dim(dim).into(),
            _ => x.argmin(dim).into(),
        }),
        7 => at_rank!(a, |x: D| {
            let at = Tensor::<D, Int>::full(choices.shape(D), number, &x.device());
            x.gather(dim, at).into()
        }),
        8 => at_rank!(a, |x: D| {
            let at = Tensor::<1, Int>::full([size], number, &x.device());
            x.select(dim, at).into()
        }),
        9 => at_rank!(a, |x: D| {
            let y: Tensor<D> = b.try_into_tensor()?;
            let mask = Tensor::<D, Int>::full(choices.shape(D), 1, &x.device()).equal_elem(1);
            x.mask_where(mask, y).into()
        }),
        10 => at_rank!(a, |x: D| {
            let weight: Tensor<2> = choices.of_rank(pool, 2).try_into_tensor()?;
            let bias: Tensor<1> = choices.of_rank(pool, 1).try_into_tensor()?;
            module::linear(x, weight, (size > 1).then_some(bias)).into()
        }),
        11 => {
            let x: Tensor<4> = choices.of_rank(pool, 4).try_into_tensor()?;
            let weight: Tensor<4> = choices.of_rank(pool, 4).try_into_tensor()?;
            let options = ConvOptions::new([1 + size / 2; 2], [other; 2], [1 + dim / 2; 2], 1 + size / 2);
            module::conv2d(x, weight, None, options).into()
        }
        12 => {
            let x: Tensor<4> = choices.of_rank(pool, 4).try_into_tensor()?;
            if size > 1 {
                module::max_pool2d(x, largest([1 + size; 2], [1 + other; 2], [dim; 2], [1; 2], other > 1))
                    .into()
            } else {
                module::avg_pool2d(x, average([1 + size; 2], [1 + other; 2], [dim; 2], other > 1, false))
                    .into()
            }
        }
        13 => at_rank!(a, |x: D| activation::softmax(x, dim).into()),
        14 => at_rank!(a, |x: D| x.pad([(size, other); D], 0.5).into()),
        15 => at_rank!(a, |x: D| x.expand([size, other, dim]).into()),
        16 => at_rank!(a, |x: D| x.repeat_dim(dim, size).into()),
        17 => at_rank!(a, |x: D| {
            let y: Tensor<D> = b.try_into_tensor()?;
            let at = Tensor::<D, Int>::full(choices.shape(D), number, &x.device());
            x.scatter(dim, at, y, IndexingUpdateOp::Add).into()
        }),
        18 => at_rank!(a, |x: D| {
            let y: Tensor<D> = b.try_into_tensor()?;
            let at = Tensor::<1, Int>::full([size], number, &x.device());
            x.select_assign(dim, at, y, IndexingUpdateOp::Add).into()
        }),
        19 => at_rank!(a, |x: D| x.cast(if size > 1 { DType::F64 } else { DType::F32 }).into()),
        20 => at_rank!(a, |x: D| match size {
            0 => x.log().into(),
            1 => x.tanh().into(),
            2 => activation::relu(x).into(),
            _ => x.powf_scalar(0.5).into(),
        }),
        21 => at_rank!(a, |x: D| x.flip([dim]).into()),
        22 => at_rank!(a, |x: D| {
            let y: Tensor<D> = b.try_into_tensor()?;
            let ranges = [Slice::new(0, Some(size as isize), 1); D];
            x.slice_assign(ranges, y).into()
        }),
        23 => {
            let x: Tensor<4> = choices.of_rank(pool, 4).try_into_tensor()?;
            let weight: Tensor<4> = choices.of_rank(pool, 4).try_into_tensor()?;
            let options =
                ConvTransposeOptions::new([1 + size / 2; 2], [other; 2], [0; 2], [1; 2], 1 + dim / 3);
            module::conv_transpose2d(x, weight, None, options).into()
        }
        24 => {
            let x: Tensor<3> = choices.of_rank(pool, 3).try_into_tensor()?;
            let weight: Tensor<3> = choices.of_rank(pool, 3).try_into_tensor()?;
            module::conv1d(x, weight, None, ConvOptions::new([1 + size / 2], [other], [1], 1)).into()
        }
        _ => {
            let [q, k, v] = [0; 3].map(|_| choices.of_rank(pool, 4));
            let (q, k, v) = (q.try_into_tensor()?, k.try_into_tensor()?, v.try_into_tensor()?);
            module::attention(q, k, v, None, None, AttentionModuleOptions::default()).into()
        }
    })
}

fn given(types: &[Type], number: f64) -> Vec<Value> {
    types
        .iter()
        .map(|ty| Value::full(ty, if ty.kind.is_float() { number } else { 1.0 }, &Device::flex()))
        .collect()
}

/// Everything that is done to a traced program; errors are fine.
fn exercise(program: &Program) {
    let types: Vec<Type> = program.input_types().cloned().collect();
    let found = evaluate(program, given(&types, 0.7));
    let floats: Vec<usize> = (0..types.len()).filter(|&at| types[at].kind.is_float()).collect();
    for fixed in [&[][..], &floats] {
        let _ = Machine::<f32>::new(program, fixed).map(|machine| machine.call(given(&types, 0.7)));
        let _ = Machine::<f64>::new(program, fixed).map(|machine| machine.call(given(&types, 0.7)));
    }
    row_dependence(program, &[0]);
    hoist(program, &[0]);
    let _ = [0, 1, 2].map(|rows| with_rows(program, &[0], rows));
    if found.is_err() || floats.is_empty() || !program.output_types().all(|ty| ty.kind.is_float()) {
        return;
    }
    for derivative in [jvp(program, &floats), vjp(program, &floats)] {
        let types: Vec<Type> = derivative.input_types().cloned().collect();
        let _ = evaluate(&derivative, given(&types, 0.3));
    }
}

/// How many random programs there are: a few hundred, or `BANACH_CASES`.
pub(crate) fn cases(default: usize) -> usize {
    std::env::var("BANACH_CASES").ok().and_then(|cases| cases.parse().ok()).unwrap_or(default)
}

#[test]
fn random_code_is_an_error_or_a_program_and_never_a_panic() {
    let (mut refused, mut traced) = (0, 0);
    // The last one reads a view without elements that starts beyond an empty buffer.
    for case in (0..cases(600)).chain([9892]) {
        let mut choices = Choices((case as u64 + 1).wrapping_mul(0x9E37_79B9_7F4A_7C15));
        let types: Vec<Type> = (0..2 + choices.below(4)).map(|_| choices.input()).collect();
        let steps = 1 + choices.below(4);
        let attempt = catch_unwind(AssertUnwindSafe(|| {
            let program = trace(&Device::flex(), &types, |inputs| {
                let mut pool = inputs.to_vec();
                for _ in 0..steps {
                    let made = step(&mut choices, &pool)?;
                    pool.push(made);
                }
                Ok(vec![pool.swap_remove(pool.len() - 1)])
            });
            match program {
                Ok(program) => {
                    exercise(&program);
                    true
                }
                Err(error) => {
                    let text = error.to_string();
                    assert!(!text.contains('\n') && !text.contains("bug:"), "{text}");
                    false
                }
            }
        }));
        let passed = attempt.unwrap_or_else(|_| {
            let listed: Vec<String> = types.iter().map(Type::to_string).collect();
            panic!("case {case} panicked: {steps} steps on {}", listed.join(", "))
        });
        if passed { traced += 1 } else { refused += 1 }
    }
    assert!(refused * 20 > traced && traced * 20 > refused, "{refused} refused, {traced} traced");
}
