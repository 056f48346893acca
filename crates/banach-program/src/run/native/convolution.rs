//! The geometry of convolution equations, and the method by which the engine computes them.

use crate::language::geometry::Window;
use crate::language::primitive::{Bilinear, Primitive};
use crate::language::program::{Equation, Program, Var};
use banach_kernels::{Convolution, ConvolutionMethod};

/// Returns the method by which a [`Machine`](crate::Machine) computes an equation, if the equation is a
/// convolution or a gradient of one: [`Direct`](ConvolutionMethod::Direct) or
/// [`Winograd`](ConvolutionMethod::Winograd).
pub fn convolution_method(
    program: &Program,
    equation: &Equation,
    method: ConvolutionMethod,
) -> Option<ConvolutionMethod> {
    let Primitive::Bilinear(form) = &equation.primitive else { return None };
    let convolution = geometry(program, form, equation)?;
    let images = program.type_of(equation.operands[0]).shape[0];
    let weights = matches!(form, Bilinear::ConvolutionWeight(..));
    Some(if weights { method.of_weights(&convolution, images) } else { method.of_images(&convolution) })
}

/// The geometry of a convolution or a gradient of one.
pub(super) fn geometry(program: &Program, form: &Bilinear, equation: &Equation) -> Option<Convolution> {
    let shape = |var: Var| program.type_of(var).shape.as_slice();
    let [left, right] = [equation.operands[0], equation.operands[1]].map(shape);
    let result = shape(equation.result);
    match form {
        Bilinear::Convolution(window) => Some(convolution(window, left, right)),
        Bilinear::ConvolutionInput(window, _) => Some(convolution(window, result, right)),
        Bilinear::ConvolutionWeight(window, _) => Some(convolution(window, left, result)),
        Bilinear::Multiply | Bilinear::AbsorbingProduct | Bilinear::Matmul(_) => None,
    }
}

/// The convolution of `[b, i, h, w]` by `[o, i / groups, kh, kw]`.
fn convolution(window: &Window, input: &[usize], kernel: &[usize]) -> Convolution {
    Convolution {
        input: [input[2], input[3]],
        channels: [input[1], kernel[0]],
        kernel: [kernel[2], kernel[3]],
        stride: window.stride,
        padding: window.padding,
        dilation: window.dilation,
        groups: window.groups,
    }
}
