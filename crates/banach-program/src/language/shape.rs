//! Shape inference: the table of result types, first of the four tables over primitives.

use crate::language::geometry::{Pool, Span, Window};
use crate::language::primitive::{Bilinear, Elementwise, Index, Primitive, Structure, Unary};
use crate::language::tensor_type::{Kind, Type};
use burn::tensor::IntDType;

type Answer<T> = Result<T, String>;

/// The type of a primitive's result, or what is wrong with its operands.
pub(crate) fn result_type(primitive: &Primitive, operands: &[&Type]) -> Answer<Type> {
    expect_count(primitive, operands.len())?;
    match primitive {
        Primitive::Constant(constant) => Ok(constant.ty.clone()),
        Primitive::Elementwise(function) => elementwise(function, operands),
        Primitive::Bilinear(form) => bilinear(form, operands[0], operands[1]),
        Primitive::Structure(structure) => {
            Ok(operands[0].with_shape(structured(structure, &operands[0].shape)?))
        }
        Primitive::Index(index) => indexed(index, operands[0], operands[1]),
        Primitive::Concat(axis) => concatenated(*axis, operands),
        Primitive::Extreme { axis, .. } => extreme(operands[0], *axis),
        Primitive::ArgExtreme { axis, .. } => {
            Ok(Type::new(extreme(operands[0], *axis)?.shape, Kind::Int(IntDType::I64)))
        }
        Primitive::Custom(custom) => custom.0.result_type(operands),
        Primitive::MaxPoolIndices(pool) => {
            Ok(Type::new(pooled(pool, &operands[0].shape)?, Kind::Int(IntDType::I64)))
        }
    }
}

fn elementwise(function: &Elementwise, operands: &[&Type]) -> Answer<Type> {
    let x = operands[0];
    match function {
        Elementwise::Detach => Ok(x.clone()),
        Elementwise::Unary(Unary::Abs | Unary::Sign)
        | Elementwise::Scale(_)
        | Elementwise::Offset(_)
        | Elementwise::Power(_) => number(x).cloned(),
        Elementwise::Unary(_) => float(x).cloned(),
        Elementwise::Binary(_) => same(number(x)?, operands[1]).cloned(),
        Elementwise::Compare(_) => Ok(Type::new(same(x, operands[1])?.shape.clone(), Kind::Bool)),
        Elementwise::CompareScalar(..) => Ok(Type::new(x.shape.clone(), Kind::Bool)),
        Elementwise::Logic(_) => same(mask(x)?, operands[1]).cloned(),
        Elementwise::Not => mask(x).cloned(),
        Elementwise::Choose => {
            same_shape(mask(x)?, operands[1])?;
            same(operands[1], operands[2]).cloned()
        }
        Elementwise::Erase => same_shape(mask(x)?, operands[1]).cloned(),
        Elementwise::Cast(kind) => Ok(Type::new(x.shape.clone(), *kind)),
    }
}

fn expect_count(primitive: &Primitive, found: usize) -> Answer<()> {
    let expected = match primitive {
        Primitive::Constant(_) => 0,
        Primitive::Elementwise(function) => function.arity(),
        Primitive::Structure(_)
        | Primitive::Extreme { .. }
        | Primitive::ArgExtreme { .. }
        | Primitive::MaxPoolIndices(_) => 1,
        Primitive::Bilinear(_) | Primitive::Index(_) => 2,
        Primitive::Concat(_) | Primitive::Custom(_) => found.max(1),
    };
    if found == expected { Ok(()) } else { Err(format!("{found} operands, expected {expected}")) }
}

fn float(ty: &Type) -> Answer<&Type> {
    if ty.kind.is_float() { Ok(ty) } else { Err(format!("{ty} where a float is needed")) }
}

fn number(ty: &Type) -> Answer<&Type> {
    if ty.kind == Kind::Bool { Err(format!("{ty} where a number is needed")) } else { Ok(ty) }
}

fn mask(ty: &Type) -> Answer<&Type> {
    if ty.kind == Kind::Bool { Ok(ty) } else { Err(format!("{ty} where a mask is needed")) }
}

fn same<'a>(first: &'a Type, second: &Type) -> Answer<&'a Type> {
    if first == second { Ok(first) } else { Err(format!("{first} beside {second}")) }
}

fn same_shape<'a>(first: &Type, second: &'a Type) -> Answer<&'a Type> {
    if first.shape == second.shape { Ok(second) } else { Err(format!("{first} beside {second}")) }
}

fn reduced(ty: &Type, axis: usize) -> Answer<Type> {
    let mut shape = ty.shape.clone();
    *shape.get_mut(axis).ok_or_else(|| format!("axis {axis} of {ty}"))? = 1;
    Ok(ty.with_shape(shape))
}

/// The type of the largest number along an axis, which must hold one.
fn extreme(ty: &Type, axis: usize) -> Answer<Type> {
    let reduced = reduced(ty, axis)?;
    if ty.shape[axis] == 0 && !reduced.is_empty() {
        return Err(format!("the largest or smallest of no numbers, axis {axis} of {ty}"));
    }
    Ok(reduced)
}

fn structured(structure: &Structure, shape: &[usize]) -> Answer<Vec<usize>> {
    let rank = shape.len();
    match structure {
        Structure::Reshape(new) if new.iter().product::<usize>() == shape.iter().product::<usize>() => {
            Ok(new.clone())
        }
        Structure::Reshape(new) => Err(format!("{shape:?} cannot be reshaped to {new:?}")),
        Structure::Permute(axes) => {
            let mut sorted = axes.clone();
            sorted.sort_unstable();
            if sorted != (0..rank).collect::<Vec<_>>() {
                return Err(format!("{axes:?} is no order of {rank} axes"));
            }
            Ok(axes.iter().map(|&axis| shape[axis]).collect())
        }
        Structure::Broadcast(new) => {
            let fits = new.len() == rank && new.iter().zip(shape).all(|(&to, &from)| to == from || from == 1);
            if fits { Ok(new.clone()) } else { Err(format!("{shape:?} does not broadcast to {new:?}")) }
        }
        Structure::Sum(axes) => {
            let mut shape = shape.to_vec();
            for &axis in axes {
                *shape.get_mut(axis).ok_or_else(|| format!("axis {axis} of rank {rank}"))? = 1;
            }
            Ok(shape)
        }
        Structure::Slice(spans) => {
            let fits = spans.len() == rank
                && spans.iter().zip(shape).all(|(span, &size)| span.end <= size && span.step > 0);
            if !fits {
                return Err(format!("spans {spans:?} of {shape:?}"));
            }
            Ok(spans.iter().map(Span::len).collect())
        }
        Structure::Place(new, spans) => {
            let inner = structured(&Structure::Slice(spans.clone()), new)?;
            if inner == shape { Ok(new.clone()) } else { Err(format!("{shape:?} placed into {inner:?}")) }
        }
        Structure::Flip(axes) if axes.iter().all(|&axis| axis < rank) => Ok(shape.to_vec()),
        Structure::Flip(axes) => Err(format!("axes {axes:?} of rank {rank}")),
    }
}

fn bilinear(form: &Bilinear, a: &Type, b: &Type) -> Answer<Type> {
    if a.kind != b.kind {
        return Err(format!("{a} beside {b}"));
    }
    let shape = match form {
        Bilinear::Multiply => return same(number(a)?, b).cloned(),
        Bilinear::AbsorbingProduct => return same(float(a)?, b).cloned(),
        Bilinear::Matmul([left, right]) => {
            product_shape(&turned(&a.shape, *left), &turned(&b.shape, *right))?
        }
        Bilinear::Convolution(window) => {
            let ([batch, channels, height, width], [out, inner, kh, kw]) = (four(a)?, four(b)?);
            let size = [height, width];
            grouped(window, channels, inner, out).ok_or_else(|| channels_of(window, a, b))?;
            let [h, w] = output_size(window, size, [kh, kw]).ok_or_else(|| format!("{b} over {a}"))?;
            vec![batch, out, h, w]
        }
        Bilinear::ConvolutionInput(window, size) => {
            let ([batch, channels, ..], [out, inner, ..]) = (four(a)?, four(b)?);
            let fits = grouped(window, inner * window.groups, inner, out);
            fits.filter(|()| channels == out).ok_or_else(|| channels_of(window, a, b))?;
            vec![batch, inner * window.groups, size[0], size[1]]
        }
        Bilinear::ConvolutionWeight(window, size) => {
            let ([batch, inner, ..], [other, out, ..]) = (four(a)?, four(b)?);
            let fits = grouped(window, inner, inner / window.groups.max(1), out);
            fits.filter(|()| batch == other).ok_or_else(|| channels_of(window, a, b))?;
            vec![out, inner / window.groups, size[0], size[1]]
        }
    };
    Ok(float(a)?.with_shape(shape))
}

/// Whether so many channels are convolved by weights `[out, inner, ..]` in the groups of a window.
fn grouped(window: &Window, channels: usize, inner: usize, out: usize) -> Option<()> {
    let groups = window.groups;
    let moves = window.stride.iter().chain(&window.dilation).all(|step| *step > 0);
    (groups > 0 && moves && channels == inner * groups && out.is_multiple_of(groups)).then_some(())
}

fn channels_of(window: &Window, a: &Type, b: &Type) -> String {
    format!("channels of {a} beside {b} in {} groups", window.groups)
}

fn turned(shape: &[usize], turn: bool) -> Vec<usize> {
    let (mut shape, rank) = (shape.to_vec(), shape.len());
    if turn && rank >= 2 {
        shape.swap(rank - 2, rank - 1);
    }
    shape
}

fn product_shape(a: &[usize], b: &[usize]) -> Answer<Vec<usize>> {
    let rank = a.len();
    let fits = rank >= 2 && rank == b.len() && a[..rank - 2] == b[..rank - 2] && a[rank - 1] == b[rank - 2];
    if !fits {
        return Err(format!("product of {a:?} and {b:?}"));
    }
    let mut shape = a.to_vec();
    shape[rank - 1] = b[rank - 1];
    Ok(shape)
}

fn four(ty: &Type) -> Answer<[usize; 4]> {
    ty.shape.as_slice().try_into().map_err(|_| format!("{ty} where four axes are needed"))
}

/// The spatial size of a convolution's result, if its kernel fits.
pub(crate) fn output_size(window: &Window, size: [usize; 2], kernel: [usize; 2]) -> Option<[usize; 2]> {
    let along = |axis: usize| {
        let extent = window.dilation[axis] * kernel[axis].checked_sub(1)? + 1;
        let room = (size[axis] + 2 * window.padding[axis]).checked_sub(extent)?;
        Some(room / window.stride[axis] + 1)
    };
    Some([along(0)?, along(1)?])
}

fn indexed(index: &Index, x: &Type, positions: &Type) -> Answer<Type> {
    if !matches!(positions.kind, Kind::Int(_)) {
        return Err(format!("{positions} where integers are needed"));
    }
    // Along every axis but one, positions are no more than what they choose from.
    let within = |shape: &[usize], axis: usize| {
        let inside = axis < shape.len() && shape.len() == positions.shape.len();
        let fits = |at: usize| at == axis || positions.shape[at] <= shape[at];
        let answer = inside && (0..shape.len()).all(fits);
        if answer { Ok(()) } else { Err(format!("positions {positions} along axis {axis} of {shape:?}")) }
    };
    match index {
        Index::Gather(axis) => {
            within(&x.shape, *axis)?;
            Ok(x.with_shape(positions.shape.clone()))
        }
        Index::GatherTransposed(axis, shape) => {
            within(shape, *axis)?;
            same_shape(x, positions)?;
            Ok(x.with_shape(shape.clone()))
        }
        Index::SelectTransposed(axis, shape) => {
            let mut picked = shape.clone();
            *picked.get_mut(*axis).ok_or_else(|| format!("axis {axis} of {shape:?}"))? = positions.len();
            if picked != x.shape {
                return Err(format!("{x} added at {positions} along axis {axis} of {shape:?}"));
            }
            Ok(x.with_shape(shape.clone()))
        }
        Index::Select(axis) => {
            let mut shape = x.shape.clone();
            *shape.get_mut(*axis).ok_or_else(|| format!("axis {axis} of {x}"))? = positions.len();
            Ok(x.with_shape(shape))
        }
    }
}

fn concatenated(axis: usize, operands: &[&Type]) -> Answer<Type> {
    let mut ty = (*operands.first().ok_or("no operands")?).clone();
    let without = |ty: &Type| {
        let mut ty = ty.clone();
        if let Some(size) = ty.shape.get_mut(axis) {
            *size = 0;
        }
        ty
    };
    if operands.iter().any(|other| without(other) != without(&ty)) || axis >= ty.shape.len() {
        return Err(format!("operands {operands:?} along axis {axis}"));
    }
    ty.shape[axis] = operands.iter().map(|other| other.shape[axis]).sum();
    Ok(ty)
}

fn pooled(pool: &Pool, shape: &[usize]) -> Answer<Vec<usize>> {
    let [batch, channels, height, width] =
        shape.try_into().map_err(|_| format!("{shape:?} where four axes are needed"))?;
    let fits = |axis: usize, size: usize| {
        let reach = pool.dilation[axis] * pool.kernel[axis].checked_sub(1)? + 1;
        (pool.stride[axis] > 0 && reach <= size + 2 * pool.padding[axis]).then_some(())
    };
    fits(0, height)
        .and(fits(1, width))
        .ok_or_else(|| format!("windows of {:?} over {shape:?}", pool.kernel))?;
    let along = |axis: usize, size: usize| {
        burn::backend::ops::conv::calculate_pool_output_size(
            pool.kernel[axis],
            pool.stride[axis],
            pool.padding[axis],
            pool.dilation[axis],
            size,
            pool.ceil,
        )
    };
    Ok(vec![batch, channels, along(0, height), along(1, width)])
}
