//! Completions for shells, and manual pages.

use crate::error::Error;
use clap::Command;
use clap_complete::Shell;
use std::path::Path;

const NAME: &str = "banach";

/// The script that completes the arguments of `command` in `shell`.
pub(super) fn completions(shell: Shell, mut command: Command) -> String {
    let mut script = Vec::new();
    clap_complete::generate(shell, &mut command, NAME, &mut script);
    String::from_utf8_lossy(&script).into_owned()
}

/// The manual page of `command`; with a folder every page is written there, and the text says where.
pub(super) fn manual(command: Command, out: Option<&Path>) -> Result<String, Error> {
    if let Some(out) = out {
        let written = std::fs::create_dir_all(out).and_then(|()| clap_mangen::generate_to(command, out));
        written.map_err(|error| Error::write(out, error))?;
        return Ok(format!("pages are in {0}; read one with `man {0}/{NAME}.1`", out.display()));
    }
    let mut page = Vec::new();
    let rendered = clap_mangen::Man::new(command).render(&mut page);
    rendered.map_err(|error| Error::Output { reason: error.to_string() })?;
    Ok(String::from_utf8_lossy(&page).into_owned())
}
