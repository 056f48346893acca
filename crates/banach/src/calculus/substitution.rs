//! Substitution of rows without a finite derivative, written into the programs of a fixed point's derivatives.
//!
//! Beside the fixed point stands the choice of its rows, a primitive of `(x̂, q..)`: a row is lost where `g(x̂)` is not finite
//! or its pullback is not. The derivative is taken at a point in which a sound row has the place of every lost one, tangents
//! and cotangents of lost rows are zero, and so the derivatives of all orders are those of the other rows.

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
    Builder, Comparison, Custom, CustomOp, Index, Kind, Primitive, Program, Span, Structure, TangentBuilder,
    Type, Value, Var,
};
use banach_solve::Rows as _;
use burn::tensor::{DType, FloatDType, IntDType, Tensor, TensorData};
use std::cell::Cell;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, OnceLock};

thread_local! {
    static WANTED: Cell<bool> = const { Cell::new(false) };
}

/// Traces in which every fixed point is written with the choice of its rows.
pub(crate) fn leaving_out_rows<T>(trace: impl FnOnce() -> T) -> T {
    struct Reset(bool);
    impl Drop for Reset {
        fn drop(&mut self) {
            WANTED.set(self.0);
        }
    }
    let _reset = Reset(WANTED.replace(true));
    trace()
}

/// Whether this thread is in such a trace.
pub(crate) fn leaves_out_rows() -> bool {
    WANTED.get()
}

/// Solves inside programs, of all threads, that left a row without a finite residual.
static FAILED_SOLVES: AtomicUsize = AtomicUsize::new(0);

/// How many solves inside programs have left a row without a finite residual.
pub(crate) fn failed_solves() -> usize {
    FAILED_SOLVES.load(Ordering::Relaxed)
}

/// Counts a solve inside a program that left a row without a finite residual.
pub(crate) fn count_failed_solve() {
    FAILED_SOLVES.fetch_add(1, Ordering::Relaxed);
}

/// The substitutions for the inputs by which a fixed point is differentiated, made when they are first needed.
#[derive(Debug, Default)]
pub(crate) struct Substitutions(Mutex<Vec<(Vec<usize>, Arc<Substitution>)>>);

impl Substitutions {
    /// That for derivatives by the inputs of `(x̂, q..)` at these positions.
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

/// Writes the results of a program from its inputs `(x̂, q..)` and the choice of rows.
type Body<'a> = dyn Fn(&mut Builder, &[Var], Var) -> Vec<Var> + 'a;

/// The programs of `(x̂, q..)` that a derivative is written from.
#[derive(Debug)]
pub(crate) struct Substitution {
    /// `g` with sound rows in the places of lost ones.
    pub(crate) g: Program,
    /// The coefficients of J there.
    pub(crate) coefficients: Program,
    /// x̂ with lost rows erased.
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
        let placed = |input: &Type| -> Arc<dyn Custom> {
            Arc::new(PlacedRows { ty: input.clone(), choice: ty.clone() })
        };
        let placed: Vec<Arc<dyn Custom>> = g.input_types().map(placed).collect();
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
                        let placed = Primitive::Custom(CustomOp(Arc::clone(&placed[at])));
                        builder.push(placed, &[point[at], choice])
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

/// The columns of a choice: which row stands in the place of each, whether it is lost, and the number that stands in its
/// place where no row is sound.
const PLACE: usize = 0;
const LOST: usize = 1;
const FILL: usize = 2;
const COLUMNS: usize = 3;

/// Numbers at which updates have a derivative, as a rule.
const FILLS: [f64; 4] = [0.0, 1.0, -1.0, 0.5];

/// What the second column says of a row: that it is sound, or lost.
const SOUND: f64 = 0.0;
const GONE: f64 = 1.0;

/// One column of a choice `[rows, 3]`.
fn column(builder: &mut Builder, choice: Var, at: usize) -> Var {
    let rows = builder.shape(choice)[0];
    let spans = vec![Span { start: 0, end: rows, step: 1 }, Span { start: at, end: at + 1, step: 1 }];
    builder.structure(Structure::Slice(spans), choice)
}

/// Integers and masks with sound rows in the places of lost ones.
fn selected(builder: &mut Builder, var: Var, choice: Var) -> Var {
    let places = column(builder, choice, PLACE);
    let rows = builder.shape(choice)[0];
    let places = builder.reshape(places, &[rows]);
    let places = builder.cast(places, Kind::Int(IntDType::I64));
    builder.push(Primitive::Index(Index::Select(0)), &[var, places])
}

/// A tensor with lost rows erased.
fn erased(builder: &mut Builder, var: Var, choice: Var) -> Var {
    let shape = builder.shape(var);
    let lost = column(builder, choice, LOST);
    let lost = builder.compare(Comparison::Greater, lost, 0.5 * GONE);
    let mut spread = vec![1; shape.len()];
    spread[0] = shape[0];
    let lost = builder.reshape(lost, &spread);
    let lost = builder.broadcast(lost, &shape);
    builder.push(Primitive::Erase, &[lost, var])
}

/// Which rows of a fixed point are lost, and which stand in their places: `(x̂, q..) -> [rows, 3]`.
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
    /// Rows whose image under g or whose pullback is not finite.
    fn lost(&self, point: &[Value]) -> Result<Vec<bool>, Error> {
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
        let lost = pullback.without_unsound_rows(&forward, pulled)?.left_out;
        let backward: Vec<bool> =
            lost.iter().zip(&forward).map(|(lost, forward)| *lost && !forward).collect();
        self.journal.without_gradient(&backward, self.config.on_failure)?;
        Ok(lost)
    }

    /// A number at which g has a finite derivative, for a batch without a sound row.
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

    /// Its type, in the precision of the state, or in single for a narrower one.
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
        let lost = self.lost(&point).map_err(Error::into_program)?;
        let sound = lost.iter().position(|lost| !lost);
        let fill = if sound.is_some() { 0.0 } else { self.fill(&point).map_err(Error::into_program)? };
        let rows = lost.iter().enumerate().flat_map(|(row, lost)| match lost {
            false => [row as f64, SOUND, fill],
            true => [sound.unwrap_or(row) as f64, GONE, fill],
        });
        let data = TensorData::new(rows.collect::<Vec<f64>>(), [lost.len(), COLUMNS]);
        let dtype = if self.ty() == Type::f64([lost.len(), COLUMNS]) { DType::F64 } else { DType::F32 };
        Ok(Tensor::<2>::from_data(data, (&point[0].device(), dtype)).into())
    }

    fn tangent(&self, _: &mut dyn TangentBuilder, _: &[Var], _: Var) -> Option<Var> {
        None
    }

    /// Which row stands in for a lost one makes no difference to any derivative.
    fn row_by_row(&self, has_rows: &[bool]) -> bool {
        rows_apart(&self.g, has_rows)
    }
}

/// A tensor with sound rows in the places of lost ones, of `(tensor, choice)`; one number where no row is sound.
#[derive(Debug)]
struct PlacedRows {
    ty: Type,
    choice: Type,
}

impl Custom for PlacedRows {
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
        let lost: Vec<bool> = choice.chunks(COLUMNS).map(|row| row[LOST] > SOUND).collect();
        if !lost.contains(&true) {
            return Ok(value);
        }
        match RowSubstitution::new(&lost) {
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
