//! Devices by their names, and those of this machine.

use crate::error::Error;
use banach::program::panics_as_messages;
use burn::tensor::{Device, Tensor};

/// A kind of device, called as the feature that builds it in. The CPU is always there.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Runtime {
    Cpu,
    Wgpu,
    Vulkan,
    Metal,
    Cuda,
    Rocm,
}

/// The devices of a runtime where the build has it, else none.
macro_rules! enumerate {
    ($feature:literal, $runtime:ident) => {{
        #[cfg(feature = $feature)]
        let devices = Device::enumerate(burn::tensor::DeviceType::$runtime).into_vec();
        #[cfg(not(feature = $feature))]
        let devices = Vec::new();
        devices
    }};
}

impl Runtime {
    pub(crate) const ALL: [Self; 6] =
        [Self::Cpu, Self::Wgpu, Self::Vulkan, Self::Metal, Self::Cuda, Self::Rocm];

    /// The name for `--device`, and of the feature.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Cpu => "cpu",
            Self::Wgpu => "wgpu",
            Self::Vulkan => "vulkan",
            Self::Metal => "metal",
            Self::Cuda => "cuda",
            Self::Rocm => "rocm",
        }
    }

    /// Whether the build has it.
    pub(crate) fn is_built_in(self) -> bool {
        match self {
            Self::Cpu => true,
            Self::Wgpu => cfg!(feature = "wgpu"),
            Self::Vulkan => cfg!(feature = "vulkan"),
            Self::Metal => cfg!(feature = "metal"),
            Self::Cuda => cfg!(feature = "cuda"),
            Self::Rocm => cfg!(feature = "rocm"),
        }
    }

    /// What a device needs of the machine.
    pub(crate) fn needs(self) -> &'static str {
        match self {
            Self::Cpu => "nothing",
            Self::Wgpu => "a driver of Vulkan, Metal, DirectX 12 or OpenGL",
            Self::Vulkan => "a Vulkan driver",
            Self::Metal => "macOS",
            Self::Cuda => "NVIDIA's driver",
            Self::Rocm => "ROCm",
        }
    }

    /// The devices found on this machine, in the order of their indices; none without a driver, or where the build lacks
    /// the runtime.
    pub(crate) fn devices(self) -> Vec<Device> {
        match self {
            Self::Cpu => vec![Device::flex()],
            Self::Wgpu => enumerate!("wgpu", Wgpu),
            Self::Vulkan => enumerate!("vulkan", Vulkan),
            Self::Metal => enumerate!("metal", Metal),
            Self::Cuda => enumerate!("cuda", Cuda),
            Self::Rocm => enumerate!("rocm", Rocm),
        }
    }
}

/// The Burn device called `name`: a runtime, and perhaps an index behind a colon, such as `cuda:1`; without one, the first.
pub(crate) fn named(name: &str) -> Result<Device, Error> {
    let setting = |expected: String, advice: String| Error::Setting {
        found: format!("--device {name}"),
        expected,
        advice,
    };
    let (kind, index) = name.split_once(':').map_or((name, None), |(kind, index)| (kind, Some(index)));
    let kind = if kind == "flex" { Runtime::Cpu.name() } else { kind };
    let built_in = || {
        let names: Vec<&str> =
            { Runtime::ALL }.into_iter().filter(|runtime| runtime.is_built_in()).map(Runtime::name).collect();
        format!("one of: {}", names.join(", "))
    };
    let Some(runtime) = Runtime::ALL.into_iter().find(|runtime| runtime.name() == kind) else {
        return Err(setting(built_in(), "`banach devices` lists them".into()));
    };
    if !runtime.is_built_in() {
        return Err(setting(built_in(), format!("build with `--features {kind}` for it")));
    }
    let Some(index) = index.map_or(Some(0), |index| index.parse::<usize>().ok()) else {
        return Err(setting(
            format!("a whole number behind {kind}:"),
            "`banach devices` lists the devices".into(),
        ));
    };
    let devices = runtime.devices();
    let Some(device) = devices.get(index) else {
        return Err(match devices.len() {
            0 => setting(
                format!("a device of {kind} on this machine"),
                format!("{kind} needs {}", runtime.needs()),
            ),
            1 => setting(
                format!("{kind} or {kind}:0"),
                "there is one such device; `banach devices` lists all".into(),
            ),
            count => setting(format!("an index below {count}"), "`banach devices` lists the devices".into()),
        });
    };
    started(device).map_err(|reason| setting("a device that starts".into(), reason))?;
    Ok(device.clone())
}

/// What the device calls itself.
pub(crate) fn hardware(device: &Device) -> String {
    #[cfg(any(feature = "cuda", feature = "rocm", feature = "wgpu"))]
    if let Some(identity) = device.identity() {
        return identity.name;
    }
    if *device == Device::flex() { "this machine's processor".into() } else { format!("{device:?}") }
}

/// Waits until the device has done what it was told.
pub(crate) fn wait(device: &Device) -> Result<(), Error> {
    device.sync().map_err(|error| Error::Training(format!("the device failed: {error}")))
}

/// Starts a device, by one number written and read, or says why it does not start.
fn started(device: &Device) -> Result<(), String> {
    let number = || Tensor::<1>::ones([1], device).into_data().iter::<f32>().next();
    match panics_as_messages(number)? {
        Some(1.0) => Ok(()),
        found => Err(format!("it returned {found:?} for 1")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn mistake(name: &str) -> String {
        let error = named(name).expect_err("there is no such device");
        assert_eq!(error.exit_code(), 2);
        error.to_string()
    }

    #[test]
    fn an_unknown_device_is_answered_with_those_that_exist() {
        assert!(mistake("abacus").contains("one of: cpu"), "{}", mistake("abacus"));
        assert!(mistake("abacus:1").contains("found --device abacus:1"));
    }

    #[test]
    fn an_index_must_be_a_number_of_a_device_that_exists() {
        assert!(mistake("cpu:1").contains("cpu or cpu:0"), "{}", mistake("cpu:1"));
        for name in ["cpu:", "cpu:x", "cpu:-1", "flex:1.0"] {
            assert!(mistake(name).contains("a whole number behind cpu:"), "{}", mistake(name));
        }
    }

    #[test]
    fn the_cpu_has_two_names() {
        for name in ["cpu", "flex", "cpu:0"] {
            assert_eq!(named(name).unwrap(), Device::flex());
        }
    }

    #[test]
    fn a_runtime_that_is_not_built_in_is_named_as_a_feature() {
        for runtime in Runtime::ALL.into_iter().filter(|runtime| !runtime.is_built_in()) {
            let feature = format!("--features {}", runtime.name());
            assert!(mistake(runtime.name()).contains(&feature) && runtime.devices().is_empty());
        }
    }

    #[test]
    fn a_device_beyond_the_last_is_a_mistake_in_one_line() {
        for runtime in Runtime::ALL.into_iter().filter(|runtime| runtime.is_built_in()) {
            let text = mistake(&format!("{}:{}", runtime.name(), runtime.devices().len() + 7));
            assert!(text.contains(runtime.name()) && !text.contains('\n'), "{text}");
        }
    }
}
