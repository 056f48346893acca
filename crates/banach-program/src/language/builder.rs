//! Builder of programs, equation by equation.

use crate::language::primitive::{
    Bilinear, Binary, Comparison, Elementwise, Logic, Primitive, Structure, Unary,
};
use crate::language::program::{Equation, Program, Var};
use crate::language::shape::result_type;
use crate::language::tensor_type::{Constant, Kind, Literal, Type};
use crate::language::verify::verify;

/// Builder of a program. The type of every equation follows from its operands.
#[derive(Clone, Debug)]
pub struct Builder {
    pub(crate) program: Program,
}

impl Default for Builder {
    fn default() -> Self {
        Builder::new()
    }
}

impl Builder {
    /// Creates an empty program.
    pub fn new() -> Self {
        Builder { program: Program { types: vec![], inputs: vec![], equations: vec![], outputs: vec![] } }
    }

    /// Appends an input.
    pub fn input(&mut self, ty: Type) -> Var {
        let var = self.variable(ty);
        self.program.inputs.push(var);
        var
    }

    /// Appends an equation and returns its result.
    ///
    /// # Panics
    /// If the operands do not fit the primitive, which is a bug of the caller.
    pub fn push(&mut self, primitive: impl Into<Primitive>, operands: &[Var]) -> Var {
        let primitive = primitive.into();
        let types: Vec<&Type> = operands.iter().map(|&var| self.type_of(var)).collect();
        let ty = result_type(&primitive, &types)
            .unwrap_or_else(|found| panic!("building a program: {primitive:?} of {types:?}: {found}"));
        let result = self.variable(ty);
        self.program.equations.push(Equation { primitive, operands: operands.to_vec(), result });
        result
    }

    /// The type of a variable.
    pub fn type_of(&self, var: Var) -> &Type {
        self.program.type_of(var)
    }

    /// The shape of a variable.
    pub fn shape(&self, var: Var) -> Vec<usize> {
        self.type_of(var).shape.clone()
    }

    /// Appends the equations of another program applied to the given variables, and returns its outputs.
    pub fn inline(&mut self, program: &Program, inputs: &[Var]) -> Vec<Var> {
        let mut here = vec![Var(usize::MAX); program.variables()];
        for (&input, &var) in program.inputs.iter().zip(inputs) {
            here[input.0] = var;
        }
        for equation in &program.equations {
            let operands: Vec<Var> = equation.operands.iter().map(|var| here[var.0]).collect();
            here[equation.result.0] = self.push(equation.primitive.clone(), &operands);
        }
        program.outputs.iter().map(|var| here[var.0]).collect()
    }

    /// Returns the program with the given outputs.
    pub fn finish(mut self, outputs: Vec<Var>) -> Program {
        self.program.outputs = outputs;
        if cfg!(debug_assertions)
            && let Err(error) = verify(&self.program)
        {
            panic!("{error}");
        }
        self.program
    }

    fn variable(&mut self, ty: Type) -> Var {
        self.program.types.push(ty);
        Var(self.program.types.len() - 1)
    }
}

/// The equations that derivatives and lowering append most often.
impl Builder {
    /// A tensor filled with one number.
    pub fn full(&mut self, ty: Type, number: f64) -> Var {
        self.push(Primitive::Constant(Constant { ty, literal: Literal::Full(number) }), &[])
    }

    /// A function of every element.
    pub fn unary(&mut self, function: Unary, x: Var) -> Var {
        self.push(Elementwise::Unary(function), &[x])
    }

    /// a + b
    pub fn add(&mut self, a: Var, b: Var) -> Var {
        self.push(Elementwise::Binary(Binary::Add), &[a, b])
    }

    /// a - b
    pub fn subtract(&mut self, a: Var, b: Var) -> Var {
        self.push(Elementwise::Binary(Binary::Subtract), &[a, b])
    }

    /// a b
    pub fn multiply(&mut self, a: Var, b: Var) -> Var {
        self.push(Primitive::Bilinear(Bilinear::Multiply), &[a, b])
    }

    /// a / b
    pub fn divide(&mut self, a: Var, b: Var) -> Var {
        self.push(Elementwise::Binary(Binary::Divide), &[a, b])
    }

    /// factor x
    pub fn scale(&mut self, x: Var, factor: f64) -> Var {
        self.push(Elementwise::Scale(factor), &[x])
    }

    /// x + number
    pub fn offset(&mut self, x: Var, number: f64) -> Var {
        self.push(Elementwise::Offset(number), &[x])
    }

    /// The truth of `x comparison number`.
    pub fn compare(&mut self, comparison: Comparison, x: Var, number: f64) -> Var {
        self.push(Elementwise::CompareScalar(comparison, number), &[x])
    }

    /// `yes` where the mask is true, `no` elsewhere.
    pub fn choose(&mut self, mask: Var, yes: Var, no: Var) -> Var {
        self.push(Elementwise::Choose, &[mask, yes, no])
    }

    /// x with derivative zero.
    pub fn detach(&mut self, x: Var) -> Var {
        self.push(Elementwise::Detach, &[x])
    }

    /// Conversion to another kind of number.
    pub fn cast(&mut self, x: Var, kind: Kind) -> Var {
        if self.type_of(x).kind == kind { x } else { self.push(Elementwise::Cast(kind), &[x]) }
    }

    /// Moves, copies or adds elements.
    pub fn structure(&mut self, structure: Structure, x: Var) -> Var {
        self.push(Primitive::Structure(structure), &[x])
    }

    /// The elements in another shape, in row-major order.
    pub fn reshape(&mut self, x: Var, shape: &[usize]) -> Var {
        if self.type_of(x).shape == shape { x } else { self.structure(Structure::Reshape(shape.into()), x) }
    }

    /// The larger of |a| and |b|, as a scale for both: 1 where that is 0 or infinite, with derivative zero.
    /// Squares of numbers divided by this scale neither overflow nor vanish together.
    pub(crate) fn magnitude(&mut self, a: Var, b: Var) -> Var {
        let (a, b) = (self.unary(Unary::Abs, a), self.unary(Unary::Abs, b));
        let less = self.push(Elementwise::Compare(Comparison::Less), &[a, b]);
        let larger = self.choose(less, b, a);
        let zero = self.compare(Comparison::Equal, larger, 0.0);
        let infinite = self.compare(Comparison::Equal, larger, f64::INFINITY);
        let useless = self.push(Elementwise::Logic(Logic::Or), &[zero, infinite]);
        let ty = self.type_of(larger).clone();
        let one = self.full(ty, 1.0);
        let scale = self.choose(useless, one, larger);
        self.detach(scale)
    }

    /// Axes of size 1 repeated, after leading axes of size 1 were added.
    pub fn broadcast(&mut self, x: Var, shape: &[usize]) -> Var {
        let mut padded = self.shape(x);
        while padded.len() < shape.len() {
            padded.insert(0, 1);
        }
        let x = self.reshape(x, &padded);
        if padded == shape { x } else { self.structure(Structure::Broadcast(shape.into()), x) }
    }

    /// Sums over axes, which stay with size 1.
    pub fn sum(&mut self, x: Var, axes: &[usize]) -> Var {
        self.structure(Structure::Sum(axes.into()), x)
    }

    /// Permutation of the axes.
    pub fn permute(&mut self, x: Var, axes: &[usize]) -> Var {
        self.structure(Structure::Permute(axes.into()), x)
    }

    /// Two axes exchanged.
    pub fn swap(&mut self, x: Var, first: usize, second: usize) -> Var {
        let mut axes: Vec<usize> = (0..self.type_of(x).shape.len()).collect();
        axes.swap(first, second);
        self.permute(x, &axes)
    }

    /// The product of two batches of matrices.
    pub fn matmul(&mut self, a: Var, b: Var) -> Var {
        self.push(Primitive::Bilinear(Bilinear::Matmul([false, false])), &[a, b])
    }
}
