//! Planning of elementwise chains: their loops, and their fusion into the epilogue of a product.

use super::{Location, Planner};
use crate::language::primitive::{Bilinear, Binary, Comparison, Elementwise, Logic, Primitive};
use crate::language::program::{Equation, Var};
use crate::language::tensor_type::Kind;
use crate::run::native::instruction::{BufferOffset, ChainLoops, Epilogue, Work};
use crate::run::native::view::{Buffer, Loop, View, loops};
use crate::run::value::number::Number;
use banach_kernels::{self as kernels, Chain, Operation, Step};

/// A chain as steps over registers: the first registers are the inputs.
struct Steps {
    inputs: Vec<Var>,
    steps: Vec<Step>,
    output: usize,
}

impl<T: Number> Planner<'_, T> {
    /// Computes the chain that ends with `last`.
    pub(super) fn chain(&mut self, last: Var) -> Location {
        let steps = self.steps(last);
        if steps.steps.is_empty() {
            // Nothing but other names.
            return match steps.inputs.first() {
                Some(&input) => Location::At(self.view(input)),
                None => Location::Number(self.number_of(last)),
            };
        }
        let put_off: Vec<usize> =
            (0..steps.inputs.len()).filter(|&at| self.is_put_off(steps.inputs[at])).collect();
        if let Some((&first, others)) = put_off.split_first() {
            others.iter().for_each(|&at| drop(self.view(steps.inputs[at])));
            if let Some(view) = self.behind(steps.inputs[first], &steps) {
                return Location::At(view);
            }
        }
        Location::At(self.alone(&steps, last))
    }

    fn is_put_off(&self, var: Var) -> bool {
        matches!(self.places[var.0], Location::Deferred)
    }

    /// The number a chain of other names for a number stands for.
    fn number_of(&self, mut var: Var) -> f64 {
        loop {
            match (&self.places[var.0], self.source[var.0]) {
                (Location::Number(number), _) => return *number,
                (Location::Deferred | Location::At(_), Some(equation)) => var = equation.operands[0],
                (Location::Deferred | Location::At(_), None) => {
                    panic!("bug: variable {var} has no scalar value")
                }
            }
        }
    }

    fn steps(&self, last: Var) -> Steps {
        let members = &self.members[&last];
        let inside = |var: Var| members.iter().any(|member| member.result == var);
        let mut inputs: Vec<Var> = vec![];
        for operand in members.iter().flat_map(|member| &member.operands) {
            let outside = !inside(*operand) && !matches!(self.places[operand.0], Location::Number(_));
            if outside && !inputs.contains(operand) {
                inputs.push(*operand);
            }
        }
        // A put-off product comes first, for its result is where the chain's is.
        if let Some(at) = inputs.iter().position(|&input| self.is_put_off(input)) {
            inputs.swap(0, at);
        }
        let mut registers: Vec<(Var, usize)> =
            inputs.iter().enumerate().map(|(register, &var)| (var, register)).collect();
        let mut steps: Vec<Step> = vec![];
        let mut next = inputs.len();
        for member in members {
            let mut operands = vec![];
            for &operand in &member.operands {
                let found = registers.iter().find(|(var, _)| *var == operand).map(|(_, register)| *register);
                operands.push(found.unwrap_or_else(|| {
                    let number = self.number_of(operand);
                    steps.push(Step::new(Operation::Constant(number), &[], next));
                    registers.push((operand, next));
                    next += 1;
                    next - 1
                }));
            }
            match self.operation(member) {
                Some(operation) => {
                    steps.push(Step::new(operation, &operands, next));
                    registers.push((member.result, next));
                    next += 1;
                }
                None => registers.push((member.result, operands[0])),
            }
        }
        let output = registers.last().map_or(0, |(_, register)| *register);
        let plain = steps.iter().all(|step| matches!(step.operation, Operation::Constant(_)));
        if plain && (inputs.is_empty() || output < inputs.len()) {
            steps.clear();
        }
        Steps { inputs, steps, output }
    }

    /// What a line computes; none where it only gives another name.
    fn operation(&self, equation: &Equation) -> Option<Operation> {
        let function = match &equation.primitive {
            Primitive::Elementwise(function) => function,
            Primitive::Bilinear(Bilinear::Multiply) => {
                return Some(Operation::Binary(kernels::Binary::Multiply));
            }
            Primitive::Bilinear(Bilinear::AbsorbingProduct) => {
                return Some(Operation::Binary(kernels::Binary::AbsorbingProduct));
            }
            Primitive::Constant(_)
            | Primitive::Bilinear(_)
            | Primitive::Structure(_)
            | Primitive::Index(_)
            | Primitive::Concat(_)
            | Primitive::Extreme { .. }
            | Primitive::ArgExtreme { .. }
            | Primitive::MaxPoolIndices(_)
            | Primitive::Custom(_) => unreachable!("fused lines are elementwise"),
        };
        Some(match function {
            Elementwise::Detach => return None,
            Elementwise::Cast(to) => {
                let from = self.program.type_of(equation.operands[0]).kind;
                if !(from.is_float() && *to == Kind::Bool) {
                    return None;
                }
                Operation::CompareScalar(Comparison::NotEqual, 0.0)
            }
            Elementwise::Unary(function) => Operation::Unary(*function),
            Elementwise::Binary(function) => Operation::Binary(binary(*function)),
            Elementwise::Scale(factor) => Operation::Scale(*factor),
            Elementwise::Offset(number) => Operation::Offset(*number),
            Elementwise::Power(exponent) => Operation::Power(*exponent),
            Elementwise::Compare(comparison) => Operation::Compare(*comparison),
            Elementwise::CompareScalar(comparison, number) => Operation::CompareScalar(*comparison, *number),
            Elementwise::Logic(Logic::And) => Operation::And,
            Elementwise::Logic(Logic::Or) => Operation::Or,
            Elementwise::Logic(Logic::Xor) => Operation::Xor,
            Elementwise::Not => Operation::Not,
            Elementwise::Choose => Operation::Choose,
            Elementwise::Erase => Operation::Erase,
        })
    }

    fn compiled(&self, steps: &Steps) -> Chain<T> {
        Chain::new(steps.inputs.len(), &steps.steps, &[steps.output])
            .unwrap_or_else(|error| panic!("bug: a chain of lines: {error:?}"))
    }

    /// The chain in loops of its own.
    fn alone(&mut self, steps: &Steps, last: Var) -> View {
        let ty = self.program.type_of(last).clone();
        let mut sources: Vec<View> = steps.inputs.iter().map(|&input| self.view(input)).collect();
        let full = |view: &&View| {
            view.strides.iter().zip(&view.shape).all(|(stride, size)| *stride > 0 || *size == 1)
        };
        let moving = sources.iter().filter(full).find(|view| !self.is_fixed(view.buffer));
        let order = moving.or_else(|| sources.iter().find(full)).map(View::order);
        let output = self.program.outputs().contains(&last);
        let order = order.filter(|_| !output).unwrap_or_else(|| (0..ty.shape.len()).collect());
        let temporary = self.temporary(&ty);
        let target = View::ordered(Buffer::Temporary(temporary), &ty.shape, &order);
        let nest = loop {
            let views: Vec<&View> = std::iter::once(&target).chain(&sources).collect();
            let nest = loops(&views, &order);
            let fits = |position: usize| {
                let inner = nest.last().is_none_or(|inner| matches!(inner.strides[position], 0 | 1));
                inner && nest.iter().all(|level| level.strides[position] >= 0)
            };
            match (1..views.len()).find(|&position| !fits(position)) {
                Some(position) => {
                    sources[position - 1] = self.laid_out(sources[position - 1].clone(), &order, false);
                }
                None => break nest,
            }
        };
        let mut outer = nest;
        let unit = || Loop { size: 1, strides: vec![0; sources.len() + 1] };
        let columns = outer.pop().unwrap_or_else(unit);
        let rows = outer.pop().unwrap_or_else(unit);
        let chain = self.compiled(steps);
        let sources = sources.iter().map(BufferOffset::from).collect();
        self.emit(Work::Chain(ChainLoops { chain, sources, outer, rows, columns }), temporary);
        target
    }

    /// The chain right behind the product that is its first input, if the other inputs can be read row by row
    /// of that.
    fn behind(&mut self, product: Var, steps: &Steps) -> Option<View> {
        let equation = self.source[product.0]?;
        let Primitive::Bilinear(form) = &equation.primitive else { return None };
        let order = self.product_order(form, equation)?;
        let mut sources = vec![];
        for &input in &steps.inputs[1..] {
            let mut view = self.view(input);
            let strides = match row_by_row(&view, &order) {
                Some(strides) => strides,
                None => {
                    let spread =
                        view.strides.iter().zip(&view.shape).any(|(stride, size)| *stride == 0 && *size > 1);
                    if spread && !self.is_fixed(view.buffer) {
                        return None;
                    }
                    view = self.laid_out(view, &order, false);
                    row_by_row(&view, &order)?
                }
            };
            sources.push((BufferOffset::from(&view), strides));
        }
        let chain = self.compiled(steps);
        Some(self.bilinear(form, equation, Some(Epilogue { chain, sources })))
    }
}

/// The strides of rows and columns, if all axes but the last of `order` are one loop for this view.
fn row_by_row(view: &View, order: &[usize]) -> Option<[usize; 2]> {
    let (&last, before) = order.split_last()?;
    let rows = loops(&[view], before);
    let row = match rows.as_slice() {
        [] => 0,
        [rows] => rows.strides[0],
        _ => return None,
    };
    let column = if view.shape[last] == 1 { 0 } else { view.strides[last] };
    (row >= 0 && matches!(column, 0 | 1)).then(|| [row.unsigned_abs(), column.unsigned_abs()])
}

fn binary(function: Binary) -> kernels::Binary {
    match function {
        Binary::Add => kernels::Binary::Add,
        Binary::Subtract => kernels::Binary::Subtract,
        Binary::Divide => kernels::Binary::Divide,
        Binary::Power => kernels::Binary::Power,
        Binary::Remainder => kernels::Binary::Remainder,
        Binary::Atan2 => kernels::Binary::Atan2,
    }
}
