//! Detection of what a terminal can display.

use std::ffi::OsStr;
use std::io::IsTerminal;

/// Whether lines on `stream` can be redrawn in place: a terminal whose TERM names one that moves its cursor.
///
/// Editors and log viewers run commands with `TERM=dumb` or without TERM, and show cursor movements as garbage.
pub(crate) fn redraws(stream: &impl IsTerminal) -> bool {
    stream.is_terminal() && moves_its_cursor(std::env::var_os("TERM").as_deref())
}

/// Whether `stream` shows colours; a non-empty NO_COLOR turns them off.
pub(crate) fn shows_colours(stream: &impl IsTerminal) -> bool {
    redraws(stream) && std::env::var_os("NO_COLOR").is_none_or(|value| value.is_empty())
}

fn moves_its_cursor(term: Option<&OsStr>) -> bool {
    match term {
        // The consoles of Windows set no TERM.
        None => cfg!(windows),
        Some(term) => !term.is_empty() && term != "dumb",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_dumb_terminal_or_none_redraws_nothing() {
        assert!(moves_its_cursor(Some(OsStr::new("xterm-256color"))));
        assert!(!moves_its_cursor(Some(OsStr::new("dumb"))) && !moves_its_cursor(Some(OsStr::new(""))));
        assert_eq!(moves_its_cursor(None), cfg!(windows));
    }
}
