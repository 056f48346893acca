//! The kernel of the least-squares problems of Anderson acceleration.

use burn_cubecl::cubecl;
use burn_cubecl::cubecl::prelude::*;

/// What the problems of all rows have in common.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Elimination {
    /// The slot of the newest difference.
    pub(crate) newest: usize,
    /// The number of differences so far, up to the window.
    pub(crate) count: usize,
    /// The factor of the smallest residual beyond which a row begins anew.
    pub(crate) growth: f64,
    /// Added to the diagonal of the Gram matrix of unit vectors.
    pub(crate) ridge: f64,
    /// The squared sine of the smallest angle between a difference and the span of newer ones, plus the ridge.
    pub(crate) least_pivot: f64,
    /// The precision of the state.
    pub(crate) precision: f64,
}

/// Solves `min ‖F - Σ γⱼ ΔFⱼ‖² + ridge Σ (γⱼ ‖ΔFⱼ‖)²` for every row, by Gauss-Jordan elimination from the newest difference to
/// the oldest. A difference whose pivot is too small lies almost in the span of newer ones, and is passed over.
///
/// `sums` are those of the differences, added up over their blocks here. `products` holds `⟨ΔFᵢ, ΔFⱼ⟩`, `[rows, window, window]`.
/// `marks`, `[rows, window + 2]`, holds 1 for every slot that the row may use, 1 if its last point may be used, and the square of
/// its smallest residual, where 0 is none. Writes the products in place, the marks anew, `γ`, `[rows, window]`, and for each row
/// `‖F‖²`, `‖g(x)‖²` and `Σ |γⱼ|`.
#[cube(launch)]
pub(super) fn elimination(
    sums: &Tensor<f32>,
    products: &mut Tensor<f32>,
    last_marks: &Tensor<f32>,
    marks: &mut Tensor<f32>,
    factors: &mut Tensor<f32>,
    sizes: &mut Tensor<f32>,
    newest: u32,
    count: u32,
    growth: f32,
    ridge: f32,
    least_pivot: f32,
    precision: f32,
    #[comptime] window: usize,
) {
    let row = CUBE_POS_X as usize;
    let unit = UNIT_POS_X as usize;
    let numbers = comptime!(2 * window + 2);
    let mut shared = Shared::<[f32]>::new_slice(numbers);
    let blocks = sums.shape(1);
    if unit < numbers {
        let mut sum = 0.0f32;
        for block in 0..blocks {
            sum += sums[(row * blocks + block) * numbers + unit];
        }
        shared[unit] = sum;
    }
    sync_cube();
    if unit == 0 {
        let newest = newest as usize;
        let residual = shared[2 * window];
        let here = row * window * window;
        for j in 0..window {
            products[here + newest * window + j] = shared[j];
            products[here + j * window + newest] = shared[j];
        }
        mark(last_marks, marks, row, newest, residual, growth, window);
        let mut scale = Array::<f32>::new(window);
        for j in 0..window {
            let length = products[here + j * window + j] * marks[row * (window + 2) + j];
            scale[j] = 0.0;
            if length > residual * precision * precision {
                scale[j] = 1.0 / length.sqrt();
            }
        }
        let mut system = Array::<f32>::new(window * (window + 1));
        for i in 0..window {
            for k in 0..window {
                let mut number = 0.0f32;
                // A slot that is not in use may hold what is not a number.
                if scale[i] > 0.0 && scale[k] > 0.0 {
                    number = products[here + i * window + k] * scale[i] * scale[k];
                }
                if i == k {
                    number += ridge;
                }
                system[i * (window + 1) + k] = number;
            }
            let mut number = 0.0f32;
            if scale[i] > 0.0 {
                number = shared[window + i] * scale[i];
            }
            system[i * (window + 1) + window] = number;
        }
        eliminate(&mut system, newest, count as usize, least_pivot, window);
        let sum = solve(&system, &scale, factors, row, precision, window);
        sizes[3 * row] = residual;
        sizes[3 * row + 1] = shared[2 * window + 1];
        sizes[3 * row + 2] = sum;
    }
}

/// Lets a row use the newest difference if it may use its last point. A row whose residual has grown too far begins anew; its
/// last point may be used.
#[cube]
fn mark(
    last_marks: &Tensor<f32>,
    marks: &mut Tensor<f32>,
    row: usize,
    newest: usize,
    residual: f32,
    growth: f32,
    #[comptime] window: usize,
) {
    let first = row * (window + 2);
    let least = last_marks[first + window + 1];
    let grown = least > 0.0 && residual > least * growth * growth;
    for j in 0..window {
        marks[first + j] = last_marks[first + j];
        if j == newest {
            marks[first + j] = last_marks[first + window];
        }
        if grown {
            marks[first + j] = 0.0;
        }
    }
    marks[first + window] = 1.0;
    marks[first + window + 1] = least;
    if grown || least == 0.0 || residual < least {
        marks[first + window + 1] = residual;
    }
}

/// Eliminates from the newest difference to the oldest.
#[cube]
fn eliminate(
    system: &mut Array<f32>,
    newest: usize,
    count: usize,
    least_pivot: f32,
    #[comptime] window: usize,
) {
    for age in 0..count {
        let at = (newest + window - age) % window;
        let pivot = system[at * (window + 1) + at];
        if pivot > least_pivot {
            for i in 0..window {
                let multiple = system[i * (window + 1) + at] / pivot;
                if i != at {
                    for k in 0..window + 1 {
                        let change = multiple * system[at * (window + 1) + k];
                        system[i * (window + 1) + k] -= change;
                    }
                }
            }
            for k in 0..window + 1 {
                system[at * (window + 1) + k] /= pivot;
            }
        }
    }
}

/// Writes the factors of a row, zeros if they are not usable, and returns the sum of their absolute values.
#[cube]
fn solve(
    system: &Array<f32>,
    scale: &Array<f32>,
    factors: &mut Tensor<f32>,
    row: usize,
    precision: f32,
    #[comptime] window: usize,
) -> f32 {
    let mut sum = 0.0f32;
    for j in 0..window {
        let mut factor = 0.0f32;
        // The pivot of a difference that was used is one.
        if scale[j] > 0.0 && system[j * (window + 1) + j] > 0.5 {
            factor = system[j * (window + 1) + window] * scale[j];
        }
        factors[row * window + j] = factor;
        sum += factor.abs();
    }
    let usable = sum < 1.0 / precision;
    if !usable {
        for j in 0..window {
            factors[row * window + j] = 0.0;
        }
        sum = 0.0;
    }
    sum
}
