//! Printed form of programs, types and primitives.

use crate::language::linear::LinearProgram;
use crate::language::primitive::{Elementwise, Primitive};
use crate::language::program::{Program, Var};
use crate::language::tensor_type::{Constant, Kind, Literal, Type};
use std::fmt::{Debug, Display, Formatter, Result};

impl Display for Kind {
    fn fmt(&self, f: &mut Formatter<'_>) -> Result {
        match self {
            Kind::Float(dtype) => f.write_str(&format!("{dtype:?}").to_lowercase()),
            Kind::Int(dtype) => f.write_str(&format!("{dtype:?}").to_lowercase()),
            Kind::Bool => f.write_str("bool"),
        }
    }
}

impl Display for Type {
    fn fmt(&self, f: &mut Formatter<'_>) -> Result {
        write!(f, "{}{:?}", self.kind, self.shape)
    }
}

impl Display for Var {
    fn fmt(&self, f: &mut Formatter<'_>) -> Result {
        write!(f, "%{}", self.0)
    }
}

impl Display for Constant {
    fn fmt(&self, f: &mut Formatter<'_>) -> Result {
        match &self.literal {
            Literal::Full(number) => write!(f, "full {number}"),
            Literal::Data(data) => write!(f, "data of {} numbers", data.num_elements()),
        }
    }
}

impl Display for Primitive {
    fn fmt(&self, f: &mut Formatter<'_>) -> Result {
        match self {
            Primitive::Constant(constant) => write!(f, "{constant}"),
            Primitive::Elementwise(function) => write!(f, "{function}"),
            Primitive::Bilinear(inner) => lower_case(inner, f),
            Primitive::Structure(inner) => lower_case(inner, f),
            Primitive::Index(inner) => lower_case(inner, f),
            Primitive::Custom(custom) => f.write_str(&custom.0.name()),
            Primitive::Concat(_)
            | Primitive::Extreme { .. }
            | Primitive::ArgExtreme { .. }
            | Primitive::MaxPoolIndices(_) => lower_case(self, f),
        }
    }
}

impl Display for Elementwise {
    fn fmt(&self, f: &mut Formatter<'_>) -> Result {
        match self {
            Elementwise::Unary(inner) => lower_case(inner, f),
            Elementwise::Binary(inner) => lower_case(inner, f),
            Elementwise::Compare(inner) => lower_case(inner, f),
            Elementwise::Logic(inner) => lower_case(inner, f),
            Elementwise::CompareScalar(comparison, number) => {
                lower_case(comparison, f)?;
                write!(f, " than {number}")
            }
            Elementwise::Cast(kind) => write!(f, "cast to {kind}"),
            Elementwise::Scale(_)
            | Elementwise::Offset(_)
            | Elementwise::Power(_)
            | Elementwise::Detach
            | Elementwise::Not
            | Elementwise::Choose
            | Elementwise::Erase => lower_case(self, f),
        }
    }
}

fn lower_case(what: &impl Debug, f: &mut Formatter<'_>) -> Result {
    let text = format!("{what:?}");
    let name = text.find(|letter: char| !letter.is_alphanumeric()).unwrap_or(text.len());
    write!(f, "{}{}", text[..name].to_lowercase(), &text[name..])
}

impl Display for Program {
    fn fmt(&self, f: &mut Formatter<'_>) -> Result {
        head(f, "program", &self.inputs, &self.types)?;
        for equation in &self.equations {
            let ty = self.type_of(equation.result);
            write!(f, "  {}: {ty} = {}", equation.result, equation.primitive)?;
            spaced(f, &equation.operands)?;
        }
        tail(f, self.outputs.iter().map(ToString::to_string))
    }
}

impl Display for LinearProgram {
    fn fmt(&self, f: &mut Formatter<'_>) -> Result {
        head(f, "linear program", &self.inputs, &self.types)?;
        for (position, var) in self.residuals.iter().enumerate() {
            writeln!(f, "  {var}: {} = residual {position}", self.types[var.0])?;
        }
        for equation in &self.equations {
            let ty = &self.types[equation.result.0];
            let (primitive, operands) = equation.operation.primitive(&equation.operands, &equation.residuals);
            write!(f, "  {}: {ty} = {primitive}", equation.result)?;
            spaced(f, &operands)?;
        }
        tail(f, self.outputs.iter().map(|out| out.map_or("zero".into(), |var| var.to_string())))
    }
}

fn head(f: &mut Formatter<'_>, name: &str, inputs: &[Var], types: &[Type]) -> Result {
    let inputs: Vec<String> = inputs.iter().map(|var| format!("{var}: {}", types[var.0])).collect();
    writeln!(f, "{name}({})", inputs.join(", "))
}

fn spaced(f: &mut Formatter<'_>, operands: &[Var]) -> Result {
    for operand in operands {
        write!(f, " {operand}")?;
    }
    writeln!(f)
}

fn tail(f: &mut Formatter<'_>, outputs: impl Iterator<Item = String>) -> Result {
    write!(f, "  return {}", outputs.collect::<Vec<_>>().join(", "))
}
