//! The order of a crate's rooms, as ARCHITECTURE.md lists it: a room imports only from rooms before it.
//!
//! A block that opens with three backquotes and `rooms` holds lines like `banach: error settings tracing`; a line without a
//! colon goes on with the crate above. A room is a file or a folder below `src`; the crate's root is in no room.

use super::modules::Import;
use super::source::Source;
use super::violation::Violation;
use std::collections::BTreeMap;

/// Where the orders stand.
const ARCHITECTURE: &str = "ARCHITECTURE.md";

/// The rooms of each crate in their order.
pub(crate) type Orders<'a> = BTreeMap<&'a str, Vec<&'a str>>;

/// Reads the orders from the text of ARCHITECTURE.md.
pub(crate) fn orders(text: &str) -> Orders<'_> {
    let mut orders = Orders::new();
    let mut inside = false;
    let mut current = None;
    for line in text.lines().map(str::trim) {
        if let Some(language) = line.strip_prefix("```") {
            inside = !inside && language == "rooms";
            current = None;
        } else if inside {
            let (name, rooms) =
                line.split_once(':').map_or((None, line), |(name, rooms)| (Some(name), rooms));
            current = name.or(current);
            if let Some(name) = current {
                orders.entry(name).or_default().extend(rooms.split_whitespace());
            }
        }
    }
    orders
}

/// Imports against the order, rooms without a place in it, and places without a room.
pub(crate) fn check(name: &str, orders: &Orders, files: &[&Source], imports: &[Import]) -> Vec<Violation> {
    let Some(order) = orders.get(name) else {
        let text =
            format!("found no order of the rooms of {name}, expected `{name}: ROOM ..` in a block `rooms`");
        return vec![Violation::new(ARCHITECTURE, text)];
    };
    let position = |room: &str| order.iter().position(|known| *known == room);
    let mut found = vec![];
    for file in files {
        if let Some(room) = room(file).filter(|room| position(room).is_none()) {
            let text = format!(
                "the room {room} has no place in the order of {name} in {ARCHITECTURE}: add it there"
            );
            found.push(Violation::new(&file.path, text));
        }
    }
    for (at, listed) in order.iter().enumerate() {
        if !files.iter().any(|file| room(file) == Some(listed)) {
            let text = format!("lists the room {listed} of {name}, which is not there: take it out");
            found.push(Violation::new(ARCHITECTURE, text));
        }
        if order[..at].contains(listed) {
            found.push(Violation::new(ARCHITECTURE, format!("lists the room {listed} of {name} twice")));
        }
    }
    for import in imports {
        let rooms = [import.from, import.to].map(|file| room(files[file]));
        let [Some(from), Some(to)] = rooms else { continue };
        if position(from).zip(position(to)).is_some_and(|(from, to)| from < to) {
            let text = format!(
                "`{}` imports {}: {to} comes after {from} in the order of rooms in {ARCHITECTURE}",
                import.path, files[import.to].path
            );
            found.push(Violation::new(format!("{}:{}", files[import.from].path, import.line), text));
        }
    }
    found
}

/// The room of a file; none for a crate's root.
fn room(file: &Source) -> Option<&str> {
    let first = file.inside().trim_start_matches("src/").split('/').next()?.trim_end_matches(".rs");
    (!matches!(first, "lib" | "main")).then_some(first)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::rooms::modules::Modules;

    const TEXT: &str = "# A\n```text\nx: no\n```\n```rooms\nx: error settings\n   engine\ny: a\n```\nz: no\n";

    /// What is wrong in the crate x of these files.
    fn texts(files: &[(&str, &str)]) -> Vec<String> {
        let sources: Vec<Source> = files
            .iter()
            .map(|(path, text)| Source::new(format!("crates/x/src/{path}"), (*text).into()))
            .collect();
        let sources: Vec<&Source> = sources.iter().collect();
        let found = check("x", &orders(TEXT), &sources, &Modules::of(&sources).imports());
        found.into_iter().map(|violation| format!("{}: {}", violation.place, violation.text)).collect()
    }

    #[test]
    fn orders_are_read_from_blocks_of_rooms_alone() {
        let orders = orders(TEXT);
        assert_eq!(orders.keys().copied().collect::<Vec<_>>(), ["x", "y"]);
        assert_eq!(orders["x"], ["error", "settings", "engine"]);
    }

    #[test]
    fn a_room_imports_only_from_rooms_before_it() {
        let root = ("lib.rs", "mod error;\nmod settings;\nmod engine;\npub use engine::fast::Fast;\n");
        let mut files = [
            root,
            ("error.rs", "pub struct Error;\n"),
            ("settings/mod.rs", "pub mod plain;\n"),
            ("settings/plain.rs", "use crate::error::Error;\n"),
            ("engine/mod.rs", "pub mod fast;\n"),
            ("engine/fast.rs", "use crate::error::Error;\npub struct Fast;\n"),
        ];
        assert_eq!(texts(&files), Vec::<String>::new());
        files[3].1 = "\nuse crate::Fast;\n";
        let found = texts(&files);
        assert_eq!(found.len(), 1);
        assert!(found[0].starts_with("crates/x/src/settings/plain.rs:2: `crate::Fast` imports"), "{found:?}");
    }

    #[test]
    fn every_room_has_one_place_and_every_place_a_room() {
        let files = [("lib.rs", ""), ("error.rs", ""), ("settings.rs", ""), ("layer/mod.rs", "")];
        let found = texts(&files);
        assert_eq!(found.len(), 2);
        assert!(found[0].starts_with("crates/x/src/layer/mod.rs: the room layer"), "{found:?}");
        assert!(found[1].starts_with("ARCHITECTURE.md: lists the room engine"), "{found:?}");
        let unlisted = check("w", &orders(TEXT), &[], &[]);
        assert_eq!(unlisted.len(), 1);
    }
}
