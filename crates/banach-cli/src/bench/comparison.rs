//! Tables of Markdown that compare solvers on networks, for the book.

/// One solver on one network.
#[derive(Clone, Debug)]
pub(super) struct Entry {
    pub(super) table: String,
    pub(super) network: String,
    pub(super) solver: String,
    pub(super) ms: f64,
    /// What it took beside time.
    pub(super) effort: String,
    /// How rows ended that failed.
    pub(super) failures: Vec<String>,
    /// Whether every row converged.
    pub(super) exact: bool,
}

/// All of them, in the order in which they were measured.
#[derive(Debug, Default)]
pub(super) struct Comparison {
    entries: Vec<Entry>,
}

const HEAD: &str = "<!-- Printed by `cargo run --release -- bench solvers`. -->

Milliseconds, and in brackets what they were spent on. Forward: evaluations of g by a row on average, and applications of J.
Adjoint: applications of Jᵀ, and the error of the gradient relative to its length. Bold is the fastest of those in which every
row converged; ✗ tells how the rows ended that did not. The last line is the time relative to the fastest: the geometric mean
over the networks on which every row converged.
";

impl Comparison {
    /// Takes in what was measured.
    pub(super) fn add(&mut self, entry: Entry) {
        self.entries.push(entry);
    }

    /// A table for each of those that the entries name: a line for each network, a column for each solver.
    pub(super) fn markdown(&self) -> String {
        let mut text = HEAD.to_string();
        if cfg!(debug_assertions) {
            text += "\nMeasured with a build that is not optimised: compare the counts, not the times.\n";
        }
        let all: Vec<&Entry> = self.entries.iter().collect();
        for title in names(&all, |entry| &entry.table) {
            let entries: Vec<&Entry> = self.entries.iter().filter(|entry| entry.table == title).collect();
            text += &format!("\n{title}\n\n{}", table(&entries));
        }
        text.trim_end().into()
    }
}

/// The names that entries have, each once, in order.
fn names<'a>(entries: &[&'a Entry], name: impl Fn(&'a Entry) -> &'a str) -> Vec<&'a str> {
    let mut found = Vec::new();
    for name in entries.iter().map(|entry| name(entry)) {
        if !found.contains(&name) {
            found.push(name);
        }
    }
    found
}

fn table(entries: &[&Entry]) -> String {
    let line = |first: &str, cells: &[String]| format!("| {first} | {} |\n", cells.join(" | "));
    let solvers = names(entries, |entry| &entry.solver);
    let head: Vec<String> = solvers.iter().map(ToString::to_string).collect();
    let mut text = line("network", &head) + &line(":--", &vec!["--:".into(); head.len()]);
    let mut ratios = vec![Vec::new(); solvers.len()];
    for network in names(entries, |entry| &entry.network) {
        let find =
            |solver: &&str| entries.iter().find(|entry| entry.network == network && entry.solver == **solver);
        let found: Vec<Option<&&Entry>> = solvers.iter().map(find).collect();
        let exact = found.iter().flatten().filter(|entry| entry.exact);
        let fastest = exact.map(|entry| entry.ms).fold(f64::INFINITY, f64::min);
        for (entry, ratios) in found.iter().zip(&mut ratios) {
            ratios.extend(entry.filter(|entry| entry.exact).map(|entry| entry.ms / fastest));
        }
        let cells: Vec<String> =
            found.iter().map(|entry| entry.map_or_else(String::new, |entry| cell(entry, fastest))).collect();
        text += &line(network, &cells);
    }
    let means: Vec<String> = ratios.iter().map(|ratios| mean(ratios)).collect();
    text + &line("to the fastest", &means)
}

fn cell(entry: &Entry, fastest: f64) -> String {
    let ms = match entry.ms {
        ms if ms < 10.0 => format!("{ms:.2}"),
        ms => format!("{ms:.0}"),
    };
    let ms = if entry.exact && entry.ms == fastest { format!("**{ms}**") } else { ms };
    let failures = match entry.failures.join(", ") {
        none if none.is_empty() => none,
        failures => format!(" ✗ {failures}"),
    };
    format!("{ms} ({}){failures}", entry.effort)
}

/// The geometric mean, and of how many numbers.
fn mean(ratios: &[f64]) -> String {
    if ratios.is_empty() {
        return String::new();
    }
    let mean = (ratios.iter().map(|ratio| ratio.ln()).sum::<f64>() / ratios.len() as f64).exp();
    format!("{mean:.1}, on {}", ratios.len())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn entry(network: &str, solver: &str, ms: f64, failures: &[&str]) -> Entry {
        let [table, network, solver] = ["forward", network, solver].map(String::from);
        let failures: Vec<String> = failures.iter().map(ToString::to_string).collect();
        Entry { table, network, solver, ms, effort: "7".into(), exact: failures.is_empty(), failures }
    }

    #[test]
    fn the_fastest_that_converged_is_bold_and_the_others_are_compared_with_it() {
        let mut comparison = Comparison::default();
        comparison.add(entry("one", "slow", 4.0, &[]));
        comparison.add(entry("one", "fast", 2.0, &[]));
        comparison.add(entry("one", "lost", 1.0, &["3 stalled", "1 diverged"]));
        comparison.add(entry("two", "slow", 16.0, &[]));
        comparison.add(entry("two", "fast", 2.0, &[]));
        let text = comparison.markdown();
        let lines: Vec<&str> = text.lines().filter(|line| line.starts_with('|')).collect();
        assert_eq!(
            lines,
            [
                "| network | slow | fast | lost |",
                "| :-- | --: | --: | --: |",
                "| one | 4.00 (7) | **2.00** (7) | 1.00 (7) ✗ 3 stalled, 1 diverged |",
                "| two | 16 (7) | **2.00** (7) |  |",
                "| to the fastest | 4.0, on 2 | 1.0, on 2 |  |",
            ]
        );
    }
}
