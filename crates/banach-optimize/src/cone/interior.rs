//! Solves by Clarabel, a primal-dual interior-point solver, of programs without semidefinite cones.

use super::row::Row;
use crate::projection::cone::Cone;
use crate::termination::Termination;
use clarabel::algebra::CscMatrix;
use clarabel::solver::{
    DefaultSettings, DefaultSettingsBuilder, DefaultSolver, IPSolver, SolverStatus, SupportedConeT,
};

/// What Clarabel found: a termination if there is no solution, and its point (x, w) and steps.
#[derive(Debug)]
pub(crate) struct Found {
    pub(crate) without_solution: Option<Termination>,
    pub(crate) x: Vec<f64>,
    pub(crate) w: Vec<f64>,
    pub(crate) steps: usize,
}

/// Clarabel's cones; None for cones that it solves only with LAPACK.
pub(crate) fn supported(cones: &[Cone]) -> Option<Vec<SupportedConeT<f64>>> {
    cones
        .iter()
        .map(|cone| match *cone {
            Cone::Zero(rows) => Some(SupportedConeT::ZeroConeT(rows)),
            Cone::NonNegative(rows) => Some(SupportedConeT::NonnegativeConeT(rows)),
            Cone::SecondOrder(rows) => Some(SupportedConeT::SecondOrderConeT(rows)),
            Cone::Exponential => Some(SupportedConeT::ExponentialConeT()),
            Cone::Semidefinite(_) => None,
        })
        .collect()
}

fn settings(max_steps: usize) -> Option<DefaultSettings<f64>> {
    DefaultSettingsBuilder::default()
        .verbose(false)
        .max_iter(u32::try_from(max_steps).unwrap_or(u32::MAX))
        .tol_gap_abs(1e-10)
        .tol_gap_rel(1e-10)
        .tol_feas(1e-10)
        // The presolve drops rows with infinite bounds, of which there are none.
        .presolve_enable(false)
        .build()
        .ok()
}

/// Solves a row; None where Clarabel refuses it.
pub(crate) fn solve(row: &Row<'_>, cones: &[SupportedConeT<f64>], max_steps: usize) -> Option<Found> {
    let (n, m) = (row.n(), row.m());
    let mut upper = (vec![], vec![], vec![]);
    if let Some(p) = row.quadratic {
        for j in 0..n {
            for i in 0..=j {
                upper.0.push(i);
                upper.1.push(j);
                upper.2.push(0.5 * (p[i * n + j] + p[j * n + i]));
            }
        }
    }
    let p = CscMatrix::new_from_triplets(n, n, upper.0, upper.1, upper.2);
    let (rows, columns): (Vec<usize>, Vec<usize>) = row.pattern.places.iter().copied().unzip();
    let a = CscMatrix::new_from_triplets(m, n, rows, columns, row.values.to_vec());
    let mut solver = DefaultSolver::new(&p, row.linear, &a, row.b, cones, settings(max_steps)?).ok()?;
    solver.solve();
    let solution = &solver.solution;
    let without_solution = match solution.status {
        SolverStatus::PrimalInfeasible | SolverStatus::AlmostPrimalInfeasible => {
            Some(Termination::Infeasible)
        }
        SolverStatus::DualInfeasible | SolverStatus::AlmostDualInfeasible => Some(Termination::Unbounded),
        SolverStatus::Unsolved
        | SolverStatus::Solved
        | SolverStatus::AlmostSolved
        | SolverStatus::MaxIterations
        | SolverStatus::MaxTime
        | SolverStatus::NumericalError
        | SolverStatus::InsufficientProgress
        | SolverStatus::CallbackTerminated => None,
    };
    let w = solution.s.iter().zip(&solution.z).map(|(s, z)| s - z).collect();
    Some(Found { without_solution, x: solution.x.clone(), w, steps: solution.iterations as usize })
}
