//! Deferred solves: tensors on a device iterate ahead, and the host looks at the residuals of several steps
//! at once.

mod acceleration;
mod anderson;
#[cfg(feature = "kernels")]
mod anderson_by_kernels;
mod columns;
mod gmres;
mod iterate;
mod krylov;
mod linear;
mod mixture;
mod picard;
mod schedule;
mod window;

pub use linear::solve_linear_deferred;

use crate::{Error, FixedPointSolver, Map, Settings, Solution, SolverKind, fixed_point};
use burn::tensor::Tensor;

/// Solves `x = map(x)` as [`fixed_point`](crate::fixed_point()) does, with few waits for the device.
///
/// A device computes while the host prepares the next operations, until the host reads a number: then the
/// device runs dry. So a step of the solver stays on the device, with everything that it needs of a row, and
/// the host reads the residuals of several steps at once. It then applies the stopping rules to each of these
/// steps in order, and takes the best iterate of every row from where it stands. So outcomes, steps,
/// statistics and the trace are those of a solve that looks at every step, up to the rounding of the
/// device. Where a rule asks for something that the device has not done, such as a return to the best iterate
/// after a failed extrapolation, the batch goes back to that step.
///
/// The first look is after 6 steps, or one step after the number that a similar solve took, if it is given as
/// `expected`: at the latest after 32 steps, and after 16 if the iterates until then take more than 64 MiB or that number is
/// above 31. Then the rate of the residuals says when to look again: at the earliest 3 steps later,
/// at the latest once the number of steps has doubled, or after 16. So beyond the end of its last row a batch computes
/// at most 5 steps where the first look comes too late, 2 where the prediction is right, and never more than it
/// needed; these steps are not counted in
/// [`Statistics::evaluations`](crate::Statistics::evaluations), and no budget of evaluations is exceeded.
/// The iterates of the steps between two looks stay in the memory of the device.
///
/// [`Picard`](crate::Picard) without momentum and [`Anderson`](crate::Anderson) are deferred; other solvers
/// run as in [`fixed_point`](crate::fixed_point()), and their transfers are not counted. An [energy](Map::energy) of the map is not used.
///
/// ```
/// use banach_solve::{FixedPointSolver, Picard, Settings, fixed_point_deferred};
/// use burn::tensor::{Device, Tensor};
///
/// let settings = Settings::new(FixedPointSolver::Picard(Picard::default()));
/// let x0 = Tensor::<2>::zeros([1, 1], &Device::flex());
/// let solution = fixed_point_deferred(&|x: &Tensor<2>| x.clone() * 0.5 + 1.0, &x0, &settings, None)?;
/// let transfers = solution.statistics.transfers.unwrap_or_default();
/// assert!(transfers.reads <= 4 && transfers.writes == 0 && solution.statistics.steps == [13]);
/// assert!((solution.into_converged()?.into_scalar::<f32>() - 2.0).abs() < 1e-3);
/// # Ok::<(), banach_solve::Error>(())
/// ```
///
/// # Errors
///
/// As for [`fixed_point`](crate::fixed_point()).
pub fn fixed_point_deferred(
    map: &(impl Map<Tensor<2>> + ?Sized),
    x0: &Tensor<2>,
    settings: &Settings<FixedPointSolver>,
    expected: Option<usize>,
) -> Result<Solution<Tensor<2>>, Error> {
    settings.solver.validate()?;
    let rules = settings.rules();
    rules.validate()?;
    let map: &dyn Map<Tensor<2>> = &|x: &Tensor<2>| map.apply(x);
    let empty = x0.dims().contains(&0);
    let solved = match &settings.solver {
        FixedPointSolver::Picard(solver) if solver.momentum == 0.0 && !empty => {
            iterate::iterate(map, x0, solver, None, (rules, expected))?
        }
        FixedPointSolver::Anderson(solver) if anderson::fits(solver, x0) && !empty => {
            acceleration::accelerate(map, x0, solver, None, (rules, expected))?
        }
        FixedPointSolver::Picard(_)
        | FixedPointSolver::Anderson(_)
        | FixedPointSolver::Broyden(_)
        | FixedPointSolver::Squarem(_)
        | FixedPointSolver::Auto(_)
        | FixedPointSolver::Newton(_)
        | FixedPointSolver::User(_) => return fixed_point(map, x0, settings),
    };
    Ok(solved.solution.by(SolverKind::from(&settings.solver)))
}
