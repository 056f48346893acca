//! Is every row of a batch its own problem? Follows the batch axis of the changing inputs through a program.

use crate::language::primitive::{Bilinear, Index, Primitive, Structure};
use crate::language::program::{Equation, Program, Var};
use crate::language::tensor_type::Type;

/// Whether a program's rows depend on one another.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Rows {
    /// Row `i` of every output depends on row `i` of the changing inputs alone.
    Independent,
    /// Some row depends on another, or it cannot be shown that none does: the batch is one problem.
    Coupled,
}

/// Where the rows of a value lie: along `axis`, each as a run of `each` places.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Along {
    pub(crate) axis: usize,
    pub(crate) each: usize,
}

/// What is known of a value: nothing changes in it, its rows lie along an axis, or they are mixed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Place {
    Fixed,
    Rows(Along),
    Mixed,
}

/// Follows the first axis of the inputs at the positions given.
pub fn rows(program: &Program, changing: &[usize]) -> Rows {
    if Followed::new(program, changing).is_some() { Rows::Independent } else { Rows::Coupled }
}

/// Where the rows of every variable lie, in a program whose rows are independent.
pub(crate) struct Followed {
    pub(crate) count: usize,
    pub(crate) places: Vec<Place>,
}

impl Followed {
    pub(crate) fn new(program: &Program, changing: &[usize]) -> Option<Self> {
        let mut places = vec![Place::Fixed; program.variables()];
        let mut count = None;
        for &position in changing {
            let var = program.inputs()[position];
            let size = program.type_of(var).shape.first().copied();
            if size.is_none() || count.is_some_and(|count| Some(count) != size) {
                return None;
            }
            count = size;
            places[var.0] = Place::Rows(Along { axis: 0, each: 1 });
        }
        let count = count.unwrap_or(1);
        for equation in program.equations() {
            // Of one row at most, all of it is that row.
            let place = if count > 1 { follow(program, equation, &places, count) } else { Place::Fixed };
            places[equation.result.0] = place;
        }
        let fits = |var: &Var| {
            let starts = Place::Rows(Along { axis: 0, each: 1 });
            places[var.0] == Place::Fixed || places[var.0] == starts
        };
        program.outputs().iter().all(fits).then_some(Followed { count, places })
    }
}

fn follow(program: &Program, equation: &Equation, places: &[Place], count: usize) -> Place {
    let operands: Vec<Place> = equation.operands.iter().map(|var| places[var.0]).collect();
    if operands.iter().all(|place| *place == Place::Fixed) {
        return Place::Fixed;
    }
    if operands.contains(&Place::Mixed) {
        return Place::Mixed;
    }
    let types: Vec<&Type> = equation.operands.iter().map(|&var| program.type_of(var)).collect();
    match &equation.primitive {
        Primitive::Bilinear(form) => bilinear(form, &operands, types[0].shape.len()),
        Primitive::Structure(structure) => match operands[0] {
            Place::Rows(along) => structured(structure, along, &types[0].shape, count),
            Place::Fixed | Place::Mixed => operands[0],
        },
        Primitive::Index(Index::Gather(axis) | Index::GatherTransposed(axis, _))
        | Primitive::Concat(axis)
        | Primitive::Extreme { axis, .. }
        | Primitive::ArgExtreme { axis, .. } => across(*axis, together(&operands)),
        Primitive::Index(Index::Select(axis) | Index::SelectTransposed(axis, _)) => {
            if operands[1] == Place::Fixed { across(*axis, operands[0]) } else { Place::Mixed }
        }
        Primitive::Custom(custom) => {
            let rows = Place::Rows(Along { axis: 0, each: 1 });
            let has_rows: Vec<bool> = operands.iter().map(|place| *place == rows).collect();
            let apart = operands.iter().all(|place| [Place::Fixed, rows].contains(place))
                && custom.0.row_by_row(&has_rows);
            if apart { rows } else { Place::Mixed }
        }
        Primitive::MaxPoolIndices(_) => across(3, across(2, operands[0])),
        Primitive::Constant(_)
        | Primitive::Unary(_)
        | Primitive::Binary(_)
        | Primitive::Scale(_)
        | Primitive::Offset(_)
        | Primitive::Power(_)
        | Primitive::Compare(_)
        | Primitive::CompareScalar(..)
        | Primitive::Logic(_)
        | Primitive::Not
        | Primitive::Choose
        | Primitive::Erase
        | Primitive::Cast(_) => together(&operands),
    }
}

/// One place for operands that meet element by element.
fn together(operands: &[Place]) -> Place {
    let mut rows = operands.iter().filter(|place| **place != Place::Fixed);
    let first = rows.next().copied().unwrap_or(Place::Fixed);
    if rows.all(|place| *place == first) { first } else { Place::Mixed }
}

/// The operation works along an axis, which must not be that of the rows.
fn across(axis: usize, place: Place) -> Place {
    match place {
        Place::Rows(along) if along.axis == axis => Place::Mixed,
        Place::Rows(_) | Place::Fixed | Place::Mixed => place,
    }
}

fn bilinear(form: &Bilinear, operands: &[Place], rank: usize) -> Place {
    match form {
        Bilinear::Multiply | Bilinear::AbsorbingProduct => together(operands),
        Bilinear::Matmul(turned) => product(*turned, operands, rank),
        Bilinear::Convolution(_) | Bilinear::ConvolutionInput(..) => match (operands[0], operands[1]) {
            (Place::Rows(Along { axis: 0, each }), Place::Fixed) => Place::Rows(Along { axis: 0, each }),
            (_, _) => Place::Mixed,
        },
        Bilinear::ConvolutionWeight(..) => Place::Mixed,
    }
}

/// Rows of the left operand stay rows, of the right stay columns, of both stay leading axes.
fn product([left, right]: [bool; 2], operands: &[Place], rank: usize) -> Place {
    let leading = |place: Place| matches!(place, Place::Rows(along) if along.axis + 2 < rank);
    let free = |turned: bool, usual: usize| if turned { 2 * rank - 3 - usual } else { usual };
    match (operands[0], operands[1]) {
        (a, b) if (leading(a) || a == Place::Fixed) && (leading(b) || b == Place::Fixed) => together(&[a, b]),
        (Place::Rows(a), Place::Fixed) if a.axis == free(left, rank - 2) => {
            Place::Rows(Along { axis: rank - 2, each: a.each })
        }
        (Place::Fixed, Place::Rows(b)) if b.axis == free(right, rank - 1) => {
            Place::Rows(Along { axis: rank - 1, each: b.each })
        }
        (_, _) => Place::Mixed,
    }
}

fn structured(structure: &Structure, along: Along, shape: &[usize], count: usize) -> Place {
    let axis = along.axis;
    let kept = |kept: bool| if kept { Place::Rows(along) } else { Place::Mixed };
    match structure {
        Structure::Reshape(new) => reshaped(new, along, shape, count),
        Structure::Permute(axes) => match axes.iter().position(|&from| from == axis) {
            Some(axis) => Place::Rows(Along { axis, each: along.each }),
            None => Place::Mixed,
        },
        Structure::Broadcast(new) => kept(new[axis] == shape[axis]),
        Structure::Sum(axes) | Structure::Flip(axes) => kept(!axes.contains(&axis)),
        Structure::Slice(spans) => kept(spans[axis].len() == shape[axis]),
        Structure::Place(new, _) => kept(new[axis] == shape[axis]),
    }
}

/// In row-major order a row is a run of places; it stays one if the axes before it still hold as many.
fn reshaped(new: &[usize], along: Along, shape: &[usize], count: usize) -> Place {
    let before: usize = shape[..along.axis].iter().product();
    let mut product = 1;
    for (axis, &size) in new.iter().enumerate() {
        if product == before && size % count == 0 {
            return Place::Rows(Along { axis, each: size / count });
        }
        product *= size;
    }
    Place::Mixed
}
