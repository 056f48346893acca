//! Every forward solver with every adjoint solver on every problem of the zoo, against the tables of the book.
//!
//! `solvers.md` and `adjoints.md` hold what is expected; here every pair of solvers meets every problem, and nothing that is
//! said to have converged may be wrong.

use crate::book::{close, variants, verdict};
use crate::reference::{double, numbers};
use crate::zoo::Named;
use banach::solve::{Budget, FixedPointSolver, LinearSolver, Outcome, Settings, Tolerance};
use banach::{Engine, FixedPointConfig, Report};
use banach_zoo::Problem;

/// A column of a table of the book: the cell of every problem.
fn column(table: &str, solver: &str) -> Vec<(String, String)> {
    let path = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("../../book/src/generated").join(table);
    let text = std::fs::read_to_string(path).unwrap();
    let cells = |line: &str| -> Vec<String> {
        line.trim_matches('|').split('|').map(|cell| cell.trim().trim_matches('`').to_owned()).collect()
    };
    let lines = || text.lines().filter(|line| line.starts_with('|')).map(cells);
    let head = lines().find(|cells| cells[0] == "problem").unwrap();
    let at = head.iter().position(|name| name == solver).unwrap_or_else(|| panic!("{solver} in {table}"));
    let problems = lines().skip_while(|cells| cells[0] != "problem").skip(2);
    problems.map(|cells| (cells[0].clone(), cells[at].clone())).collect()
}

/// How a problem ended forward and backward: the reports, x̂ and the derivative.
fn ended(
    problem: &Problem,
    forward: &FixedPointSolver,
    adjoint: &LinearSolver,
    engine: Engine,
) -> (Report, Vec<f64>, Vec<f64>) {
    let (tolerance, budget) = (Tolerance::both(1e-8), Budget::steps(1000));
    let adjoint = Settings::new(adjoint.clone()).with_tolerance(tolerance).with_budget(budget);
    let forward = Settings::new(forward.clone()).with_tolerance(tolerance).with_budget(budget);
    let config = FixedPointConfig { forward, adjoint, escalate: false, engine, ..Default::default() };
    let layer = config.init(Named { problem: problem.clone() }).unwrap();
    let (device, dtype) = double();
    let z = problem.z(&device, dtype).autodiff().require_grad();
    let solution = layer.solve(z.clone()).unwrap();
    let report: Report = solution.report().clone();
    let x = numbers(solution.value());
    let slopes = solution.into_value().sum().backward();
    (report, x, z.grad(&slopes).map(|slopes| numbers(&slopes)).unwrap_or_default())
}

#[test]
fn every_pair_of_solvers_ends_every_problem_as_the_book_says() {
    let (forwards, adjoints): (Vec<FixedPointSolver>, Vec<LinearSolver>) = (variants(), variants());
    let mut wrong = vec![];
    let mut met = 0;
    for forward in &forwards {
        let expected_forward = column("solvers.md", &forward.to_string());
        for adjoint in &adjoints {
            let expected_adjoint = column("adjoints.md", &adjoint.to_string());
            let exact = !matches!(adjoint, LinearSolver::Truncated(_) | LinearSolver::Identity);
            for problem in banach_zoo::all() {
                met += 1;
                let named = |(name, _): &&(String, String)| name == problem.name;
                let (report, x, slopes) = ended(&problem, forward, adjoint, Engine::Native);
                let name = format!("{} by {forward} and {adjoint}", problem.name);
                let n = problem.start.columns;
                let answer = problem.answer.clone().unwrap_or(vec![f64::NAN; x.len()]);
                let right = |row: usize| (row * n..(row + 1) * n).all(|i| close(x[i], answer[i]));
                let found = verdict(&report.outcomes, right);
                let expected = &expected_forward.iter().find(named).unwrap().1;
                if found != *expected {
                    wrong.push(format!("{name}: x is {found}, expected {expected}"));
                }
                let Some(derivative) = &problem.derivative else { continue };
                let Some(back) = report.adjoint().first().cloned() else { continue };
                let m = problem.input.columns;
                let solved = |row: &usize| report.outcomes[*row].is_converged();
                // What is called converged is right, whatever became of other rows.
                for row in (0..back.outcomes.len()).filter(solved) {
                    let (found, known) = (&slopes[row * m..][..m], &derivative[row * m..][..m]);
                    let said = back.outcomes[row];
                    let near = found
                        .iter()
                        .zip(known)
                        .all(|(a, b)| b.is_nan() || (a - b).abs() <= 1e-4 * (1.0 + b.abs()));
                    if said.is_converged() && !near {
                        wrong.push(format!("{name}: row {row} is {found:?}, not {known:?}"));
                    }
                    if !exact && said == Outcome::Converged && !near {
                        wrong.push(format!("{name}: row {row} is called exact"));
                    }
                }
                // Where all rows were solved forward, the adjoint ends as in its own table.
                if exact && report.converged() {
                    let found = verdict(&back.outcomes, |_| true);
                    let expected = &expected_adjoint.iter().find(named).unwrap().1;
                    if found != *expected {
                        wrong.push(format!("{name}: the adjoint is {found}, expected {expected}"));
                    }
                }
            }
        }
    }
    assert!(met > 1500, "only {met} meetings");
    assert!(wrong.is_empty(), "{} of {met} meetings are wrong:\n{}", wrong.len(), wrong.join("\n"));
}

#[test]
fn every_solver_ends_alike_on_the_engine_and_on_the_device() {
    let (forwards, adjoints): (Vec<FixedPointSolver>, Vec<LinearSolver>) = (variants(), variants());
    let (anderson, gmres) = (FixedPointSolver::default(), LinearSolver::default());
    let pairs = forwards.iter().map(|forward| (forward, &gmres));
    let pairs: Vec<_> = pairs.chain(adjoints.iter().map(|adjoint| (&anderson, adjoint))).collect();
    let mut wrong = vec![];
    for (forward, adjoint) in pairs {
        for problem in banach_zoo::all() {
            let [native, device] =
                [Engine::Native, Engine::Device].map(|engine| ended(&problem, forward, adjoint, engine));
            let name = format!("{} by {forward} and {adjoint}", problem.name);
            if native.0.outcomes != device.0.outcomes {
                wrong.push(format!("{name}: {:?}, on the device {:?}", native.0.outcomes, device.0.outcomes));
                continue;
            }
            let back = |report: &Report| report.adjoint().first().map(|back| back.outcomes.clone());
            if back(&native.0) != back(&device.0) {
                wrong.push(format!("{name}: {:?}, on the device {:?}", back(&native.0), back(&device.0)));
            }
            let n = problem.start.columns;
            let solved = |at: &usize| native.0.outcomes[at / n].is_converged();
            let apart =
                |at: &usize| (native.1[*at] - device.1[*at]).abs() > 1e-6 * (1.0 + device.1[*at].abs());
            // Where I - J is singular a small residual leaves x̂ open.
            let open = problem.derivative.is_none();
            if !open && (0..native.1.len()).filter(solved).any(|at| apart(&at)) {
                wrong.push(format!("{name}: {:?}, on the device {:?}", native.1, device.1));
            }
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}
