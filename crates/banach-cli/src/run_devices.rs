//! Several devices by their names, with commas between them: those of this machine, and those of servers.

use crate::device::{self, Runtime};
use crate::error::Error;
use burn::tensor::Device;

/// What a device of a server is called, before its host and port.
const REMOTE: &str = "remote:";

/// Devices that a run computes on.
#[derive(Clone, Debug)]
pub(crate) struct Devices {
    /// The devices that compute.
    pub(crate) all: Vec<Device>,
    /// Their names.
    pub(crate) names: Vec<String>,
    /// Whether one of them belongs to another process, and can be lost.
    pub(crate) remote: bool,
}

impl Devices {
    /// The device of the network and its optimizer: the first, but this process where servers share mini-batches. Parameters
    /// then move between here and each server, never from server to server, and none of them can take the network along.
    pub(crate) fn of_the_network(&self) -> Device {
        if self.remote && self.all.len() > 1 { Device::flex() } else { self.all[0].clone() }
    }

    /// The failure of the device at a position, or of one of all, while it computed.
    pub(crate) fn failed(&self, position: Option<usize>, message: &str) -> Error {
        let names = position.map_or_else(|| self.names.join(","), |position| self.names[position].clone());
        Error::Lost(if names.contains(REMOTE) {
            format!("{names} does not answer any more ({message})")
        } else {
            format!("the step on {names} failed: {message}")
        })
    }

    /// Whether mini-batches are computed in shares, apart from the network: on several devices, or on one of another process.
    pub(crate) fn is_shared(&self) -> bool {
        self.remote || self.all.len() > 1
    }
}

/// Returns the devices called `names`: `cpu,cpu`, or `remote:HOST:PORT,HOST:PORT`.
pub(crate) fn named(names: &str) -> Result<Devices, Error> {
    let mut devices = Devices { all: vec![], names: vec![], remote: false };
    let mut before_is_remote = false;
    for name in names.split(',').map(str::trim) {
        let address =
            name.strip_prefix(REMOTE).or_else(|| Some(name).filter(|_| before_is_remote && is_address(name)));
        before_is_remote = address.is_some();
        devices.names.push(address.map_or_else(|| name.into(), |address| format!("{REMOTE}{address}")));
        devices.remote |= before_is_remote;
        devices.all.push(address.map_or_else(|| device::named(name), remote)?);
    }
    Ok(devices)
}

/// Whether a name is a host and a port, rather than a device with an index.
fn is_address(name: &str) -> bool {
    let is_runtime = |host| host == "flex" || Runtime::ALL.iter().any(|runtime| runtime.name() == host);
    name.rsplit_once(':').is_some_and(|(host, port)| port.parse::<u16>().is_ok() && !is_runtime(host))
}

#[cfg(feature = "remote")]
fn remote(address: &str) -> Result<Device, Error> {
    banach::remote::connect(address).map_err(|error| {
        let banach::Error::Server { address, found, expected } = error else { return Error::layer(error) };
        Error::Setting {
            found: format!("{found} at {address}"),
            expected,
            advice: format!("run `banach serve` there, as version {} does", env!("CARGO_PKG_VERSION")),
        }
    })
}

#[cfg(not(feature = "remote"))]
fn remote(address: &str) -> Result<Device, Error> {
    Err(Error::Setting {
        found: format!("--device {REMOTE}{address}"),
        expected: "a build with the feature `remote`".into(),
        advice: "build with `--features remote`, or choose a device of this machine".into(),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_list_holds_a_device_for_each_name() {
        let found = named("cpu, flex").expect("both are the CPU");
        assert_eq!((found.all.len(), found.remote), (2, false));
        assert_eq!(found.all[0], found.all[1]);
        assert!(named("cpu,").is_err() && named("cpu,abacus").is_err());
    }

    #[test]
    fn only_a_host_with_a_port_continues_a_list_of_servers() {
        assert!(is_address("127.0.0.1:3001") && is_address("host:80"));
        assert!(!is_address("cuda:1") && !is_address("cpu") && !is_address("host:none"));
    }
}
