//! The steps by which a program is evaluated on a device: its lines, and convolutions that add their biases.
//!
//! A program adds a bias to every channel of a convolution in a line of its own. On a device that is one more pass over the
//! result, so `convolution(x, weight) + broadcast(bias)` becomes one step, as in the modules of Burn.

use crate::language::geometry::Window;
use crate::language::primitive::{Bilinear, Binary, Elementwise, Primitive, Structure};
use crate::language::program::{Equation, Program, Var};
use std::borrow::Cow;

/// A step of an evaluation.
#[derive(Debug)]
pub(crate) struct Step<'a> {
    /// The line of the program that the step computes; with a bias, that of the convolution.
    pub(crate) line: usize,
    pub(crate) operation: Operation<'a>,
    pub(crate) operands: Cow<'a, [Var]>,
    pub(crate) result: Var,
}

/// What a step computes.
#[derive(Debug)]
pub(crate) enum Operation<'a> {
    Line(&'a Primitive),
    /// `convolution(x, weight) + bias`, where the bias has one number for each channel, in any shape.
    BiasedConvolution(&'a Window),
}

/// The convolution and the bias that an addition adds.
struct Biased<'a> {
    line: usize,
    window: &'a Window,
    operands: [Var; 3],
    /// The operand of the addition that repeats the bias.
    repeated: Var,
}

/// Returns the steps of a program, in order.
pub(crate) fn schedule(program: &Program) -> Vec<Step<'_>> {
    let mut uses = uses(program);
    let mut source: Vec<Option<usize>> = vec![None; program.variables()];
    let mut steps: Vec<Option<Step<'_>>> = Vec::with_capacity(program.equations().len());
    for (line, equation) in program.equations().iter().enumerate() {
        source[equation.result.0] = Some(line);
        let defining = |var: Var| source[var.0].map(|line| (line, &program.equations()[line]));
        let Some(biased) = biased(program, equation, &uses, defining) else {
            let (operation, operands) =
                (Operation::Line(&equation.primitive), Cow::Borrowed(&equation.operands[..]));
            steps.push(Some(Step { line, operation, operands, result: equation.result }));
            continue;
        };
        steps[biased.line] = None;
        uses[biased.operands[2].0] += 1;
        // Repetitions that nothing else reads are not computed.
        let mut unread = biased.repeated;
        uses[unread.0] -= 1;
        while uses[unread.0] == 0
            && let Some((line, equation)) = defining(unread)
        {
            steps[line] = None;
            unread = equation.operands[0];
            uses[unread.0] -= 1;
        }
        let operation = Operation::BiasedConvolution(biased.window);
        let operands = Cow::Owned(biased.operands.to_vec());
        steps.push(Some(Step { line: biased.line, operation, operands, result: equation.result }));
    }
    steps.into_iter().flatten().collect()
}

/// Returns how often every variable is read, outputs included.
fn uses(program: &Program) -> Vec<usize> {
    let mut uses = vec![0; program.variables()];
    let read = program.equations().iter().flat_map(|equation| &equation.operands).chain(program.outputs());
    read.for_each(|var| uses[var.0] += 1);
    uses
}

/// Recognizes the addition of a bias to a convolution that nothing else reads.
fn biased<'a>(
    program: &'a Program,
    addition: &Equation,
    uses: &[usize],
    defining: impl Fn(Var) -> Option<(usize, &'a Equation)>,
) -> Option<Biased<'a>> {
    if addition.primitive != Elementwise::Binary(Binary::Add).into() {
        return None;
    }
    let &[left, right] = &addition.operands[..] else { return None };
    [(left, right), (right, left)].into_iter().find_map(|(convolved, repeated)| {
        let (line, convolution) = defining(convolved).filter(|_| uses[convolved.0] == 1)?;
        let Primitive::Bilinear(Bilinear::Convolution(window)) = &convolution.primitive else { return None };
        let bias = per_channel(program, repeated, &defining)?;
        let operands = [convolution.operands[0], convolution.operands[1], bias];
        Some(Biased { line, window, operands, repeated })
    })
}

/// Returns the variable `[1, c, 1, 1]` that a variable of images `[b, c, h, w]` repeats, if it does.
fn per_channel<'a>(
    program: &'a Program,
    images: Var,
    defining: &impl Fn(Var) -> Option<(usize, &'a Equation)>,
) -> Option<Var> {
    let channels = program.type_of(images).shape[1];
    let mut var = images;
    while let Some((_, Equation { primitive: Primitive::Structure(Structure::Broadcast(_)), operands, .. })) =
        defining(var)
    {
        var = operands[0];
        if program.type_of(var).shape == [1, channels, 1, 1] {
            return Some(var);
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::language::builder::Builder;
    use crate::language::tensor_type::Type;

    /// As many images as channels, and as many pixels in a row.
    const IMAGES: [usize; 4] = [3, 3, 4, 3];

    /// A program of a convolution of `IMAGES` and what is done with it and an input of the shape given.
    fn program(shape: &[usize], rest: impl Fn(&mut Builder, Var, Var) -> Vec<Var>) -> Program {
        let mut builder = Builder::new();
        let [x, weight, bias] =
            [&IMAGES[..], &[3, 3, 3, 3], shape].map(|shape| builder.input(Type::f32(shape)));
        let window = Window { stride: [1, 1], padding: [1, 1], dilation: [1, 1], groups: 1 };
        let convolved = builder.push(Primitive::Bilinear(Bilinear::Convolution(window)), &[x, weight]);
        let outputs = rest(&mut builder, convolved, bias);
        builder.finish(outputs)
    }

    /// The number of steps, and the operands of those with a bias.
    fn steps(program: &Program) -> (usize, Vec<Vec<usize>>) {
        let steps = schedule(program);
        let biased = steps.iter().filter(|step| matches!(step.operation, Operation::BiasedConvolution(_)));
        let operands = |step: &Step<'_>| step.operands.iter().map(|var| var.index()).collect();
        (steps.len(), biased.map(operands).collect())
    }

    #[test]
    fn a_convolution_adds_a_bias_of_every_form() {
        let biased = (2, vec![vec![0, 1, 4]]);
        for shape in [&[3][..], &[1, 3], &[3, 1, 1]] {
            for is_first in [false, true] {
                let program = program(shape, |builder, convolved, bias| {
                    let bias = builder.reshape(bias, &[1, 3, 1, 1]);
                    let bias = builder.broadcast(bias, &IMAGES);
                    vec![if is_first { builder.add(bias, convolved) } else { builder.add(convolved, bias) }]
                });
                assert_eq!(steps(&program), biased, "{shape:?}");
            }
        }
        let repeated_twice = program(&[1, 3, 1, 1], |builder, convolved, bias| {
            let row = builder.broadcast(bias, &[1, 3, 1, 3]);
            let bias = builder.broadcast(row, &IMAGES);
            vec![builder.add(convolved, bias)]
        });
        assert_eq!(steps(&repeated_twice), (1, vec![vec![0, 1, 2]]));
    }

    #[test]
    fn a_repeated_bias_that_is_read_again_is_still_computed() {
        let program = program(&[1, 3, 1, 1], |builder, convolved, bias| {
            let bias = builder.broadcast(bias, &IMAGES);
            vec![builder.add(convolved, bias), bias]
        });
        assert_eq!(steps(&program), (2, vec![vec![0, 1, 2]]));
    }

    #[test]
    fn other_additions_are_lines_of_their_own() {
        // A number for each element, for each pixel of a row, for each row of pixels, for each image, and for all.
        for shape in [IMAGES, [1, 1, 1, 3], [1, 1, 4, 1], [3, 1, 1, 1], [1; 4]] {
            let program = program(&shape, |builder, convolved, bias| {
                let bias = builder.broadcast(bias, &IMAGES);
                vec![builder.add(convolved, bias)]
            });
            assert_eq!(steps(&program), (program.equations().len(), vec![]), "{shape:?}");
        }
        let read_again = program(&[1, 3, 1, 1], |builder, convolved, bias| {
            let bias = builder.broadcast(bias, &IMAGES);
            vec![builder.add(convolved, bias), convolved]
        });
        assert_eq!(steps(&read_again), (3, vec![]));
        let doubled = program(&[1, 3, 1, 1], |builder, convolved, _| vec![builder.add(convolved, convolved)]);
        assert_eq!(steps(&doubled), (2, vec![]));
    }
}
