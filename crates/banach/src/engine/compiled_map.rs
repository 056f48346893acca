//! A map compiled for every number of rows that a solve asks for.

use crate::engine::number::Number;
use crate::settings::configuration::TRACE_MEMORY;
use crate::tracing::cache::{Bytes, Cache};
use banach_program::{
    ConvolutionMethod, Machine, Program, RowDependence, Type, Unsuitable, operations, row_dependence,
    with_rows,
};
use std::sync::Arc;

/// A program `(x, operands..) -> results` in which the matrix x alone changes from run to run.
#[derive(Debug)]
pub(crate) struct CompiledMap<T> {
    program: Program,
    /// The inputs with one row for each row of x, x among them.
    per_row: Vec<usize>,
    /// The type of x.
    state: Type,
    separable: bool,
    method: ConvolutionMethod,
    machines: Cache<usize, Machine<T>>,
}

impl<T: Number> Bytes for CompiledMap<T> {
    fn bytes(&self) -> usize {
        self.program.bytes() + self.machines.bytes()
    }
}

impl<T: Number> CompiledMap<T> {
    pub(crate) fn new(program: Program, method: ConvolutionMethod) -> Result<Self, Unsuitable> {
        let state = program.type_of(program.inputs()[0]).clone();
        let mut per_row = vec![0];
        for position in 1..program.inputs().len() {
            let ty = program.type_of(program.inputs()[position]);
            let with = [per_row.as_slice(), &[position]].concat();
            if ty.shape.first() == state.shape.first()
                && row_dependence(&program, &with) == RowDependence::Independent
            {
                per_row = with;
            }
        }
        let rows = state.shape[0];
        let separable = rows > 1 && with_rows(&program, &per_row, 1).is_some();
        let map = CompiledMap { program, per_row, state, separable, method, machines: Cache::default() };
        map.compile(rows)?;
        Ok(map)
    }

    /// Counts the operations of one application to the whole batch.
    pub(crate) fn operations(&self) -> u64 {
        operations(&self.program)
    }

    /// Returns whether the rows can be solved in several batch slices.
    pub(crate) fn is_separable(&self) -> bool {
        self.separable
    }

    /// Returns whether the input at a position holds one row for each row of x.
    pub(crate) fn is_per_row(&self, input: usize) -> bool {
        self.per_row.contains(&input)
    }

    /// Returns the rows of the whole batch.
    pub(crate) fn rows(&self) -> usize {
        self.state.shape[0]
    }

    /// Returns the width of the first result.
    pub(crate) fn width(&self) -> usize {
        self.program.output_types().next().map_or(0, |ty| ty.shape[1])
    }

    /// Returns the machine for a number of rows: of the whole batch, or any number if the map is separable.
    pub(crate) fn machine(&self, rows: usize) -> Arc<Machine<T>> {
        self.compile(rows).unwrap_or_else(|error| {
            panic!("bug: a map compiled for {} rows, not {rows}: {error}", self.rows())
        })
    }

    fn compile(&self, rows: usize) -> Result<Arc<Machine<T>>, Unsuitable> {
        self.machines.get_or_insert(rows, TRACE_MEMORY, &mut |&rows| {
            let fixed: Vec<usize> = (1..self.program.inputs().len()).collect();
            if rows == self.rows() {
                return Ok(Machine::new(&self.program, &fixed)?.convolving(self.method).spread());
            }
            let Some(program) = with_rows(&self.program, &self.per_row, rows) else {
                panic!("bug: a row-separable program could not be resized to {rows} rows");
            };
            // A batch slice runs on one core.
            Ok(Machine::new(&program, &fixed)?.convolving(self.method))
        })
    }
}
