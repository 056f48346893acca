//! Devices by their names.

use crate::error::Error;
use burn::tensor::Device;

#[cfg(feature = "cuda")]
const AVAILABLE: &str = "cpu (also called flex), cuda";
#[cfg(not(feature = "cuda"))]
const AVAILABLE: &str = "cpu (also called flex)";

/// The Burn device called `name`.
pub(crate) fn named(name: &str) -> Result<Device, Error> {
    match name {
        "cpu" | "flex" => Ok(Device::flex()),
        #[cfg(feature = "cuda")]
        "cuda" => Ok(Device::cuda(0)),
        _ => Err(Error::Setting {
            found: format!("--device {name}"),
            expected: format!("one of: {AVAILABLE}"),
            advice: if cfg!(feature = "cuda") {
                "choose one of these".into()
            } else {
                "choose one of these, or build with `--features cuda` for --device cuda".into()
            },
        }),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_unknown_device_is_answered_with_those_that_exist() {
        let error = named("abacus").expect_err("there is no such device");
        assert!(error.to_string().contains("one of: cpu"), "{error}");
        assert_eq!(error.exit_code(), 2);
    }
}
