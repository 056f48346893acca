//! Sums in double precision, in an order that depends only on the layout of the elements.

use super::Run;
use crate::run::native::loops::runs;
use crate::run::native::view::View;
use crate::run::value::number::Number;

/// Sums that are kept apart while a line of numbers is added up.
const LANES: usize = 8;

impl<T: Number> Run<'_, '_, '_, T> {
    pub(super) fn sum(&self, source: &View, target: &View, out: &mut [T], sums: &mut Vec<f64>) {
        sums.clear();
        sums.resize(out.len(), 0.0);
        let from = self.real(source.buffer);
        runs(target, source, &source.order(), |[to, at], run| match run.strides.as_slice() {
            [0, 1] => sums[to] += line(&from[at..at + run.size]),
            [1, 1] => {
                let numbers = &from[at..at + run.size];
                sums[to..to + run.size].iter_mut().zip(numbers).for_each(|(sum, x)| *sum += x.to_f64());
            }
            strides => {
                let (mut to, mut at) = (to, at);
                for _ in 0..run.size {
                    sums[to] += from[at].to_f64();
                    to = to.wrapping_add_signed(strides[0]);
                    at = at.wrapping_add_signed(strides[1]);
                }
            }
        });
        out.iter_mut().zip(sums.iter()).for_each(|(out, sum)| *out = T::from_f64(*sum));
    }
}

fn line<T: Number>(numbers: &[T]) -> f64 {
    let mut lanes = [0.0; LANES];
    let (integers, rest) = numbers.as_chunks::<LANES>();
    for chunk in integers {
        lanes.iter_mut().zip(chunk).for_each(|(sum, x)| *sum += x.to_f64());
    }
    lanes.iter().sum::<f64>() + rest.iter().map(|x| x.to_f64()).sum::<f64>()
}
