//! Training on several devices and on servers: losses are those of one device, and a lost server ends a run that can go on.

use crate::stage::Stage;

const LINE: &str =
    "train bibtex --data data --seed 3 --layer fpi-nn --recipe published --hidden 20 --tolerance 1e-6";

/// The training losses of a run.
fn losses(stage: &Stage, run: &str) -> Vec<f64> {
    let report = stage.json(&format!("{run}/report.json"));
    let epochs = report["epochs"].as_array().unwrap();
    epochs.iter().map(|epoch| epoch["train_loss"].as_f64().unwrap()).collect()
}

/// Checks that losses are equal up to the order in which rows are summed.
fn equal(found: &[f64], expected: &[f64]) {
    assert_eq!(found.len(), expected.len());
    for (found, expected) in found.iter().zip(expected) {
        assert!((found - expected).abs() <= 1e-6 * expected, "{found} and {expected}");
    }
}

#[test]
fn devices_that_share_mini_batches_train_as_one_device_does() {
    let stage = Stage::with_data();
    stage.succeed(&format!("{LINE} --epochs 3 --out one --quiet"));
    stage.succeed(&format!("{LINE} --epochs 3 --out two --quiet --devices cpu,cpu"));
    equal(&losses(&stage, "two"), &losses(&stage, "one"));
    let work = |run: &str| stage.json(&format!("{run}/report.json"))["epochs"][0]["sums"]["work"].clone();
    for count in ["forward_rows", "adjoint_rows", "unconverged_rows", "non_finite_rows"] {
        assert_eq!(work("two")[count], work("one")[count], "{count}");
    }
    assert_eq!(stage.json("two/report.json")["settings"]["device"], "cpu,cpu");
    // Nothing but the order of sums depends on the devices, so that a run goes on with others.
    stage.succeed(&format!("{LINE} --epochs 4 --out two --quiet --resume"));
    stage.succeed(&format!("{LINE} --epochs 4 --out one --quiet --resume --devices cpu,cpu,cpu"));
    equal(&losses(&stage, "two"), &losses(&stage, "one"));
}

#[test]
fn every_layer_that_can_be_shared_trains_on_two_devices() {
    let stage = Stage::with_data();
    for layer in ["mlp", "feedforward", "fpi-gd", "spen", "spen-e2e", "icnn", "icnn-implicit"] {
        let line = format!("train bibtex --data data --layer {layer} --hidden 10 --epochs 2 --quiet");
        stage.succeed(&format!("{line} --out one"));
        stage.succeed(&format!("{line} --out two --devices cpu,cpu"));
        for (found, expected) in losses(&stage, "two").iter().zip(losses(&stage, "one")) {
            assert!((found - expected).abs() <= 1e-4 * expected.abs(), "{layer}: {found} and {expected}");
        }
    }
}

#[cfg(feature = "remote")]
mod servers {
    use super::{LINE, equal, losses};
    use crate::mistakes::refused;
    use crate::stage::{Stage, text};
    use std::io::{BufRead, BufReader, Read};
    use std::process::{Child, Command, Stdio};

    /// A `banach serve` in a process of its own, which ends with the test.
    struct Server {
        process: Child,
        address: String,
    }

    impl Server {
        fn start(stage: &Stage) -> Self {
            let mut process = stage.command(["serve", "--port", "0", "--json", "--quiet"]);
            let mut process = process.stdout(Stdio::piped()).stderr(Stdio::null()).spawn().unwrap();
            let mut line = String::new();
            BufReader::new(process.stdout.take().unwrap()).read_line(&mut line).unwrap();
            let said: serde_json::Value = serde_json::from_str(&line).unwrap();
            Self { process, address: said["address"].as_str().unwrap().into() }
        }

        fn kill(&mut self) {
            let _ = self.process.kill();
            let _ = self.process.wait();
        }
    }

    impl Drop for Server {
        fn drop(&mut self) {
            self.kill();
        }
    }

    #[test]
    fn two_processes_train_as_one_does() {
        let stage = Stage::with_data();
        let (one, two) = (Server::start(&stage), Server::start(&stage));
        stage.succeed(&format!("{LINE} --epochs 3 --out alone --quiet"));
        let devices = [
            format!("remote:{}", one.address),
            format!("remote:{},{}", one.address, two.address),
            format!("cpu,remote:{}", two.address),
        ];
        for devices in devices {
            stage.succeed(&format!("{LINE} --epochs 3 --out run --quiet --device {devices}"));
            equal(&losses(&stage, "run"), &losses(&stage, "alone"));
            let report = stage.json("run/report.json");
            assert_eq!(report["settings"]["device"], devices.as_str());
            assert_eq!(report["epochs"][2]["non_finite_rows"], 0);
        }
        let device = format!("remote:{}", one.address);
        stage.succeed(&format!("{LINE} --epochs 1 --out run --quiet --engine device --device {device}"));
        equal(&losses(&stage, "run"), &losses(&stage, "alone")[..1]);
    }

    /// Trains on devices among which are servers A and B, kills A after two epochs, and goes on elsewhere.
    fn goes_on_without(devices: &str) {
        let stage = Stage::with_data();
        let mut servers = [Server::start(&stage), Server::start(&stage)];
        let devices = devices.replace('A', &servers[0].address).replace('B', &servers[1].address);
        let line = format!("{LINE} --patience 500 --out run");
        let mut run = stage.command(format!("{line} --epochs 500 --devices {devices}").split_whitespace());
        let mut run = run.stderr(Stdio::piped()).spawn().unwrap();
        let mut messages = BufReader::new(run.stderr.take().unwrap());
        let mut said = String::new();
        while said.matches("\nepoch").count() < 3 {
            assert!(messages.read_line(&mut said).unwrap() > 0, "{said}");
        }
        servers[0].kill();
        let mut rest = Vec::new();
        messages.read_to_end(&mut rest).unwrap();
        let (code, message) = (run.wait().unwrap().code(), text(&rest));
        let last = message.trim_end().lines().last().unwrap_or_default();
        assert_eq!(code, Some(1), "{message}");
        assert!(last.starts_with("error: ") && last.contains("--resume"), "{message}");
        assert!(!message.contains("panicked"), "{message}");
        let finished = stage.json("run/checkpoint/state.json")["epochs"].as_array().unwrap().len();
        assert!(finished >= 2, "{finished}");
        let epochs = finished + 1;
        let left = &servers[1].address;
        stage.succeed(&format!("{line} --epochs {epochs} --quiet --resume --devices cpu,remote:{left}"));
        stage.succeed(&format!("{LINE} --patience 500 --epochs {epochs} --quiet --out alone"));
        for (found, expected) in losses(&stage, "run").iter().zip(losses(&stage, "alone")) {
            assert!((found - expected).abs() <= 1e-4 * expected, "{found} and {expected}");
        }
    }

    #[test]
    fn a_run_that_loses_the_server_of_its_network_goes_on_from_its_checkpoint() {
        goes_on_without("remote:A");
    }

    #[test]
    fn a_run_that_loses_one_of_two_servers_goes_on_from_its_checkpoint() {
        goes_on_without("remote:B,A");
    }

    #[test]
    fn a_server_says_where_it_is_and_ends_by_control_c() {
        let stage = Stage::new();
        let mut process = stage.command(["serve", "--port", "0"]);
        let mut process = process.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
        let mut line = String::new();
        BufReader::new(process.stdout.take().unwrap()).read_line(&mut line).unwrap();
        assert!(line.starts_with("serves cpu at 127.0.0.1:"), "{line}");
        let port = line.split(':').nth(1).unwrap().split(';').next().unwrap();
        refused(&stage, &format!("serve --quiet --port {port}"), &[port, "a free port"]);
        assert!(Command::new("kill").args(["-INT", &process.id().to_string()]).status().unwrap().success());
        let mut warning = String::new();
        process.stderr.take().unwrap().read_to_string(&mut warning).unwrap();
        assert!(process.wait().unwrap().success(), "{warning}");
        assert!(warning.contains("not encrypted") && warning.lines().count() == 1, "{warning}");
    }

    #[test]
    fn servers_that_do_not_answer_are_refused() {
        let stage = Stage::with_data();
        let line = "train bibtex --data data --out run --device";
        refused(&stage, &format!("{line} remote:127.0.0.1:1"), &["127.0.0.1:1", "banach serve"]);
        refused(&stage, &format!("{line} remote:nowhere"), &["nowhere", "HOST:PORT"]);
        refused(&stage, "serve --port 0 --device abacus", &["abacus", "cpu"]);
        refused(&stage, "serve --port 0 --host 192.0.2.1", &["192.0.2.1", "an address of this machine"]);
        assert!(!stage.path("run").exists());
    }
}

#[test]
fn lists_of_devices_are_checked_before_anything_is_written() {
    use crate::mistakes::refused;
    let stage = Stage::with_data();
    let line = "train bibtex --data data --out run";
    refused(&stage, &format!("{line} --devices cpu,abacus"), &["abacus", "cpu"]);
    refused(&stage, &format!("{line} --devices cpu,"), &["--device", "cpu"]);
    refused(&stage, &format!("{line} --layer dvn-gt --devices cpu,cpu"), &["dvn-gt", "one device"]);
    if !cfg!(feature = "remote") {
        refused(&stage, &format!("{line} --device remote:127.0.0.1:1"), &["the feature `remote`"]);
        refused(&stage, "serve --port 0", &["the feature `remote`"]);
    }
    assert!(!stage.path("run").exists());
}
