//! Denoising: training, its report and its pictures, the table, and the denoising of users' files.

use crate::stage::{Stage, text};
use image::{GrayImage, ImageBuffer, Luma, Rgb, Rgba, RgbaImage};
use serde_json::Value;
use std::io::{BufRead, BufReader};
use std::process::{Command, Stdio};

const SMALL: &str = "--channels 16 --patch 16 --batch 4 --crops 2";

/// Discs on a gentle slope, each picture another one.
fn disc(width: u32, height: u32, number: u32) -> GrayImage {
    GrayImage::from_fn(width, height, |x, y| {
        let (dx, dy) = (x as f64 - 10.0 - 3.0 * number as f64, y as f64 - 14.0);
        Luma([if dx.hypot(dy) < 8.0 { 210 } else { 40 + (x + 2 * y) as u8 }])
    })
}

/// A folder of images to train with in `data`, one of which is in BSD68.
fn with_images() -> Stage {
    let stage = Stage::new();
    for (folder, count) in [("train", 5), ("test", 2)] {
        std::fs::create_dir_all(stage.path(&format!("data/{folder}"))).unwrap();
        for number in 0..count {
            let ending = if number == 1 { "pgm" } else { "png" };
            let path = stage.path(&format!("data/{folder}/{folder}{number}.{ending}"));
            disc(41, 32, number).save(path).unwrap();
        }
    }
    let names = "bsd68\there\tdifference\nother\ttest1\t0\n";
    std::fs::write(stage.path("data/BSD68_in_Test100.tsv"), names).unwrap();
    stage
}

fn refused(stage: &Stage, line: &str, parts: &[&str]) {
    let output = stage.run(line);
    let message = text(&output.stderr);
    let last = message.trim_end().lines().last().unwrap_or_default();
    assert_eq!(output.status.code(), Some(2), "{line}: {message}");
    let errors = message.lines().filter(|line| line.starts_with("error: ")).count();
    assert!(last.starts_with("error: ") && errors == 1, "{line}: {message}");
    assert!(parts.iter().all(|part| last.contains(part)), "{line}: {parts:?}: {message}");
}

#[test]
fn every_layer_writes_the_report_and_the_pictures_of_the_contract() {
    let stage = with_images();
    let mut counts = Vec::new();
    for layer in ["fpi-nn", "feedforward", "fpi-gd"] {
        let line =
            format!("train denoise --data data --layer {layer} --sigma 30 {SMALL} --epochs 3 --seed 2");
        let (table, notes) = stage.succeed(&format!("{line} --out {layer}"));
        assert!(table.contains("test PSNR") && notes.contains("sigma 30, on 4 images"), "{table}{notes}");
        let report = stage.json(&format!("{layer}/report.json"));
        assert_eq!((&report["experiment"], &report["layer"]), (&"denoise".into(), &layer.into()));
        counts.push(report["parameters"].as_u64().unwrap());
        let epochs = report["epochs"].as_array().unwrap();
        assert_eq!(epochs.len(), 3);
        for epoch in epochs {
            for name in
                ["epoch", "seconds", "train_loss", "validation_psnr", "unconverged_rows", "non_finite_rows"]
            {
                assert!(epoch[name].is_number(), "{layer}: {name}: {epoch}");
            }
            assert_eq!(epoch["adjoint_steps"].is_number(), layer != "feedforward", "{epoch}");
            assert!(epoch["forward_steps"].as_f64().unwrap() >= 1.0 && epoch["non_finite_rows"] == 0);
        }
        for name in ["psnr_noisy", "psnr", "ssim", "psnr_bsd68", "ssim_bsd68"] {
            assert!(report["test"][name].is_number(), "{layer}: {name}: {}", report["test"]);
        }
        let noisy = report["test"]["psnr_noisy"].as_f64().unwrap();
        assert!((noisy - 20.0 * (255.0_f64 / 30.0).log10()).abs() < 0.5, "{noisy}");
        assert_eq!((&report["test"]["images"], &report["test"]["images_bsd68"]), (&2.into(), &1.into()));
        let drawn =
            |name: &str| std::fs::read_to_string(stage.path(&format!("{layer}/{name}"))).unwrap_or_default();
        assert!(
            drawn("pictures.svg").matches("data:image/png").count() == 8
                && drawn("curves.svg").contains("PSNR")
        );
        let solves = layer != "feedforward";
        assert_eq!(drawn("iterates.svg").contains("x0: "), solves, "{layer}");
        assert_eq!(drawn("residuals.svg").contains("residual"), solves, "{layer}");
    }
    // 4 -> 16 -> 16 ... -> 4 channels, and the same for both.
    assert!(counts[0] == counts[1] && counts[0] > 16 * 16 * 9 && counts[2] < counts[0], "{counts:?}");
}

#[test]
fn a_denoiser_learns_from_images_that_are_drawn() {
    let stage = Stage::new();
    let line =
        "train denoise --layer feedforward --channels 16 --convolutions 1 --patch 32 --batch 8 --crops 6";
    stage.succeed(&format!("{line} --epochs 12 --out run --quiet"));
    let report = stage.json("run/report.json");
    let score = |name: &str| report["test"][name].as_f64().unwrap();
    assert!(score("psnr") > score("psnr_noisy") + 3.0, "{}", report["test"]);
    assert!(report["test"]["psnr_bsd68"].is_null() && report["settings"]["data"].is_null());
}

/// The report without what differs between any two runs.
fn numbers(mut report: Value) -> Value {
    let fields = report.as_object_mut().unwrap();
    fields.remove("peak_memory_bytes");
    for epoch in fields["epochs"].as_array_mut().unwrap() {
        epoch.as_object_mut().unwrap().remove("seconds");
    }
    report
}

#[cfg(unix)]
#[test]
fn a_run_that_was_killed_and_resumed_equals_one_left_alone() {
    let stage = with_images();
    // Epochs that take long enough to be stopped in.
    let line = "train denoise --data data --channels 16 --patch 16 --batch 4 --crops 40 --epochs 9";
    let arguments = format!("{line} --out stopped");
    let mut child = stage.command(arguments.split_whitespace()).stderr(Stdio::piped()).spawn().unwrap();
    let mut messages = BufReader::new(child.stderr.take().unwrap()).lines();
    let seen = messages.by_ref().map(Result::unwrap).filter(|line| line.starts_with("epoch")).take(3).count();
    assert_eq!(seen, 3);
    assert!(Command::new("kill").args(["-KILL", &child.id().to_string()]).status().unwrap().success());
    child.wait().unwrap();
    let finished = stage.json("stopped/checkpoint/state.json")["epochs"].as_array().unwrap().len();
    assert!((1..9).contains(&finished), "{finished}");
    stage.succeed(&format!("{line} --out stopped --resume --quiet"));
    stage.succeed(&format!("{line} --out alone --quiet"));
    assert_eq!(numbers(stage.json("stopped/report.json")), numbers(stage.json("alone/report.json")));
    refused(
        &stage,
        &format!("{line} --out stopped --resume --sigma 20"),
        &["found --sigma 20", "made with 25"],
    );
    refused(&stage, &format!("{line} --out stopped --resume --seed 2"), &["found --seed 2"]);
    refused(&stage, &format!("{line} --out none --resume"), &["no checkpoint"]);
}

#[test]
fn images_that_cannot_be_trained_with_are_refused() {
    let stage = with_images();
    refused(&stage, "train denoise --data nowhere", &["nowhere", "--data"]);
    refused(
        &stage,
        "train denoise --data data --patch 64",
        &["found 41 by 32 pixels, expected at least 64", "--patch"],
    );
    refused(&stage, "train denoise --data data --patch 15", &["found 15, expected an even number"]);
    refused(&stage, "train denoise --data data --sigma 0", &["from 0.1 to 255"]);
    refused(&stage, "train denoise --data data --sigma 5 --blind", &["--blind"]);
    refused(&stage, "train denoise --data data --layer mlp", &["fpi-nn, fpi-gd, feedforward"]);
    refused(
        &stage,
        "train denoise --data data --layer feedforward --solver picard",
        &["--solver", "feedforward"],
    );
    refused(
        &stage,
        "train denoise --data data --layer fpi-gd --convolutions 2",
        &["--convolutions", "fpi-gd"],
    );
    let path = stage.path("data/train/train0.png");
    let whole = std::fs::read(&path).unwrap();
    for bytes in [&whole[..whole.len() / 2], b"nonsense", b""] {
        std::fs::write(&path, bytes).unwrap();
        refused(&stage, "train denoise --data data", &["train0.png"]);
    }
    std::fs::remove_dir_all(stage.path("data/train")).unwrap();
    refused(&stage, "train denoise --data data", &["begins with train", "--data"]);
    std::fs::create_dir(stage.path("data/train")).unwrap();
    refused(&stage, "train denoise --data data", &["a folder without images"]);
    assert!(!stage.path("out").exists());
}

#[test]
fn a_table_compares_methods_and_repeats_no_finished_run() {
    let stage = with_images();
    let line = format!(
        "table denoise --data data --sigma 25 --layer feedforward --layer fpi-nn --epochs 1 {SMALL} --out table"
    );
    let (table, _) = stage.succeed(&line);
    for part in ["noisy", "feedforward", "fpi-nn", "29.74", "DnCNN"] {
        assert!(table.contains(part), "{part}: {table}");
    }
    let rows = stage.json("table/table.json")["rows"].as_array().unwrap().len();
    assert_eq!(rows, 3);
    assert!(stage.path("table/pictures/sigma25.svg").is_file());
    let report = || {
        std::fs::metadata(stage.path("table/fpi-nn-sigma25-seed1/report.json")).unwrap().modified().unwrap()
    };
    let before = report();
    assert_eq!(stage.succeed(&line).0, table);
    assert_eq!(report(), before);
    refused(&stage, &line.replace("--epochs 1", "--epochs 2"), &["--epochs 2", "made with 1"]);
}

#[test]
fn images_of_every_kind_are_denoised_as_what_they_are() {
    let stage = Stage::new();
    let noise = |x: u32, y: u32| {
        x.wrapping_mul(2_654_435_761).wrapping_add(y * 40_503).wrapping_mul(2_246_822_519) >> 27
    };
    GrayImage::from_fn(37, 29, |x, y| Luma([100 + noise(x, y) as u8])).save(stage.path("gray.png")).unwrap();
    let wide = |x, y| Rgb([20_000 + 300 * noise(x, y) as u16, 9_000, 500 * noise(y, x) as u16]);
    ImageBuffer::<Rgb<u16>, _>::from_fn(20, 33, wide).save(stage.path("wide.png")).unwrap();
    let alpha = |x, y| Rgba([100 + noise(x, y) as u8, 90, 80 + noise(y, x) as u8, (7 * x) as u8]);
    RgbaImage::from_fn(16, 16, alpha).save(stage.path("alpha.png")).unwrap();
    disc(24, 24, 0).save(stage.path("photo.jpg")).unwrap();
    GrayImage::from_pixel(1, 1, Luma([77])).save(stage.path("one.pgm")).unwrap();
    let inputs = ["gray.png", "wide.png", "alpha.png", "photo.jpg", "one.pgm"];
    let (json, _) = stage.succeed(&format!("denoise {} -o out --json --sigma 9", inputs.join(" ")));
    let told: Value = serde_json::from_str(&json).unwrap();
    assert_eq!(told["images"].as_array().unwrap().len(), 5);
    for (index, name) in inputs.iter().enumerate() {
        let [before, after] =
            [stage.path(name), stage.path(&format!("out/{name}"))].map(|path| image::open(path).unwrap());
        assert_eq!(
            (before.color(), before.width(), before.height()),
            (after.color(), after.width(), after.height()),
            "{name}"
        );
        let told = &told["images"][index];
        assert!(told["tiles"].as_u64().unwrap() >= 1 && told["unconverged_tiles"] == 0, "{told}");
        assert!(told["sigma"] == 9.0 && told["estimated"] == false && told["steps"].as_f64().unwrap() >= 1.0);
    }
    let spread = |name: &str| {
        let pixels = image::open(stage.path(name)).unwrap().to_luma8().into_raw();
        let mean = pixels.iter().map(|&level| f64::from(level)).sum::<f64>() / pixels.len() as f64;
        pixels.iter().map(|&level| (f64::from(level) - mean).powi(2)).sum::<f64>() / pixels.len() as f64
    };
    assert!(
        spread("out/gray.png") < 0.5 * spread("gray.png"),
        "{} {}",
        spread("out/gray.png"),
        spread("gray.png")
    );
    let transparency = |name: &str| {
        image::open(stage.path(name)).unwrap().to_rgba8().pixels().map(|p| p[3]).collect::<Vec<_>>()
    };
    assert_eq!(transparency("out/alpha.png"), transparency("alpha.png"));
    let (table, notes) = stage.succeed("denoise gray.png -o estimated.png");
    assert!(notes.contains("noise estimated as sigma") && table.contains("estimated.png"), "{notes}{table}");
    refused(&stage, "denoise gray.png -o estimated.png", &["estimated.png, which exists", "--overwrite"]);
    stage.succeed("denoise gray.png -o estimated.png --overwrite --quiet");
    refused(&stage, "denoise gray.png -o gray.png --overwrite", &["as its own output"]);
    refused(&stage, "denoise gray.png wide.png -o both.png", &["2 inputs for the one file both.png"]);
    refused(
        &stage,
        "denoise gray.png out/gray.png -o new",
        &["several inputs that would be written to new/gray.png"],
    );
    refused(&stage, "denoise gray.png -o wide.jpg --sigma 300", &["from 0.1 to 255"]);
    refused(&stage, "denoise wide.png -o wide.jpg", &["16 bits of colour for wide.jpg", "png"]);
    refused(&stage, "denoise gray.png -o new.bmp", &["new.bmp", "png, jpg, pgm or ppm"]);
    refused(&stage, "denoise none.png -o new", &["none.png"]);
    std::fs::write(stage.path("broken.png"), &std::fs::read(stage.path("wide.png")).unwrap()[..900]).unwrap();
    refused(&stage, "denoise broken.png -o new", &["broken.png"]);
}

#[test]
fn a_trained_network_denoises_and_one_of_another_architecture_does_not() {
    let stage = with_images();
    stage.succeed(&format!("train denoise --data data {SMALL} --epochs 1 --out run --quiet"));
    let (_, notes) = stage.succeed("denoise data/test/test0.png -o clean.png --checkpoint run --sigma 25");
    assert!(notes.contains("trained for sigma 25"), "{notes}");
    let mut model = stage.json("run/model.json");
    for (name, value) in [("channels", 17), ("convolutions", 4)] {
        let before = std::mem::replace(&mut model[name], value.into());
        std::fs::write(stage.path("run/model.json"), model.to_string()).unwrap();
        refused(
            &stage,
            "denoise data/test/test0.png -o new.png --checkpoint run",
            &["no usable network", "best.bpk"],
        );
        model[name] = before;
    }
    // A description of before there was a choice is one of folded images, which these weights do not fit.
    let whole = model.to_string();
    model.as_object_mut().unwrap().remove("fold");
    std::fs::write(stage.path("run/model.json"), model.to_string()).unwrap();
    refused(&stage, "denoise data/test/test0.png -o new.png --checkpoint run", &["best.bpk"]);
    stage.succeed(&format!("train denoise --data data {SMALL} --fold 2 --epochs 1 --out folded --quiet"));
    let mut folded = stage.json("folded/model.json");
    folded.as_object_mut().unwrap().remove("fold").unwrap();
    std::fs::write(stage.path("folded/model.json"), folded.to_string()).unwrap();
    stage.succeed("denoise data/test/test0.png -o folded.png --checkpoint folded --quiet");
    std::fs::write(stage.path("run/model.json"), whole).unwrap();
    for text in ["{}", "nonsense"] {
        std::fs::write(stage.path("run/model.json"), text).unwrap();
        refused(
            &stage,
            "denoise data/test/test0.png -o new.png --checkpoint run",
            &["no usable network", "model.json"],
        );
    }
    refused(&stage, "denoise data/test/test0.png -o new.png --checkpoint none", &["none/model.json"]);
    assert!(!stage.path("new.png").exists());
}
