//! The report page of a run, as text and in a browser where there is one.

use crate::mistakes::refused;
use crate::stage::{Stage, text};
use std::path::Path;
use std::process::Command;

const TOY: &str = "train toy --dimension 3 --epochs 3 --out run --quiet";

#[test]
fn a_run_becomes_one_page_that_needs_nothing_else() {
    let stage = Stage::new();
    stage.succeed(TOY);
    let (out, err) = stage.succeed("report run");
    assert_eq!(out.trim(), Path::new("run").join("report.html").display().to_string());
    assert!(err.contains("browser"), "{err}");
    let page = std::fs::read_to_string(stage.path("run/report.html")).unwrap();
    for part in [
        "<title>toy</title>",
        "banach train toy --dimension 3",
        "fpi-gd",
        "train loss",
        "Settings",
        "unconverged rows",
    ] {
        assert!(page.contains(part), "{part}");
    }
    assert_eq!(page.matches("data:image/svg+xml;base64,").count(), 1);
    for foreign in ["src=\"http", "href=", "url(", "<script", "@import"] {
        assert!(!page.contains(foreign), "{foreign}");
    }
    // Every value is said where the pointer is: three epochs in each chart.
    let charts = page.matches("<figure class=\"chart\">").count();
    assert!(charts >= 3, "{charts}");
    assert_eq!(page.matches("<g class=\"place\">").count(), 3 * charts);
    stage.succeed("report run --page again.html --quiet");
    assert_eq!(std::fs::read_to_string(stage.path("again.html")).unwrap(), page);
}

#[test]
fn folders_without_a_run_and_files_of_others_are_refused() {
    let stage = Stage::new();
    refused(&stage, "report nowhere", &["no report.json in nowhere", "out/toy"]);
    std::fs::create_dir(stage.path("run")).unwrap();
    std::fs::write(stage.path("run/report.json"), "{\"experiment\": ").unwrap();
    refused(&stage, "report run", &["run/report.json", "EOF"]);
    std::fs::write(stage.path("run/report.json"), "[1]").unwrap();
    refused(&stage, "report run", &["run/report.json", "not the report of an experiment"]);
    std::fs::write(stage.path("run/report.json"), "{\"experiment\": \"toy\"}").unwrap();
    std::fs::write(stage.path("run/report.html"), "mine").unwrap();
    refused(&stage, "report run", &["run/report.html", "--page"]);
    assert_eq!(std::fs::read_to_string(stage.path("run/report.html")).unwrap(), "mine");
    stage.succeed("report run --page page.html");
}

#[test]
fn text_of_a_report_is_no_markup() {
    let stage = Stage::new();
    std::fs::create_dir(stage.path("run")).unwrap();
    let report = "{\"experiment\": \"<b>toy</b>\", \"note\": \"<script>alert(1)</script>\"}";
    std::fs::write(stage.path("run/report.json"), report).unwrap();
    stage.succeed("report run");
    let page = std::fs::read_to_string(stage.path("run/report.html")).unwrap();
    assert!(!page.contains("<script") && !page.contains("<b>"), "{page}");
}

/// The browser of a Debian system, or another that is named in BANACH_BROWSER.
fn browser() -> Option<String> {
    let named = std::env::var("BANACH_BROWSER").ok();
    let known = ["chromium", "chromium-browser", "google-chrome", "chrome"].map(String::from);
    let found =
        |name: &String| Command::new(name).arg("--version").output().is_ok_and(|run| run.status.success());
    named.into_iter().chain(known).find(found)
}

#[test]
fn a_browser_shows_the_page_at_the_width_of_a_desk_and_of_a_phone() {
    let Some(browser) = browser() else { return };
    let stage = Stage::new();
    stage.succeed(TOY);
    stage.succeed("report run");
    for (name, size) in [("desk", "1280,2400"), ("phone", "390,3600")] {
        let picture = stage.path(&format!("{name}.png"));
        let output = Command::new(&browser)
            .args(["--headless", "--no-sandbox", "--disable-gpu", "--hide-scrollbars"])
            .arg(format!("--window-size={size}"))
            .arg(format!("--screenshot={}", picture.display()))
            .arg(format!("file://{}", stage.path("run/report.html").display()))
            .output()
            .unwrap();
        assert!(output.status.success(), "{}", text(&output.stderr));
        let bytes = std::fs::read(&picture).unwrap();
        // An empty page of this size is far smaller.
        assert!(bytes.len() > 20_000, "{name}: {} bytes", bytes.len());
        if let Some(kept) = std::env::var_os("BANACH_SCREENSHOTS") {
            std::fs::copy(&picture, Path::new(&kept).join(format!("{name}.png"))).unwrap();
        }
    }
}
