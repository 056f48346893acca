//! The report page: a run as one HTML file that needs nothing else.

mod chart;
mod number;
mod picture;
mod run;
mod series;

use crate::error::Error;
use crate::options::Verbosity;
use crate::report::{file, json};
use crate::terminal::output::{say, tell};
use clap::Args;
use minijinja::{AutoEscape, Environment, context};
use serde_json::json;
use std::path::{Path, PathBuf};

const PAGE: &str = include_str!("page.html");
const CHART: &str = include_str!("chart.html");

/// The arguments of `banach report`.
#[derive(Args, Debug)]
pub(crate) struct ReportArguments {
    /// Results folder of a run, with its report.json, or of a table, with its table.json.
    #[arg(value_name = "OUT")]
    folder: PathBuf,
    /// Where to write the page [default: report.html in the results folder].
    #[arg(long, value_name = "FILE")]
    page: Option<PathBuf>,
    #[command(flatten)]
    verbosity: Verbosity,
}

/// Runs `banach report`.
pub(crate) fn report(arguments: &ReportArguments) -> Result<(), Error> {
    let path = arguments.page.clone().unwrap_or_else(|| arguments.folder.join("report.html"));
    refuse_strangers(&path)?;
    let html = page(&arguments.folder)?;
    file::write_whole(&path, html.as_bytes()).map_err(|error| Error::write(&path, error))?;
    if arguments.verbosity.json {
        return json::say(&json!({ "page": path, "bytes": html.len() }));
    }
    say(path.display())?;
    if !arguments.verbosity.quiet {
        tell("open it in a browser; it needs no network and no other file");
    }
    Ok(())
}

/// Begins every page, so that a page is known from a file of somebody else.
const FIRST_LINE: &str = "<!doctype html><!-- banach report -->";

fn refuse_strangers(path: &Path) -> Result<(), Error> {
    match std::fs::read(path) {
        Ok(bytes) if !bytes.is_empty() && !bytes.starts_with(FIRST_LINE.as_bytes()) => Err(Error::Setting {
            found: format!("{}, which banach report did not write", path.display()),
            expected: "a new file, or an older page".into(),
            advice: "name another file with --page".into(),
        }),
        Ok(_) | Err(_) => Ok(()),
    }
}

/// The page of a results folder.
fn page(folder: &Path) -> Result<String, Error> {
    let run = run::read(folder)?;
    let pictures = picture::all(folder)?;
    let mut templates = Environment::new();
    templates.set_auto_escape_callback(|_| AutoEscape::Html);
    let broken = |error: minijinja::Error| Error::Output { reason: error.to_string() };
    templates.add_template("chart.html", CHART).map_err(broken)?;
    templates.add_template("page.html", PAGE).map_err(broken)?;
    let page = templates.get_template("page.html").map_err(broken)?;
    let version = env!("CARGO_PKG_VERSION");
    page.render(context! { first_line => FIRST_LINE, run, pictures, version }).map_err(broken)
}
