//! The choice of the rows of a fixed point that derivatives inside programs leave out, as a primitive.

use crate::calculus::pullback::Pullbacks;
use crate::calculus::resolvent::{fits, rows_apart};
use crate::calculus::sound_rows::{UnsoundPullback, all_finite};
use crate::engine::runner::Runner;
use crate::error::Error;
use crate::settings::configuration::FixedPointConfig;
use crate::settings::journal::Journal;
use crate::tracing::row_substitution::{RowSubstitution, failed_rows, rows_of_inputs, zero_rows};
use banach_program::{
    Builder, Comparison, Custom, CustomOp, Elementwise, Index, Kind, Primitive, Program, Span, Structure,
    TangentBuilder, Type, Value, Var,
};
use banach_solve::Rows as _;
use burn::tensor::{DType, FloatDType, IntDType, Tensor, TensorData};
use std::sync::{Arc, OnceLock};

/// The choice of rows of a fixed point, and the tensors in which sound rows replace those left out.
#[derive(Debug)]
pub(super) struct SoundRows {
    choice: Arc<RowChoice>,
    /// Which inputs of g hold one row for each row of the state.
    pub(super) per_row: Vec<bool>,
}

impl SoundRows {
    /// Chooses rows for derivatives by the inputs of `g(x̂, q..)` at these positions.
    pub(super) fn new(
        g: &Program,
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
        SoundRows { choice, per_row }
    }

    /// Writes the choice at a point `(x̂, q..)`.
    pub(super) fn write_choice(&self, builder: &mut Builder, point: &[Var]) -> Var {
        let choice: Arc<dyn Custom> = Arc::clone(&self.choice) as Arc<dyn Custom>;
        builder.push(Primitive::Custom(CustomOp(choice)), point)
    }

    /// Writes tensors in which sound rows replace those left out, where they hold one row for each row of the state.
    pub(super) fn substituted(
        &self,
        builder: &mut Builder,
        values: &[Var],
        (per_row, choice): (&[bool], Var),
    ) -> Vec<Var> {
        let mut written = vec![];
        for (&value, per_row) in values.iter().zip(per_row) {
            let ty = builder.type_of(value).clone();
            written.push(match per_row {
                false => value,
                true if ty.kind.is_float() => {
                    let rows: Arc<dyn Custom> = Arc::new(SubstitutedRows { ty, choice: self.choice.ty() });
                    builder.push(Primitive::Custom(CustomOp(rows)), &[value, choice])
                }
                true => selected(builder, value, choice),
            });
        }
        written
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

/// Writes the mask of the rows left out, in the shape of a tensor.
pub(super) fn left_out(builder: &mut Builder, var: Var, choice: Var) -> Var {
    let shape = builder.shape(var);
    let left_out = column(builder, choice, LEFT_OUT);
    let left_out = builder.compare(Comparison::Greater, left_out, 0.5 * OUT);
    let mut spread = vec![1; shape.len()];
    spread[0] = shape[0];
    let left_out = builder.reshape(left_out, &spread);
    builder.broadcast(left_out, &shape)
}

/// Writes a tensor with zeros in the rows left out.
pub(super) fn erased(builder: &mut Builder, var: Var, choice: Var) -> Var {
    let left_out = left_out(builder, var, choice);
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
        let all = pullback.without_unsound_rows(&forward, &pulled)?.left_out;
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
