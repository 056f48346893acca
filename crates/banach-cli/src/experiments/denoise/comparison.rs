//! The comparison of denoisers over noise levels and seeds, beside what was published.

use super::evaluation::TestScores;
use super::settings::Settings;
use crate::experiments::epoch::written;
use crate::options::LayerName;
use crate::report::sample::{deviation, mean};
use crate::report::table;
use serde::{Deserialize, Serialize};

/// PSNR in dB by σ as published: the first two by Jeon, Lee and Choi on images of their own, the others on BSD68.
const PUBLISHED: [(&str, f64, f64); 12] = [
    ("feedforward", 15.0, 32.18),
    ("feedforward", 20.0, 30.44),
    ("feedforward", 25.0, 29.09),
    ("fpi-nn", 15.0, 32.43),
    ("fpi-nn", 20.0, 31.00),
    ("fpi-nn", 25.0, 29.74),
    ("BM3D", 15.0, 31.07),
    ("BM3D", 25.0, 28.57),
    ("TNRD", 15.0, 31.42),
    ("TNRD", 25.0, 28.92),
    ("DnCNN", 15.0, 31.73),
    ("DnCNN", 25.0, 29.23),
];

/// What a table reads from the report of a run.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct FinishedRun {
    layer: LayerName,
    seed: u64,
    parameters: usize,
    pub(crate) settings: Settings,
    pub(crate) test: Option<TestScores>,
}

impl FinishedRun {
    /// One line of progress.
    pub(crate) fn line(&self) -> String {
        let score = |value: fn(&TestScores) -> Option<f64>| written(self.test.as_ref().and_then(value), 3);
        format!(
            "{:<11}  sigma {}  seed {}  test PSNR {}  on BSD68 {}",
            self.layer.as_str(),
            self.settings.sigma.typical(),
            self.seed,
            score(|test| test.psnr),
            score(|test| test.psnr_bsd68)
        )
    }
}

/// The mean of a score over seeds, and its standard deviation; none where a run lacks it.
#[derive(Clone, Copy, Debug, Serialize)]
pub(crate) struct Spread {
    mean: f64,
    deviation: f64,
}

/// One line of `table.json`.
#[derive(Clone, Debug, Serialize)]
pub(crate) struct Row {
    sigma: f64,
    method: &'static str,
    psnr: Option<Spread>,
    ssim: Option<Spread>,
    psnr_bsd68: Option<Spread>,
    ssim_bsd68: Option<Spread>,
    seeds: usize,
    parameters: Option<usize>,
}

/// The rows of finished runs: for each noise level the noisy images, then the methods.
pub(crate) fn rows(runs: &[FinishedRun]) -> Vec<Row> {
    let mut sigmas: Vec<f64> = runs.iter().map(|run| run.settings.sigma.typical()).collect();
    sigmas.sort_by(f64::total_cmp);
    sigmas.dedup();
    let mut layers: Vec<LayerName> = Vec::new();
    for run in runs {
        if !layers.contains(&run.layer) {
            layers.push(run.layer);
        }
    }
    let mut rows = Vec::new();
    for sigma in sigmas {
        let at = || runs.iter().filter(move |run| run.settings.sigma.typical() == sigma);
        let noisy = spread(&at().take(1).collect::<Vec<_>>(), |test| test.psnr_noisy);
        let (ssim, psnr_bsd68, ssim_bsd68, parameters) = (None, None, None, None);
        rows.push(Row {
            sigma,
            method: "noisy",
            psnr: noisy,
            ssim,
            psnr_bsd68,
            ssim_bsd68,
            seeds: 1,
            parameters,
        });
        for &layer in &layers {
            let mine: Vec<&FinishedRun> = at().filter(|run| run.layer == layer).collect();
            rows.push(Row {
                sigma,
                method: layer.as_str(),
                psnr: spread(&mine, |test| test.psnr),
                ssim: spread(&mine, |test| test.ssim),
                psnr_bsd68: spread(&mine, |test| test.psnr_bsd68),
                ssim_bsd68: spread(&mine, |test| test.ssim_bsd68),
                seeds: mine.len(),
                parameters: mine.first().map(|run| run.parameters),
            });
        }
    }
    rows
}

fn spread(runs: &[&FinishedRun], score: fn(&TestScores) -> Option<f64>) -> Option<Spread> {
    let values: Option<Vec<f64>> = runs.iter().map(|run| score(run.test.as_ref()?)).collect();
    let values = values.filter(|values| !values.is_empty())?;
    Some(Spread { mean: mean(&values), deviation: deviation(&values) })
}

const HEADER: [&str; 9] =
    ["sigma", "method", "PSNR", "SSIM", "PSNR, BSD68", "SSIM, BSD68", "published", "seeds", "parameters"];

fn cells(rows: &[Row]) -> Vec<Vec<String>> {
    let known = |method: &str, sigma: f64| {
        let found = PUBLISHED.iter().find(|(name, at, _)| *name == method && *at == sigma);
        found.map_or_else(String::new, |(_, _, psnr)| format!("{psnr:.2}"))
    };
    let line = |row: &Row| {
        let score = |spread: Option<Spread>, digits: usize| match spread {
            None => String::new(),
            Some(Spread { mean, .. }) if row.seeds < 2 => format!("{mean:.digits$}"),
            Some(Spread { mean, deviation }) => format!("{mean:.digits$} ± {deviation:.digits$}"),
        };
        vec![
            row.sigma.to_string(),
            row.method.to_string(),
            score(row.psnr, 2),
            score(row.ssim, 4),
            score(row.psnr_bsd68, 2),
            score(row.ssim_bsd68, 4),
            known(row.method, row.sigma),
            row.seeds.to_string(),
            row.parameters.map_or_else(String::new, |count| count.to_string()),
        ]
    };
    let mut all = Vec::new();
    for (index, row) in rows.iter().enumerate() {
        all.push(line(row));
        if rows.get(index + 1).is_none_or(|next| next.sigma != row.sigma) {
            let others = PUBLISHED.iter().filter(|(name, at, _)| {
                *at == row.sigma && rows.iter().all(|trained| trained.method != *name)
            });
            all.extend(others.map(|(name, at, _)| {
                let mut cells = vec![String::new(); HEADER.len()];
                (cells[0], cells[1], cells[6]) = (at.to_string(), (*name).to_string(), known(name, *at));
                cells
            }));
        }
    }
    all
}

/// The table as plain text and as Markdown.
pub(crate) fn texts(rows: &[Row]) -> [String; 2] {
    let cells = cells(rows);
    [table::lined_up(&HEADER, &cells), table::markdown(&HEADER, 1, &cells)]
}
