//! Row independence: an analysis that follows the batch axis of the changing inputs through a program.

use crate::language::primitive::{Bilinear, Index, Primitive, Structure};
use crate::language::program::{Equation, Program, Var};
use crate::language::tensor_type::Type;

/// Row dependence of a program.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RowDependence {
    /// Row `i` of every output depends only on row `i` of the changing inputs.
    Independent,
    /// Some row depends on another row, or independence cannot be proved: the batch is one problem.
    Coupled,
}

/// The axis along which the rows of a value lie, each row as `each` consecutive positions.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct RowAxis {
    pub(crate) axis: usize,
    pub(crate) each: usize,
}

/// The placement of rows in a value: independent of the changing inputs, along an axis, or mixed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum RowPlacement {
    Fixed,
    Rows(RowAxis),
    Mixed,
}

/// Determines whether rows are independent, by following the first axis of the inputs at the given positions.
pub fn row_dependence(program: &Program, changing: &[usize]) -> RowDependence {
    if RowAnalysis::new(program, changing).is_some() {
        RowDependence::Independent
    } else {
        RowDependence::Coupled
    }
}

/// The row placement of every variable of a program whose rows are independent.
pub(crate) struct RowAnalysis {
    pub(crate) count: usize,
    pub(crate) places: Vec<RowPlacement>,
}

impl RowAnalysis {
    pub(crate) fn new(program: &Program, changing: &[usize]) -> Option<Self> {
        let mut places = vec![RowPlacement::Fixed; program.variables()];
        let mut count = None;
        for &position in changing {
            let var = program.inputs()[position];
            let size = program.type_of(var).shape.first().copied();
            if size.is_none() || count.is_some_and(|count| Some(count) != size) {
                return None;
            }
            count = size;
            places[var.0] = RowPlacement::Rows(RowAxis { axis: 0, each: 1 });
        }
        let count = count.unwrap_or(1);
        for equation in program.equations() {
            // Of one row at most, all of it is that row.
            let place =
                if count > 1 { follow(program, equation, &places, count) } else { RowPlacement::Fixed };
            places[equation.result.0] = place;
        }
        let fits = |var: &Var| {
            let starts = RowPlacement::Rows(RowAxis { axis: 0, each: 1 });
            places[var.0] == RowPlacement::Fixed || places[var.0] == starts
        };
        program.outputs().iter().all(fits).then_some(RowAnalysis { count, places })
    }
}

fn follow(program: &Program, equation: &Equation, places: &[RowPlacement], count: usize) -> RowPlacement {
    let operands: Vec<RowPlacement> = equation.operands.iter().map(|var| places[var.0]).collect();
    if operands.iter().all(|place| *place == RowPlacement::Fixed) {
        return RowPlacement::Fixed;
    }
    if operands.contains(&RowPlacement::Mixed) {
        return RowPlacement::Mixed;
    }
    let types: Vec<&Type> = equation.operands.iter().map(|&var| program.type_of(var)).collect();
    match &equation.primitive {
        Primitive::Bilinear(form) => bilinear(form, &operands, types[0].shape.len()),
        Primitive::Structure(structure) => match operands[0] {
            RowPlacement::Rows(along) => structured(structure, along, &types[0].shape, count),
            RowPlacement::Fixed | RowPlacement::Mixed => operands[0],
        },
        Primitive::Index(Index::Gather(axis) | Index::GatherTransposed(axis, _))
        | Primitive::Concat(axis)
        | Primitive::Extreme { axis, .. }
        | Primitive::ArgExtreme { axis, .. } => across(*axis, together(&operands)),
        Primitive::Index(Index::Select(axis) | Index::SelectTransposed(axis, _)) => {
            if operands[1] == RowPlacement::Fixed { across(*axis, operands[0]) } else { RowPlacement::Mixed }
        }
        Primitive::Custom(custom) => {
            let rows = RowPlacement::Rows(RowAxis { axis: 0, each: 1 });
            let has_rows: Vec<bool> = operands.iter().map(|place| *place == rows).collect();
            let apart = operands.iter().all(|place| [RowPlacement::Fixed, rows].contains(place))
                && custom.0.row_by_row(&has_rows);
            if apart { rows } else { RowPlacement::Mixed }
        }
        Primitive::MaxPoolIndices(_) => across(3, across(2, operands[0])),
        Primitive::Constant(_) | Primitive::Elementwise(_) => together(&operands),
    }
}

/// Row placement of the elementwise combination of operands.
fn together(operands: &[RowPlacement]) -> RowPlacement {
    let mut rows = operands.iter().filter(|place| **place != RowPlacement::Fixed);
    let first = rows.next().copied().unwrap_or(RowPlacement::Fixed);
    if rows.all(|place| *place == first) { first } else { RowPlacement::Mixed }
}

/// Row placement after an operation along an axis, which must not be the row axis.
fn across(axis: usize, place: RowPlacement) -> RowPlacement {
    match place {
        RowPlacement::Rows(along) if along.axis == axis => RowPlacement::Mixed,
        RowPlacement::Rows(_) | RowPlacement::Fixed | RowPlacement::Mixed => place,
    }
}

fn bilinear(form: &Bilinear, operands: &[RowPlacement], rank: usize) -> RowPlacement {
    match form {
        Bilinear::Multiply | Bilinear::AbsorbingProduct => together(operands),
        Bilinear::Matmul(turned) => product(*turned, operands, rank),
        Bilinear::Convolution(_) | Bilinear::ConvolutionInput(..) => match (operands[0], operands[1]) {
            (RowPlacement::Rows(RowAxis { axis: 0, each }), RowPlacement::Fixed) => {
                RowPlacement::Rows(RowAxis { axis: 0, each })
            }
            (_, _) => RowPlacement::Mixed,
        },
        Bilinear::ConvolutionWeight(..) => RowPlacement::Mixed,
    }
}

/// Rows of the left operand stay rows, of the right stay columns, of both stay leading axes.
fn product([left, right]: [bool; 2], operands: &[RowPlacement], rank: usize) -> RowPlacement {
    let leading = |place: RowPlacement| matches!(place, RowPlacement::Rows(along) if along.axis + 2 < rank);
    let free = |turned: bool, usual: usize| if turned { 2 * rank - 3 - usual } else { usual };
    match (operands[0], operands[1]) {
        (a, b) if (leading(a) || a == RowPlacement::Fixed) && (leading(b) || b == RowPlacement::Fixed) => {
            together(&[a, b])
        }
        (RowPlacement::Rows(a), RowPlacement::Fixed) if a.axis == free(left, rank - 2) => {
            RowPlacement::Rows(RowAxis { axis: rank - 2, each: a.each })
        }
        (RowPlacement::Fixed, RowPlacement::Rows(b)) if b.axis == free(right, rank - 1) => {
            RowPlacement::Rows(RowAxis { axis: rank - 1, each: b.each })
        }
        (_, _) => RowPlacement::Mixed,
    }
}

fn structured(structure: &Structure, along: RowAxis, shape: &[usize], count: usize) -> RowPlacement {
    let axis = along.axis;
    let kept = |kept: bool| if kept { RowPlacement::Rows(along) } else { RowPlacement::Mixed };
    match structure {
        Structure::Reshape(new) => reshaped(new, along, shape, count),
        Structure::Permute(axes) => match axes.iter().position(|&from| from == axis) {
            Some(axis) => RowPlacement::Rows(RowAxis { axis, each: along.each }),
            None => RowPlacement::Mixed,
        },
        Structure::Broadcast(new) => kept(new[axis] == shape[axis]),
        Structure::Sum(axes) | Structure::Flip(axes) => kept(!axes.contains(&axis)),
        Structure::Slice(spans) => kept(spans[axis].len() == shape[axis]),
        Structure::Place(new, _) => kept(new[axis] == shape[axis]),
    }
}

/// In row-major order a row is a run of places; it stays one if the axes before it still hold as many.
fn reshaped(new: &[usize], along: RowAxis, shape: &[usize], count: usize) -> RowPlacement {
    let before: usize = shape[..along.axis].iter().product();
    let mut product = 1;
    for (axis, &size) in new.iter().enumerate() {
        if product == before && size % count == 0 {
            return RowPlacement::Rows(RowAxis { axis, each: size / count });
        }
        product *= size;
    }
    RowPlacement::Mixed
}
