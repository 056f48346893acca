//! Devices of other processes and machines, whose servers run whole solves on their own engine.
//!
//! A server lends its device; a client moves modules and tensors to the device that [`connect`] returns, and computes as on
//! any device of Burn. A [`FixedPoint`](crate::FixedPoint) there is solved by the server, in one request for the forward solve
//! and one for the adjoint: on a device of Burn's own server, whose numbers a solver has to read one after the other, the same
//! solve takes a round trip for each.
//!
//! ```no_run
//! use banach::remote;
//! use burn::server::WebSocketTransport;
//! use burn::tensor::{Device, Tensor};
//!
//! // One process:
//! let listener = std::net::TcpListener::bind("127.0.0.1:3001").unwrap();
//! remote::server(&Device::flex()).serve(WebSocketTransport::from_listener(listener)).unwrap();
//!
//! // Another one:
//! let device = remote::connect("127.0.0.1:3001")?;
//! let x = Tensor::<2>::ones([2, 3], &device);
//! # Ok::<(), banach::Error>(())
//! ```
//!
//! The protocol is not encrypted, and whoever reaches the port can use the device: keep it on a network that you trust.

use crate::engine::remote_engine::RemoteEngine;
use crate::engine::remote_loop::{greeted, note_server};
use crate::engine::wire::SOLVE;
use crate::error::Error;
use banach_program::{panics_as_messages, with_operation};
use burn::remote::{ConnectError, RemoteHost};
use burn::server::{AuthorizationRequest, Credential, RemoteServer};
use burn::tensor::Device;
use std::net::{TcpStream, ToSocketAddrs};
use std::time::{Duration, Instant};

/// The time in which a server has to accept a connection.
const PATIENCE: Duration = Duration::from_secs(3);
/// The time between attempts, for a server that is just starting.
const PAUSE: Duration = Duration::from_millis(100);

/// What clients and servers of one version present to each other.
fn version() -> String {
    format!("banach {}", env!("CARGO_PKG_VERSION"))
}

/// Returns a server that lends a device of this machine, and runs solves there, for clients of this version of Banach: on a CPU
/// by the native engine, on other devices step by step with few waits. [`serve`](RemoteServer::serve) starts it.
#[must_use]
pub fn server(device: &Device) -> RemoteServer {
    let engine = RemoteEngine::default();
    let expected = Credential::from(version().as_bytes());
    let server =
        RemoteServer::new([device.clone()]).with_authorizer(move |request: AuthorizationRequest<'_>| {
            if *request.credential == expected {
                return Ok(());
            }
            Err(format!("{} is no client of {}", request.client, version()))
        });
    with_operation(server, device, SOLVE, move |operands| engine.answered(operands))
}

/// Connects to the [`server`] at `address`, a host and a port, and returns its device.
///
/// # Errors
/// [`Error::Server`] if nothing answers within three seconds, or something else than a server of this version does.
pub fn connect(address: &str) -> Result<Device, Error> {
    reach(address)?;
    let refused = |found: String, expected: &str| {
        Err(Error::Server { address: address.into(), found, expected: expected.into() })
    };
    let host = RemoteHost::websocket(&format!("ws://{address}")).with_credential(version().as_bytes());
    let device = match Device::remote_options(&host).init() {
        Ok(device) => device,
        Err(ConnectError::Unauthorized) => {
            return refused("a server of another version".into(), &format!("one of {}", version()));
        }
        Err(ConnectError::IncompatibleProtocol { client_version, server_version }) => {
            let found = format!("a server of version {server_version} of Burn's protocol");
            return refused(found, &format!("version {client_version}, that of {}", version()));
        }
        Err(error) => return refused(error.to_string(), &format!("a server of {}", version())),
    };
    // A server of Burn alone ends the session when it is asked to solve.
    match panics_as_messages(|| greeted(&device)) {
        Ok(Ok(_)) => {
            note_server(&device);
            Ok(device)
        }
        Ok(Err(_)) | Err(_) => {
            refused("a server that does not solve".into(), &format!("one of {}", version()))
        }
    }
}

/// Waits until a port accepts connections.
fn reach(address: &str) -> Result<(), Error> {
    let refused = |found: String, expected: &str| Error::Server {
        address: address.into(),
        found,
        expected: expected.into(),
    };
    let found = address.to_socket_addrs();
    let sockets: Vec<_> =
        found.map_err(|error| refused(error.to_string(), "a host and a port, HOST:PORT"))?.collect();
    let begun = Instant::now();
    loop {
        let left = PATIENCE.saturating_sub(begun.elapsed()).max(PAUSE);
        let attempts = sockets.iter().map(|socket| TcpStream::connect_timeout(socket, left));
        let mut failures = vec![];
        for attempt in attempts {
            match attempt {
                Ok(_) => return Ok(()),
                Err(error) => failures.push(error.to_string()),
            }
        }
        if begun.elapsed() >= PATIENCE {
            let found = failures.pop().unwrap_or_else(|| "no address".into());
            return Err(refused(found, "a server; start one there"));
        }
        std::thread::sleep(PAUSE);
    }
}
