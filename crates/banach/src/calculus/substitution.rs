//! Substitution of rows without a finite derivative, written into the programs of a fixed point's derivatives.
//!
//! The choice of rows is a primitive of `(x̂, q..)` beside the fixed point: a row is left out if `g(x̂)` or its pullback is not
//! finite. The derivative is taken at a point in which a sound row replaces every row that is left out, and the tangents and
//! cotangents of such rows are zero. So the derivatives of all orders are those of the other rows.

use crate::calculus::pullback::Pullbacks;
use crate::calculus::resolvent::{fits, rows_apart};
use crate::calculus::sound_rows::{UnsoundPullback, all_finite};
use crate::engine::runner::Runner;
use crate::error::Error;
use crate::settings::configuration::FixedPointConfig;
use crate::settings::journal::Journal;
use crate::settings::lock::locked;
use crate::tracing::row_substitution::{RowSubstitution, failed_rows, rows_of_inputs, zero_rows};
use banach_program::{
    Builder, Comparison, Custom, CustomOp, Elementwise, Index, Kind, Primitive, Program, Span, Structure,
    TangentBuilder, Type, Value, Var,
};
use banach_solve::Rows as _;
use burn::tensor::{DType, FloatDType, IntDType, Tensor, TensorData};
use std::cell::Cell;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, OnceLock};

thread_local! {
    static LEAVING_OUT: Cell<bool> = const { Cell::new(false) };
}

/// Runs a trace in which every fixed point is written with the choice of its rows.
pub(crate) fn leaving_out_rows<T>(trace: impl FnOnce() -> T) -> T {
    struct Reset(bool);
    impl Drop for Reset {
        fn drop(&mut self) {
            LEAVING_OUT.set(self.0);
        }
    }
    let _reset = Reset(LEAVING_OUT.replace(true));
    trace()
}

/// Returns whether this thread runs such a trace.
pub(crate) fn leaves_out_rows() -> bool {
    LEAVING_OUT.get()
}

/// Solves inside programs, of all threads, that left a row without a finite residual.
static FAILED_SOLVES: AtomicUsize = AtomicUsize::new(0);

/// Returns how many solves inside programs have left a row without a finite residual.
pub(crate) fn failed_solves() -> usize {
    FAILED_SOLVES.load(Ordering::Relaxed)
}

/// Counts a solve inside a program that left a row without a finite residual.
pub(crate) fn count_failed_solve() {
    FAILED_SOLVES.fetch_add(1, Ordering::Relaxed);
}

/// The substitutions of a fixed point, one for every choice of inputs to differentiate by, created when first needed.
#[derive(Debug, Default)]
pub(crate) struct Substitutions(Mutex<Vec<(Vec<usize>, Arc<Substitution>)>>);

impl Substitutions {
    /// Returns the substitution for derivatives by the inputs of `(x̂, q..)` at these positions.
    pub(crate) fn of(
        &self,
        positions: &[usize],
        new: impl FnOnce(&[usize]) -> Substitution,
    ) -> Arc<Substitution> {
        let mut known = locked(&self.0);
        let found = known.iter().find(|(kept, _)| kept == positions).map(|(_, found)| Arc::clone(found));
        found.unwrap_or_else(|| {
            let found = Arc::new(new(positions));
            known.push((positions.to_vec(), Arc::clone(&found)));
            found
        })
    }
}

/// A closure that writes the results of a program of `(x̂, q..)` and the choice of rows.
type Body<'a> = dyn Fn(&mut Builder, &[Var], Var) -> Vec<Var> + 'a;

/// The programs of `(x̂, q..)` from which a derivative is written.
#[derive(Debug)]
pub(crate) struct Substitution {
    /// g at the point in which sound rows replace those left out.
    pub(crate) g: Program,
    /// The coefficients of J at that point.
    pub(crate) coefficients: Program,
    /// x̂ with zeros in the rows left out.
    pub(crate) kept: Program,
}

impl Substitution {
    pub(crate) fn new(
        (g, coefficients): (&Program, &Program),
        positions: &[usize],
        config: &FixedPointConfig,
        journal: &Arc<Journal>,
    ) -> Self {
        let per_row = rows_of_inputs(g);
        let choice = Arc::new(RowChoice {
            g: g.clone(),
            value: OnceLock::new(),
            pullbacks: Pullbacks::new(g.clone(), config.engine, config.convolution),
            positions: std::iter::once(0).chain(positions.iter().copied()).collect(),
            per_row: per_row.clone(),
            config: config.clone(),
            journal: Arc::clone(journal),
        });
        let ty = choice.ty();
        let choice: Arc<dyn Custom> = choice;
        let substituted = |input: &Type| -> Arc<dyn Custom> {
            Arc::new(SubstitutedRows { ty: input.clone(), choice: ty.clone() })
        };
        let substituted: Vec<Arc<dyn Custom>> = g.input_types().map(substituted).collect();
        let written = |body: &Body<'_>| {
            let mut builder = Builder::new();
            let point: Vec<Var> = g.input_types().map(|ty| builder.input(ty.clone())).collect();
            let choice = builder.push(Primitive::Custom(CustomOp(Arc::clone(&choice))), &point);
            let results = body(&mut builder, &point, choice);
            builder.finish(results)
        };
        let at_sound_rows = |program: &Program| {
            written(&|builder, point, choice| {
                let inputs = (0..point.len()).map(|at| match per_row[at] {
                    false => point[at],
                    true if builder.type_of(point[at]).kind.is_float() => {
                        let rows = Primitive::Custom(CustomOp(Arc::clone(&substituted[at])));
                        builder.push(rows, &[point[at], choice])
                    }
                    true => selected(builder, point[at], choice),
                });
                let inputs: Vec<Var> = inputs.collect();
                builder.inline(program, &inputs)
            })
        };
        Substitution {
            g: at_sound_rows(g),
            coefficients: at_sound_rows(coefficients),
            kept: written(&|builder, point, choice| vec![erased(builder, point[0], choice)]),
        }
    }
}

/// The columns of a choice: the source of each row, whether the row is left out, and the number that fills the row if no row
/// is sound.
const SOURCE: usize = 0;
const LEFT_OUT: usize = 1;
const FILL: usize = 2;
const COLUMNS: usize = 3;

/// Numbers at which most updates have a derivative.
const FILLS: [f64; 4] = [0.0, 1.0, -1.0, 0.5];

/// The second column of a sound row, and of a row left out.
const SOUND: f64 = 0.0;
const OUT: f64 = 1.0;

/// Writes one column of a choice `[rows, 3]`.
fn column(builder: &mut Builder, choice: Var, at: usize) -> Var {
    let rows = builder.shape(choice)[0];
    let spans = vec![Span { start: 0, end: rows, step: 1 }, Span { start: at, end: at + 1, step: 1 }];
    builder.structure(Structure::Slice(spans), choice)
}

/// Writes integers or masks in which sound rows replace those left out.
fn selected(builder: &mut Builder, var: Var, choice: Var) -> Var {
    let sources = column(builder, choice, SOURCE);
    let rows = builder.shape(choice)[0];
    let sources = builder.reshape(sources, &[rows]);
    let sources = builder.cast(sources, Kind::Int(IntDType::I64));
    builder.push(Primitive::Index(Index::Select(0)), &[var, sources])
}

/// Writes a tensor with zeros in the rows left out.
fn erased(builder: &mut Builder, var: Var, choice: Var) -> Var {
    let shape = builder.shape(var);
    let left_out = column(builder, choice, LEFT_OUT);
    let left_out = builder.compare(Comparison::Greater, left_out, 0.5 * OUT);
    let mut spread = vec![1; shape.len()];
    spread[0] = shape[0];
    let left_out = builder.reshape(left_out, &spread);
    let left_out = builder.broadcast(left_out, &shape);
    builder.push(Elementwise::Erase, &[left_out, var])
}

/// The choice of the rows of a fixed point: which are left out, and which replace them, `(x̂, q..) -> [rows, 3]`.
#[derive(Debug)]
struct RowChoice {
    g: Program,
    value: OnceLock<Runner>,
    pullbacks: Pullbacks,
    /// The inputs whose cotangents must be finite, x̂ first.
    positions: Vec<usize>,
    per_row: Vec<bool>,
    config: FixedPointConfig,
    journal: Arc<Journal>,
}

impl RowChoice {
    /// Returns the rows whose image under g or whose pullback is not finite.
    fn left_out(&self, point: &[Value]) -> Result<Vec<bool>, Error> {
        let x: Tensor<2> = point[0].clone().try_into_tensor()?;
        let new = || Runner::new(self.g.clone(), self.config.engine, self.config.convolution);
        let gx: Tensor<2> = self.value.get_or_init(new).call(point.to_vec())?.remove(0).try_into_tensor()?;
        let size = Tensor::largest(&[&gx]).swap_remove(0);
        let forward = failed_rows(&size);
        let probe = zero_rows(&forward, x.probe(1));
        let pulled =
            |point: Vec<Value>, c: Tensor<2>| self.pullbacks.apply(&self.positions, &point, c.into());
        let mut sound = point.to_vec();
        if let Some(substitution) = RowSubstitution::new(&forward) {
            sound = substitution.apply(&self.per_row, sound)?;
        }
        if all_finite(&pulled(sound, probe.clone())?) {
            return Ok(forward);
        }
        let pullback = UnsoundPullback { point, per_row: &self.per_row, c: &probe };
        let all = pullback.without_unsound_rows(&forward, pulled)?.left_out;
        let backward: Vec<bool> = all.iter().zip(&forward).map(|(all, forward)| *all && !forward).collect();
        self.journal.without_gradient(&backward, self.config.on_failure)?;
        Ok(all)
    }

    /// Returns a number at which g has a finite derivative, for a batch without a sound row.
    fn fill(&self, point: &[Value]) -> Result<f64, Error> {
        let x: Tensor<2> = point[0].clone().try_into_tensor()?;
        for fill in FILLS {
            let filled = |(value, per_row): (&Value, &bool)| match *per_row && value.ty().kind.is_float() {
                true => Value::full(&value.ty(), fill, &value.device()),
                false => value.clone(),
            };
            let filled = point.iter().zip(&self.per_row).map(filled).collect::<Vec<Value>>();
            if all_finite(&self.pullbacks.apply(&self.positions, &filled, x.zeros_like().into())?) {
                return Ok(fill);
            }
        }
        Ok(FILLS[0])
    }

    /// Returns the type of the choice: in the precision of the state, or in single precision if that is lower.
    fn ty(&self) -> Type {
        let state = self.g.type_of(self.g.inputs()[0]);
        let double = state.kind == Kind::Float(FloatDType::F64);
        Type::new(
            [state.shape[0], COLUMNS],
            Kind::Float(if double { FloatDType::F64 } else { FloatDType::F32 }),
        )
    }
}

impl Custom for RowChoice {
    fn name(&self) -> String {
        "the choice of its rows".into()
    }

    fn result_type(&self, operands: &[&Type]) -> Result<Type, String> {
        fits(&self.g, operands).map(|_| self.ty())
    }

    fn evaluate(&self, operands: Vec<Value>) -> Result<Value, banach_program::Error> {
        let point: Vec<Value> = operands.into_iter().map(Value::detached).collect();
        let left_out = self.left_out(&point).map_err(Error::into_program)?;
        let sound = left_out.iter().position(|left_out| !left_out);
        let fill = if sound.is_some() { 0.0 } else { self.fill(&point).map_err(Error::into_program)? };
        let rows = left_out.iter().enumerate().flat_map(|(row, left_out)| match left_out {
            false => [row as f64, SOUND, fill],
            true => [sound.unwrap_or(row) as f64, OUT, fill],
        });
        let data = TensorData::new(rows.collect::<Vec<f64>>(), [left_out.len(), COLUMNS]);
        let dtype = if self.ty() == Type::f64([left_out.len(), COLUMNS]) { DType::F64 } else { DType::F32 };
        Ok(Tensor::<2>::from_data(data, (&point[0].device(), dtype)).into())
    }

    fn tangent(&self, _: &mut dyn TangentBuilder, _: &[Var], _: Var) -> Option<Var> {
        None
    }

    /// No derivative depends on which row replaces a row left out.
    fn row_by_row(&self, has_rows: &[bool]) -> bool {
        rows_apart(&self.g, has_rows)
    }
}

/// A tensor in which sound rows replace those left out, of `(tensor, choice)`; one repeated number if no row is sound.
#[derive(Debug)]
struct SubstitutedRows {
    ty: Type,
    choice: Type,
}

impl Custom for SubstitutedRows {
    fn name(&self) -> String {
        "sound rows of".into()
    }

    fn result_type(&self, operands: &[&Type]) -> Result<Type, String> {
        match operands {
            [value, choice] if **value == self.ty && **choice == self.choice => Ok(self.ty.clone()),
            _ => Err(format!("expected {} and a choice of its rows", self.ty)),
        }
    }

    fn evaluate(&self, mut operands: Vec<Value>) -> Result<Value, banach_program::Error> {
        let choice: Vec<f64> = operands
            .pop()
            .map(|choice| choice.detached().into_data().iter::<f64>().collect())
            .unwrap_or_default();
        let value = operands.remove(0);
        let left_out: Vec<bool> = choice.chunks(COLUMNS).map(|row| row[LEFT_OUT] > SOUND).collect();
        if !left_out.contains(&true) {
            return Ok(value);
        }
        match RowSubstitution::new(&left_out) {
            Some(substitution) => substitution.select(value).map_err(Error::into_program),
            None => Ok(Value::full(&value.ty(), choice[FILL], &value.device())),
        }
    }

    fn tangent(&self, point: &mut dyn TangentBuilder, operands: &[Var], _: Var) -> Option<Var> {
        let tangent = point.tangent(operands[0])?;
        let mut builder = Builder::new();
        let value = builder.input(self.ty.clone());
        let choice = builder.input(self.choice.clone());
        let kept = erased(&mut builder, value, choice);
        let program = builder.finish(vec![kept]);
        point.derivative(&program, operands, &[Some(tangent), None]).remove(0)
    }

    fn row_by_row(&self, has_rows: &[bool]) -> bool {
        has_rows == [true, true]
    }
}
