//! The tables of the book, rendered from the code and compared with `book/src/generated`.

use crate::reference::{double, numbers};
use crate::zoo::Named;
use banach::solve::{Anderson, Budget, FixedPointSolver, LinearSolver, Outcome, Settings, Tolerance};
use banach::{FixedPointConfig, Report};
use banach_zoo::Problem;
use serde::de::DeserializeOwned;
use std::fmt::Display;
use std::path::Path;

/// Steps of every solve: no outcome is so near to them that rounding could decide it.
const STEPS: usize = 1000;

/// Compares a text with a file of the book, or writes it there where `UPDATE_BOOK` is set.
pub(crate) fn generated(name: &str, text: &str) {
    let command = "UPDATE_BOOK=1 cargo test -p banach --test suite book";
    let text = format!("<!-- Rendered from the code by `{command}`. -->\n\n{}\n", text.trim_end());
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../book/src/generated").join(name);
    if std::env::var_os("UPDATE_BOOK").is_some() {
        std::fs::write(&path, &text).unwrap();
    }
    let found = std::fs::read_to_string(&path).unwrap_or_default();
    assert!(
        found == text,
        "book/src/generated/{name} is out of date: write it anew by `{command}`, and read whether its chapter still holds"
    );
}

/// A table of Markdown.
pub(crate) fn table<S: AsRef<str>>(head: &[S], rows: &[Vec<String>]) -> String {
    let line = |cells: Vec<&str>| {
        assert!(cells.len() == head.len() && !cells.iter().any(|cell| cell.contains('|')), "{cells:?}");
        format!("| {} |\n", cells.join(" | "))
    };
    let mut text = line(head.iter().map(AsRef::as_ref).collect());
    text += &line(vec![":--"; head.len()]);
    text.extend(rows.iter().map(|row| line(row.iter().map(String::as_str).collect())));
    text
}

/// Every variant of an enum with its default settings, in order; its names are what serde expects where it finds none of them.
pub(crate) fn variants<T: DeserializeOwned>() -> Vec<T> {
    let refusal = serde_json::from_str::<T>("\"\"").err().unwrap().to_string();
    let names: Vec<&str> = refusal.split('`').skip(3).step_by(2).collect();
    assert!(names.len() > 2, "{refusal}");
    let read = |name| {
        let alone = serde_json::from_str(&format!("\"{name}\""));
        alone.or_else(|_| serde_json::from_str(&format!("{{\"{name}\": {{}}}}"))).unwrap()
    };
    names.into_iter().map(read).collect()
}

/// The facts about every solver, by its name.
fn facts<T: Display>(solvers: &[T], known: &[(&str, &[&str])]) -> Vec<Vec<String>> {
    let row = |solver: &T| {
        let name = solver.to_string();
        let line = known.iter().find(|line| line.0 == name);
        let (_, facts) = line.unwrap_or_else(|| panic!("say here what {name} needs and costs"));
        std::iter::once(name).chain(facts.iter().map(ToString::to_string)).collect()
    };
    let rows: Vec<Vec<String>> = solvers.iter().map(row).collect();
    assert_eq!(rows.len(), known.len(), "facts about a solver that is no more");
    rows
}

/// The facts, and below them a line for every problem with a cell for every solver.
fn tables<T: Display>(
    head: &[&str],
    facts: &[Vec<String>],
    solvers: &[T],
    problems: &[Problem],
    cell: impl Fn(&Problem, &T) -> String,
) -> String {
    let mut solved = vec![0; solvers.len()];
    let mut rows = vec![];
    for problem in problems {
        let cells: Vec<String> = solvers.iter().map(|solver| cell(problem, solver)).collect();
        solved.iter_mut().zip(&cells).for_each(|(solved, cell)| *solved += usize::from(cell == "✓"));
        rows.push([vec![format!("`{}`", problem.name)], cells].concat());
    }
    let of = format!("✓, of {}", problems.len());
    rows.push([vec![of], solved.iter().map(ToString::to_string).collect()].concat());
    let names = ["problem".to_owned()].into_iter().chain(solvers.iter().map(ToString::to_string));
    format!("{}\n{}", table(head, facts), table(&names.collect::<Vec<_>>(), &rows))
}

pub(crate) fn close(found: f64, expected: f64) -> bool {
    expected.is_nan() || (found - expected).abs() <= 1e-5 * (1.0 + expected.abs())
}

/// ✓ where every row is right, else how many of the others ended in which way.
pub(crate) fn verdict(outcomes: &[Outcome], right: impl Fn(usize) -> bool) -> String {
    let mut wrong: Vec<(String, usize)> = vec![];
    for row in (0..outcomes.len()).filter(|&row| !outcomes[row].is_converged() || !right(row)) {
        let ended = if outcomes[row].is_converged() { "wrong".into() } else { outcomes[row].to_string() };
        match wrong.iter_mut().find(|(known, _)| *known == ended) {
            Some((_, count)) => *count += 1,
            None => wrong.push((ended, 1)),
        }
    }
    let told = wrong.iter().map(|(ended, count)| match outcomes.len() {
        1 => ended.clone(),
        rows => format!("{count} of {rows} {ended}"),
    });
    if wrong.is_empty() { "✓".into() } else { format!("✗ {}", told.collect::<Vec<_>>().join(", ")) }
}

/// The length of what is missing, in parts of that of the whole.
fn off_by(found: &[f64], expected: &[f64]) -> String {
    let length = |x: &mut dyn Iterator<Item = f64>| x.map(|x| x * x).sum::<f64>().sqrt();
    let missing = length(&mut found.iter().zip(expected).map(|(a, b)| a - b));
    let percent = 100.0 * missing / length(&mut expected.iter().copied());
    format!("off by {percent:.*} %", usize::from(percent < 10.0))
}

#[test]
fn the_book_gives_the_advice_of_every_outcome() {
    let row = |outcome: &Outcome| {
        let failure = if outcome.is_failure() { "yes" } else { "no" };
        vec![outcome.to_string(), failure.into(), outcome.advice().into()]
    };
    let rows: Vec<Vec<String>> = variants::<Outcome>().iter().map(row).collect();
    generated("outcomes.md", &table(&["outcome", "a failure?", "what to do"], &rows));
}

#[test]
fn the_book_lists_the_problems() {
    let line = |problem: &Problem| format!("- `{}`: {}\n", problem.name, problem.about);
    generated("problems.md", &banach_zoo::all().iter().map(line).collect::<String>());
}

#[test]
fn the_book_compares_the_forward_solvers() {
    let solvers: Vec<FixedPointSolver> = variants();
    let known: [(&str, &[&str]); 6] = [
        ("picard", &["yes", "1", "none; 1 with momentum", "`‖J‖ < 1` near x̂"]),
        ("anderson", &["yes", "1", "`2 · window`, 10 by default", "little: it restarts where it is misled"]),
        (
            "broyden",
            &[
                "yes",
                "1",
                "`2 · memory + 3`, 43 by default",
                "I - J regular on the way; halved steps where it leaps",
            ],
        ),
        ("squarem", &["yes", "1", "3", "`‖J‖ < 1` near x̂, with slow directions that hardly turn"]),
        ("auto", &["yes", "1", "2, and those of Anderson and Broyden while a row is there", "as they do"]),
        (
            "newton",
            &[
                "no: `J t`, which a layer takes from its program",
                "1, up to 50 applications of J (`NewtonInner::Krylov`), a few energies",
                "5 with an energy, else one for each application",
                "a smooth g; with an energy kinks are survived",
            ],
        ),
    ];
    let head = ["solver", "values of g alone?", "evaluations of g a step", "states of memory", "asks of g"];
    let cell = |problem: &Problem, solver: &FixedPointSolver| {
        let config = FixedPointConfig::new()
            .with_solver(solver.clone())
            .with_tolerance(Tolerance::both(1e-8))
            .with_max_steps(STEPS);
        let layer = config.init(Named { problem: problem.clone() }).unwrap();
        let (device, dtype) = double();
        let solution = layer.solve(problem.z(&device, dtype)).unwrap();
        let (found, n) = (numbers(solution.value()), problem.start.columns);
        let answer = problem.answer.clone().unwrap_or(vec![f64::NAN; found.len()]);
        verdict(&solution.report().outcomes, |row| {
            (row * n..(row + 1) * n).all(|i| close(found[i], answer[i]))
        })
    };
    let facts = facts(&solvers, &known);
    generated("solvers.md", &tables(&head, &facts, &solvers, &banach_zoo::all(), cell));
}

#[test]
fn the_book_compares_the_adjoint_solvers() {
    let solvers: Vec<LinearSolver> = variants();
    let known: [(&str, &[&str]); 9] = [
        ("neumann", &["1", "none", "no", "yes", "the spectral radius of J is below 1"]),
        ("gmres", &["1, and 1 a cycle", "`restart`, 30 by default", "no", "yes", "I - J is regular"]),
        (
            "bicgstab",
            &["2", "8", "no", "yes", "I - J is regular; eigenvalues far from the real axis slow it"],
        ),
        ("conjugate gradient", &["1", "4", "yes", "yes", "I - J is positive definite"]),
        (
            "dense",
            &["n in all", "`n²` numbers a row, on the host", "no", "yes", "I - J is regular, n at most 1024"],
        ),
        (
            "anderson",
            &["1", "`2 · window`, 10 by default", "no", "yes", "I - J is regular, within its window"],
        ),
        (
            "broyden",
            &["1", "`2 · memory + 3`, 43 by default", "no", "yes", "I - J is regular, within its memory"],
        ),
        ("truncated", &["`terms - 1` in all, 4 by default", "3", "no", "no", "always: it never looks"]),
        ("identity", &["none", "none", "no", "no", "always: it never looks"]),
    ];
    let head = [
        "solver",
        "applications of Jᵀ a step",
        "states of memory",
        "J symmetric?",
        "exact?",
        "ends well where",
    ];
    let forward = FixedPointSolver::Anderson(Anderson { window: 10, ..Anderson::default() });
    let forward = Settings::new(forward).with_tolerance(Tolerance::both(1e-12));
    let cell = |problem: &Problem, solver: &LinearSolver| {
        let adjoint = Settings::new(solver.clone())
            .with_tolerance(Tolerance::both(1e-8))
            .with_budget(Budget::steps(STEPS));
        let config =
            FixedPointConfig { forward: forward.clone(), adjoint, escalate: false, ..Default::default() };
        let layer = config.init(Named { problem: problem.clone() }).unwrap();
        let (device, dtype) = double();
        let z = problem.z(&device, dtype).autodiff().require_grad();
        let solution = layer.solve(z.clone()).unwrap();
        let report: Report = solution.report().clone();
        assert!(report.converged(), "{}: {}", problem.name, report.explain());
        let found = numbers(&z.grad(&solution.into_value().sum().backward()).unwrap());
        let (expected, m) = (problem.derivative.clone().unwrap(), problem.input.columns);
        let outcomes = &report.adjoint()[0].outcomes;
        let name = solver.to_string();
        let exact = known.iter().any(|(known, facts)| *known == name && facts[3] == "yes");
        assert_eq!(exact, !outcomes.contains(&Outcome::Approximate), "what is said about {name}");
        if !exact {
            return off_by(&found, &expected);
        }
        verdict(outcomes, |row| (row * m..(row + 1) * m).all(|i| close(found[i], expected[i])))
    };
    let mut problems = banach_zoo::all();
    problems.retain(|problem| problem.answer.is_some() && problem.derivative.is_some());
    generated("adjoints.md", &tables(&head, &facts(&solvers, &known), &solvers, &problems, cell));
}
