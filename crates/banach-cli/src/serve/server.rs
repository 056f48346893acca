//! A server of a device, until Ctrl-C.

use super::arguments::ServeArguments;
use crate::device;
use crate::error::Error;
use crate::options::Verbosity;
use crate::report::json;
use crate::terminal::interruption::Interruption;
use crate::terminal::output::{say, tell};
use burn::server::WebSocketTransport;
use serde::Serialize;
use std::fmt::Display;
use std::net::TcpListener;
use std::time::Duration;

/// The time between looks at Ctrl-C.
const GLANCE: Duration = Duration::from_millis(50);

/// What is served, and where.
#[derive(Debug, Serialize)]
struct Served<'a> {
    address: String,
    device: &'a str,
}

/// What ends a server early.
fn failed(error: &dyn Display) -> Error {
    Error::Lost(format!("the server failed: {error}"))
}

/// Runs `banach serve`, until Ctrl-C.
pub(crate) fn serve(arguments: &ServeArguments) -> Result<(), Error> {
    let ServeArguments { port, host, device, verbosity: Verbosity { quiet, json } } = arguments;
    let lent = device::named(device)?;
    let interruption = Interruption::listen()?;
    let listener = TcpListener::bind((host.as_str(), *port)).map_err(|error| Error::Setting {
        found: format!("--host {host} --port {port}, where nothing can listen: {error}"),
        expected: "an address of this machine and a free port".into(),
        advice: "choose another port, or 0 for one that is free".into(),
    })?;
    let address = listener.local_addr().map_err(|error| failed(&error))?.to_string();
    if !quiet {
        tell(
            "warning: the protocol is not encrypted, and whoever reaches the port can use the device; serve only in a \
             network that you trust",
        );
    }
    if *json {
        json::say(&Served { address, device })?;
    } else {
        say(format_args!("serves {device} at {address}; Ctrl-C ends it"))?;
    }
    let server = banach::remote::server(&lent);
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build();
    let runtime = runtime.map_err(|error| failed(&error))?;
    let ended = runtime.block_on(async {
        let interrupted = async {
            while !interruption.is_requested() {
                tokio::time::sleep(GLANCE).await;
            }
        };
        tokio::select! {
            ended = server.serve_async(WebSocketTransport::from_listener(listener)) => ended,
            () = interrupted => Ok(()),
        }
    });
    // Sessions that still compute do not hold the command.
    runtime.shutdown_background();
    ended.map_err(|error| failed(&error))
}
