//! The networks inside the command. `models/README.md` says what they were trained on.

use crate::error::Error;
use crate::experiments::denoise::{Denoiser, Shape, decode};
use std::path::Path;

/// A description and its weights.
struct Shipped {
    description: &'static [u8],
    weights: &'static [u8],
}

macro_rules! shipped {
    ($($folder:literal)*) => {
        [$(Shipped {
            description: include_bytes!(concat!("../../models/", $folder, "/model.json")),
            weights: include_bytes!(concat!("../../models/", $folder, "/best.bpk")),
        }),*]
    };
}

const SHIPPED: &[Shipped] = &shipped!();

/// The network whose noise level is nearest to `sigma` in its logarithm.
pub(crate) fn nearest(sigma: f64) -> Result<(Shape, Denoiser), Error> {
    let mut found: Option<(f64, (Shape, Denoiser))> = None;
    for Shipped { description, weights } in SHIPPED {
        let network = decode(Path::new("the command itself"), description, weights.to_vec())?;
        let away = (network.0.sigma.typical() / sigma).ln().abs();
        if found.as_ref().is_none_or(|(least, _)| away < *least) {
            found = Some((away, network));
        }
    }
    found.map(|(_, network)| network).ok_or_else(|| Error::Training("bug: no network is shipped".into()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_shipped_network_is_small_and_can_be_used() {
        for Shipped { description, weights } in SHIPPED {
            assert!(weights.len() < 1_000_000, "{} bytes", weights.len());
            decode(Path::new("shipped"), description, weights.to_vec()).unwrap();
        }
        assert_eq!(nearest(200.0).unwrap().0.sigma.typical(), 25.0);
    }
}
