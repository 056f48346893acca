//! Layers on the device of a server: solutions, gradients and counts are those of this machine, in few round trips.

use crate::corners::{config, some};
use crate::reference::{assert_close, numbers};
use crate::warm::Cell;
use banach::solve::{
    Auto, Bicgstab, Broyden, ConjugateGradient, Dense, FixedPointSolver, Gmres, LinearSolver, Neumann,
    Newton, Picard, Squarem, Truncated,
};
use banach::{Engine, Error, FixedPoint, FixedPointConfig, OnFailure, Precision, Replicas, remote};
use burn::module::{Module, Param};
use burn::server::telemetry::{TelemetryEvent, TelemetryProbe, TelemetrySubscription};
use burn::server::{RemoteServer, WebSocketTransport};
use burn::tensor::{Device, Tensor};
use std::net::TcpListener;

/// Serves the CPU in a thread of this process, and returns the address with what the server sees.
fn served(server: RemoteServer) -> (String, TelemetrySubscription) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap().to_string();
    let (probe, seen) = TelemetryProbe::channel(1 << 16);
    let server = server.with_telemetry(probe);
    std::thread::spawn(move || server.serve(WebSocketTransport::from_listener(listener)));
    (address, seen)
}

fn connected() -> (Device, TelemetrySubscription) {
    let (address, seen) = served(remote::server(&Device::flex()));
    (remote::connect(&address).unwrap(), seen)
}

/// The reads of the server since the last call.
fn reads(seen: &mut TelemetrySubscription) -> usize {
    let mut events = vec![];
    seen.drain_into(&mut events);
    events.iter().filter(|event| matches!(***event, TelemetryEvent::Read { .. })).count()
}

fn cell(config: &FixedPointConfig) -> FixedPoint<Cell> {
    // Symmetric, so that conjugate gradients apply.
    let w = some([4, 4], 1.0);
    let w = (w.clone() + w.transpose()) * 0.5;
    config.init(Cell { w: Param::from_tensor(w.autodiff().require_grad()) }).unwrap()
}

/// The solution, the gradients of z and W, and the counts, on a device.
fn solved(layer: &FixedPoint<Cell>, device: &Device) -> (Vec<f64>, [Vec<f64>; 2], [usize; 5]) {
    let layer = layer.clone().fork(&device.clone().autodiff());
    let z = some([5, 4], 0.1).to_device(device).autodiff().require_grad();
    let solution = layer.solve(z.clone()).unwrap();
    let report = solution.report().clone();
    let value = numbers(solution.value());
    let v = some([5, 4], 0.7).to_device(device).autodiff();
    let found = (solution.into_value() * v).sum().backward();
    let gradients = [z.grad(&found).unwrap(), layer.update().w.val().grad(&found).unwrap()];
    let adjoint = &report.adjoint()[0];
    let sum = |steps: &[usize]| steps.iter().sum::<usize>();
    let unconverged = report.outcomes.iter().filter(|outcome| !outcome.is_converged()).count();
    let counts =
        [sum(&report.steps), report.evaluations, unconverged, sum(&adjoint.steps), adjoint.evaluations];
    (value, gradients.map(|gradient| numbers(&gradient)), counts)
}

#[test]
fn every_solver_and_adjoint_on_a_server_gives_what_it_gives_here() {
    let (device, _) = connected();
    let solvers: [FixedPointSolver; 6] = [
        FixedPointSolver::default(),
        FixedPointSolver::Picard(Picard::default()),
        FixedPointSolver::Broyden(Broyden::default()),
        FixedPointSolver::Squarem(Squarem::default()),
        FixedPointSolver::Auto(Auto::default()),
        FixedPointSolver::Newton(Newton::default()),
    ];
    let adjoints: [LinearSolver; 8] = [
        LinearSolver::Gmres(Gmres::default()),
        LinearSolver::Neumann(Neumann::default()),
        LinearSolver::Bicgstab(Bicgstab::default()),
        LinearSolver::ConjugateGradient(ConjugateGradient { symmetry: 10.0, ..ConjugateGradient::default() }),
        LinearSolver::Dense(Dense::default()),
        LinearSolver::Truncated(Truncated::default()),
        LinearSolver::Anderson(Default::default()),
        LinearSolver::Identity,
    ];
    let pairs = solvers.iter().map(|solver| (solver.clone(), LinearSolver::default()));
    let pairs = pairs.chain(adjoints.iter().map(|adjoint| (FixedPointSolver::default(), adjoint.clone())));
    for (solver, adjoint) in pairs {
        let layer = cell(&config().with_solver(solver.clone()).with_adjoint(adjoint.clone()));
        let (x, gradients, counts) = solved(&layer, &Device::flex());
        let (found, found_gradients, found_counts) = solved(&layer, &device);
        assert_eq!((found, found_counts), (x, counts), "{solver} and {adjoint}");
        for (found, expected) in found_gradients.iter().zip(&gradients) {
            assert_close(found, expected, 1e-13, &format!("a gradient by {solver} and {adjoint}"));
        }
    }
}

#[test]
fn a_solve_on_a_server_is_read_once_and_that_of_the_device_loop_more_often() {
    let (device, mut seen) = connected();
    let mut count = |engine| {
        let layer = cell(&config().with_engine(engine));
        let first = solved(&layer, &device);
        reads(&mut seen);
        let again = solved(&layer, &device);
        assert_eq!(first, again);
        (again.0, reads(&mut seen))
    };
    let (native, few) = count(Engine::Native);
    let (line_by_line, many) = count(Engine::Device);
    assert_close(&native, &line_by_line, 1e-10, "the solution");
    // The answer forward, that of the adjoint, whether both gradients are finite, and the three tensors read by the test.
    assert!(few <= 7 && many > few, "{few} reads by the engine, {many} by the device loop");
}

#[test]
fn settings_that_stay_in_the_process_fall_back_to_the_device_loop() {
    let (device, _) = connected();
    for config in [
        config().with_precision(Precision::Mixed),
        config().with_on_failure(OnFailure::Warn),
        config().with_engine(Engine::Device),
    ] {
        let layer = cell(&config);
        let (here, there) = (solved(&layer, &Device::flex()), solved(&layer, &device));
        assert_close(&there.0, &here.0, 1e-10, "the solution");
        assert_close(&there.1[1], &here.1[1], 1e-9, "the gradient of W");
    }
}

#[test]
fn replicas_on_two_servers_give_the_step_of_this_machine() {
    let layer = cell(&config());
    let z = some([6, 4], 0.3);
    let step = |devices: Vec<Device>| {
        let replicas = Replicas::new(devices.into_iter().map(Device::autodiff)).unwrap();
        let loss = |layer: &FixedPoint<Cell>, rows: std::ops::Range<usize>, device: &Device| {
            let weight = rows.len() as f64 / 6.0;
            layer.forward(z.clone().slice([rows]).to_device(device)).powi_scalar(2).mean() * weight
        };
        let (loss, gradients) = replicas.step(&layer, replicas.shares(6), loss).unwrap();
        (loss, numbers(&gradients.get::<2>(layer.update().w.id).unwrap()))
    };
    // The module stays here.
    let (loss, gradient) = step(vec![Device::flex()]);
    let [one, two] = [connected().0, connected().0];
    for devices in [vec![one.clone()], vec![one.clone(), two.clone()], vec![Device::flex(), two]] {
        let (found, found_gradient) = step(devices);
        assert!((found - loss).abs() < 1e-14, "{found} and {loss}");
        assert_close(&found_gradient, &gradient, 1e-13, "the gradient of W");
    }
}

#[test]
fn servers_that_cannot_be_used_are_refused_in_one_line() {
    let refused = |address: &str, parts: &[&str]| {
        let error = remote::connect(address).unwrap_err();
        assert!(matches!(error, Error::Server { .. }), "{error:?}");
        let text = error.to_string();
        assert!(!text.contains('\n') && parts.iter().all(|part| text.contains(part)), "{text}");
    };
    let free = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().to_string();
    refused(&free, &[&free, "expected a server"]);
    refused("no host", &["a host and a port"]);
    // Burn's own server takes anybody, but cannot solve.
    let (plain, _) = served(RemoteServer::new([Device::flex()]));
    refused(&plain, &["does not solve", "banach"]);
    let other = RemoteServer::new([Device::flex()]);
    let (other, _) =
        served(other.with_authorizer(|_: burn::server::AuthorizationRequest<'_>| Err("another".into())));
    refused(&other, &["another version", "banach"]);
}

#[test]
fn tensors_move_between_here_and_a_server_unchanged() {
    let (device, _) = connected();
    let x = some([3, 4], 0.2);
    let there: Tensor<2> = x.clone().to_device(&device);
    assert_eq!(numbers(&there.to_device(&Device::flex())), numbers(&x));
}

/// Prints milliseconds of a solve with its gradient: here, by the engine of a server, and by the device loop there.
#[test]
#[ignore = "a measurement, printed for the book's chapter on several machines"]
#[allow(clippy::print_stdout, reason = "a measurement prints")]
fn the_cost_of_a_layer_on_a_server() {
    let (device, mut seen) = connected();
    for [rows, width] in [[12, 32], [64, 256], [256, 512]] {
        for (engine, on) in [
            (Engine::Native, Device::flex()),
            (Engine::Native, device.clone()),
            (Engine::Device, device.clone()),
        ] {
            let config = FixedPointConfig::new().with_engine(engine);
            let w = some([width, width], 1.0) * (2.0 / width as f64);
            let w = Param::from_tensor(w.cast(burn::tensor::DType::F32).autodiff().require_grad());
            let layer = config.init(Cell { w }).unwrap().fork(&on.clone().autodiff());
            let z = some([rows, width], 0.1).cast(burn::tensor::DType::F32).to_device(&on).autodiff();
            let step = || {
                let gradients = layer.forward(z.clone()).square().mean().backward();
                numbers(&layer.update().w.val().grad(&gradients).unwrap().slice([0..1, 0..1]))
            };
            let _ = (step(), step(), reads(&mut seen));
            let begun = std::time::Instant::now();
            let repeats = 20;
            (0..repeats).for_each(|_| drop(step()));
            let milliseconds = begun.elapsed().as_secs_f64() * 1e3 / f64::from(repeats);
            let reads = reads(&mut seen) as f64 / f64::from(repeats);
            println!("{rows:>4} x {width:<4} {engine:?} on {on:?}: {milliseconds:.2} ms, {reads:.1} reads");
        }
    }
}
