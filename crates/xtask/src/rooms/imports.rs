//! Import rules between crates and rooms. Burn's internals live in few files, the tracer never iterates, the solver never differentiates.

use super::files::Folder;
use super::paths::{CodePath, code_paths};
use super::source::Source;
use super::violation::Violation;

/// Words that only some rooms may use. A room is a file or the folder of its name.
struct Reserved {
    words: &'static [&'static str],
    what: &'static str,
    rooms: &'static [&'static str],
}

const VALUE: &str = "crates/banach-program/src/run/value";
const VALUE_TYPE: &str = "crates/banach-program/src/language/value";
const TRACE: &str = "crates/banach-program/src/trace/record";
const LOWER: &str = "crates/banach-program/src/trace/lower";
const KERNEL_OPERATIONS: &str = "crates/banach-solve/src/kernels/operations";
const ATTACH: &str = "crates/banach/src/calculus/attach";

const RESERVED: [Reserved; 2] = [
    Reserved {
        words: &["Dispatch", "DispatchTensor", "into_dispatch", "from_dispatch", "as_dispatch"],
        what: "Burn's dispatch layer",
        rooms: &[VALUE, VALUE_TYPE, KERNEL_OPERATIONS, ATTACH],
    },
    Reserved { words: &["Autodiff"], what: "Burn's autodiff", rooms: &[ATTACH] },
];

/// An operation of a server is described by Burn's graph.
const REMOTE: &str = "crates/banach-program/src/run/value/remote";

/// The name of a recorded tensor is what tracing and lowering talk about, so the room that records and the room that
/// holds tensors may say it.
const TENSOR_NAME: &str = "burn::backend::ir::TensorId";

pub(crate) fn check(folder: &Folder) -> Vec<Violation> {
    folder.sources.iter().flat_map(of_source).collect()
}

fn of_source(source: &Source) -> Vec<Violation> {
    let mut found = banned(source);
    if !source.inside().starts_with("src/") {
        return found;
    }
    let inside = |rooms: &[&str]| rooms.iter().any(|room| is_in(&source.path, room));
    let mut said: Vec<&str> = vec![];
    for (line, token) in source.tokens() {
        let reserved =
            RESERVED.iter().find(|reserved| reserved.words.contains(&token) && !inside(reserved.rooms));
        if let Some(Reserved { what, rooms, .. }) = reserved.filter(|_| !said.contains(&token)) {
            said.push(token);
            let text = format!("`{token}` is {what}, which lives in {}", rooms.join(" and "));
            found.push(Violation::new(format!("{}:{line}", source.path), text));
        }
    }
    for name in paths(source) {
        let text = if name.starts_with("burn::backend::ir") {
            let named = name == TENSOR_NAME && inside(&[TRACE, VALUE]);
            let text = || format!("`{name}` is Burn's graph, which lives in {LOWER} and {REMOTE}");
            (!named && !inside(&[LOWER, REMOTE])).then(text)
        } else if name.starts_with("burn::backend::autodiff") {
            (!inside(&[ATTACH])).then(|| format!("`{name}` is Burn's autodiff, which lives in {ATTACH}"))
        } else {
            None
        };
        found.extend(text.map(|text| Violation::new(&source.path, text)));
    }
    found
}

/// Whether a file is the room, or in the folder of its name.
fn is_in(path: &str, room: &str) -> bool {
    path.strip_prefix(room).is_some_and(|rest| rest == ".rs" || rest.starts_with('/'))
}

/// The first law: only `banach` knows both programs and solvers.
fn banned(source: &Source) -> Vec<Violation> {
    let (words, law): (&[&str], &str) = match source.crate_name() {
        "banach-program" => (&["banach_solve"], "the tracer never iterates"),
        "banach-solve" => {
            (&["banach_program", "backward", "autodiff", "require_grad"], "the solver never differentiates")
        }
        _ => return vec![],
    };
    let said = source.tokens().into_iter().filter(|(_, token)| words.contains(token));
    said.map(|(line, token)| {
        Violation::new(format!("{}:{line}", source.path), format!("says `{token}`; {law}"))
    })
    .collect()
}

/// Every path of the code that starts with `burn`, those of `use` trees written out.
fn paths(source: &Source) -> Vec<String> {
    let all = code_paths(&source.tokens());
    all.iter().filter(|path| path.segments[0] == "burn").map(CodePath::written).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn source(path: &str, text: &str) -> Source {
        Source::new(path.into(), text.into())
    }

    #[test]
    fn internals_of_burn_are_found_outside_their_homes() {
        let dispatch = "use burn::backend::Dispatch;\n";
        assert_eq!(of_source(&source("crates/banach-program/src/run/value.rs", dispatch)), []);
        assert_eq!(of_source(&source("crates/banach-program/src/run/value/structure.rs", dispatch)), []);
        assert_eq!(of_source(&source("crates/banach-program/src/run/values.rs", dispatch)).len(), 1);
        assert_eq!(of_source(&source("crates/banach-program/src/run/evaluate.rs", dispatch)).len(), 1);
        let graph = "use burn::backend::{ir::{GraphIr, TensorId}};\n";
        assert_eq!(of_source(&source("crates/banach-program/src/trace/lower/mod.rs", graph)), []);
        assert_eq!(of_source(&source("crates/banach-program/src/trace/record.rs", graph)).len(), 1);
        let autodiff = "fn f() -> burn::backend::autodiff::grads::Gradients { g }\n";
        assert_eq!(of_source(&source("crates/banach/src/calculus/attach.rs", autodiff)), []);
        assert_eq!(of_source(&source("crates/banach/src/layer/fixed_point.rs", autodiff)).len(), 1);
    }

    #[test]
    fn the_tracer_never_iterates_and_the_solver_never_differentiates() {
        assert_eq!(
            of_source(&source("crates/banach-program/src/a.rs", "use banach_solve::Picard;\n")).len(),
            1
        );
        assert_eq!(of_source(&source("crates/banach-solve/src/a.rs", "let g = x.backward();\n")).len(), 1);
        assert_eq!(of_source(&source("crates/banach-solve/src/a.rs", "// never backward\n")), []);
        assert_eq!(of_source(&source("crates/banach/src/a.rs", "let g = x.backward();\n")), []);
    }
}
